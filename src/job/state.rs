//! The record of a job, and what can be read off it.

use super::history::{Entry, History, What};
use super::id::{JobId, LeaseToken, Millis, Owner, Position, ProjectId};
use super::ledger::Ledger;
use super::outcome::Failure;
use super::usage::Usage;
use crate::sabotage::{self, Sabotage};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One job, whole. Its serialized form is the stored record of version 1 (`wire.rs`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Job {
    #[serde(rename = "jobId")]
    pub id: JobId,
    pub owner: Owner,
    #[serde(rename = "projectId")]
    pub project: ProjectId,
    pub kind: String,
    /// What the caller asked for; the kind's own shape.
    pub input: Value,
    #[serde(flatten)]
    pub at: Position,
    /// How often this position's message has been sent anew (1: once).
    pub send: u32,
    /// What the live message asks for.
    pub step: String,
    pub state: State,
    /// Claims of this step since it last got anywhere.
    pub attempts: u32,
    /// Waits in a row for a vendor that is away.
    #[serde(default)]
    pub waits: u32,
    pub message: Outgoing,
    #[serde(default)]
    pub ledger: Ledger,
    /// How far the kind has come; its own shape.
    pub plan: Value,
    pub progress: u8,
    pub stage: String,
    /// The last attempt's failure, or the final one.
    #[serde(default)]
    pub error: Option<Failure>,
    /// No claim made before can still be at work after this time.
    #[serde(default)]
    pub leased_until: Millis,
    /// Put back from a push after the store had lost it.
    #[serde(default)]
    pub rebuilt: bool,
    pub created_at: Millis,
    pub updated_at: Millis,
    /// When the first step of this epoch was first claimed.
    #[serde(default)]
    pub started_at: Option<Millis>,
    pub deadline: Millis,
    #[serde(default)]
    pub finished_at: Option<Millis>,
    /// What is counted for it where a day's spending is limited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub charge: Option<Charge>,
    #[serde(default, skip_serializing_if = "Usage::is_nothing")]
    pub usage: Usage,
    /// In the stored record it is beside the job.
    #[serde(skip)]
    pub history: History,
    /// Where the job stands in a trace, as it came: nothing is read into it here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<String>,
}

/// What a job counts for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Charge {
    /// The UTC day on which it was accepted, from the epoch.
    pub day: u64,
    /// At the list price, over all its days.
    pub cents: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "name")]
pub enum State {
    /// Accepted, no step claimed yet.
    Queued,
    /// A delivery is at work under this lease, or was when it died.
    Running {
        lease: Lease,
    },
    /// Between steps, or between attempts of one.
    Waiting,
    Done,
    Failed,
    Cancelled,
}

impl State {
    /// The five states callers know.
    pub fn public(&self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running { .. } | Self::Waiting => "processing",
            Self::Done => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

/// A delivery's right to write a job's state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Lease {
    pub token: LeaseToken,
    pub until: Millis,
    /// The opening of the store it was given in: a store held by one process knows that leases of another are over.
    pub opening: String,
}

impl Lease {
    pub fn holds(&self, now: Millis, opening: &str) -> bool {
        now < self.until && self.opening == opening
    }
}

/// The job's one live message: what the outbox has to publish, and what is known of it since.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Outgoing {
    /// Not to be delivered before.
    pub not_before: Millis,
    /// Published, as far as we know.
    #[serde(default)]
    pub sent: bool,
    /// QStash's id, if its answer reached us.
    #[serde(default)]
    pub message_id: Option<String>,
    /// It will not come again: its redeliveries are used up, or QStash does not know it.
    #[serde(default)]
    pub spent: bool,
    /// Where it rests in QStash's dead letters.
    #[serde(default)]
    pub dlq_id: Option<String>,
    /// How often the sweep has looked for it or sent it anew.
    #[serde(default)]
    pub looks: u32,
    /// When the sweep looks next.
    pub look_at: Millis,
}

