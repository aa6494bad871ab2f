//! The only shapes that outlive a process: the stored record and the queue's message, each with its version in front.
//! Golden files in `fixtures/wire` decode for ever. A release writes version N only if the release before reads N;
//! `v`, `jobId`, `epoch`, `seq` and `send` stay readable in every version, so that an old build meeting a new shape knows
//! whom it concerns and leaves it alone.

use super::event::Push;
use super::history::History;
use super::id::{JobId, Millis, Owner, Position, ProjectId};
use super::ledger::Receipt;
use super::state::Job;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The version this build writes, of records and messages alike, and the newest it reads.
pub const VERSION: u32 = 1;

/// What every version of a record or message has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", from = "Flat")]
pub struct Envelope {
    pub v: u32,
    pub job_id: JobId,
    #[serde(flatten)]
    pub at: Position,
    pub send: u32,
}

/// An envelope as it is read. With nothing flattened the rest of a record is skipped; otherwise serde copies it all first.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Flat {
    v: u32,
    job_id: JobId,
    epoch: u32,
    seq: u32,
    send: u32,
}

impl From<Flat> for Envelope {
    fn from(Flat { v, job_id, epoch, seq, send }: Flat) -> Self {
        Self { v, job_id, at: Position { epoch, seq }, send }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Written by a newer build: to be left alone.
    #[error("version {} is newer than this build reads ({VERSION})", .0.v)]
    Newer(Envelope),
    /// Nothing any version wrote.
    #[error("not a record or message of any version: {0}")]
    Garbled(String),
}

/// A record as stored. The history is beside the job: it is most of a record, and is not flattened with the rest.
#[derive(Serialize)]
struct Stored<'job> {
    v: u32,
    #[serde(flatten)]
    job: &'job Job,
    #[serde(skip_serializing_if = "History::is_empty")]
    history: &'job History,
}

#[derive(Deserialize)]
struct Read {
    v: u32,
    #[serde(flatten)]
    job: Job,
    #[serde(default)]
    history: History,
}

pub fn encode_record(job: &Job) -> Vec<u8> {
    to_json(&Stored { v: VERSION, job, history: &job.history })
}

pub fn decode_record(bytes: &[u8]) -> Result<Job, Error> {
    match serde_json::from_slice::<Read>(bytes) {
        Ok(Read { v: 1..=VERSION, job, history }) => Ok(Job { history, ..job }),
        other => {
            check_version(bytes)?;
            Err(Error::Garbled(other.err().map_or_else(String::new, |error| error.to_string())))
        }
    }
}

/// A push's body: enough to run the step, and to put the job's record back if the store has lost it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Message {
    #[serde(flatten)]
    pub envelope: Envelope,
    pub kind: String,
    /// For logs only: which step to run is read from the record.
    pub step: String,
    pub owner: Owner,
    #[serde(rename = "projectId")]
    pub project: ProjectId,
    pub input: Value,
    pub created_at: Millis,
    pub deadline: Millis,
    #[serde(default)]
    pub receipts: Vec<Receipt>,
    /// Paid calls repeated although an earlier one may have been billed.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub possible_duplicates: u32,
    /// How far the job was when this was sent: what callers were told never runs backwards.
    #[serde(default, skip_serializing_if = "is_nothing")]
    pub progress: u8,
    /// What else the kind needs to find its way again; its own shape.
    #[serde(default)]
    pub resume: Value,
    /// The job's trace goes on with whoever takes the push.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<String>,
}

impl Message {
    /// The live message of a job; `resume` is its kind's.
    pub fn of(job: &Job, resume: Value) -> Self {
        Self {
            envelope: Envelope { v: VERSION, job_id: job.id.clone(), at: job.at, send: job.send },
            kind: job.kind.clone(),
            step: job.step.clone(),
            owner: job.owner.clone(),
            project: job.project.clone(),
            input: job.input.clone(),
            created_at: job.created_at,
            deadline: job.deadline,
            receipts: job.ledger.receipts.clone(),
            possible_duplicates: job.ledger.possible_duplicates,
            progress: job.progress,
            resume,
            trace: job.trace.clone(),
        }
    }

    pub fn push(&self) -> Push {
        Push { at: self.envelope.at, send: self.envelope.send }
    }

    pub fn encode(&self) -> Vec<u8> {
        to_json(self)
    }

    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        check_version(bytes)?;
        serde_json::from_slice(bytes).map_err(|error| Error::Garbled(error.to_string()))
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over references")]
fn is_zero(count: &u32) -> bool {
    *count == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over references")]
fn is_nothing(progress: &u8) -> bool {
    *progress == 0
}

fn check_version(bytes: &[u8]) -> Result<(), Error> {
    let envelope: Envelope = serde_json::from_slice(bytes).map_err(|error| Error::Garbled(error.to_string()))?;
    match envelope.v {
        1..=VERSION => Ok(()),
        0 => Err(Error::Garbled("version 0 never was".to_owned())),
        _ => Err(Error::Newer(envelope)),
    }
}

/// Our own shapes have string keys and no failing serializers, so this cannot fail.
#[expect(clippy::expect_used, reason = "derived serializers of string-keyed structs into memory do not fail")]
fn to_json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("a derived serializer into memory")
}
