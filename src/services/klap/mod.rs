//! Klap, the service that turns one video into short clips.
//!
//! Owns the requests, the shapes on the wire and the sorting of answers. Every created task and export is billed and the
//! API knows no idempotency key, so an error says above all whether money may have been spent. It must never retry by
//! itself: whoever calls it has recorded an intent first and decides what an unknown outcome costs.
mod client;
mod error;
pub mod wire;

pub use client::{Klap, Options};
pub use error::Error;
pub use wire::{Dimensions, EditingOptions, Export, Failure, NewTask, Project, Task, TaskStatus};
