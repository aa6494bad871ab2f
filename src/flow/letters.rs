//! Dead letters as an operator sees them: the jobs that failed, and what QStash keeps of ours among its own dead letters, joined
//! by label, which is the job's id. What stands on one side only is told as well: a failed job has no entry there once its
//! failure callback has come; an entry has no failed job if its job is forgotten, has moved on, or ended otherwise.

use super::list::Part;
use super::record::Loaded;
use super::{Engine, Fault};
use crate::job::outcome::unsigned;
use crate::job::{Failure, Job, JobId, Judgement, Millis, State, judge, wire};
use crate::kinds::{Kind, Start};
use crate::services::qstash::DeadLetter;
use crate::store::{Place, keys};
use serde_json::Value;
use std::collections::BTreeSet;

/// How much of an answer's words is told.
const WORDS: usize = 300;
/// What an entry's letter is called that belongs to no failed job.
pub(super) const ORPHAN: &str = "dlq:";

/// Where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// A failed job with entries at QStash.
    Both,
    /// A failed job without.
    Job,
    /// An entry without a failed job.
    Queue,
}

/// One dead letter.
#[derive(Debug, Clone, PartialEq)]
pub struct Letter {
    /// The job's id, or `dlq:` and the entry's.
    pub id: String,
    pub side: Side,
    /// The job as it is, if there is a record of it.
    pub job: Option<Box<Job>>,
    /// Whose it is, record or no record.
    pub job_id: Option<JobId>,
    pub dlq_ids: Vec<String>,
    pub step: Option<String>,
    pub code: String,
    pub message: String,
    pub failed_at: Millis,
    /// What the last attempt was answered; `None`: nothing, or it is not known.
    pub response_status: Option<i64>,
    pub replayable: bool,
    /// What a replay of a failed job pays for although that, or what it stands in for, was paid or may have been.
    pub pays_again: Option<String>,
    /// Why not replayable, or of an entry without a failed job what it is.
    pub why: Option<String>,
}

/// Where a page of letters begins: the failed jobs come first, then QStash's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum From {
    Jobs(Option<Place>),
    Queue(Option<String>),
}

#[derive(Debug)]
pub struct Letters {
    pub letters: Vec<Letter>,
    pub next: Option<From>,
    /// QStash could be asked about all of them, in time.
    pub queue_read: bool,
}

impl Engine {
    pub async fn letters(&self, from: From, limit: usize) -> Result<Letters, Fault> {
        match from {
            From::Jobs(before) => self.failed_jobs(before, limit).await,
            From::Queue(cursor) => self.queued_letters(cursor, limit).await,
        }
    }

    async fn failed_jobs(&self, before: Option<Place>, limit: usize) -> Result<Letters, Fault> {
        let part = Part { list: keys::failed_jobs(), since: None, before, limit, at_once: limit };
        // Who failed, was tried again and failed anew is at two places, and belongs to the later.
        let found = self.sift(part, |place, job| is_failed(job) && job.finished_at == Some(place.at())).await?;
        let ids: BTreeSet<JobId> = found.jobs.iter().map(|(_, loaded)| loaded.job.id.clone()).collect();
        let mut next = found.next.map(|place| From::Jobs(Some(place)));
        let room = next.is_none().then(|| limit.saturating_sub(ids.len()));
        let queue = self.join(&ids, room).await;
        let join = |(_, loaded): (_, Loaded)| {
            let entries = queue.of(&loaded.job.id);
            of_job(loaded.job, entries)
        };
        let mut letters: Vec<Letter> = found.jobs.into_iter().map(join).collect();
        if let Some(room) = room {
            // The few of most days need no page of their own.
            if queue.complete && queue.beside(&ids).count() <= room {
                for entry in queue.beside(&ids) {
                    letters.extend(self.orphan(entry).await?);
                }
            } else if !queue.is_empty() {
                next = Some(From::Queue(None));
            }
        }
        Ok(Letters { letters, next, queue_read: !queue.cut })
    }

    async fn queued_letters(&self, cursor: Option<String>, limit: usize) -> Result<Letters, Fault> {
        let Some((entries, cursor)) = self.queue_page(cursor, limit).await else {
            return Ok(Letters { letters: Vec::new(), next: None, queue_read: false });
        };
        let mut letters = Vec::new();
        for entry in &entries {
            letters.extend(self.orphan(entry).await?);
        }
        Ok(Letters { letters, next: cursor.map(|cursor| From::Queue(Some(cursor))), queue_read: true })
    }

