//! Job records: read, and written by compare-and-commit. A write whose answer is lost is repeated under its operation id;
//! a write that lost the race is decided again on the record that won.

use super::limits::rest_of_day;
use super::told::tell_landed;
use super::{Engine, Limit, measured, millis, spans};
use crate::job::ledger::Intent;
use crate::job::{self, Event, Job, JobId, Millis, OpId, Refused, Usage, wire};
use crate::sabotage::{self, Sabotage};
use crate::store::{self, Commit, Committed, DueAt, Expected, Expiry, PointerWrite, Record, Remember, keys};
use bytes::Bytes;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout_at};
use tracing::Instrument;

/// How long a late push of a deleted job can still come: tombstones outlive records at least by this.
pub(super) const TOMBSTONE: Duration = Duration::from_hours(7 * 24);

/// Why a record cannot be used now. Nothing has been decided on it.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Fault {
    #[error(transparent)]
    Store(#[from] store::Error),
    /// A newer build wrote it: left alone.
    #[error("the record is of version {0}, newer than this build reads")]
    Newer(u32),
    #[error("the record cannot be read: {0}")]
    Garbled(String),
}

impl From<wire::Error> for Fault {
    fn from(error: wire::Error) -> Self {
        match error {
            wire::Error::Newer(envelope) => Self::Newer(envelope.v),
            wire::Error::Garbled(why) => Self::Garbled(why),
        }
    }
}

/// A record as read, with the store's clock carried on by this process's monotonic one.
#[derive(Debug, Clone)]
pub(super) struct Loaded {
    pub job: Job,
    pub version: u64,
    clock: Clock,
    /// What reading it has cost, until a write tells.
    read: Usage,
}

/// The store's clock.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    read: Millis,
    at: Instant,
}

impl Clock {
    pub fn new(now: Millis) -> Self {
        Self { read: now, at: Instant::now() }
    }

    pub fn now(&self) -> Millis {
        self.read + millis(self.at.elapsed())
    }
}

impl Loaded {
    pub fn now(&self) -> Millis {
        self.clock.now()
    }
}

/// What became of an update.
#[derive(Debug)]
pub(super) enum Updated {
    Applied(Box<Loaded>, Vec<JobId>),
    /// The record as it is does not allow it.
    Refused(Refused, Box<Loaded>),
    Missing,
    PointerTaken,
    Remembered(Bytes),
    /// The new work is not taken.
    Limited(Limit),
}

/// What a project's pointer holds now; `None`: nothing.
pub(super) type Holds = Option<String>;

/// What is written along with a record.
#[derive(Debug, Clone, Default)]
pub(super) struct Along {
    /// The project's pointer is to hold this job; it now holds that.
    pub take_pointer: Option<Holds>,
    pub remember: Option<Remember>,
    pub peek_due: usize,
    /// Put the record back if the store has lost it.
    pub put_back: bool,
    /// Decided on this very version: a record that got in between is answered, not decided on again.
    pub exact: bool,
    /// It accepts new work, and is refused where too much is asked for already.
    pub opens: bool,
}

impl Engine {
    /// The record of a job and the store's time.
    pub(super) async fn load(&self, id: &JobId) -> Result<(Option<Loaded>, Clock), Fault> {
        let read = self.store.get(id).instrument(spans::read()).await?;
        let clock = Clock::new(read.now);
        match read.record {
            None => Ok((None, clock)),
            Some(record) => {
                let read = Usage::of_store(store::COMMANDS_OF_A_READ);
                Ok((Some(Loaded { read, ..decode(&record, clock)? }), clock))
            }
        }
    }

    /// Writes a record where none is, or over a version that is to be replaced.
    pub(super) async fn create(
        &self,
        mut job: Job,
        expected: Expected,
        clock: Clock,
        along: &Along,
        until: Instant,
    ) -> Result<Updated, Fault> {
        if expected == Expected::Absent {
            // Whatever was counted for it may be lost like its record.
            job.charge = None;
        }
        let commit = self.commit_of(None, &mut job, expected, along, (clock.now(), Usage::default()));
        let committed = self.persist(&commit, until).await?;
        measured::created(&job, &committed);
        match committed {
            Committed::Applied { version, due, .. } => {
                Ok(self.applied(Loaded { job, version, clock, read: Usage::default() }, due))
            }
            Committed::Replayed(record) => Ok(self.applied(decode(&record, clock)?, Vec::new())),
            Committed::Conflict(record) => Ok(Updated::Refused(Refused::OldNews, Box::new(decode(&record, clock)?))),
            Committed::Remembered(reply) => Ok(Updated::Remembered(reply)),
            Committed::PointerTaken(_) => Ok(Updated::PointerTaken),
            Committed::Full => Ok(Updated::Limited(Limit::Queue)),
            Committed::Over => Ok(over_budget(clock)),
            Committed::Missing => Ok(Updated::Missing),
        }
    }

