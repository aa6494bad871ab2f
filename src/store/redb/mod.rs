//! The durable store of the one-machine mode: one file, one process at a time. Every write is on disk before it is
//! answered. Decides nothing; its own clock is the only one it reads.

mod clock;
mod commit;
mod counts;
mod list;
mod log;
mod survey;
mod tables;

pub use clock::Clock;

use super::{
    Commit, Committed, Due, Error, Expected, ListKey, LogKey, MemoryKey, Page, Place, PointerKey, Read, Record, Store,
    Survey, Taken, Turn, Window,
};
use crate::job::id::{JobId, Millis};
use async_trait::async_trait;
use bytes::Bytes;
use redb::backends::InMemoryBackend;
use redb::{Builder, Database, DatabaseError, Durability, ReadTransaction, ReadableDatabase, ReadableTable};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tables::{DUE, POINTERS, RECORDS, REPLIES, TOMBSTONES, due_by, gone};
use uuid::Uuid;

/// The database's default would be a gigabyte.
const CACHE_BYTES: usize = 32 * 1024 * 1024;

pub struct RedbStore {
    database: Arc<Database>,
    clock: Clock,
    opening: String,
    /// It has been said that the file cannot be written any more.
    told: Arc<AtomicBool>,
}

/// Why a store's file could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("{0} is in use by another process")]
    InUse(PathBuf),
    #[error("{path} was written by another release (schema {found}, this one reads {})", tables::SCHEMA)]
    Schema { path: PathBuf, found: u64 },
    #[error("cannot open {path}: {source}")]
    Failed { path: PathBuf, source: Box<redb::Error> },
}

impl RedbStore {
    /// Opens the file, or makes it. Fails at once if another process has it open.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, OpenError> {
        Self::open_with_clock(path, Clock::system())
    }

    pub fn open_with_clock(path: impl AsRef<Path>, clock: Clock) -> Result<Self, OpenError> {
        let path = path.as_ref();
        let database = Builder::new().set_cache_size(CACHE_BYTES).create(path);
        Self::prepared(database, path, clock)
    }

    /// A store that is gone with the value, for tests.
    pub fn in_memory() -> Result<Self, OpenError> {
        Self::in_memory_with_clock(Clock::system())
    }

    pub fn in_memory_with_clock(clock: Clock) -> Result<Self, OpenError> {
        let database = Builder::new().set_cache_size(CACHE_BYTES).create_with_backend(InMemoryBackend::new());
        Self::prepared(database, Path::new("memory"), clock)
    }

    fn prepared(database: Result<Database, DatabaseError>, path: &Path, clock: Clock) -> Result<Self, OpenError> {
        let failed = |source| OpenError::Failed { path: path.to_owned(), source: Box::new(source) };
        let database = database.map_err(|error| match error {
            DatabaseError::DatabaseAlreadyOpen => OpenError::InUse(path.to_owned()),
            error => failed(error.into()),
        })?;
        let write = database.begin_write().map_err(|error| failed(error.into()))?;
        if let Some(found) = tables::prepare(&write).map_err(failed)? {
            return Err(OpenError::Schema { path: path.to_owned(), found });
        }
        write.commit().map_err(|error| failed(error.into()))?;
        let opening = Uuid::new_v4().to_string();
        Ok(Self { database: Arc::new(database), clock, opening, told: Arc::default() })
    }

    /// Runs a read off the event loop: a page not cached is a disk access.
    async fn read<T, F>(&self, work: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&ReadTransaction, Millis) -> Result<T, redb::Error> + Send + 'static,
    {
        let (database, clock) = (self.database.clone(), self.clock.clone());
        off_the_loop(move || {
            let read = database.begin_read().map_err(unavailable)?;
            work(&read, clock.now()).map_err(unavailable)
        })
        .await
    }

    /// Runs a write off the event loop, for it waits for the disk. Writes come one after another; the time is taken once
    /// it is a write's turn. `work` says whether there is anything to keep.
    async fn write<T, F>(&self, work: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&redb::WriteTransaction, Millis) -> Result<(bool, T), redb::Error> + Send + 'static,
    {
        let (database, clock, told) = (self.database.clone(), self.clock.clone(), self.told.clone());
        off_the_loop(move || {
            let unwritten = |error: redb::Error| {
                tell_once(&error, &told);
                unavailable(error)
            };
            let mut write = database.begin_write().map_err(|error| unwritten(error.into()))?;
            write.set_durability(Durability::Immediate).map_err(unavailable)?;
            let (changed, answer) = work(&write, clock.now()).map_err(unwritten)?;
            if changed {
                write.commit().map_err(|error| Error::Unknown(unwritten(error.into()).to_string()))?;
            } else {
                write.abort().map_err(|error| unwritten(error.into()))?;
            }
            Ok(answer)
        })
        .await
    }
}

/// After a failed write, as on a full disk, the database takes no more until it is opened anew: what is asked of the store
/// is refused until then, and whoever runs it must know why.
fn tell_once(error: &redb::Error, told: &AtomicBool) {
    if matches!(error, redb::Error::Io(_) | redb::Error::PreviousIo) && !told.swap(true, Ordering::Relaxed) {
        tracing::error!(
            %error,
            "the job store's file could not be written: make room on its disk and start this process again; \
             until then no job is taken and none goes on"
        );
    }
}

/// A failure before the commit, which leaves everything as it was.
fn unavailable(error: impl Into<redb::Error>) -> Error {
    Error::Unavailable(error.into().to_string())
}

