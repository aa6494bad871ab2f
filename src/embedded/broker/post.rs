//! The post office: takes messages in, keeps them on disk, and carries each to its destination when it is due. It sleeps
//! until something is due or comes in. A message taken in is on disk before anybody hears of it; one on its way stays on
//! disk until its attempt's end is there too, so that a process killed at any moment only repeats attempts.

mod waiting;

use super::account::Users;
use super::board::Board;
use super::clock::{Clock, wall};
use super::deliver::Courier;
use super::disk::{self, Disk};
use super::faults::{Fate, Faults};
use super::hold::{self, Hold};
use super::instructions::Quota;
use super::ledger::accept::{Accepted, Offered};
use super::ledger::pages::{self, Leaving, Load};
use super::ledger::retention::{self, Seam};
use super::ledger::schedules::Fired;
use super::ledger::{self, Settled};
use super::limits::Meters;
use super::message::{Millis, New, Record};
use super::schedules::timetable::Name;
use super::ticket::{Ticket, scoped};
use bytes::Bytes;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// The longest sleep while something waits: a machine that slept, or whose clock was set, finds its bearings again.
const NAP_MAX: Duration = Duration::from_mins(1);
/// How long to leave a message alone when the log cannot be read or written.
const LOG_TROUBLE: Millis = 5_000;
/// So many schedules at most fire in one write.
const FIRING_MAX: usize = 32;
const PRUNE_EVERY: Millis = 10 * 60_000;

pub struct Post {
    pub disk: Disk,
    pub users: Users,
    pub quota: Quota,
    pub clock: Clock,
    pub meters: Meters,
    /// One rotation at a time, so that disk and memory agree on the last.
    pub rotating: tokio::sync::Mutex<()>,
    /// One change of settings at a time (schedules, queues, gates), for the same reason.
    pub settling: tokio::sync::Mutex<()>,
    hold: Hold,
    courier: Courier,
    faults: Faults,
    /// Time jumps to the next due thing whenever messages wait and none is on its way.
    leap: bool,
    board: Mutex<Board>,
    wake: Notify,
    /// Told whenever there may be nothing pending.
    calm: Notify,
}

/// What the post office works with.
pub struct Office {
    pub disk: Disk,
    pub users: Users,
    pub quota: Quota,
    pub clock: Clock,
    pub meters: Meters,
    pub hold: Hold,
    pub courier: Courier,
    pub faults: Faults,
    pub leap: bool,
    pub board: Board,
}

/// What became of a message that left.
enum Landing {
    /// It will not come back.
    Over,
    /// It is on the board again, or waits for another start.
    Again,
}

impl Post {
    /// Takes up every message that was accepted and not finished before, and all settings.
    pub async fn open(office: Office) -> Result<Self, disk::Error> {
        let Office { disk, users, quota, clock, meters, hold, courier, faults, leap, board } = office;
        let left = disk.read(ledger::left::read).await?;
        let (rotating, settling) = (tokio::sync::Mutex::new(()), tokio::sync::Mutex::new(()));
        let (board, wake, calm) = (Mutex::new(board), Notify::new(), Notify::new());
        let post = Self {
            disk,
            users,
            quota,
            clock,
            meters,
            rotating,
            settling,
            hold,
            courier,
            faults,
            leap,
            board,
            wake,
            calm,
        };
        left.put_on(&mut post.board());
        Ok(post)
    }

    /// Accepts messages, each by itself. They are on disk when this returns.
    pub async fn accept(&self, offered: Vec<New>) -> Result<Vec<Offered>, disk::Error> {
        let (now, quota) = (self.clock.now(), self.quota);
        let accepted = self.disk.write(move |txn| ledger::accept::accept(txn, offered, quota, now)).await?;
        self.welcome(accepted.iter().flatten().flatten().filter_map(Accepted::record));
        Ok(accepted)
    }

