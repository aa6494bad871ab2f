//! What an operator does with dead letters: replay them, so that their jobs go on, or drop them. Each by itself: of many asked
//! for at once some may be done and others not, and each is told. A dry run reads the same and changes nothing.

use super::letters::ORPHAN;
use super::onward::Onward;
use super::spent::Again;
use super::{Engine, Fault, Limit, RetryError, Spent};
use crate::job::{By, JobId, Millis, State};
use crate::kinds::Kind;
use crate::services::qstash::DeadLetter;
use crate::store::Expected;
use std::time::Duration;
use tokio::time::{Instant, timeout, timeout_at};

/// Letters seen to in one request.
pub const LETTERS_MAX: usize = 50;
/// How long one request begins with another letter. With one in hand then, it is still answered in the 20 s that the dashboard
/// waits, unless QStash does not answer at all.
pub const LONGEST: Duration = Duration::from_secs(8);
/// For looking an entry up, and for taking all of a job's away.
const PATIENCE: Duration = Duration::from_secs(4);

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handling {
    Replay,
    Drop,
}

/// With which letters.
#[derive(Debug, Clone)]
pub enum Chosen {
    These(Vec<String>),
    /// All that can be, or those that failed for this code; from the newest, or from there on.
    All {
        code: Option<String>,
        from: Option<Onward>,
    },
}

/// What became of a letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Done {
    Replayed,
    Dropped,
    WouldReplay,
    WouldDrop,
    /// There is nothing to be done about it, or it would not help.
    Skipped,
    Failed,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handled {
    pub id: String,
    pub done: Done,
    pub detail: String,
}

#[derive(Debug)]
pub struct Handlings {
    pub results: Vec<Handled>,
    /// There are others, which were not looked at.
    pub more: bool,
    /// Of all: where to go on.
    pub next: Option<Onward>,
    /// Of all: QStash could be asked, as far as it was.
    pub queue_read: bool,
}

type Outcome = (Done, String);

impl Engine {
    /// `longest`: how long to begin with another letter. However short, one is seen to, so that asking again gets on.
    pub async fn handle(
        &self,
        handling: Handling,
        chosen: Chosen,
        dry_run: bool,
        longest: Duration,
    ) -> Result<Handlings, Fault> {
        let ids = match chosen {
            Chosen::These(ids) => ids,
            Chosen::All { code, from } => {
                let all = self.handle_all((handling, dry_run), code.as_deref(), from, longest);
                return Box::pin(all).await;
            }
        };
        let end = Instant::now() + longest;
        let mut results = Vec::new();
        for id in ids.iter().take(LETTERS_MAX) {
            if !results.is_empty() && Instant::now() >= end {
                break;
            }
            results.push(self.handle_one(handling, id, dry_run, None).await);
        }
        let more = results.len() < ids.len();
        Ok(Handlings { results, more, next: None, queue_read: true })
    }

    /// `failed_at`: a job that has failed anew since is left alone.
    pub(super) async fn handle_one(
        &self,
        handling: Handling,
        id: &str,
        dry_run: bool,
        failed_at: Option<Millis>,
    ) -> Handled {
        let (done, detail) = match id.strip_prefix(ORPHAN) {
            Some(entry) => self.handle_entry(handling, entry, dry_run).await,
            None => Box::pin(self.handle_job(handling, &JobId::new(id), dry_run, failed_at)).await,
        }
        .unwrap_or_else(|fault| (Done::Failed, fault.to_string()));
        Handled { id: id.to_owned(), done, detail }
    }

    async fn handle_job(
        &self,
        handling: Handling,
        id: &JobId,
        dry_run: bool,
        failed_at: Option<Millis>,
    ) -> Result<Outcome, Fault> {
        let (Some(loaded), _) = self.load(id).await? else {
            return Ok((Done::Skipped, "there is no such job".to_owned()));
        };
        if loaded.job.state != State::Failed {
            return Ok((Done::Skipped, format!("the job is {}", loaded.job.state.public())));
        }
        if failed_at.is_some_and(|at| loaded.job.finished_at != Some(at)) {
            return Ok((Done::Skipped, "somebody else was first, and it has failed anew".to_owned()));
        }
        match handling {
            Handling::Replay => {
                let start = Kind::parse(&loaded.job.kind).map(|kind| kind.reopen(&loaded.job));
                match start {
                    Some(Ok(start)) if dry_run => {
                        let (step, epoch) = (start.step, loaded.job.at.epoch + 1);
                        let pays = pays(start.pays_again.as_deref());
                        Ok((Done::WouldReplay, format!("from the step {step} in epoch {epoch}{pays}")))
                    }
                    Some(Err(failure)) => Ok((Done::Skipped, format!("it would not help: {}", failure.message))),
                    Some(Ok(start)) => self.replay_job(id, start.pays_again.as_deref()).await,
                    None => self.replay_job(id, None).await,
                }
            }
            Handling::Drop if dry_run => {
                let entries = self.entries_labelled(id).await.map_or(0, |entries| entries.len());
                Ok((Done::WouldDrop, format!("the job's record and {}", counted(entries))))
            }
            Handling::Drop => {
                if !self.store.delete(id, Expected::Version(loaded.version)).await? {
                    return Ok((Done::Skipped, "the job has changed meanwhile".to_owned()));
                }
                let entries = self.take_away(id).await;
                Ok((Done::Dropped, format!("the job's record, and {entries}")))
            }
        }
    }

