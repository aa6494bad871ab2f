//! The edge: what callers and QStash are told.

mod clips;
mod enqueue;
mod events;
mod list;
mod race;
mod signature;
mod status;
mod streams;
mod watch;
