//! What several test modules stand on.
pub mod processes;
pub mod redis;
pub mod system;