    async fn replay_job(&self, id: &JobId, pays_again: Option<&str>) -> Result<Outcome, Fault> {
        let refused = |why: String| Ok((Done::Failed, why));
        match self.retry(id, None).await {
            Ok(job) => {
                let entries = self.take_away(id).await;
                let (step, epoch, pays) = (&job.step, job.at.epoch, pays(pays_again));
                Ok((Done::Replayed, format!("it goes on from the step {step} in epoch {epoch}{pays}; {entries}")))
            }
            Err(RetryError::NotFound) => Ok((Done::Skipped, "there is no such job".to_owned())),
            Err(RetryError::NotFailed) => Ok((Done::Skipped, "somebody else was first".to_owned())),
            Err(RetryError::Hopeless(failure)) => {
                Ok((Done::Skipped, format!("it would not help: {}", failure.message)))
            }
            Err(RetryError::ProjectBusy(other)) => refused(format!("another job of its project is running: {other}")),
            Err(RetryError::Limited(Limit::Queue)) => refused("as many jobs are live as may be".to_owned()),
            Err(RetryError::Limited(Limit::Budget { .. })) => refused("what may be spent today is spent".to_owned()),
            Err(RetryError::Fault(fault)) => Err(fault),
        }
    }

    async fn handle_entry(&self, handling: Handling, dlq_id: &str, dry_run: bool) -> Result<Outcome, Fault> {
        let entry = match timeout(PATIENCE, self.services.qstash.dead_letter(dlq_id)).await {
            Ok(Ok(Some(entry))) => entry,
            Ok(Ok(None)) => return Ok((Done::Skipped, "QStash has no such dead letter".to_owned())),
            Ok(Err(error)) => return Ok((Done::Failed, format!("QStash could not be asked: {error}"))),
            Err(_) => return Ok((Done::Failed, "QStash did not answer in time".to_owned())),
        };
        if entry.message.url != self.settings.worker_url.as_str() {
            return Ok((Done::Skipped, "it is not for this service's worker".to_owned()));
        }
        let Some(letter) = self.orphan(&entry).await? else {
            let job = entry.message.label.as_deref().unwrap_or("its job");
            return Ok((Done::Skipped, format!("its job has failed; name the job instead: {job}")));
        };
        let why = letter.why.unwrap_or_default();
        match handling {
            Handling::Replay if !letter.replayable => Ok((Done::Skipped, why)),
            Handling::Replay if dry_run => Ok((Done::WouldReplay, why)),
            Handling::Replay => self.replay_entry(&entry).await,
            Handling::Drop if dry_run => Ok((Done::WouldDrop, why)),
            Handling::Drop => match self.delete_entry(dlq_id).await {
                Ok(true) => Ok((Done::Dropped, why)),
                Ok(false) => Ok((Done::Skipped, "somebody else was first".to_owned())),
                Err(error) => Ok((Done::Failed, error)),
            },
        }
    }

    /// As if its failure callback had come, but at once: a missing record is put back, and the step sent anew.
    async fn replay_entry(&self, entry: &DeadLetter) -> Result<Outcome, Fault> {
        let body = entry.message.body_bytes().unwrap_or_default();
        let outcome = match self.spent(&body, None, Some(&entry.dlq_id), (By::Operator, Again::Now)).await? {
            Spent::SentAnew { published: true } => (Done::Replayed, "its step is sent anew".to_owned()),
            Spent::SentAnew { published: false } => {
                (Done::Replayed, "its step is recorded to be sent anew; the sweep publishes it".to_owned())
            }
            Spent::Noted => (Done::Skipped, "its job has ended or moved on".to_owned()),
            Spent::Leased => return Ok((Done::Skipped, "a delivery is at work on its step".to_owned())),
            Spent::Failed => (Done::Failed, "its job was out of attempts or time, and has failed".to_owned()),
            Spent::Unreadable => return Ok((Done::Skipped, "no version of this service wrote it".to_owned())),
        };
        self.settled(&entry.dlq_id).await;
        Ok(outcome)
    }

    /// Takes a job's entries out of QStash; what became of it in words.
    async fn take_away(&self, id: &JobId) -> String {
        let end = Instant::now() + PATIENCE;
        let Ok(Some(entries)) = timeout_at(end, self.entries_labelled(id)).await else {
            return "QStash's entries could not be looked for; the sweep takes them away".to_owned();
        };
        let mut left = 0;
        for entry in &entries {
            let taken = timeout_at(end, self.delete_entry(&entry.dlq_id)).await;
            left += usize::from(!matches!(taken, Ok(Ok(_))));
        }
        match left {
            0 => format!("{} taken away", counted(entries.len())),
            left => format!("{} could not be taken away", counted(left)),
        }
    }

    async fn delete_entry(&self, dlq_id: &str) -> Result<bool, String> {
        match timeout(PATIENCE, self.services.qstash.delete_dead_letter(dlq_id)).await {
            Ok(deleted) => deleted.map_err(|error| format!("QStash could not be asked: {error}")),
            Err(_) => Err("QStash did not answer in time".to_owned()),
        }
    }
}

fn pays(again: Option<&str>) -> String {
    again.map_or_else(String::new, |what| format!(", and pays for {what}"))
}

fn counted(entries: usize) -> String {
    match entries {
        1 => "1 entry at QStash".to_owned(),
        entries => format!("{entries} entries at QStash"),
    }
}