    /// Applies `event` to the record, deciding again on each record that got in between, until `until`.
    pub(super) async fn update(
        &self,
        from: &Loaded,
        event: &Event,
        along: &Along,
        until: Instant,
    ) -> Result<Updated, Fault> {
        let mut loaded = from.clone();
        loop {
            // A store that lost its last writes may have lost what was written of paid calls: we know it still.
            let owed = carry_over(from, &mut loaded);
            let now = loaded.now();
            let (mut next, refused) = match job::apply(&loaded.job, event, now, &self.settings.limits) {
                Ok(next) => (next, None),
                Err(refused) if owed => (loaded.job.clone(), Some(refused)),
                Err(refused) => return Ok(Updated::Refused(refused, Box::new(loaded))),
            };
            if refused.is_none() {
                tell_landed(&loaded.job, event, &mut next, now);
            }
            if sabotage::is(Sabotage::PublishBeforeWrite) && next.at > loaded.job.at {
                let early = Loaded { job: next.clone(), ..loaded.clone() };
                let _ = Box::pin(self.drain(early, until)).await;
            }
            // What is owed is written whatever became of the event, and nothing else then.
            let bare = Along { put_back: along.put_back, ..Along::default() };
            let along = if refused.is_some() { &bare } else { along };
            let written = |updated| match (updated, refused) {
                (Updated::Applied(loaded, _), Some(refused)) => Updated::Refused(refused, loaded),
                (updated, _) => updated,
            };
            let expected = Expected::Version(loaded.version);
            let commit = self.commit_of(Some(&loaded.job), &mut next, expected, along, (now, loaded.read));
            match self.persist(&commit, until).await? {
                Committed::Applied { version, due, .. } => {
                    measured::moved(&loaded.job, &next);
                    if next.is_final() && !loaded.job.is_final() {
                        spans::ended(&next);
                    }
                    let next = Loaded { job: next, version, clock: loaded.clock, read: Usage::default() };
                    return Ok(written(self.applied(next, due)));
                }
                Committed::Replayed(record) => {
                    measured::moved(&loaded.job, &next);
                    return Ok(written(self.applied(decode(&record, loaded.clock)?, Vec::new())));
                }
                Committed::Conflict(record) if along.exact => {
                    return Ok(Updated::Refused(Refused::OldNews, Box::new(decode(&record, loaded.clock)?)));
                }
                Committed::Conflict(_) if Instant::now() >= until => {
                    return Err(store::Error::Unavailable("the record is written too often".to_owned()).into());
                }
                Committed::Conflict(record) => {
                    let mut read = loaded.read;
                    read += Usage::of_store(store::COMMANDS_OF_A_READ);
                    loaded = Loaded { read, ..decode(&record, loaded.clock)? };
                }
                Committed::Missing if along.put_back => match self.put_back(next, loaded.clock, along, until).await? {
                    // Somebody else was first: decided on that record.
                    Updated::Refused(_, found) => loaded = *found,
                    updated => return Ok(written(updated)),
                },
                Committed::Missing => return Ok(Updated::Missing),
                Committed::PointerTaken(_) => return Ok(Updated::PointerTaken),
                Committed::Full => return Ok(Updated::Limited(Limit::Queue)),
                Committed::Over => return Ok(over_budget(loaded.clock)),
                Committed::Remembered(reply) => return Ok(Updated::Remembered(reply)),
            }
        }
    }

    /// Remembers a reply beside a record that itself stays as it is; what was remembered before, if anything was.
    pub(super) async fn remember(
        &self,
        beside: &Loaded,
        remember: Remember,
        until: Instant,
    ) -> Result<Option<Bytes>, Fault> {
        let along = Along { remember: Some(remember), ..Along::default() };
        let mut loaded = beside.clone();
        loop {
            let expected = Expected::Version(loaded.version);
            let told = (loaded.now(), loaded.read);
            let commit = self.commit_of(Some(&loaded.job), &mut loaded.job.clone(), expected, &along, told);
            match self.persist(&commit, until).await? {
                Committed::Remembered(reply) => return Ok(Some(reply)),
                Committed::Conflict(record) if Instant::now() < until => loaded = decode(&record, loaded.clock)?,
                // Gone or too busy: the answer stands without being remembered.
                _ => return Ok(None),
            }
        }
    }

    /// The version a write makes: larger than the one it replaces, by a stride that no other write is likely to take. A store
    /// that lost its last writes goes on from an older version; a holder of a lost one must not meet its number again.
    fn version_after(&self, expected: Expected) -> u64 {
        let (_, random) = self.new_id().as_u64_pair();
        match expected.version() {
            None => 1 + random % (1 << 40),
            Some(version) => version + 1 + random % (1 << 20),
        }
    }

    fn applied(&self, loaded: Loaded, due: Vec<JobId>) -> Updated {
        self.watches.tell(&loaded);
        Updated::Applied(Box::new(loaded), due)
    }

