//! A store that counts what it is asked, fails on request, and springs a trap at a chosen write: what a test does there
//! (cut the process off, empty the server) happens just before or just after that write and nowhere else.

use async_trait::async_trait;
use bytes::Bytes;
use cliprelay::job::{JobId, OpId};
use cliprelay::store::{
    Commit, Committed, Due, Error, Expected, ListKey, LogKey, MemoryKey, Page, Place, PointerKey, Read, Store, Survey,
    Taken, Turn, Window,
};
use futures_util::future::BoxFuture;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    Before,
    After,
}

/// A write as it was asked for, and whether the store has changed by it.
#[derive(Debug, Clone)]
pub struct Written {
    pub id: JobId,
    pub op: OpId,
    pub body: Bytes,
    pub applied: bool,
}

type Act = Box<dyn FnOnce() -> BoxFuture<'static, ()> + Send>;

struct Trap {
    /// Writes still to pass.
    passes: usize,
    moment: Moment,
    act: Act,
}

#[derive(Default)]
pub struct Watch {
    /// Calls of any kind.
    pub calls: AtomicUsize,
    pub commits: AtomicUsize,
    /// Jobs ever written.
    pub jobs: Mutex<BTreeSet<JobId>>,
    /// Every write that came to its end, lost and swallowed ones included.
    written: Mutex<Vec<Written>>,
    pub away: AtomicBool,
    /// Writes that take effect but whose answers are lost.
    pub lose: AtomicU64,
    /// Writes that are lost on their way, which nobody can tell.
    pub swallow: AtomicU64,
    /// Writes get no answer at all, ever.
    pub hang: AtomicBool,
    /// Records that may still be deleted, if not as many as there are.
    pub deletes: Mutex<Option<usize>>,
    trap: Mutex<Option<Trap>>,
}

impl Watch {
    pub fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    /// Writes of records.
    pub fn commits(&self) -> usize {
        self.commits.load(Ordering::SeqCst)
    }

    /// The writes of a job, in their order.
    pub fn written(&self, job: &str) -> Vec<Written> {
        self.written.lock().unwrap().iter().filter(|written| written.id.as_str() == job).cloned().collect()
    }

    fn note(&self, commit: &Commit, applied: bool) {
        let (id, op, body) = (commit.id.clone(), commit.op.clone(), commit.body.clone());
        self.written.lock().unwrap().push(Written { id, op, body, applied });
    }

    pub fn is_away(&self, away: bool) {
        self.away.store(away, Ordering::SeqCst);
    }

    /// At the `nth` write from now (0: the next one).
    pub fn trap(&self, nth: usize, moment: Moment, act: impl FnOnce() -> BoxFuture<'static, ()> + Send + 'static) {
        *self.trap.lock().unwrap() = Some(Trap { passes: nth, moment, act: Box::new(act) });
    }

    /// Whether the trap has not been sprung; it is taken away.
    pub fn disarm(&self) -> bool {
        self.trap.lock().unwrap().take().is_some()
    }

    /// What is to be done about this write, if the trap is for it.
    fn sprung(&self) -> Option<(Moment, Act)> {
        let mut trap = self.trap.lock().unwrap();
        match trap.as_mut() {
            Some(armed) if armed.passes > 0 => {
                armed.passes -= 1;
                None
            }
            Some(_) => trap.take().map(|trap| (trap.moment, trap.act)),
            None => None,
        }
    }

    fn asked(&self) -> Result<(), Error> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        if self.away.load(Ordering::SeqCst) { Err(Error::Unavailable("away on request".to_owned())) } else { Ok(()) }
    }
}

fn one_less(counter: &AtomicU64) -> bool {
    counter.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok()
}

pub struct Watched {
    pub inner: Arc<dyn Store>,
    pub watch: Arc<Watch>,
}

#[async_trait]
impl Store for Watched {
    async fn get(&self, id: &JobId) -> Result<Read, Error> {
        self.watch.asked()?;
        self.inner.get(id).await
    }

    async fn commit(&self, commit: &Commit) -> Result<Committed, Error> {
        self.watch.asked()?;
        self.watch.commits.fetch_add(1, Ordering::SeqCst);
        self.watch.jobs.lock().unwrap().insert(commit.id.clone());
        let (before, after) = match self.watch.sprung() {
            Some((Moment::Before, act)) => (Some(act), None),
            Some((Moment::After, act)) => (None, Some(act)),
            None => (None, None),
        };
        if let Some(act) = before {
            act().await;
        }
        if self.watch.hang.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        if one_less(&self.watch.swallow) {
            self.watch.note(commit, false);
            return Err(Error::Unknown("swallowed on request".to_owned()));
        }
        let answer = self.inner.commit(commit).await;
        self.watch.note(commit, matches!(answer, Ok(Committed::Applied { .. })));
        if let Some(act) = after {
            act().await;
        }
        if one_less(&self.watch.lose) {
            return Err(Error::Unknown("lost on request".to_owned()));
        }
        answer
    }

    async fn pointer(&self, key: &PointerKey) -> Result<Option<String>, Error> {
        self.watch.asked()?;
        self.inner.pointer(key).await
    }

    async fn recall(&self, key: &MemoryKey) -> Result<Option<Bytes>, Error> {
        self.watch.asked()?;
        self.inner.recall(key).await
    }

    async fn tombstone(&self, id: &JobId) -> Result<Option<u32>, Error> {
        self.watch.asked()?;
        self.inner.tombstone(id).await
    }

    async fn due(&self, limit: usize) -> Result<Due, Error> {
        self.watch.asked()?;
        self.inner.due(limit).await
    }

    async fn delete(&self, id: &JobId, expected: Expected) -> Result<bool, Error> {
        self.watch.asked()?;
        if let Some(left) = self.watch.deletes.lock().unwrap().as_mut() {
            let Some(fewer) = left.checked_sub(1) else { return Err(Error::Unavailable("no more deletes".to_owned())) };
            *left = fewer;
        }
        self.inner.delete(id, expected).await
    }

    async fn list(&self, list: &ListKey, before: Option<&Place>, limit: usize) -> Result<Page, Error> {
        self.watch.asked()?;
        self.inner.list(list, before, limit).await
    }

    async fn survey(&self, limit: usize) -> Result<Survey, Error> {
        self.watch.asked()?;
        self.inner.survey(limit).await
    }

    async fn counted(&self, names: &[String]) -> Result<Vec<Option<Window>>, Error> {
        self.watch.asked()?;
        self.inner.counted(names).await
    }

    async fn count(&self, name: &str, window: Duration) -> Result<u64, Error> {
        self.watch.asked()?;
        self.inner.count(name, window).await
    }

    async fn take(&self, turns: &[Turn]) -> Result<Taken, Error> {
        self.watch.asked()?;
        self.inner.take(turns).await
    }

    async fn note(&self, log: &LogKey, entry: &[u8], keep: usize, ttl: Duration) -> Result<(), Error> {
        self.watch.asked()?;
        self.inner.note(log, entry, keep, ttl).await
    }

    async fn notes(&self, log: &LogKey, limit: usize) -> Result<Vec<Bytes>, Error> {
        self.watch.asked()?;
        self.inner.notes(log, limit).await
    }

    async fn ping(&self) -> Result<(), Error> {
        self.watch.asked()?;
        self.inner.ping().await
    }

    fn opening(&self) -> &str {
        self.inner.opening()
    }
}
