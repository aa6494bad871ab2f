//! QStash, or anything that speaks its protocol: publish, look a message up, withdraw it, read the dead letters and the
//! signing keys. Which of the two it is shows only in the address and the token. Errors are sorted here, by status, into
//! what a caller can do about them; what a message means is never known here.

mod client;
mod publish;
mod reply;
mod schedules;
pub mod signature;
pub mod wire;

pub use client::{DeadLetterFilter, Keys, Options, QStash};
pub use publish::Publish;
pub use reply::Error;
pub use schedules::NewSchedule;
pub use wire::{DeadLetter, DeadLetters, Message, Published, Schedule};