    /// Puts new messages, on disk already, on the board. Each brings the limits of its flow-control key.
    pub fn welcome<'a>(&self, records: impl IntoIterator<Item = &'a Record>) {
        let mut board = self.board();
        for record in records {
            let ticket = Ticket::of(record);
            if let (Some(key), Some(flow)) = (&ticket.flow, &record.spec.flow) {
                board.queue.set_gate(key, flow.limits, None, flow.revision);
            }
            board.add(ticket);
        }
        drop(board);
        self.wake.notify_one();
    }

    /// Takes withdrawn messages off the board; an attempt under way ends on its own and then finds nothing to settle.
    pub fn forget(&self, ids: &[String]) {
        self.steer(|board| ids.iter().for_each(|id| board.remove(id)));
    }

    /// Changes or asks the board, and looks again at what may leave.
    pub fn steer<T>(&self, change: impl FnOnce(&mut Board) -> T) -> T {
        let changed = change(&mut self.board());
        self.wake.notify_one();
        self.calm.notify_waiters();
        changed
    }

    /// Carries messages until told to stop. Attempts under way are then dropped, to be made anew at the next start.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        let (mut flights, mut pruning) = (JoinSet::new(), JoinSet::new());
        let mut pruned_at = Millis::MIN;
        loop {
            let now = self.clock.now();
            if now.saturating_sub(pruned_at) >= PRUNE_EVERY && pruning.is_empty() {
                pruned_at = now;
                pruning.spawn(self.clone().prune(now));
            }
            let (firing, leaving) = {
                let mut board = self.board();
                (board.fire(now), board.take(now))
            };
            for schedules in firing.chunks(FIRING_MAX) {
                flights.spawn(self.clone().fire(schedules.to_vec()));
            }
            for ticket in leaving {
                let fate = self.faults.next();
                match fate.hold {
                    Some(delay) => self.postpone(&ticket, now + delay),
                    None => drop(flights.spawn(self.clone().carry(ticket, fate))),
                }
            }
            while flights.try_join_next().is_some() {}
            if self.leap && pruning.is_empty() {
                self.leap();
            }
            let due = self.board().next_due();
            tokio::select! {
                () = stop.cancelled() => break,
                () = self.wake.notified() => {}
                // Leaping waits for it, and nothing else tells of its end.
                Some(_) = pruning.join_next() => {}
                () = self.nap(due) => {}
            }
        }
        flights.shutdown().await;
        pruning.shutdown().await;
    }

    /// Write by write, so that what comes in meanwhile is not held up.
    async fn prune(self: Arc<Self>, now: Millis) {
        let mut from = Some(Seam::default());
        while let Some(seam) = from.take() {
            match self.disk.write(move |txn| retention::prune(txn, seam, now)).await {
                Ok(pruned) => {
                    from = pruned.next;
                    self.steer(|board| {
                        for (user, key) in &pruned.idle {
                            board.queue.forget_gate(&scoped(user, key));
                        }
                    });
                }
                Err(error) => tracing::warn!(%error, "Old messages could not be pruned"),
            }
        }
    }

    async fn fire(self: Arc<Self>, schedules: Vec<Name>) {
        let _turn = self.settling.lock().await;
        let (now, grace, quota, names) = (self.clock.now(), self.clock.grace(), self.quota, schedules.clone());
        let write = self.disk.write(move |txn| {
            let fire = |(user, id): &Name| ledger::schedules::fire(txn, (user, id), quota, now, grace);
            names.iter().map(fire).collect::<Result<Vec<_>, _>>()
        });
        let fired = write.await.unwrap_or_else(|error| {
            tracing::error!(%error, "Schedules could not fire; they will be tried again");
            schedules.iter().map(|_| Fired { records: Vec::new(), due: Some(now + LOG_TROUBLE) }).collect()
        });
        self.welcome(fired.iter().flat_map(|fired| &fired.records));
        self.steer(|board| {
            for (name, Fired { due, .. }) in schedules.into_iter().zip(fired) {
                board.fired(name, due);
            }
        });
    }

    fn postpone(&self, ticket: &Ticket, due: Millis) {
        self.steer(|board| {
            board.landed(ticket);
            board.queue.add(Ticket { due, ..ticket.clone() });
        });
    }

    async fn carry(self: Arc<Self>, ticket: Ticket, fate: Fate) {
        let flight = Flight { post: &self, ticket: &ticket };
        match self.attempt(&ticket.id, fate).await {
            Ok(Landing::Over) => self.board().over(&ticket),
            Ok(Landing::Again) => {}
            Err(error) => {
                let id = &ticket.id;
                tracing::error!(%error, message.id = %id, "An attempt could not be recorded; it will be repeated");
                self.board().queue.add(Ticket { due: self.clock.now() + LOG_TROUBLE, ..ticket.clone() });
            }
        }
        drop(flight);
    }

    async fn attempt(&self, id: &str, fate: Fate) -> Result<Landing, disk::Error> {
        let key = id.to_owned();
        let Some(Leaving { record, body }) = self.disk.read(move |txn| pages::leaving(txn, &key, hold::SMALL)).await?
        else {
            return Ok(Landing::Over);
        };
        let Some(keys) = self.users.keys(&record.spec.user) else {
            tracing::warn!(user = record.spec.user, "A message of a user without keys waits for a start that has them");
            return Ok(Landing::Again);
        };
        let body = match body {
            Load::Small(body) => Some(body),
            Load::Large(bytes) => self.large(id, bytes).await?,
        };
        let Some(body) = body else { return Ok(Landing::Over) };
        let started = self.clock.now();
        let again = fate.repeat.then(|| body.clone());
        let outcome = self.courier.push(&record, body, &keys, wall()).await;
        if let Some(body) = again {
            // As after a crash of the service: the destination sees one attempt twice.
            let _repeated = self.courier.push(&record, body, &keys, wall()).await;
        }
        let outcome = fate.outcome(outcome);
        let (id, now) = (record.id.clone(), self.clock.now());
        let settle = move |txn: &_| ledger::settle(txn, &record, &outcome, started, now);
        let Settled::Follow(records) = self.disk.write(settle).await? else { return Ok(Landing::Over) };
        let mut board = self.board();
        for record in &records {
            board.add(Ticket::of(record));
        }
        Ok(if records.iter().any(|record| record.id == id) { Landing::Again } else { Landing::Over })
    }

    /// A body that needs room, once there is some; none if the message was withdrawn meanwhile.
    async fn large(&self, id: &str, bytes: usize) -> Result<Option<Bytes>, disk::Error> {
        let (part, id) = (self.hold.part(bytes).await, id.to_owned());
        let read = self.disk.read(move |txn| pages::live(txn, &id)).await?;
        Ok(read.map(|(_, body)| part.fill(body)))
    }

    /// Without anything due, sleeps for ever: a message that comes in wakes it.
    async fn nap(&self, due: Option<Millis>) {
        match due {
            Some(due) => tokio::time::sleep(self.clock.until(due).min(NAP_MAX)).await,
            None => std::future::pending().await,
        }
    }

    fn board(&self) -> MutexGuard<'_, Board> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place among the deliveries in flight, given back whatever happens.
struct Flight<'a> {
    post: &'a Post,
    ticket: &'a Ticket,
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        self.post.steer(|board| board.landed(self.ticket));
    }
}
