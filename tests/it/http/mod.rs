//! The edge: what callers and QStash are told.

mod access;
mod cors;
mod enqueue;
mod forged;
mod issuer_away;
mod signature;
mod status;
