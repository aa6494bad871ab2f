//! The edge: what callers and QStash are told.

mod access;
pub mod admin;
mod admin_joined;
mod admin_letters;
mod bodies;
mod clips;
mod cors;
mod enqueue;
mod events;
mod forged;
mod hardening;
mod issuer_away;
mod limits;
mod list;
mod moved_over;
mod race;
mod shapes;
mod signature;
mod status;
mod stopping;
mod streams;
mod watch;
