//! Cliprelay.
pub mod embedded;
pub mod job;
pub mod services;
pub mod store;
