//! Watching a job: however many watch it in this process, one of them costs the store as much as all. A watched job has one
//! poller, which looks when something can have changed, at once when a newcomer knows of something else than was seen last,
//! and not at all for what this process writes itself: that is told. Nothing is kept of a job that nobody watches.

use super::record::Loaded;
use super::status::{Find, Status, status_of};
use super::{Engine, Fault};
use crate::job::{JobId, Owner};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep_until};

/// Between two looks at one job, whoever asks for them.
const GAP: Duration = Duration::from_millis(250);
/// Between two looks that nobody asked for: as long as nothing can change, but a person may cancel in another process.
const PAUSE_MIN: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(10);

/// What is watched in this process.
#[derive(Default)]
pub(super) struct Watches {
    of: Mutex<HashMap<Key, Arc<Watched>>>,
}

/// A project is watched as its owner's; whose a job is, is only known once it was read.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Key {
    Job(JobId),
    Project(Owner, String),
}

struct Watched {
    seen: watch::Sender<Seen>,
    /// Looks begun, and the one somebody waits for.
    begun: AtomicU64,
    wanted: AtomicU64,
    news: Notify,
}

/// What the last look, or a write of this process, has shown.
#[derive(Debug, Clone, Default)]
struct Seen {
    /// The last look that came to its end; 0: none yet.
    look: u64,
    /// Looks begun when this process last told of a write.
    told: u64,
    status: Option<Arc<Status>>,
    /// The last look failed.
    fault: Option<Fault>,
}

/// One who watches.
pub struct Watcher {
    owner: Owner,
    /// The tag of what was seen last.
    known: Option<String>,
    current: Arc<Status>,
    seen: watch::Receiver<Seen>,
    engine: Arc<Engine>,
}

impl Watches {
    /// This process has written a job.
    pub fn tell(&self, loaded: &Loaded) {
        let of = self.of();
        if of.is_empty() {
            return;
        }
        let job = &loaded.job;
        let keys = [Key::Job(job.id.clone()), Key::Project(job.owner.clone(), job.project.as_str().to_owned())];
        let mut status = None;
        for watched in keys.iter().filter_map(|key| of.get(key)) {
            let status = status.get_or_insert_with(|| Arc::new(status_of(loaded)));
            watched.tell(status);
        }
    }

    fn of(&self) -> MutexGuard<'_, HashMap<Key, Arc<Watched>>> {
        self.of.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watched {
    fn new() -> Self {
        Self {
            seen: watch::Sender::default(),
            begun: AtomicU64::new(0),
            wanted: AtomicU64::new(1),
            news: Notify::new(),
        }
    }

    fn tell(&self, status: &Arc<Status>) {
        let begun = self.begun.load(Ordering::SeqCst);
        let same = self.seen.send_if_modified(|seen| {
            let same = seen.status.as_ref().is_some_and(|held| held.job.id == status.job.id);
            if same && seen.status.as_ref().is_some_and(|held| held.version < status.version) {
                seen.status = Some(Arc::clone(status));
                seen.told = begun;
            }
            same
        });
        if !same {
            // Another job of the project: which is the current one, only the store can tell.
            self.want();
        }
        self.news.notify_one();
    }

    /// A look that begins from now on; its number.
    fn want(&self) -> u64 {
        let look = self.begun.load(Ordering::SeqCst) + 1;
        self.wanted.fetch_max(look, Ordering::SeqCst);
        self.news.notify_one();
        look
    }

    fn learn(&self, look: u64, found: Result<Option<Status>, Fault>) {
        self.seen.send_modify(|seen| {
            seen.look = look;
            let found = match found {
                Ok(found) => found,
                Err(fault) => {
                    seen.fault = Some(fault);
                    return;
                }
            };
            seen.fault = None;
            // What was told while the store was being read is newer than what was read.
            let overtaken = |held: &Arc<Status>| {
                found.as_ref().is_some_and(|found| found.job.id == held.job.id && found.version < held.version)
            };
            if seen.told < look || !seen.status.as_ref().is_some_and(overtaken) {
                seen.status = found.map(Arc::new);
            }
        });
    }

    /// How long the store need not be asked, from the last news on.
    fn pause(&self) -> Duration {
        let seen = self.seen.borrow();
        let Some(status) = seen.status.as_ref().filter(|_| seen.fault.is_none()) else { return PAUSE_MIN };
        let next = status.next_update_at.map_or(PAUSE_MAX, |at| Duration::from_millis(at.saturating_sub(status.now)));
        next.clamp(PAUSE_MIN, PAUSE_MAX)
    }
}

impl Engine {
    /// Begins to watch. `known`: the tag of what the caller has seen; what is there is then as new as the store's answer to a
    /// question asked after this call, or the very same. `None`: there is no such job of this owner.
    pub async fn watch(
        self: &Arc<Self>,
        find: &Find,
        owner: &Owner,
        known: Option<String>,
    ) -> Result<Option<Watcher>, Fault> {
        let (watched, mut seen) = self.watched(find, owner);
        let same = |seen: &Seen| seen.status.as_ref().is_some_and(|status| known.as_deref() == Some(status.tag()));
        if !same(&seen.borrow()) {
            let look = watched.want();
            let stopping = tokio::select! {
                _ = seen.wait_for(|seen| seen.look >= look || same(seen)) => false,
                () = self.stopping.cancelled() => true,
            };
            if stopping {
                return self.last_look(find, owner, known, seen).await;
            }
        }
        let (status, fault) = {
            let seen = seen.borrow_and_update();
            (seen.status.clone(), seen.fault.clone())
        };
        match (status, fault) {
            (Some(current), fault) if fault.is_none() || known.as_deref() == Some(current.tag()) => {
                let owner = owner.clone();
                let mine = current.job.owner == owner;
                Ok(mine.then(|| Watcher { owner, known, current, seen, engine: Arc::clone(self) }))
            }
            (_, Some(fault)) => Err(fault),
            (_, None) => Ok(None),
        }
    }

