//! Everything that can happen to a job, and why an event may change nothing.

use super::history::{By, Signed};
use super::id::{LeaseToken, Millis, Position};
use super::ledger::Receipt;
use super::outcome::{Failure, Report, Settlement};
use super::state::Lease;
use serde_json::Value;

/// What a message from the queue says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Push {
    pub at: Position,
    pub send: u32,
}

/// Everything that can happen to a job.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A delivery takes the step: of the live message, or of one sent before it.
    Claim {
        push: Push,
        lease: Lease,
        from: Origin,
    },
    /// The holder is about to make paid calls.
    Intend {
        token: LeaseToken,
        effects: Vec<String>,
        looked_up: bool,
    },
    /// A paid call was answered: kept whoever brings it, and in whatever state.
    Receive {
        token: LeaseToken,
        receipt: Receipt,
    },
    /// The intended calls were not made after all.
    Withdraw {
        token: LeaseToken,
        effects: Vec<String>,
    },
    /// The holder writes down how far it is; `further`: the attempt got somewhere that no other has to go again.
    Checkpoint {
        token: LeaseToken,
        plan: Value,
        report: Report,
        further: bool,
    },
    /// The holder's step ended.
    Settle {
        token: LeaseToken,
        settlement: Settlement,
    },
    /// The step has had all its attempts, or the job all its time, or its record is lost for good.
    Fail {
        failure: Failure,
        by: By,
    },
    /// The message is published.
    Sent {
        push: Push,
        message_id: String,
    },
    /// The message will not come again. `lease_over`: nobody is at work on the step. The next one is delivered `after`.
    Spent {
        push: Push,
        by: By,
        dlq_id: Option<String>,
        lease_over: bool,
        after: Millis,
    },
    /// The message was looked for, and is still on its way.
    Looked {
        push: Push,
    },
    Cancel {
        by: By,
    },
    /// A person opens a new epoch of a failed job at this step.
    Retry {
        step: &'static str,
        plan: Value,
        stage: String,
        by: By,
    },
}

/// How a delivery came, as far as it is known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origin {
    /// The key it was signed with.
    pub signed: Option<Signed>,
    /// The request's id, which is in the log.
    pub request_id: Option<String>,
}

/// Why an event changes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("the job has ended")]
    Final,
    #[error("the job has not failed")]
    NotFailed,
    #[error("another delivery holds the lease")]
    Fenced,
    #[error("the job has moved on")]
    OldNews,
    #[error("that is known already")]
    Nothing,
    /// A receipt came in meanwhile.
    #[error("that has been paid")]
    Paid,
}
