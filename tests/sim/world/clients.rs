//! What a process sees of the world: a store and a network, both of which may fail, delay, lie or be its end.

use super::World;
use super::process::Process;
use crate::faults::{Fault as F, Hook};
use crate::laws;
use async_trait::async_trait;
use bytes::Bytes;
use cliprelay::job::JobId;
use cliprelay::services::outbound::{Transport, Unanswered};
use cliprelay::store::{
    Commit, Committed, Due, Error, Expected, ListKey, LogKey, MemoryKey, Page, Place, PointerKey, Read, Store, Survey,
    Taken, Turn, Window,
};
use reqwest::{Request, Response};
use std::future::{Future, pending};
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};

/// A process's side of the store.
pub struct Shop {
    world: Weak<World>,
    process: Weak<Process>,
}

/// How long the true client waits for a reply.
const REPLY: Duration = Duration::from_secs(2);

async fn in_time<T>(exchange: impl Future<Output = Result<T, Error>> + Send) -> Result<T, Error> {
    timeout(REPLY, exchange).await.unwrap_or_else(|_| unknown())
}

fn unavailable<T>() -> Result<T, Error> {
    Err(Error::Unavailable("on request".to_owned()))
}

fn unknown<T>() -> Result<T, Error> {
    Err(Error::Unknown("on request".to_owned()))
}

impl Shop {
    pub fn new(world: &Arc<World>, process: &Arc<Process>) -> Self {
        Self { world: Arc::downgrade(world), process: Arc::downgrade(process) }
    }

    /// The world and the process, once the latter may go on; a world that has ended never answers.
    async fn enter(&self) -> Result<(Arc<World>, Arc<Process>), Error> {
        let (Some(world), Some(process)) = (self.world.upgrade(), self.process.upgrade()) else {
            return pending().await;
        };
        process.alive().await;
        world.way().await;
        let (away, stalls) = {
            let state = world.state();
            (state.store_away_until, state.store_stalls_until)
        };
        if let Some(until) = stalls.filter(|until| Instant::now() < *until) {
            sleep(until - Instant::now()).await;
        }
        if away.is_some_and(|until| Instant::now() < until) {
            return unavailable();
        }
        process.alive().await;
        Ok((world, process))
    }

    async fn leave<T>(world: &World, process: &Process, answer: T) -> T {
        world.way().await;
        process.alive().await;
        answer
    }

    async fn read<T: Send>(&self, read: impl FnOnce(&World) -> T + Send) -> Result<T, Error> {
        in_time(self.read_once(read)).await
    }

    async fn read_once<T: Send>(&self, read: impl FnOnce(&World) -> T + Send) -> Result<T, Error> {
        let (world, process) = self.enter().await?;
        match world.strike(&[Hook::Read]) {
            Some(F::ReadRefused) => unavailable(),
            Some(F::ReadLost) => pending().await,
            _ => {
                let read = read(&world);
                Ok(Self::leave(&world, &process, read).await)
            }
        }
    }

    async fn write(&self, commit: &Commit) -> Result<Committed, Error> {
        let (world, process) = self.enter().await?;
        let recorded = world.state().job.is_some();
        let hooks: &[Hook] = if recorded { &[Hook::Write, Hook::Recorded] } else { &[Hook::Write] };
        match world.strike(hooks) {
            Some(F::CrashBeforeWrite) => {
                process.dies();
                pending().await
            }
            Some(F::CrashAfterWrite) => {
                apply(&world, &process, commit);
                process.dies();
                pending().await
            }
            Some(F::WriteRefused) => unavailable(),
            Some(F::WriteLost) => unknown(),
            Some(F::WriteUnheard) => {
                apply(&world, &process, commit);
                unknown()
            }
            Some(F::WriteLate) => {
                let late = commit.clone();
                let seconds = world.state().rng.u64(1..30);
                let from = process.clone();
                world.later(Duration::from_secs(seconds), move |world| {
                    world.state().laws.late_write = true;
                    apply(world, &from, &late);
                    world.state().laws.late_write = false;
                });
                pending().await
            }
            Some(F::StoreStalls) => {
                let seconds = world.state().rng.u64(3..20);
                world.state().store_stalls_until = Some(Instant::now() + Duration::from_secs(seconds));
                pending().await
            }
            Some(F::StoreRestarts) => {
                let seconds = world.state().rng.u64(1..60);
                world.state().store_away_until = Some(Instant::now() + Duration::from_secs(seconds));
                unavailable()
            }
            other => {
                if let Some(fault) = other {
                    meanwhile(&world, &process, fault).await;
                }
                let committed = apply(&world, &process, commit);
                Ok(Self::leave(&world, &process, committed).await)
            }
        }
    }
}

/// Applies a write, and lets the laws see it.
fn apply(world: &World, process: &Process, commit: &Commit) -> Committed {
    let now = world.now();
    let before = world.state().store.get(&commit.id, now);
    let committed = world.state().store.commit(commit, now);
    if let Committed::Applied { .. } = committed {
        laws::written(world, process, before.as_ref(), commit, now);
    }
    world.changed.notify_waiters();
    committed
}

