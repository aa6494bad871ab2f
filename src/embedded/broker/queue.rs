//! What is due at a given time, and what of it may leave now. Pure: it never reads a clock and never waits. Messages leave
//! in order of their due time; one destination's host holds only its share of the deliveries in flight, so that a
//! destination which hangs delays nobody else.

use super::message::Millis;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// How many deliveries may be in flight, in all and to one host.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    pub all: usize,
    pub host: usize,
}

/// Due time, then order of arrival.
type Turn = (Millis, u64);

/// A message that may leave now. Its place is taken until [`Queue::landed`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Departure {
    pub id: Arc<str>,
    pub host: Arc<str>,
}

#[derive(Debug)]
pub struct Queue {
    limits: Limits,
    arrivals: u64,
    flying: usize,
    waiting: BTreeMap<Turn, Departure>,
    hosts: HashMap<Arc<str>, Host>,
    /// The first message of each host that has one and has a place free.
    fronts: BTreeSet<(Turn, Arc<str>)>,
    turns: HashMap<Arc<str>, (Turn, Arc<str>)>,
}

#[derive(Debug, Default)]
struct Host {
    ready: BTreeMap<Turn, Arc<str>>,
    flying: usize,
    front: Option<Turn>,
}

impl Queue {
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            arrivals: 0,
            flying: 0,
            waiting: BTreeMap::new(),
            hosts: HashMap::new(),
            fronts: BTreeSet::new(),
            turns: HashMap::new(),
        }
    }

    /// A message in the queue already is only moved.
    pub fn add(&mut self, id: &str, host: &str, due: Millis) {
        self.remove(id);
        self.arrivals += 1;
        let turn = (due, self.arrivals);
        let (id, host): (Arc<str>, Arc<str>) = (id.into(), self.host_name(host));
        self.turns.insert(id.clone(), (turn, host.clone()));
        self.waiting.insert(turn, Departure { id, host });
    }

    /// Takes a message out before it left; false if it is not here.
    pub fn remove(&mut self, id: &str) -> bool {
        let Some((turn, host)) = self.turns.remove(id) else { return false };
        if self.waiting.remove(&turn).is_none() {
            if let Some(place) = self.hosts.get_mut(&host) {
                place.ready.remove(&turn);
            }
            self.refresh(&host);
        }
        true
    }

    /// The messages that leave at `now`, earliest due first.
    pub fn take(&mut self, now: Millis) -> Vec<Departure> {
        self.ripen(now);
        let mut departures = Vec::new();
        while self.flying < self.limits.all {
            let Some((turn, host)) = self.fronts.first().cloned() else { break };
            let Some(id) = self.hosts.get_mut(&host).and_then(|place| {
                place.flying += 1;
                place.ready.remove(&turn)
            }) else {
                break;
            };
            self.flying += 1;
            self.turns.remove(&id);
            self.refresh(&host);
            departures.push(Departure { id, host });
        }
        departures
    }

    /// A delivery to this host ended; its place is free.
    pub fn landed(&mut self, host: &Arc<str>) {
        self.flying = self.flying.saturating_sub(1);
        if let Some(place) = self.hosts.get_mut(host) {
            place.flying = place.flying.saturating_sub(1);
        }
        self.refresh(host);
    }

    /// When the next message becomes due; those already due wait for a place, not for a time.
    pub fn next_due(&self) -> Option<Millis> {
        self.waiting.first_key_value().map(|((due, _), _)| *due)
    }

    /// Messages that have not left.
    pub fn len(&self) -> usize {
        self.turns.len()
    }

    pub fn is_empty(&self) -> bool {
        self.turns.is_empty()
    }

    fn ripen(&mut self, now: Millis) {
        while let Some(entry) = self.waiting.first_entry() {
            if entry.key().0 > now {
                return;
            }
            let (turn, Departure { id, host }) = entry.remove_entry();
            self.hosts.entry(host.clone()).or_default().ready.insert(turn, id);
            self.refresh(&host);
        }
    }

    /// Puts the host's first message among the fronts if the host has a place free, and forgets a host with nothing.
    fn refresh(&mut self, host: &Arc<str>) {
        let Some(place) = self.hosts.get_mut(host) else { return };
        let free = place.flying < self.limits.host;
        let front = place.ready.first_key_value().map(|(turn, _)| *turn).filter(|_| free);
        if place.front != front {
            if let Some(old) = std::mem::replace(&mut place.front, front) {
                self.fronts.remove(&(old, host.clone()));
            }
            if let Some(new) = front {
                self.fronts.insert((new, host.clone()));
            }
        }
        if place.ready.is_empty() && place.flying == 0 {
            self.hosts.remove(host);
        }
    }

    /// One allocation per busy host rather than one per message.
    fn host_name(&self, host: &str) -> Arc<str> {
        self.hosts.get_key_value(host).map_or_else(|| host.into(), |(name, _)| name.clone())
    }
}
