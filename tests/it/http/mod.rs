//! The edge: what callers and QStash are told.

mod access;
mod bodies;
mod cors;
mod enqueue;
mod events;
mod forged;
mod issuer_away;
mod limits;
mod shapes;
mod signature;
mod status;
mod watch;