/// What may happen at any moment, beside the write itself.
async fn meanwhile(world: &Arc<World>, process: &Arc<Process>, fault: F) {
    match fault {
        F::Freezes => {
            let seconds = world.state().rng.u64(20..400);
            process.freezes(Instant::now() + Duration::from_secs(seconds));
            process.alive().await;
        }
        F::Redeployed => process.is_redeployed(),
        F::StoreForgets | F::StoreEvicts | F::StoreRollsBack => super::network::lose(world, fault),
        F::Cancelled | F::RetriedEarly | F::EnqueuedAgain | F::OthersWrite => crate::people::act(world, fault),
        _ => {}
    }
}

#[async_trait]
impl Store for Shop {
    async fn get(&self, id: &JobId) -> Result<Read, Error> {
        self.read(|world| {
            let now = world.now();
            Read { now, record: world.state().store.get(id, now) }
        })
        .await
    }

    async fn commit(&self, commit: &Commit) -> Result<Committed, Error> {
        in_time(self.write(commit)).await
    }

    async fn pointer(&self, key: &PointerKey) -> Result<Option<String>, Error> {
        self.read(|world| {
            let now = world.now();
            world.state().store.pointer(key, now)
        })
        .await
    }

    async fn recall(&self, key: &MemoryKey) -> Result<Option<Bytes>, Error> {
        self.read(|world| {
            let now = world.now();
            world.state().store.recall(key, now)
        })
        .await
    }

    async fn tombstone(&self, id: &JobId) -> Result<Option<u32>, Error> {
        self.read(|world| {
            let now = world.now();
            world.state().store.tombstone(id, now)
        })
        .await
    }

    async fn due(&self, limit: usize) -> Result<Due, Error> {
        self.read(|world| {
            let now = world.now();
            Due { now, jobs: world.state().store.due(limit, now) }
        })
        .await
    }

    async fn delete(&self, id: &JobId, expected: Expected) -> Result<bool, Error> {
        self.read(|world| {
            let now = world.now();
            let record = world.state().store.get(id, now);
            let deleted = world.state().store.delete(id, expected, now);
            if let Some(record) = record.filter(|_| deleted) {
                laws::deleted(world, &record);
            }
            deleted
        })
        .await
    }

    async fn list(&self, list: &ListKey, before: Option<&Place>, limit: usize) -> Result<Page, Error> {
        self.read(|world| {
            let now = world.now();
            world.state().store.list(list, before, limit, now)
        })
        .await
    }

    async fn survey(&self, limit: usize) -> Result<Survey, Error> {
        self.read(|world| {
            let now = world.now();
            world.state().store.survey(limit, now)
        })
        .await
    }

    async fn counted(&self, names: &[String]) -> Result<Vec<Option<Window>>, Error> {
        self.read(|world| {
            let now = world.now();
            world.state().store.counted(names, now)
        })
        .await
    }

    async fn count(&self, name: &str, window: Duration) -> Result<u64, Error> {
        self.read(|world| {
            let now = world.now();
            world.state().store.count(name, window, now)
        })
        .await
    }

    async fn take(&self, turns: &[Turn]) -> Result<Taken, Error> {
        self.read(|world| {
            let now = world.now();
            world.state().store.take(turns, now)
        })
        .await
    }

    async fn note(&self, log: &LogKey, entry: &[u8], keep: usize, ttl: Duration) -> Result<(), Error> {
        self.read(|world| {
            let now = world.now();
            world.state().store.note(log, entry, keep, ttl, now);
        })
        .await
    }

    async fn notes(&self, log: &LogKey, limit: usize) -> Result<Vec<Bytes>, Error> {
        self.read(|world| {
            let now = world.now();
            world.state().store.notes(log, limit, now)
        })
        .await
    }

    async fn ping(&self) -> Result<(), Error> {
        in_time(self.enter()).await.map(drop)
    }

    fn opening(&self) -> &'static str {
        "shared"
    }
}

/// A process's side of the network.
pub struct Wire {
    world: Weak<World>,
    process: Weak<Process>,
}

impl Wire {
    pub fn new(world: &Arc<World>, process: &Arc<Process>) -> Self {
        Self { world: Arc::downgrade(world), process: Arc::downgrade(process) }
    }
}

#[async_trait]
impl Transport for Wire {
    async fn send(&self, request: Request) -> Result<Response, Unanswered> {
        let (Some(world), Some(process)) = (self.world.upgrade(), self.process.upgrade()) else {
            return pending().await;
        };
        let within = request.timeout().copied().unwrap_or(Duration::from_mins(10));
        let exchange = async {
            process.alive().await;
            world.way().await;
            process.alive().await;
            super::network::carry(&world, &process, request).await
        };
        timeout(within, exchange).await.unwrap_or_else(|_| Err(Unanswered::lost("timed out")))
    }
}
