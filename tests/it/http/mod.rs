//! The edge: what callers and QStash are told.

mod enqueue;
mod signature;
mod status;
