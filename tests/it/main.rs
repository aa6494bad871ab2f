//! The integration tests: one binary, real HTTP on loopback, a real Redis, real MP4s.
mod broker;
mod cutter;
mod klap;
mod signature;
mod store;
mod supabase;
