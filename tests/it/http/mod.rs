//! The edge: what callers and QStash are told.

mod enqueue;
mod events;
mod signature;
mod status;
mod watch;
