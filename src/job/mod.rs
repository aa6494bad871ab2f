//! What a job is: its record, how events move it, what a step may answer, what is written down of paid calls. Pure: no
//! async, no I/O, no clock (`now` is always given), no vendor. A kind's own data (`input`, `plan`) is opaque here.

pub mod event;
pub mod history;
pub mod id;
pub mod ledger;
pub mod machine;
pub mod outcome;
pub mod retry;
pub mod state;
#[cfg(test)]
mod tests;
pub mod usage;
pub mod wire;

pub use event::{Event, Origin, Push, Refused};
pub use history::{By, History, Signed};
pub use id::{JobId, LeaseToken, Millis, OpId, Owner, Position, ProjectId};
pub use ledger::{Ledger, Receipt};
pub use machine::{Judgement, apply, judge};
pub use outcome::{Failure, Outcome, Report, Settlement};
pub use state::{Charge, Job, Lease, Limits, NewJob, Outgoing, State};
pub use usage::Usage;
