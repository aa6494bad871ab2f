//! Where a job rests: a small set of coarse, atomic verbs. Every decision is made in Rust, above; a store only compares
//! and commits, so that Redis and the embedded store cannot drift apart. One conformance suite holds both to this page.
//!
//! A record is opaque bytes under a job's id with a version, which its writer chooses: larger than the one before, and drawn
//! so that no two writes share one, also after a store has lost its last writes and gone on from an older state. Beside it a store keeps:
//! the *due index* (job id by the time somebody must look at it), *pointers* (owner and project to the current job),
//! *remembered replies* (by idempotency key), *tombstones* (of jobs that ended and were deleted), *lists* (an owner's jobs, or
//! everybody's, by their age), *counters*, which jobs are *live* (each until a time at the latest), and *logs* (the newest of what was noted).
//! Time is the store's own: `now` comes with every answer, and nobody above reads a clock for leases or deadlines.

mod cost;
mod counts;
pub mod keys;
mod measured;
#[cfg(feature = "local")]
pub mod redb;
pub mod redis;

pub use cost::{COMMANDS_OF_A_READ, commands};
pub use counts::{Counts, Live, Taken, Tally, Turn, Window};
pub use measured::Measured;

use crate::job::id::{JobId, Millis, OpId};
use async_trait::async_trait;
use bytes::Bytes;
use std::time::Duration;

/// The entries of an owner's list.
pub const LISTED_MAX: usize = 1_000;
/// The entries of each list that holds the jobs of all owners.
pub const LISTED_OF_ALL_MAX: usize = 10_000;

#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// One job's record. One round trip.
    async fn get(&self, id: &JobId) -> Result<Read, Error>;

    /// The record and everything that must change with it, or nothing at all. One round trip.
    async fn commit(&self, commit: &Commit) -> Result<Committed, Error>;

    /// What a pointer holds, be there such a job or not. One round trip.
    async fn pointer(&self, key: &PointerKey) -> Result<Option<String>, Error>;

    /// The reply remembered under an idempotency key. One round trip.
    async fn recall(&self, key: &MemoryKey) -> Result<Option<Bytes>, Error>;

    /// The epoch in which a deleted job ended. One round trip.
    async fn tombstone(&self, id: &JobId) -> Result<Option<u32>, Error>;

    /// Jobs whose due time has come, earliest first (the same time: by id). A job whose record expired stays listed until
    /// it is deleted, so a sweep meets it once more.
    async fn due(&self, limit: usize) -> Result<Due, Error>;

    /// Deletes a record of this version (or, if there is none, what is left of it) with its due entry; the tombstone stays.
    /// Whether it was so: a record that has been written since is left alone. One round trip.
    async fn delete(&self, id: &JobId, expected: Expected) -> Result<bool, Error>;

    /// A page of a list, newest first: up to `limit` entries that are older than `before`. Entries whose record is gone are left
    /// out, and dropped. Two round trips, three if something is dropped.
    async fn list(&self, list: &ListKey, before: Option<&Place>, limit: usize) -> Result<Page, Error>;

    /// What is live and due, counted, with the records of up to `limit` of the live jobs: those first that have ended soonest
    /// at the latest. Two round trips, one if nothing is live.
    async fn survey(&self, limit: usize) -> Result<Survey, Error>;

    /// Adds one to a counter that is forgotten `window` after its last use; the new value.
    async fn count(&self, name: &str, window: Duration) -> Result<u64, Error>;

    /// Counters as they stand, in the order of their names; `None`: not used, or forgotten. One round trip.
    async fn counted(&self, names: &[String]) -> Result<Vec<Option<Window>>, Error>;

    /// Takes a turn from each window, or none of any. Asked again after a lost answer it may take twice. One round trip.
    async fn take(&self, turns: &[Turn]) -> Result<Taken, Error>;

    /// Puts an entry in front of a log, which keeps its newest `keep`, and each of those at least for `ttl`. Asked again after
    /// a lost answer it may stand there twice. One round trip.
    async fn note(&self, log: &LogKey, entry: &[u8], keep: usize, ttl: Duration) -> Result<(), Error>;

    /// The entries of a log, newest first, up to `limit`. One round trip.
    async fn notes(&self, log: &LogKey, limit: usize) -> Result<Vec<Bytes>, Error>;

    /// One cheap round trip that fails if the store cannot take writes.
    async fn ping(&self) -> Result<(), Error>;

    /// Which opening of the store this is. A store held by one process at a time answers a new value at each opening, so
    /// that leases of the process before it are known to be over; a shared store always answers the same.
    fn opening(&self) -> &str;
}

/// A record as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Chosen by whoever wrote it.
    pub version: u64,
    pub body: Bytes,
}

/// What [`Store::get`] answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Read {
    pub now: Millis,
    pub record: Option<Record>,
}

/// What [`Store::due`] answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    pub now: Millis,
    pub jobs: Vec<JobId>,
}

