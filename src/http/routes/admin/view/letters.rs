//! The JSON of dead letters, and of what became of them.

use super::Reason;
use crate::flow::{Done, Handled, Handlings, Letter, LetterSide, Letters};
use crate::http::view::{JobStatus, time};
use crate::job::JobId;
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

/// A page of dead letters.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = DeadLetterPage)]
pub struct LettersView {
    /// Always true.
    success: bool,
    #[schema(value_type = Vec<LetterView>)]
    letters: Vec<Value>,
    /// This page's, by cause, the most frequent first.
    groups: Vec<Group>,
    /// Where the next page goes on; null: there is none.
    #[schema(required = true)]
    next_cursor: Option<String>,
    qstash: QueueState,
}

/// Whether QStash could be asked, about all of these and in time.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum QueueState {
    Read,
    Unavailable,
}

/// A failed job, an entry of QStash's dead letters, or both.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = DeadLetter)]
pub struct LetterView<'a> {
    /// The job's, or `dlq:` and the entry's.
    id: &'a str,
    side: Side,
    #[schema(required = true)]
    job_id: Option<&'a str>,
    dlq_ids: &'a [String],
    #[schema(required = true, value_type = Option<JobStatus>)]
    job_status: Option<&'a str>,
    #[schema(required = true)]
    project_id: Option<&'a str>,
    #[schema(required = true)]
    owner: Option<&'a str>,
    #[schema(required = true)]
    step: Option<&'a str>,
    cause: Reason<'a>,
    #[schema(format = DateTime)]
    failed_at: String,
    #[schema(required = true)]
    attempts: Option<u32>,
    /// Of the last attempt, as QStash tells it.
    #[schema(required = true)]
    response_status: Option<i64>,
    replayable: bool,
    /// What a replay of a failed job pays for although that, or what it stands in for, was paid or may have been; null: nothing.
    #[schema(required = true)]
    pays_again: Option<&'a str>,
    /// Why it is not replayable; of an entry without a failed job, what it is.
    #[schema(required = true)]
    why: Option<&'a str>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = DeadLetterSide)]
pub enum Side {
    Both,
    /// A failed job without an entry at QStash.
    Job,
    /// An entry at QStash without a failed job.
    Qstash,
}

/// Letters of one cause.
#[derive(Debug, Serialize, ToSchema)]
pub struct Group {
    code: String,
    /// The newest one's.
    message: String,
    count: usize,
}

/// What became of letters.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = HandledLetters)]
pub struct HandledAll {
    /// Always true.
    success: bool,
    dry_run: bool,
    results: Vec<HandledView>,
    /// There are others that were not looked at: ask again.
    more: bool,
    /// Of all: where to go on.
    #[schema(required = true)]
    next_cursor: Option<String>,
    /// Of all: `unavailable` leaves out what rests in QStash's list alone.
    qstash: QueueState,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = HandledLetter)]
pub struct HandledView {
    id: String,
    outcome: Outcome,
    detail: String,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = HandledOutcome)]
pub enum Outcome {
    Replayed,
    Dropped,
    WouldReplay,
    WouldDrop,
    /// There was nothing to do, or it would not help.
    Skipped,
    Failed,
}

pub fn letters(found: &Letters, next_cursor: Option<String>) -> LettersView {
    LettersView {
        success: true,
        letters: found.letters.iter().map(|letter| json!(view(letter))).collect(),
        groups: groups(&found.letters),
        next_cursor,
        qstash: QueueState::of(found.queue_read),
    }
}

impl QueueState {
    fn of(read: bool) -> Self {
        if read { Self::Read } else { Self::Unavailable }
    }
}

fn groups(letters: &[Letter]) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for Letter { code, message, .. } in letters {
        match groups.iter_mut().find(|group| group.code == *code) {
            Some(group) => group.count += 1,
            None => groups.push(Group { code: code.clone(), message: message.clone(), count: 1 }),
        }
    }
    groups.sort_by(|one, other| other.count.cmp(&one.count).then_with(|| one.code.cmp(&other.code)));
    groups
}

fn view(letter: &Letter) -> LetterView<'_> {
    let job = letter.job.as_deref();
    LetterView {
        id: &letter.id,
        side: match letter.side {
            LetterSide::Both => Side::Both,
            LetterSide::Job => Side::Job,
            LetterSide::Queue => Side::Qstash,
        },
        job_id: letter.job_id.as_ref().map(JobId::as_str),
        dlq_ids: &letter.dlq_ids,
        job_status: job.map(|job| job.state.public()),
        project_id: job.map(|job| job.project.as_str()),
        owner: job.map(|job| job.owner.as_str()),
        step: letter.step.as_deref(),
        cause: Reason { code: &letter.code, message: &letter.message },
        failed_at: time(letter.failed_at),
        attempts: job.map(|job| job.attempts),
        response_status: letter.response_status,
        replayable: letter.replayable,
        pays_again: letter.pays_again.as_deref(),
        why: letter.why.as_deref(),
    }
}

pub fn handled(handled: Handlings, dry_run: bool, next_cursor: Option<String>) -> HandledAll {
    let view = |Handled { id, done, detail }| {
        let outcome = match done {
            Done::Replayed => Outcome::Replayed,
            Done::Dropped => Outcome::Dropped,
            Done::WouldReplay => Outcome::WouldReplay,
            Done::WouldDrop => Outcome::WouldDrop,
            Done::Skipped => Outcome::Skipped,
            Done::Failed => Outcome::Failed,
        };
        HandledView { id, outcome, detail }
    };
    let (more, qstash) = (handled.more, QueueState::of(handled.queue_read));
    let results = handled.results.into_iter().map(view).collect();
    HandledAll { success: true, dry_run, results, more, next_cursor, qstash }
}
