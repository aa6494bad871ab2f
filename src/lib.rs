//! Cliprelay.
pub mod embedded;
pub mod flow;
pub mod job;
pub mod kinds;
pub mod services;
pub mod store;
