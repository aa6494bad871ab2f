//! What a former process left: every live message and every setting, for the departure board of the next.

use super::super::board::Board;
use super::super::message::{FlowLimits, Millis};
use super::super::schedules::timetable::Name;
use super::super::ticket::{Ticket, scoped};
use super::flow::{self, Setting};
use super::pages::each_live;
use super::{queues, schedules};
use redb::{Error, ReadTransaction};
use std::collections::HashSet;
use std::sync::Arc;

#[derive(Debug, Default)]
pub struct Left {
    messages: Vec<(Ticket, Option<FlowLimits>)>,
    lanes: Vec<(Arc<str>, usize, bool)>,
    gates: Vec<(Arc<str>, Setting)>,
    schedules: Vec<(Name, Millis)>,
}

pub fn read(txn: &ReadTransaction) -> Result<Left, Error> {
    let mut left = Left::default();
    each_live(txn, |record| {
        left.messages.push((Ticket::of(record), record.spec.flow.as_ref().map(|flow| flow.limits)));
    })?;
    queues::each(txn, |user, name, queue| {
        left.lanes.push((scoped(user, name), queue.parallelism as usize, queue.paused));
    })?;
    flow::each(txn, |user, key, flow| left.gates.push((scoped(user, key), flow)))?;
    schedules::each(txn, |user, schedule, _| {
        left.schedules.extend(schedule.due().map(|due| ((user.to_owned(), schedule.id.clone()), due)));
    })?;
    Ok(left)
}

impl Left {
    pub fn put_on(self, board: &mut Board) {
        for (name, parallelism, paused) in self.lanes {
            board.set_lane(&name, parallelism, paused);
        }
        for (ticket, limits) in &self.messages {
            if let (Some(key), Some(limits)) = (&ticket.flow, limits) {
                board.queue.set_gate(key, *limits, None, 0);
            }
        }
        for (key, setting) in self.gates {
            board.queue.set_gate(&key, setting.limits, Some(setting.paused), setting.revision);
        }
        // A callback whose message is done still holds that message's place in its queue.
        let live: HashSet<Arc<str>> = self.messages.iter().map(|(ticket, _)| ticket.id.clone()).collect();
        let orphan = |ticket: &Ticket| {
            ticket.berth.as_ref().and_then(|berth| berth.tells_of.as_ref()).is_some_and(|source| !live.contains(source))
        };
        let (first, then): (Vec<Ticket>, Vec<Ticket>) =
            self.messages.into_iter().map(|(ticket, _)| ticket).partition(orphan);
        for ticket in first.into_iter().chain(then) {
            board.add(ticket);
        }
        for (name, due) in self.schedules {
            board.timetable.set(name, Some(due));
        }
    }
}
