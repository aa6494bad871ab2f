//! What several test modules stand on.
pub mod app;
pub mod driving;
pub mod queue;
pub mod redis;
pub mod time;
pub mod watched;
