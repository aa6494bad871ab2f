//! The edge: what callers and QStash are told.

mod access;
mod cors;
mod enqueue;
mod events;
mod forged;
mod issuer_away;
mod signature;
mod status;
mod watch;