/// What [`Store::survey`] answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Survey {
    pub now: Millis,
    /// Live jobs, those whose record is lost among them until they have ended at the latest.
    pub live: u64,
    /// Jobs whose due time has come.
    pub due: u64,
    /// The earliest due time there is, come or not.
    pub earliest_due: Option<Millis>,
    pub records: Vec<(JobId, Record)>,
}

/// What [`Store::list`] answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    pub now: Millis,
    pub records: Vec<(Place, Record)>,
    /// The last entry looked at, where the next page goes on; `None`: the list ends here.
    pub next: Option<Place>,
}

/// The name of a list, built in [`keys`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ListKey(pub String);

/// A job's place in a list. Places sort as text, the newest last.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place(String);

impl Place {
    pub fn new(created_at: Millis, id: &JobId) -> Self {
        Self(format!("{created_at:013}.{id}"))
    }

    /// `None`: no place was ever written like this.
    pub fn parse(text: &str) -> Option<Self> {
        let (created_at, id) = text.split_once('.')?;
        let plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte));
        let well = created_at.len() == 13 && created_at.bytes().all(|byte| byte.is_ascii_digit());
        (well && (1..=128).contains(&id.len()) && plain(id)).then(|| Self(text.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The time it was made of.
    pub fn at(&self) -> Millis {
        self.0.split_once('.').and_then(|(at, _)| at.parse().ok()).unwrap_or_default()
    }

    pub fn id(&self) -> JobId {
        JobId::new(self.0.split_once('.').map_or("", |(_, id)| id))
    }
}

/// The name of a log, built in [`keys`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LogKey(pub String);

/// The name of a pointer, built by [`keys::pointer`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PointerKey(pub String);

/// The name of a remembered reply, built by [`keys::memory`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct MemoryKey(pub String);

/// One atomic write. Checked in the order of [`Committed`]'s variants; the first that fails is the answer, and then
/// nothing has changed.
#[derive(Debug, Clone)]
pub struct Commit {
    pub id: JobId,
    /// The same id again, after an unclear answer, is answered [`Committed::Replayed`]: a record keeps its last eight.
    /// Not empty, no spaces.
    pub op: OpId,
    pub expected: Expected,
    /// The version this write makes.
    pub version: u64,
    pub body: Bytes,
    pub due: DueAt,
    /// `None`: the record stays until told otherwise (and an expiry set before is lifted, and a tombstone removed).
    pub expiry: Option<Expiry>,
    pub pointer: PointerWrite,
    /// Written only if the key is free; otherwise the answer is [`Committed::Remembered`].
    pub remember: Option<Remember>,
    /// Put the job into lists (again), each of which is another.
    pub listed: Vec<Listed>,
    /// Answer up to this many due jobs along with [`Committed::Applied`], as they are after this commit.
    pub peek_due: usize,
    pub counts: Counts,
}

/// What a commit is decided on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// No record.
    Absent,
    Version(u64),
}

impl Expected {
    pub fn version(self) -> Option<u64> {
        match self {
            Self::Absent => None,
            Self::Version(version) => Some(version),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DueAt {
    Keep,
    At(Millis),
    Never,
}

/// The end of a record's life, set by a final commit. Durations count in whole milliseconds, at least one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expiry {
    /// The record (and its pointer, see [`PointerWrite::Release`]) is gone this long after the commit.
    pub record: Duration,
    /// The tombstone, holding `epoch`, this long after the commit.
    pub tombstone: Duration,
    pub epoch: u32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PointerWrite {
    Keep,
    /// Set to `to`, to expire with the record if that does, only if it now holds `from` (`None`: holds nothing).
    Swap {
        key: PointerKey,
        from: Option<String>,
        to: String,
    },
    /// If it holds `value`, let it expire together with the record; if not (or the record does not expire), leave it.
    Release {
        key: PointerKey,
        value: String,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remember {
    pub key: MemoryKey,
    pub reply: Bytes,
    pub ttl: Duration,
}

/// A job's entry in a list, which holds the newest `most` and forgets the others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    pub list: ListKey,
    pub place: Place,
    pub most: usize,
    /// The entry stays at least so long.
    pub keep: Duration,
}

/// What became of a [`Commit`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Committed {
    /// This very write was applied before; the record as it is now.
    Replayed(Record),
    /// The idempotency key was taken; its remembered reply.
    Remembered(Bytes),
    /// A version was expected, there is no record.
    Missing,
    /// Another version is there (or one at all, where none was expected).
    Conflict(Record),
    /// The pointer holds something else.
    PointerTaken(Option<String>),
    /// So many jobs are live as may be.
    Full,
    /// The tally would be more than it may.
    Over,
    Applied {
        version: u64,
        /// Told for a new record and whenever due jobs were asked for; asking the clock each time would cost a command.
        now: Option<Millis>,
        due: Vec<JobId>,
    },
}

#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// The store could not be reached or refused: nothing has changed.
    #[error("the store is not available: {0}")]
    Unavailable(String),
    /// No answer in time, or the connection was lost after sending: the write may or may not have happened.
    #[error("the store did not answer: {0}")]
    Unknown(String),
}
