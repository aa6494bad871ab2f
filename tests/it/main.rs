//! The integration tests: one binary, real HTTP on loopback, a real Redis, real MP4s.
mod broker;
mod klap;
mod outbound;
mod source;
mod store;
mod supabase;
