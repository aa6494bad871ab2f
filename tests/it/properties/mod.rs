//! What holds of any input at the edges, by random ones: the parsers that strangers reach, and the shapes that outlive us.

mod bodies;
mod durations;
mod expressions;
mod failures;
mod films;
mod retry_after;
mod signature;
mod wire;
