//! The departure board: every live message that is not on its way, and every schedule, each with its time. Pure: given the
//! time, it says what leaves. Queues decide who may be due at all, the due queue and its gates who leaves.

use super::lanes::Lanes;
use super::message::Millis;
use super::queue::{Limits, Queue};
use super::schedules::timetable::{Name, Timetable};
use super::ticket::Ticket;
use std::sync::Arc;

#[derive(Debug)]
pub struct Board {
    pub queue: Queue,
    lanes: Lanes,
    pub timetable: Timetable,
    firing: usize,
}

impl Board {
    pub fn new(limits: Limits) -> Self {
        Self { queue: Queue::new(limits), lanes: Lanes::default(), timetable: Timetable::default(), firing: 0 }
    }

    pub fn add(&mut self, ticket: Ticket) {
        let admitted = self.lanes.enter(ticket);
        self.line_up(admitted);
    }

    /// The messages that leave now; each takes a place until [`Board::landed`].
    pub fn take(&mut self, now: Millis) -> Vec<Ticket> {
        self.queue.take(now)
    }

    pub fn landed(&mut self, ticket: &Ticket) {
        self.queue.landed(ticket);
    }

    /// A message that left will not come back.
    pub fn over(&mut self, ticket: &Ticket) {
        if let Some(berth) = &ticket.berth {
            let admitted = self.lanes.leave(&ticket.id, berth);
            self.line_up(admitted);
        }
    }

    /// Takes a message out before it left.
    pub fn remove(&mut self, id: &str) {
        if let Some(ticket) = self.queue.remove(id) {
            self.over(&ticket);
        } else if let Some((_, admitted)) = self.lanes.remove(id) {
            self.line_up(admitted);
        }
    }

    /// How a queue is set from now on.
    pub fn set_lane(&mut self, name: &Arc<str>, parallelism: usize, paused: bool) {
        if paused {
            for id in self.lanes.pause(name) {
                if let Some(ticket) = self.queue.remove(&id) {
                    self.lanes.hold(ticket);
                }
            }
        }
        let admitted = self.lanes.set_parallelism(name, parallelism);
        self.line_up(admitted);
        if !paused {
            let back = self.lanes.resume(name);
            self.line_up(back);
        }
    }

    pub fn forget_lane(&mut self, name: &Arc<str>) {
        let back = self.lanes.forget(name);
        self.line_up(back);
    }

    pub fn lag(&self, name: &str) -> usize {
        self.lanes.lag(name)
    }

    /// The schedules whose time has come; each is looked at until [`Board::fired`].
    pub fn fire(&mut self, now: Millis) -> Vec<Name> {
        let due = self.timetable.take(now);
        self.firing += due.len();
        due
    }

    /// A schedule was looked at, and is to be again then.
    pub fn fired(&mut self, name: Name, due: Option<Millis>) {
        self.firing = self.firing.saturating_sub(1);
        self.timetable.set(name, due);
    }

    /// Messages that are not done with, those on their way included, and schedules that are to make some by now.
    pub fn pending(&self, now: Millis) -> usize {
        self.queue.len() + self.lanes.waiting() + self.queue.flying() + usize::from(self.is_firing(now))
    }

    /// Whether a schedule is to make messages by now and may not have.
    pub fn is_firing(&self, now: Millis) -> bool {
        self.firing > 0 || self.timetable.next().is_some_and(|at| at <= now)
    }

    /// When to look again.
    pub fn next_due(&self) -> Option<Millis> {
        self.queue.next_due().into_iter().chain(self.timetable.next()).min()
    }

    fn line_up(&mut self, tickets: Vec<Ticket>) {
        for ticket in tickets {
            self.queue.add(ticket);
        }
    }
}
