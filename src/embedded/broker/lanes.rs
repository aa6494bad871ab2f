//! Queues: their messages leave in the order they came, each only when a place among those under way is free. A message
//! holds its place through its retries and until its callbacks are done, so that with one place the order is strict. Pure.

use super::ticket::{Berth, Ticket};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

#[derive(Debug)]
struct Lane {
    parallelism: usize,
    paused: bool,
    /// By id, which is in order of creation: so a restart finds the same order.
    line: BTreeMap<Arc<str>, Ticket>,
    /// The messages that hold a place, with the deliveries they still wait for: their own and those of callbacks.
    inside: HashMap<Arc<str>, HashSet<Arc<str>>>,
    /// Messages inside that may not leave while the queue is paused.
    held: HashMap<Arc<str>, Ticket>,
}

impl Default for Lane {
    fn default() -> Self {
        Self { parallelism: 1, paused: false, line: BTreeMap::new(), inside: HashMap::new(), held: HashMap::new() }
    }
}

/// Every queue by its name. What these functions return may be delivered when it is due.
#[derive(Debug, Default)]
pub struct Lanes {
    lanes: HashMap<Arc<str>, Lane>,
    /// The lane of each message in a line or held.
    places: HashMap<Arc<str>, Arc<str>>,
}

impl Lanes {
    /// A message comes in, or comes back to be tried again.
    pub fn enter(&mut self, ticket: Ticket) -> Vec<Ticket> {
        let Some(berth) = ticket.berth.clone() else { return vec![ticket] };
        let lane = self.lanes.entry(berth.lane.clone()).or_default();
        if let Some(source) = &berth.tells_of {
            lane.inside.entry(source.clone()).or_default().insert(ticket.id.clone());
            return vec![ticket];
        }
        if lane.inside.contains_key(&ticket.id) {
            if !lane.paused {
                return vec![ticket];
            }
            self.places.insert(ticket.id.clone(), berth.lane.clone());
            lane.held.insert(ticket.id.clone(), ticket);
            return Vec::new();
        }
        self.places.insert(ticket.id.clone(), berth.lane.clone());
        lane.line.insert(ticket.id.clone(), ticket);
        self.admit(&berth.lane)
    }

    /// One of a message's deliveries is over for good: its own, or that of a callback.
    pub fn leave(&mut self, id: &Arc<str>, berth: &Berth) -> Vec<Ticket> {
        let Some(lane) = self.lanes.get_mut(&berth.lane) else { return Vec::new() };
        let source = berth.tells_of.as_ref().unwrap_or(id);
        if let Some(left) = lane.inside.get_mut(source) {
            left.remove(id);
            if left.is_empty() {
                lane.inside.remove(source);
            }
        }
        self.admit(&berth.lane)
    }

    /// Takes a message out that is in line or held; none if it is neither.
    pub fn remove(&mut self, id: &str) -> Option<(Ticket, Vec<Ticket>)> {
        let name = self.places.remove(id)?;
        let lane = self.lanes.get_mut(&name)?;
        if let Some(ticket) = lane.line.remove(id) {
            return Some((ticket, Vec::new()));
        }
        let ticket = lane.held.remove(id)?;
        let admitted = ticket.berth.as_ref().map(|berth| self.leave(&ticket.id, berth)).unwrap_or_default();
        Some((ticket, admitted))
    }

    pub fn set_parallelism(&mut self, name: &Arc<str>, parallelism: usize) -> Vec<Ticket> {
        self.lanes.entry(name.clone()).or_default().parallelism = parallelism.max(1);
        self.admit(name)
    }

    pub fn resume(&mut self, name: &Arc<str>) -> Vec<Ticket> {
        let lane = self.lanes.entry(name.clone()).or_default();
        lane.paused = false;
        let mut back: Vec<Ticket> = lane.held.drain().map(|(_, ticket)| ticket).collect();
        for ticket in &back {
            self.places.remove(&ticket.id);
        }
        back.extend(self.admit(name));
        back
    }

    /// The messages that hold a place: those of them that have not left are to be given to [`Lanes::hold`].
    pub fn pause(&mut self, name: &Arc<str>) -> Vec<Arc<str>> {
        let lane = self.lanes.entry(name.clone()).or_default();
        lane.paused = true;
        lane.inside.keys().cloned().collect()
    }

    pub fn hold(&mut self, ticket: Ticket) {
        let Some(lane) = ticket.berth.as_ref().map(|berth| berth.lane.clone()) else { return };
        self.places.insert(ticket.id.clone(), lane.clone());
        self.lanes.entry(lane).or_default().held.insert(ticket.id.clone(), ticket);
    }

    /// Messages of a queue that are not done with.
    pub fn lag(&self, name: &str) -> usize {
        self.lanes.get(name).map_or(0, |lane| lane.line.len() + lane.inside.len())
    }

    /// Messages that wait here rather than for their time.
    pub fn waiting(&self) -> usize {
        self.places.len()
    }

    fn admit(&mut self, name: &Arc<str>) -> Vec<Ticket> {
        let Some(lane) = self.lanes.get_mut(name) else { return Vec::new() };
        let mut admitted = Vec::new();
        while !lane.paused && lane.inside.len() < lane.parallelism {
            let Some((id, ticket)) = lane.line.pop_first() else { break };
            self.places.remove(&id);
            lane.inside.insert(id.clone(), HashSet::from([id]));
            admitted.push(ticket);
        }
        admitted
    }

    /// Forgets the settings of a deleted queue; what is in it goes on one by one.
    pub fn forget(&mut self, name: &Arc<str>) -> Vec<Ticket> {
        let back = self.resume(name);
        let lane = self.lanes.entry(name.clone()).or_default();
        lane.parallelism = 1;
        if lane.line.is_empty() && lane.inside.is_empty() {
            self.lanes.remove(name);
        }
        back
    }
}
