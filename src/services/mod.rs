//! Whom we call.
pub mod klap;
pub mod outbound;
pub mod qstash;
pub mod source;
pub mod supabase;