    /// Nobody polls any more, and nobody is to wait: what is there now, and no more of it.
    async fn last_look(
        self: &Arc<Self>,
        find: &Find,
        owner: &Owner,
        known: Option<String>,
        seen: watch::Receiver<Seen>,
    ) -> Result<Option<Watcher>, Fault> {
        let found = self.status(find, owner).await?;
        let watcher =
            |status| Watcher { owner: owner.clone(), known, current: Arc::new(status), seen, engine: Arc::clone(self) };
        Ok(found.map(watcher))
    }

    fn watched(self: &Arc<Self>, find: &Find, owner: &Owner) -> (Arc<Watched>, watch::Receiver<Seen>) {
        let key = match find {
            Find::Job(id) => Key::Job(id.clone()),
            Find::Project(project) => Key::Project(owner.clone(), project.as_str().to_owned()),
        };
        let mut of = self.watches.of();
        if let Some(watched) = of.get(&key) {
            return (Arc::clone(watched), watched.seen.subscribe());
        }
        let watched = Arc::new(Watched::new());
        let seen = watched.seen.subscribe();
        of.insert(key.clone(), Arc::clone(&watched));
        tokio::spawn(Arc::clone(self).poll(key, find.clone(), owner.clone(), Arc::clone(&watched)));
        (watched, seen)
    }

    /// Looks for as long as somebody watches.
    async fn poll(self: Arc<Self>, key: Key, find: Find, owner: Owner, watched: Arc<Watched>) {
        let mut looked = Instant::now().checked_sub(GAP).unwrap_or_else(Instant::now);
        let mut news = looked;
        loop {
            let wanted = watched.wanted.load(Ordering::SeqCst) > watched.begun.load(Ordering::SeqCst);
            let due = if wanted { looked + GAP } else { news + watched.pause() };
            let look = tokio::select! {
                () = sleep_until(due) => true,
                () = watched.news.notified() => false,
                () = watched.seen.closed() => false,
                () = self.stopping.cancelled() => return,
            };
            if look {
                let look = watched.begun.fetch_add(1, Ordering::SeqCst) + 1;
                looked = Instant::now();
                let found = match &find {
                    // Whose it is, each watcher is asked.
                    Find::Job(id) => self.load(id).await.map(|(found, _)| found.as_ref().map(status_of)),
                    Find::Project(_) => self.status(&find, &owner).await,
                };
                watched.learn(look, found);
            }
            news = Instant::now();
            // Newcomers subscribe under the same lock, so none is left behind.
            let mut of = self.watches.of();
            if watched.seen.is_closed() {
                of.remove(&key);
                return;
            }
        }
    }
}

impl Watcher {
    /// What is there now.
    pub fn current(&self) -> &Arc<Status> {
        &self.current
    }

    /// The caller sees what is there now.
    pub fn see(&mut self) {
        self.known = Some(self.current.tag().to_owned());
    }

    /// Whether the caller has seen what is there now.
    pub fn is_known(&self) -> bool {
        self.known.as_deref() == Some(self.current.tag())
    }

    /// The next state that differs visibly from the last one seen; `None`: the job is gone, or the process is ending.
    pub async fn next(&mut self) -> Option<Arc<Status>> {
        loop {
            if !self.is_known() {
                self.see();
                return Some(Arc::clone(&self.current));
            }
            tokio::select! {
                changed = self.seen.changed() => changed.ok()?,
                () = self.engine.stopping.cancelled() => return None,
            }
            let status = self.seen.borrow_and_update().status.clone();
            self.current = status.filter(|status| status.job.owner == self.owner)?;
        }
    }
}
