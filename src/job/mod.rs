//! What a job is. Pure: no async, no I/O, no clock, no vendor.
pub mod id;
