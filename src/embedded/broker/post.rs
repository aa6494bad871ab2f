//! The post office: takes messages in, keeps them on disk, and carries each to its destination when it is due. It sleeps
//! until something is due or comes in. A message taken in is on disk before anybody hears of it; one on its way stays on
//! disk until its attempt's end is there too, so that a process killed at any moment only repeats attempts.

use super::account::Users;
use super::deliver::Courier;
use super::disk::{self, Disk};
use super::instructions::Quota;
use super::ledger::{self, Accepted, Settled, pages};
use super::message::{Millis, New, Record, host};
use super::queue::{Departure, Queue};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// The longest sleep while something waits: a machine that slept, or whose clock was set, finds its bearings again.
const NAP_MAX: Duration = Duration::from_mins(1);
/// How long to leave a message alone when the log cannot be read or written.
const LOG_TROUBLE: Millis = 5_000;
const PRUNE_EVERY: Millis = 10 * 60_000;

pub struct Post {
    pub disk: Disk,
    pub users: Users,
    pub quota: Quota,
    /// One rotation at a time, so that disk and memory agree on the last.
    pub rotating: tokio::sync::Mutex<()>,
    courier: Courier,
    queue: Mutex<Queue>,
    wake: Notify,
}

impl Post {
    /// Takes up every message that was accepted and not finished before.
    pub async fn open(
        disk: Disk,
        users: Users,
        quota: Quota,
        courier: Courier,
        queue: Queue,
    ) -> Result<Self, disk::Error> {
        let waiting = disk
            .read(|txn| {
                let mut waiting = Vec::new();
                pages::each_live(txn, |record| {
                    waiting.push((record.id.clone(), host(&record.spec.destination), record.due));
                })?;
                Ok(waiting)
            })
            .await?;
        let rotating = tokio::sync::Mutex::new(());
        let post = Self { disk, users, quota, rotating, courier, queue: Mutex::new(queue), wake: Notify::new() };
        for (id, host, due) in waiting {
            post.queue().add(&id, &host, due);
        }
        Ok(post)
    }

    /// Accepts messages, all or none. They are on disk when this returns.
    pub async fn accept(&self, offered: Vec<New>) -> Result<Vec<Accepted>, disk::Error> {
        let accepted = self.disk.write(move |txn| ledger::accept(txn, offered, now())).await?;
        let new = accepted.iter().filter_map(|accepted| match accepted {
            Accepted::New(record) => Some(record.as_ref()),
            Accepted::Duplicate(_) => None,
        });
        self.schedule(new);
        Ok(accepted)
    }

    /// Puts records that are on disk into the queue.
    pub fn schedule<'a>(&self, records: impl IntoIterator<Item = &'a Record>) {
        let mut queue = self.queue();
        for record in records {
            queue.add(&record.id, &host(&record.spec.destination), record.due);
        }
        drop(queue);
        self.wake.notify_one();
    }

    /// Takes withdrawn messages out of the queue; an attempt under way ends on its own and then finds nothing to settle.
    pub fn forget(&self, ids: &[String]) {
        let mut queue = self.queue();
        for id in ids {
            queue.remove(id);
        }
    }

    /// Carries messages until told to stop. Attempts under way are then dropped, to be made anew at the next start.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        let mut flights = JoinSet::new();
        let mut pruned_at = 0;
        loop {
            let at = now();
            if at - pruned_at >= PRUNE_EVERY {
                pruned_at = at;
                if let Err(error) = self.disk.write(move |txn| ledger::retention::prune(txn, at)).await {
                    tracing::warn!(%error, "Old messages could not be pruned");
                }
            }
            let departures = self.queue().take(at);
            for departure in departures {
                flights.spawn(self.clone().carry(departure));
            }
            while flights.try_join_next().is_some() {}
            let due = self.queue().next_due();
            tokio::select! {
                () = stop.cancelled() => break,
                () = self.wake.notified() => {}
                () = nap(due) => {}
            }
        }
        flights.shutdown().await;
    }

    async fn carry(self: Arc<Self>, departure: Departure) {
        let flight = Flight { post: &self, host: departure.host.clone() };
        if let Err(error) = self.attempt(&departure.id).await {
            tracing::error!(%error, message.id = %departure.id, "An attempt could not be recorded; it will be repeated");
            self.queue().add(&departure.id, &departure.host, now() + LOG_TROUBLE);
        }
        drop(flight);
    }

    async fn attempt(&self, id: &str) -> Result<(), disk::Error> {
        let key = id.to_owned();
        let Some((record, body)) = self.disk.read(move |txn| pages::live(txn, &key)).await? else { return Ok(()) };
        let Some(keys) = self.users.keys(&record.spec.user) else {
            tracing::warn!(user = record.spec.user, "A message of a user without keys waits for a start that has them");
            return Ok(());
        };
        let started = now();
        let outcome = self.courier.push(&record, &body, &keys, started).await;
        let settle = move |txn: &_| ledger::settle(txn, &record, &body, &outcome, started, now());
        if let Settled::Follow(records) = self.disk.write(settle).await? {
            self.schedule(&records);
        }
        Ok(())
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place among the deliveries in flight, given back whatever happens.
struct Flight<'a> {
    post: &'a Post,
    host: Arc<str>,
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        self.post.queue().landed(&self.host);
        self.post.wake.notify_one();
    }
}

/// Without anything due, sleeps for ever: a message that comes in wakes it.
async fn nap(due: Option<Millis>) {
    match due {
        Some(due) => {
            let millis = u64::try_from(due - now()).unwrap_or(0);
            tokio::time::sleep(Duration::from_millis(millis).min(NAP_MAX)).await;
        }
        None => std::future::pending().await,
    }
}

/// The broker's clock.
pub fn now() -> Millis {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Millis::try_from(elapsed.as_millis()).unwrap_or(Millis::MAX)
}