async fn off_the_loop<T: Send + 'static>(work: impl FnOnce() -> Result<T, Error> + Send + 'static) -> Result<T, Error> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|stopped| Err(Error::Unknown(stopped.to_string())))
}

#[async_trait]
impl Store for RedbStore {
    async fn get(&self, id: &JobId) -> Result<Read, Error> {
        let id = id.clone();
        self.read(move |read, now| {
            let row = read.open_table(RECORDS)?.get(id.as_str())?;
            let record = row.as_ref().map(redb::AccessGuard::value).filter(|(_, expires, ..)| !gone(*expires, now));
            let record = record.map(|(version, _, _, body)| Record { version, body: Bytes::copy_from_slice(body) });
            Ok(Read { now, record })
        })
        .await
    }

    async fn commit(&self, commit: &Commit) -> Result<Committed, Error> {
        let commit = commit.clone();
        self.write(move |write, now| {
            let answer = commit::commit(write, &commit, now)?;
            Ok((matches!(answer, Committed::Applied { .. }), answer))
        })
        .await
    }

    async fn pointer(&self, key: &PointerKey) -> Result<Option<String>, Error> {
        let key = key.clone();
        self.read(move |read, now| {
            let entry = read.open_table(POINTERS)?.get(key.0.as_str())?;
            let entry = entry.as_ref().map(redb::AccessGuard::value).filter(|(expires, _)| !gone(*expires, now));
            Ok(entry.map(|(_, holder)| holder.to_owned()))
        })
        .await
    }

    async fn recall(&self, key: &MemoryKey) -> Result<Option<Bytes>, Error> {
        let key = key.clone();
        self.read(move |read, now| {
            let entry = read.open_table(REPLIES)?.get(key.0.as_str())?;
            let entry = entry.as_ref().map(redb::AccessGuard::value).filter(|(expires, _)| !gone(*expires, now));
            Ok(entry.map(|(_, reply)| Bytes::copy_from_slice(reply)))
        })
        .await
    }

    async fn tombstone(&self, id: &JobId) -> Result<Option<u32>, Error> {
        let id = id.clone();
        self.read(move |read, now| {
            let entry = read.open_table(TOMBSTONES)?.get(id.as_str())?;
            let entry = entry.as_ref().map(redb::AccessGuard::value).filter(|(expires, _)| !gone(*expires, now));
            Ok(entry.map(|(_, epoch)| epoch))
        })
        .await
    }

    async fn due(&self, limit: usize) -> Result<Due, Error> {
        self.read(move |read, now| {
            let ids = due_by(&read.open_table(DUE)?, now, limit)?;
            Ok(Due { now, jobs: ids.into_iter().map(JobId::new).collect() })
        })
        .await
    }

    async fn delete(&self, id: &JobId, expected: Expected) -> Result<bool, Error> {
        let id = id.clone();
        self.write(move |write, now| {
            let mut records = write.open_table(RECORDS)?;
            let version = records.get(id.as_str())?.and_then(|row| {
                let (version, expires, ..) = row.value();
                (!gone(expires, now)).then_some(version)
            });
            if version != expected.version() {
                return Ok((false, false));
            }
            records.remove(id.as_str())?;
            drop(records);
            tables::set_due(write, id.as_str(), None)?;
            Ok((true, true))
        })
        .await
    }

    async fn list(&self, list: &ListKey, before: Option<&Place>, limit: usize) -> Result<Page, Error> {
        let (key, before) = (list.clone(), before.cloned());
        let (page, gone) = self.read(move |read, now| list::page(read, &key, before.as_ref(), limit, now)).await?;
        if !gone.is_empty() {
            let key = list.clone();
            // What could not be dropped is met again.
            let _ = self.write(move |write, now| Ok((true, list::drop_gone(write, &key, &gone, now)?))).await;
        }
        Ok(page)
    }

    async fn count(&self, name: &str, window: Duration) -> Result<u64, Error> {
        let name = name.to_owned();
        self.write(move |write, now| {
            let count = counts::one_more(write, &name, window, now)?;
            tables::purge(write, now)?;
            Ok((true, count))
        })
        .await
    }

    async fn take(&self, turns: &[Turn]) -> Result<Taken, Error> {
        let turns = turns.to_vec();
        self.write(move |write, now| {
            let taken = counts::take(write, &turns, now)?;
            tables::purge(write, now)?;
            Ok((taken.granted, taken))
        })
        .await
    }

    async fn note(&self, log: &LogKey, entry: &[u8], keep: usize, ttl: Duration) -> Result<(), Error> {
        let (log, entry) = (log.clone(), Bytes::copy_from_slice(entry));
        self.write(move |write, now| {
            log::note(write, &log, &entry, keep, ttl, now)?;
            tables::purge(write, now)?;
            Ok((true, ()))
        })
        .await
    }

    async fn notes(&self, log: &LogKey, limit: usize) -> Result<Vec<Bytes>, Error> {
        let log = log.clone();
        self.read(move |read, now| log::newest(read, &log, limit, now)).await
    }

    async fn survey(&self, limit: usize) -> Result<Survey, Error> {
        self.read(move |read, now| survey::survey(read, limit, now)).await
    }

    async fn counted(&self, names: &[String]) -> Result<Vec<Option<Window>>, Error> {
        let names = names.to_vec();
        self.read(move |read, now| survey::counted(read, &names, now)).await
    }

    async fn ping(&self) -> Result<(), Error> {
        self.write(|_, _| Ok((false, ()))).await
    }

    fn opening(&self) -> &str {
        &self.opening
    }
}
