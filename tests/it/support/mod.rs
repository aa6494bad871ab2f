//! What several test modules stand on.
pub mod app;
pub mod before;
pub mod collector;
pub mod described;
pub mod driving;
pub mod issuer;
pub mod postgres;
pub mod processes;
pub mod proxy;
pub mod queue;
pub mod random;
pub mod redis;
pub mod system;
pub mod time;
pub mod watched;
