//! The JSON that operators are told: a job as a row and whole, what happened to it, what it cost, what was done by hand.

pub mod letters;

use crate::flow::{Deed, PublicClip, Status};
use crate::http::view::{JobStatus, time};
use crate::job::history::{By, Ended, Entry, History, Signed, What};
use crate::job::outcome::unsigned;
use crate::job::{Failure, Millis};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

/// A job in a list.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = JobRow)]
pub struct Row<'a> {
    job_id: &'a str,
    project_id: &'a str,
    owner: &'a str,
    kind: &'a str,
    #[schema(value_type = JobStatus)]
    status: &'a str,
    /// What is being done, for people.
    stage: &'a str,
    /// The same for programs.
    step: &'a str,
    #[schema(minimum = 0, maximum = 100)]
    progress: u8,
    /// Attempts of this step since it last got anywhere.
    attempts: u32,
    /// Each retry by a person opens the next.
    epoch: u32,
    /// Each step that ends opens the next.
    seq: u32,
    /// How often this step's message was made.
    send: u32,
    /// The last attempt's error, or what the job failed for.
    #[schema(required = true)]
    error: Option<&'a str>,
    #[schema(required = true)]
    error_detail: Option<&'a Failure>,
    clips_stored: usize,
    clips_failed: usize,
    clips_total: usize,
    possible_duplicate_charge: u32,
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(format = DateTime)]
    updated_at: String,
    /// When the first step of this epoch was begun.
    #[schema(required = true, format = DateTime)]
    started_at: Option<String>,
    #[schema(required = true, format = DateTime)]
    completed_at: Option<String>,
    /// When it fails at the latest.
    #[schema(format = DateTime)]
    deadline: String,
    #[schema(required = true, format = DateTime)]
    next_update_at: Option<String>,
    /// QStash's, of the live message.
    #[schema(required = true)]
    message_id: Option<&'a str>,
    /// Where that message rests among the dead letters.
    #[schema(required = true)]
    dlq_id: Option<&'a str>,
}

/// A page of all jobs.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = JobRows)]
pub struct Rows {
    /// Always true.
    pub success: bool,
    #[schema(value_type = Vec<Row>)]
    pub jobs: Vec<Value>,
    /// Where the next page goes on; null: there is none.
    #[schema(required = true)]
    pub next_cursor: Option<String>,
}

/// A job with all that is known of it.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = WholeJob)]
pub struct Whole<'a> {
    /// Always true.
    success: bool,
    job: InFull<'a>,
    /// What happened to it, oldest first.
    timeline: Vec<Happened<'a>>,
    /// Older entries are no longer kept.
    timeline_cut: bool,
    cost: Cost,
}

/// A row, and what has no place in one.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = JobInFull)]
pub struct InFull<'a> {
    #[serde(flatten)]
    row: Row<'a>,
    #[schema(value_type = Vec<PublicClip>)]
    clips: &'a [Value],
    /// What was asked for; of each address only what stands before its query.
    #[schema(value_type = Object)]
    input: Value,
    message: LiveMessage<'a>,
    /// Of a failed job: what a retry pays for although that, or what it stands in for, was paid or may have been; null: nothing.
    #[schema(required = true)]
    pays_again: Option<String>,
}

/// The job's message as it is known.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LiveMessage<'a> {
    /// It is not delivered before.
    #[schema(format = DateTime)]
    not_before: String,
    /// It is published.
    sent: bool,
    #[schema(required = true)]
    message_id: Option<&'a str>,
    /// It will not come again.
    spent: bool,
    #[schema(required = true)]
    dlq_id: Option<&'a str>,
    /// How often the sweep looked for it or sent it anew.
    looks: u32,
    /// When the sweep looks next.
    #[schema(format = DateTime)]
    look_at: String,
}

/// One thing that happened to a job.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Happened)]
pub struct Happened<'a> {
    #[schema(format = DateTime)]
    at: String,
    what: What,
    step: &'a str,
    epoch: u32,
    seq: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    send: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    attempt: Option<u32>,
    /// From the claim to the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    duration_ms: Option<Millis>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    outcome: Option<Ended>,
    /// Seconds until the next message is to be delivered.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    after: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    error: Option<Reason<'a>>,
    /// A paid call; of `stored`, the clip.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    effect: Option<&'a str>,
    /// The vendor's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    receipt: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    message_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    by: Option<By>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    signed_with: Option<Signed>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    request_id: Option<&'a str>,
}

/// Why something failed.
#[derive(Serialize, ToSchema)]
#[schema(as = Cause)]
pub struct Reason<'a> {
    pub code: &'a str,
    pub message: &'a str,
}

/// What a job has cost by now.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Cost {
    /// Published to QStash.
    messages: u32,
    /// To the store, for what was written of the job and read before; who watches it is not counted.
    store_round_trips: u32,
    /// What a Redis ran for them.
    redis_commands: u32,
    /// Paid calls, those that may have been billed included.
    klap_calls: usize,
    /// At Klap's list price.
    klap_usd: f64,
    possible_duplicate_charge: u32,
    bytes_stored: u64,
}