    /// `read`: what was read for it, which is counted with it.
    fn commit_of(
        &self,
        old: Option<&Job>,
        new: &mut Job,
        expected: Expected,
        along: &Along,
        (now, read): (Millis, Usage),
    ) -> Commit {
        let counts = self.counts(old, new, along.opens, now);
        let ttl = new.remaining_ttl(now, &self.settings.limits);
        let key = keys::pointer(&new.owner, &new.project);
        let due = match (ttl, new.due()) {
            (Some(ttl), _) => DueAt::At(now + ttl),
            (None, Some(_)) if old.is_none() && sabotage::is(Sabotage::TornWrite) => DueAt::Keep,
            (None, due @ Some(_)) if expected.version().is_some() && old.and_then(Job::due) == due => DueAt::Keep,
            (None, Some(due)) => DueAt::At(due),
            (None, None) => DueAt::Never,
        };
        let mut commit = Commit {
            id: new.id.clone(),
            op: self.new_op(),
            expected,
            version: self.version_after(expected),
            body: Bytes::new(),
            due,
            expiry: ttl.map(|ttl| {
                let record = Duration::from_millis(ttl);
                let tombstone = (record + TOMBSTONE).max(self.rebuildable(new, now));
                Expiry { record, tombstone, epoch: new.at.epoch }
            }),
            pointer: match (&along.take_pointer, ttl) {
                (Some(from), _) => PointerWrite::Swap { key, from: from.clone(), to: new.pointer() },
                (None, Some(_)) => PointerWrite::Release { key, value: new.pointer() },
                (None, None) => PointerWrite::Keep,
            },
            remember: along.remember.clone(),
            // As it begins and as it ends, so that a list which was lost fills again.
            listed: if old.is_none() || ttl.is_some() || along.take_pointer.is_some() {
                self.listed(new)
            } else {
                Vec::new()
            },
            peek_due: along.peek_due,
            counts,
        };
        new.usage += read;
        new.usage += Usage::of_store(store::commands(&commit));
        commit.body = wire::encode_record(new).into();
        commit
    }

    fn new_op(&self) -> OpId {
        OpId::new(self.new_id().simple().to_string())
    }

    /// How long from `now` a message of this job, or an earlier one of its epoch, could bring it back.
    fn rebuildable(&self, job: &Job, now: Millis) -> Duration {
        let limits = &self.settings.limits;
        let deadline = job.deadline.saturating_sub(now).max(limits.queue_timeout);
        Duration::from_millis(deadline + limits.failed_ttl)
    }

    /// One write, repeated under its operation id while the store is away, until `until`.
    async fn persist(&self, commit: &Commit, until: Instant) -> Result<Committed, store::Error> {
        let span = spans::commit();
        let committed = Box::pin(self.persist_until(commit, until)).instrument(span.clone()).await;
        spans::committed(&span, &committed);
        committed
    }

    async fn persist_until(&self, commit: &Commit, until: Instant) -> Result<Committed, store::Error> {
        let mut pause = Duration::from_millis(50);
        let mut unknown = None;
        loop {
            let again;
            let commit = if sabotage::is(Sabotage::NoOperationId) {
                again = Commit { op: self.new_op(), ..commit.clone() };
                &again
            } else {
                commit
            };
            let grace = until.max(Instant::now() + pause);
            let error = match timeout_at(grace, self.store.commit(commit)).await {
                Ok(Ok(committed)) => return Ok(committed),
                Ok(Err(error)) => error,
                Err(_) => store::Error::Unknown("no answer in time".to_owned()),
            };
            // Once an answer was lost, a later "unavailable" no longer means that nothing has changed.
            if let store::Error::Unknown(why) = &error {
                unknown = Some(why.clone());
            }
            if Instant::now() + pause >= until {
                return Err(unknown.map_or(error, store::Error::Unknown));
            }
            sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(1));
        }
    }
}

/// Gives the record found what the one we had knew of paid calls, if the store has lost that; whether it lacked any. Receipts
/// only grow and versions only rise, so a record without ours, or older than ours, proves the loss; then calls whose outcome
/// is unknown are unknown still.
fn carry_over(had: &Loaded, found: &mut Loaded) -> bool {
    let (known, ledger) = (&had.job.ledger, &mut found.job.ledger);
    let before = ledger.receipts.len();
    known.receipts.iter().for_each(|receipt| ledger.receive(receipt));
    let lost = ledger.receipts.len() > before;
    if !lost && found.version >= had.version {
        return false;
    }
    let unknown = |intent: &&Intent| ledger.receipt(&intent.effect).is_none() && !ledger.intents.contains(intent);
    let missing: Vec<Intent> = known.intents.iter().filter(unknown).cloned().collect();
    let more = lost || !missing.is_empty() || known.possible_duplicates > ledger.possible_duplicates;
    ledger.intents.extend(missing);
    ledger.possible_duplicates = ledger.possible_duplicates.max(known.possible_duplicates);
    more
}

fn over_budget(clock: Clock) -> Updated {
    Updated::Limited(Limit::Budget { resets_in: rest_of_day(clock.now()) })
}

pub(super) fn decode(record: &Record, clock: Clock) -> Result<Loaded, Fault> {
    let read = Usage::default();
    Ok(Loaded { job: wire::decode_record(&record.body)?, version: record.version, clock, read })
}
