//! The store forgot: a push names a job of which there is no record, or an older one. The message carries enough to put
//! the job back; what may have been paid since is looked up or counted as unknown, never simply paid again.

use super::record::{Along, Clock, Loaded, Updated};
use super::{Engine, Fault};
use crate::job::history::{Entry, What};
use crate::job::wire::Message;
use crate::job::{self, By, Event, Failure, History, Job, JobId, NewJob, State};
use crate::kinds::{Kind, Start};
use crate::sabotage::{self, Sabotage};
use crate::store::{Expected, keys};
use tokio::time::Instant;

/// How a forgotten job goes on.
pub(super) enum Rebuilt {
    /// The record is back (possibly by another's hand, possibly final): to be judged anew.
    Record(Box<Loaded>),
    /// The job ended and was deleted: nothing is owed to its late pushes.
    Absorbed,
}

/// What the project's pointer says of a job that is to be put back.
enum Claimant {
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
            if ended || sabotage::is(Sabotage::ForgottenIsOld) || clock.now() >= message.deadline + limits.failed_ttl {
                return Ok(Rebuilt::Absorbed);
            }
        }
        let Some(kind) = Kind::parse(&message.kind) else {
            return Err(Fault::Newer(message.envelope.v + 1));
        };
        let job = put_together(message, older.as_ref(), kind, clock);
        tracing::warn!(job.id = %id, job.attempt = job.attempts, "the store had lost this job's record; put back from its message");
        let version = older.as_ref().map(|older| older.version);
        match self.write_back(job, version, clock, &Along::default(), until).await? {
            Updated::Applied(loaded, _) | Updated::Refused(_, loaded) => Ok(Rebuilt::Record(loaded)),
            Updated::Missing | Updated::PointerTaken | Updated::Remembered(_) | Updated::Limited(_) => Err(changing()),
        }
    }

    /// Puts a record back that the store lost while its holder was at work: the job in hand, unless it has ended meanwhile
    /// ([`Updated::Missing`]) or somebody else was first ([`Updated::Refused`]).
    pub(super) async fn put_back(
        &self,
        job: Job,
        clock: Clock,
        along: &Along,
        until: Instant,
    ) -> Result<Updated, Fault> {
        if self.store.tombstone(&job.id).await?.is_some_and(|epoch| epoch >= job.at.epoch) {
            return Ok(Updated::Missing);
        }
        tracing::warn!(job.id = %job.id, job.position = %job.at, "the store had lost this job's record; put back by its holder");
        let along = Along { put_back: false, exact: false, ..along.clone() };
        self.write_back(job, None, clock, &along, until).await
    }

    /// Writes a forgotten job's record, as the project's current job if it may be that again; otherwise as failed, with all
    /// its receipts.
    async fn write_back(
        &self,
        job: Job,
        over: Option<u64>,
        clock: Clock,
        along: &Along,
        until: Instant,
    ) -> Result<Updated, Fault> {
        loop {
            let mut job = job.clone();
            let mut along = along.clone();
            match self.claimant(&job).await? {
                Claimant::Free(holds) => along.take_pointer = Some(holds),
                Claimant::Busy if job.is_final() => {}
                Claimant::Busy => {
                    let why = "the store lost this job, and its project has a newer one";
                    let failure = Failure::lasting("record_lost", why);
                    let event = Event::Fail { failure, by: By::Push };
                    job = job::apply(&job, &event, clock.now(), &self.settings.limits).unwrap_or(job);
                }
            }
            let expected = over.map_or(Expected::Absent, Expected::Version);
            match self.create(job, expected, clock, &along, until).await? {
                Updated::PointerTaken if Instant::now() < until => {}
                Updated::PointerTaken => return Err(changing()),
                updated => return Ok(updated),
            }
        }
    }

    /// Whether a job may (again) be its project's current one.
    async fn claimant(&self, job: &Job) -> Result<Claimant, Fault> {
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

fn changing() -> Fault {
    crate::store::Error::Unavailable("the project's jobs change too often".to_owned()).into()
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
        // Of the step itself nothing is newer but its sending: the rest of the record stands.
        Some(older) if older.job.at == at => older.job.clone(),
        Some(older) => Job {
            ledger: older.job.ledger.clone(),
            charge: older.job.charge,
            usage: older.job.usage,
            history: older.job.history.clone(),
            ..forgotten(message, kind, now)
        },
        None => forgotten(message, kind, now),
    };
    for receipt in &message.receipts {
        job.ledger.receive(receipt);
    }
    job.progress = older.map_or(0, |older| older.job.progress).max(message.progress.min(99));
    job.ledger.possible_duplicates = job.ledger.possible_duplicates.max(message.possible_duplicates);
    // What may have been paid since counts as unknown, unless something is known of it.
    for effect in kind.rebuild(&job.ledger.receipts, &message.resume).possibly_paid {
        if job.ledger.unknown(&effect) == 0 {
            job.ledger.intend(&effect, at, now, true);
        }
    }
    job.at = at;
    job.send = message.envelope.send;
    job.state = State::Waiting;
    job.usage.messages += u32::from(!job.message.sent);
    job.message.sent = true;
    job.message.spent = false;
    job.message.message_id = None;
    job.rebuilt = true;
    job.trace = job.trace.or_else(|| message.trace.clone());
    job.history.add(Entry::new(&job, What::Rebuilt, now).of_push(message.push()));
    job
}

/// A job of which only the message is left.
fn forgotten(message: &Message, kind: Kind, now: u64) -> Job {
    let Start { step, plan, stage, .. } = kind.rebuild(&message.receipts, &message.resume);
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
    job.history = History::default();
    job.created_at = message.created_at;
    job.deadline = message.deadline;
    // An epoch's first message was sent before its first claim, under the queue's deadline.
    job.started_at = (message.envelope.at.seq != 1).then_some(now);
    job
}
