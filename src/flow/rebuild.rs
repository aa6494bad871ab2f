//! The store forgot: a push names a job of which there is no record, or an older one. The message carries enough to put
//! the job back; what may have been paid since is looked up or counted as unknown, never simply paid again.

use super::record::{Along, Clock, Loaded, Updated};
use super::{Engine, Fault};
use crate::job::wire::Message;
use crate::job::{self, Event, Failure, Job, JobId, NewJob, Position, Receipt, State};
use crate::kinds::{self, Kind, Start};
use crate::store::keys;
use tokio::time::Instant;

/// How a forgotten job goes on.
pub(super) enum Rebuilt {
    /// The record is back (possibly by another's hand, possibly final): to be judged anew.
    Record(Box<Loaded>),
    /// The job ended and was deleted: nothing is owed to its late pushes.
    Absorbed,
}

/// What the project's pointer says of a job that is to be put back.
pub(super) enum Claimant {
    /// It may be the current job again; the pointer holds this now.
    Free(Option<String>),
    /// A newer job lives.
    Busy,
}

impl Engine {
    pub(super) async fn rebuild(
        &self,
        message: &Message,
        older: Option<Loaded>,
        clock: Clock,
        until: Instant,
    ) -> Result<Rebuilt, Fault> {
        let id = &message.envelope.job_id;
        let limits = &self.settings.limits;
        if older.is_none() {
            let ended = self.store.tombstone(id).await?.is_some_and(|epoch| epoch >= message.envelope.at.epoch);
            if ended || clock.now() > message.deadline + limits.failed_ttl {
                return Ok(Rebuilt::Absorbed);
            }
        }
        let Some(kind) = Kind::parse(&message.kind) else {
            return Err(Fault::Newer(message.envelope.v + 1));
        };
        let mut job = put_together(message, older.as_ref(), kind, clock);
        let mut along = Along::default();
        match self.claimant(&job).await? {
            Claimant::Free(now_holds) => along.take_pointer = Some(now_holds),
            Claimant::Busy => {
                job = job::apply(&job, &record_lost(), clock.now(), limits).unwrap_or(job);
            }
        }
        tracing::warn!(job.id = %id, job.position = %job.at, "the store had lost this job's record; put back from its message");
        let version = older.as_ref().map(|older| older.version);
        match self.create(job, version, clock, &along, until).await? {
            Updated::Applied(loaded, _) | Updated::Refused(_, loaded) => Ok(Rebuilt::Record(loaded)),
            Updated::Missing | Updated::PointerTaken | Updated::Remembered(_) => {
                Err(crate::store::Error::Unavailable("the record changes as it is put back".to_owned()).into())
            }
        }
    }

    /// Whether a job may (again) be its project's current one.
    pub(super) async fn claimant(&self, job: &Job) -> Result<Claimant, Fault> {
        let Some(holds) = self.store.pointer(&keys::pointer(&job.owner, &job.project)).await? else {
            return Ok(Claimant::Free(None));
        };
        let (current, _) = split_pointer(&holds);
        if current != job.id && self.load(&current).await?.0.is_some_and(|other| !other.job.is_final()) {
            return Ok(Claimant::Busy);
        }
        Ok(Claimant::Free(Some(holds)))
    }
}

/// The end of a job that is put back beside a newer live one, for the sake of what it paid.
pub(super) fn record_lost() -> Event {
    let failure = Failure::lasting("record_lost", "the store lost this job, and its project has a newer one");
    Event::Fail { failure }
}

/// A pointer's job and epoch.
pub(super) fn split_pointer(pointer: &str) -> (JobId, u32) {
    let (id, epoch) = pointer.rsplit_once('.').unwrap_or((pointer, "1"));
    (JobId::new(id), epoch.parse().unwrap_or(1))
}

fn put_together(message: &Message, older: Option<&Loaded>, kind: Kind, clock: Clock) -> Job {
    let now = clock.now();
    let at = message.envelope.at;
    let mut job = match older {
        // Only the sending is newer: the rest of the record stands.
        Some(older) if older.job.at == at => older.job.clone(),
        Some(older) => forgotten(message, older.job.ledger.receipts.as_slice(), kind, now),
        None => forgotten(message, &[], kind, now),
    };
    job.at = at;
    job.send = message.envelope.send;
    job.state = State::Waiting;
    job.message.sent = true;
    job.message.spent = false;
    job.message.message_id = None;
    job.rebuilt = true;
    job
}

/// A job of which only the message (and perhaps older receipts) is left.
fn forgotten(message: &Message, older: &[Receipt], kind: Kind, now: u64) -> Job {
    let mut receipts = message.receipts.clone();
    receipts.extend(older.iter().filter(|receipt| !message.receipts.contains(receipt)).cloned());
    let Start { step, plan, stage, possibly_paid } = kind.rebuild(&receipts);
    let new = NewJob {
        id: message.envelope.job_id.clone(),
        owner: message.owner.clone(),
        project: message.project.clone(),
        kind: kind.name(),
        input: message.input.clone(),
        step,
        plan,
        stage,
    };
    let mut job = Job::new(new, now, message.deadline.saturating_sub(now));
    job.created_at = message.created_at;
    job.deadline = message.deadline;
    job.started_at = (message.envelope.at != Position { epoch: 1, seq: 1 }).then_some(now);
    job.ledger = kinds::rebuilt_ledger(&possibly_paid, &receipts, message.envelope.at, now);
    job
}