/// Jobs that were deleted, or would be.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Purged)]
pub struct PurgedView {
    /// Always true.
    pub success: bool,
    pub dry_run: bool,
    pub purged: usize,
    /// Their ids.
    pub jobs: Vec<String>,
    /// There may be others: ask again.
    pub more: bool,
    /// Where to go on; null: there are none.
    #[schema(required = true)]
    pub next_cursor: Option<String>,
}

/// What operators did, the newest first.
#[derive(Serialize, ToSchema)]
#[schema(as = Audit)]
pub struct Deeds {
    /// Always true.
    pub success: bool,
    pub entries: Vec<DeedView>,
}

/// One thing an operator did.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = AuditEntry)]
pub struct DeedView {
    #[schema(format = DateTime)]
    at: String,
    /// `cancel`, `retry`, `purge`, `replay` or `drop`.
    action: String,
    /// A job's or letter's id, or how many in words.
    target: String,
    outcome: String,
    /// Of many, each that something was done to; empty of one.
    #[schema(max_items = 100)]
    ids: Vec<String>,
    request_id: String,
}

impl From<Deed> for DeedView {
    fn from(deed: Deed) -> Self {
        let Deed { at, action, target, outcome, ids, request_id } = deed;
        Self { at: time(at), action, target, outcome, ids, request_id }
    }
}

pub fn row(status: &Status) -> Value {
    json!(of(status))
}

fn of(status: &Status) -> Row<'_> {
    let (job, view) = (&status.job, &status.view);
    Row {
        job_id: job.id.as_str(),
        project_id: job.project.as_str(),
        owner: job.owner.as_str(),
        kind: &job.kind,
        status: job.state.public(),
        stage: &job.stage,
        step: &job.step,
        progress: job.progress,
        attempts: job.attempts,
        epoch: job.at.epoch,
        seq: job.at.seq,
        send: job.send,
        error: job.error.as_ref().map(|error| error.message.as_str()),
        error_detail: job.error.as_ref(),
        clips_stored: view.clips_stored,
        clips_failed: view.clips_failed,
        clips_total: view.clips.len(),
        possible_duplicate_charge: job.ledger.possible_duplicates,
        created_at: time(job.created_at),
        updated_at: time(job.updated_at),
        started_at: job.started_at.map(time),
        completed_at: job.finished_at.map(time),
        deadline: time(job.deadline),
        next_update_at: status.next_update_at.map(time),
        message_id: job.message.message_id.as_deref(),
        dlq_id: job.message.dlq_id.as_deref(),
    }
}

pub fn whole(status: &Status) -> Value {
    let (job, message) = (&status.job, &status.job.message);
    let message = LiveMessage {
        not_before: time(message.not_before),
        sent: message.sent,
        message_id: message.message_id.as_deref(),
        spent: message.spent,
        dlq_id: message.dlq_id.as_deref(),
        looks: message.looks,
        look_at: time(message.look_at),
    };
    let (input, pays_again) = (plain(&job.input), status.pays_again());
    let in_full = InFull { row: of(status), clips: &status.view.clips, input, message, pays_again };
    json!(Whole {
        success: true,
        job: in_full,
        timeline: (0..job.history.entries.len()).filter_map(|n| happened(&job.history, n)).collect(),
        timeline_cut: job.history.cut > 0,
        cost: cost(status),
    })
}

fn happened(history: &History, n: usize) -> Option<Happened<'_>> {
    let entry: &Entry = history.entries.get(n)?;
    Some(Happened {
        at: time(entry.at),
        what: entry.what,
        step: &entry.step,
        epoch: entry.position.epoch,
        seq: entry.position.seq,
        send: entry.send,
        attempt: entry.attempt,
        duration_ms: history.took(n),
        outcome: entry.outcome,
        after: entry.after.map(seconds),
        error: entry.error.as_ref().map(|error| Reason { code: &error.code, message: &error.message }),
        effect: entry.effect.as_deref(),
        receipt: entry.receipt.as_deref(),
        message_id: entry.message_id.as_deref(),
        by: entry.by,
        signed_with: entry.signed_with,
        request_id: entry.request_id.as_deref(),
    })
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
fn seconds(span: Millis) -> f64 {
    span as f64 / 1_000.0
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
fn cost(status: &Status) -> Cost {
    let (job, usage) = (&status.job, status.job.usage);
    Cost {
        messages: usage.messages,
        store_round_trips: usage.trips,
        redis_commands: usage.commands,
        klap_calls: job.ledger.receipts.len() + job.ledger.intents.len(),
        klap_usd: status.cents_paid() as f64 / 100.0,
        possible_duplicate_charge: job.ledger.possible_duplicates,
        bytes_stored: status.view.bytes_stored,
    }
}

/// What was asked for, without what opens a door.
fn plain(input: &Value) -> Value {
    match input {
        Value::String(text) => Value::String(unsigned(text)),
        Value::Array(items) => items.iter().map(plain).collect(),
        Value::Object(members) => {
            members.iter().map(|(name, value)| (name.clone(), plain(value))).collect::<serde_json::Map<_, _>>().into()
        }
        other => other.clone(),
    }
}