impl Outgoing {
    /// A message to be published now and delivered at `not_before`.
    pub fn new(not_before: Millis, now: Millis) -> Self {
        Self { not_before, sent: false, message_id: None, spent: false, dlq_id: None, looks: 0, look_at: now }
    }
}

/// What a new job starts with.
#[derive(Debug, Clone)]
pub struct NewJob {
    pub id: JobId,
    pub owner: Owner,
    pub project: ProjectId,
    pub kind: &'static str,
    pub input: Value,
    pub step: &'static str,
    pub plan: Value,
    pub stage: String,
}

/// The ceilings a job lives under; durations in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    pub max_attempts: u32,
    /// From an epoch's first claim.
    pub job_timeout: Millis,
    /// From acceptance to the first claim.
    pub queue_timeout: Millis,
    /// How long an ended job stays.
    pub done_ttl: Millis,
    pub failed_ttl: Millis,
}

impl Job {
    /// A job just accepted; it fails if no claim is made within `patience` milliseconds.
    pub fn new(new: NewJob, now: Millis, patience: Millis) -> Self {
        let mut job = Self {
            id: new.id,
            owner: new.owner,
            project: new.project,
            kind: new.kind.to_owned(),
            input: new.input,
            at: Position { epoch: 1, seq: 1 },
            send: 1,
            step: new.step.to_owned(),
            state: State::Queued,
            attempts: 0,
            waits: 0,
            message: Outgoing::new(now, now),
            ledger: Ledger::default(),
            plan: new.plan,
            progress: 0,
            stage: new.stage,
            error: None,
            leased_until: 0,
            rebuilt: false,
            created_at: now,
            updated_at: now,
            started_at: None,
            deadline: now + patience,
            finished_at: None,
            charge: None,
            usage: Usage::default(),
            history: History::default(),
            trace: None,
        };
        job.history.add(Entry::new(&job, What::Accepted, now));
        job
    }

    pub fn is_final(&self) -> bool {
        matches!(self.state, State::Done | State::Failed | State::Cancelled)
    }

    /// The lease, if it still holds.
    pub fn lease(&self, now: Millis, opening: &str) -> Option<&Lease> {
        match &self.state {
            State::Running { lease } if lease.holds(now, opening) => Some(lease),
            _ => None,
        }
    }

    /// Recorded, but not yet published as far as we know.
    pub fn unsent(&self) -> bool {
        !self.is_final() && !self.message.sent
    }

    /// What makes QStash take a repeated publish for the same one. Never used again for other work.
    pub fn deduplication_id(&self) -> String {
        format!("{}.{}.{}", self.id, self.at, self.send)
    }

    /// What the project's pointer holds while this job is the current one.
    pub fn pointer(&self) -> String {
        format!("{}.{}", self.id, self.at.epoch)
    }

    /// When the sweep must look at it; `None` once final.
    pub fn due(&self) -> Option<Millis> {
        if self.is_final() {
            return None;
        }
        let look = match &self.state {
            State::Running { lease } if self.message.spent => lease.until,
            State::Running { lease } => lease.until.max(self.message.look_at),
            _ => self.message.look_at,
        };
        Some(look.min(self.deadline.max(self.leased_until)))
    }

    /// Before this time nothing can change, as far as we know; `None` once final.
    pub fn next_update_at(&self, now: Millis) -> Option<Millis> {
        match self.state {
            _ if self.is_final() => None,
            State::Running { .. } => Some(now + 1_000),
            _ => Some(self.message.not_before.max(now + 1_000)),
        }
    }

    /// How long an ended job stays from `now`; `None` while it lives.
    pub fn remaining_ttl(&self, now: Millis, limits: &Limits) -> Option<Millis> {
        if sabotage::is(Sabotage::LiveExpires) && !self.is_final() {
            return Some(limits.done_ttl);
        }
        let finished_at = self.finished_at.filter(|_| self.is_final())?;
        let ttl = if self.state == State::Failed { limits.failed_ttl } else { limits.done_ttl };
        Some((finished_at + ttl).saturating_sub(now).max(1_000))
    }
}