    /// What an entry is, if it does not belong to a failed job.
    pub(super) async fn orphan(&self, entry: &DeadLetter) -> Result<Option<Letter>, Fault> {
        let body = entry.message.body_bytes().unwrap_or_default();
        let message = match wire::Message::decode(&body) {
            Ok(message) => message,
            Err(wire::Error::Newer(_)) => return Ok(Some(of_entry(entry, None, (false, "a newer version wrote it")))),
            Err(wire::Error::Garbled(_)) => {
                return Ok(Some(of_entry(entry, None, (false, "no version of this service wrote it"))));
            }
        };
        let id = &message.envelope.job_id;
        let (found, clock) = self.load(id).await?;
        let Some(loaded) = found else {
            let ended = self.store.tombstone(id).await?.is_some_and(|epoch| epoch >= message.envelope.at.epoch);
            let old = clock.now() >= message.deadline + self.settings.limits.failed_ttl;
            let told = match (ended, old) {
                (true, _) => (false, "its job has ended, and the record is deleted"),
                (false, true) => (false, "its job is over for so long that it is not put back"),
                (false, false) => (true, "its job's record is missing"),
            };
            let mut letter = of_entry(entry, None, told);
            (letter.job_id, letter.step) = (Some(id.clone()), Some(message.step.clone()));
            return Ok(Some(letter));
        };
        if is_failed(&loaded.job) {
            return Ok(None);
        }
        let told = self.beside(&loaded, &message);
        let mut letter = of_entry(entry, Some(loaded.job), told);
        letter.step = Some(message.step);
        Ok(Some(letter))
    }

    /// What a message among the dead letters is to its job, which has not failed: whether it can be replayed, and why.
    fn beside(&self, loaded: &Loaded, message: &wire::Message) -> (bool, &'static str) {
        let (push, job) = (message.push(), &loaded.job);
        match judge(job, push, loaded.now(), self.store.opening(), &self.settings.limits) {
            Judgement::OldNews => match job.state {
                State::Done => (false, "its job has completed"),
                State::Cancelled => (false, "its job was cancelled"),
                State::Queued | State::Running { .. } | State::Waiting | State::Failed => {
                    (false, "its job has moved on")
                }
            },
            Judgement::Forgotten => (true, "its job's record is older than this message"),
            Judgement::Leased { .. } => (false, "a delivery is at work on its step"),
            Judgement::Exhausted | Judgement::Expired => {
                (false, "its job is out of attempts or time, and about to fail")
            }
            Judgement::Due if push.send < job.send => (false, "its step was sent anew"),
            Judgement::Due => (true, "its job waits for it"),
        }
    }
}

pub(super) fn is_failed(job: &Job) -> bool {
    job.state == State::Failed
}

/// Where a failed job would go on, or why nothing can help.
pub(super) fn reopened(job: &Job) -> Result<Start, String> {
    let kind = Kind::parse(&job.kind).ok_or("this version does not know its kind")?;
    kind.reopen(job).map_err(|failure| failure.message)
}

/// The label of an entry: a job's id, if it is ours.
pub(super) fn label(entry: &DeadLetter) -> Option<&str> {
    entry.message.label.as_deref().or_else(|| entry.message.labels.first().map(String::as_str))
}

/// A failed job with its entries, which may be none.
pub(super) fn of_job(job: Job, entries: &[DeadLetter]) -> Letter {
    let (pays_again, why) = match reopened(&job) {
        Ok(start) => (start.pays_again, None),
        Err(why) => (None, Some(why)),
    };
    let failure = job.error.clone().unwrap_or_else(|| Failure::retryable("failed", "the job failed"));
    Letter {
        id: job.id.to_string(),
        side: if entries.is_empty() { Side::Job } else { Side::Both },
        job_id: Some(job.id.clone()),
        dlq_ids: entries.iter().map(|entry| entry.dlq_id.clone()).collect(),
        step: Some(job.step.clone()),
        code: failure.code,
        message: failure.message,
        failed_at: job.finished_at.unwrap_or(job.updated_at),
        response_status: entries.iter().rev().find_map(|entry| entry.response_status),
        replayable: why.is_none(),
        pays_again,
        why,
        job: Some(Box::new(job)),
    }
}

fn of_entry(entry: &DeadLetter, job: Option<Job>, (replayable, why): (bool, &str)) -> Letter {
    let (code, message) = cause(entry);
    let job_id = job.as_ref().map(|job| job.id.clone()).or_else(|| label(entry).map(JobId::new));
    Letter {
        id: format!("{ORPHAN}{}", entry.dlq_id),
        side: Side::Queue,
        job: job.map(Box::new),
        job_id,
        dlq_ids: vec![entry.dlq_id.clone()],
        step: None,
        code,
        message,
        failed_at: died_at(entry),
        response_status: entry.response_status,
        replayable,
        pays_again: None,
        why: Some(why.to_owned()),
    }
}

/// Why QStash gave it up: our own worker's words, or how it was answered.
fn cause(entry: &DeadLetter) -> (String, String) {
    let answer = entry.response_bytes().unwrap_or_default();
    let told: Value = serde_json::from_slice(&answer).unwrap_or_default();
    let told = |member: &str| told[member].as_str().map(|text| unsigned(text).chars().take(WORDS).collect::<String>());
    match (told("code"), told("error"), entry.response_status) {
        (Some(code), message, _) => (code, message.unwrap_or_default()),
        (None, _, Some(status)) => (format!("http_{status}"), format!("the worker answered {status}")),
        (None, _, None) => ("no_answer".to_owned(), "the worker did not answer".to_owned()),
    }
}

/// An entry's id begins with the time at which it was made.
pub(super) fn died_at(entry: &DeadLetter) -> Millis {
    let of_id = entry.dlq_id.split_once('-').and_then(|(at, _)| at.parse().ok());
    of_id.or_else(|| entry.message.created_at.and_then(|at| u64::try_from(at).ok())).unwrap_or_default()
}
