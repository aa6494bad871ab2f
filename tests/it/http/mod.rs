//! The edge: what callers and QStash are told.

mod bodies;
mod enqueue;
mod limits;
mod shapes;
mod signature;
mod status;
