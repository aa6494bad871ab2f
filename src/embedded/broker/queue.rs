//! What is due at a given time, and what of it may leave now. Pure: it never reads a clock and never waits. Messages leave
//! in order of their due time; one destination's host holds only its share of the deliveries in flight, so that
//! destinations which hang delay nobody else; and those with a flow-control key leave only as their gate allows.

use super::gates::{Gates, Passage};
use super::message::{FlowLimits, Millis};
use super::ticket::Ticket;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// How many deliveries may be in flight, in all and to one host. The more places are taken, the fewer may be one host's: so
/// the more hosts hang, the less each next one holds, and a host that holds none finds a place while there is one.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    pub all: usize,
    pub host: usize,
}

/// A host may hold this part of the places that are free, and one in any case.
const SPREAD: usize = 8;

/// Due time, then order of arrival.
type Turn = (Millis, u64);
/// Messages that are due stand in one row for each host and flow-control key.
type Row = (Arc<str>, Option<Arc<str>>);

#[derive(Debug)]
pub struct Queue {
    limits: Limits,
    arrivals: u64,
    flying: usize,
    waiting: BTreeMap<Turn, Ticket>,
    rows: HashMap<Row, Ready>,
    hosts: HashMap<Arc<str>, Host>,
    /// The first message of each host that has one, by how many deliveries to that host are in flight.
    fronts: Vec<BTreeSet<(Turn, Arc<str>)>>,
    turns: HashMap<Arc<str>, (Turn, Row)>,
    gates: Gates,
    /// The latest time it was asked at.
    now: Millis,
}

#[derive(Debug, Default)]
struct Ready {
    tickets: BTreeMap<Turn, Ticket>,
    front: Option<Turn>,
}

#[derive(Debug, Default)]
struct Host {
    /// The first of each of its rows whose gate is open.
    rows: BTreeSet<(Turn, Option<Arc<str>>)>,
    flying: usize,
    /// Its place among the fronts.
    front: Option<(usize, Turn)>,
    /// Messages for it that have not left, due or not: while there are any, they share its name.
    members: usize,
}

impl Queue {
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            arrivals: 0,
            flying: 0,
            waiting: BTreeMap::new(),
            rows: HashMap::new(),
            hosts: HashMap::new(),
            fronts: Vec::new(),
            turns: HashMap::new(),
            gates: Gates::default(),
            now: Millis::MIN,
        }
    }

    /// A message in the queue already is only moved.
    pub fn add(&mut self, mut ticket: Ticket) {
        self.remove(&ticket.id);
        self.arrivals += 1;
        let turn = (ticket.due, self.arrivals);
        if let Some((name, _)) = self.hosts.get_key_value(&ticket.host) {
            // One allocation per host rather than one per message.
            ticket.host = name.clone();
        }
        self.hosts.entry(ticket.host.clone()).or_default().members += 1;
        if let Some(key) = &ticket.flow {
            self.gates.join(key);
        }
        self.turns.insert(ticket.id.clone(), (turn, (ticket.host.clone(), ticket.flow.clone())));
        self.waiting.insert(turn, ticket);
    }

    /// Takes a message out before it left; none if it is not here.
    pub fn remove(&mut self, id: &str) -> Option<Ticket> {
        let (turn, row) = self.turns.remove(id)?;
        if let Some(place) = self.hosts.get_mut(&row.0) {
            place.members -= 1;
        }
        let ticket = match self.waiting.remove(&turn) {
            Some(ticket) => Some(ticket),
            None => self.rows.get_mut(&row).and_then(|ready| ready.tickets.remove(&turn)),
        };
        self.refresh(&row);
        self.refresh_host(&row.0);
        if let Some(key) = &row.1 {
            self.gates.quit(key);
        }
        ticket
    }

    /// The messages that leave at `now`, earliest due first. Their places are taken until [`Queue::landed`].
    pub fn take(&mut self, now: Millis) -> Vec<Ticket> {
        self.now = now;
        for key in self.gates.opening(now) {
            self.refresh_gate(&key);
        }
        self.ripen();
        let mut leaving = Vec::new();
        while self.flying < self.limits.all {
            let Some(ticket) = self.take_first() else { break };
            leaving.push(ticket);
        }
        leaving
    }

    fn take_first(&mut self) -> Option<Ticket> {
        let share = ((self.limits.all - self.flying) / SPREAD).max(1).min(self.limits.host);
        let (_, host) = self.fronts.iter().take(share).filter_map(BTreeSet::first).min().cloned()?;
        let (turn, flow) = self.hosts.get(&host)?.rows.first().cloned()?;
        let row = (host, flow);
        let ticket = self.rows.get_mut(&row)?.tickets.remove(&turn)?;
        self.flying += 1;
        self.turns.remove(&ticket.id);
        if let Some(place) = self.hosts.get_mut(&row.0) {
            place.flying += 1;
            place.members -= 1;
        }
        self.refresh(&row);
        if let Some(key) = &row.1 {
            self.gates.quit(key);
            self.gates.begin(key, self.now);
            self.refresh_gate(key);
        }
        Some(ticket)
    }

    /// A delivery ended; its place is free.
    pub fn landed(&mut self, ticket: &Ticket) {
        self.flying = self.flying.saturating_sub(1);
        if let Some(place) = self.hosts.get_mut(&ticket.host) {
            place.flying = place.flying.saturating_sub(1);
        }
        self.refresh_host(&ticket.host);
        if let Some(key) = &ticket.flow {
            self.gates.end(key);
            self.refresh_gate(key);
        }
    }

    /// When the next message becomes due or a gate opens by itself; those that wait for a place wait for no time.
    pub fn next_due(&self) -> Option<Millis> {
        let due = self.waiting.first_key_value().map(|((due, _), _)| *due);
        due.into_iter().chain(self.gates.next_opening()).min()
    }

    /// Messages that have not left.
    pub fn len(&self) -> usize {
        self.turns.len()
    }

    pub fn is_empty(&self) -> bool {
        self.turns.is_empty()
    }

    pub fn flying(&self) -> usize {
        self.flying
    }

    pub fn limits(&self) -> Limits {
        self.limits
    }

    pub fn gates(&self) -> &Gates {
        &self.gates
    }

    /// Messages with this key that are due and have not left.
    pub fn held(&self, key: &Arc<str>) -> usize {
        let hosts = self.gates.get(key).map(|gate| gate.hosts.iter()).into_iter().flatten();
        hosts.filter_map(|host| self.rows.get(&(host.clone(), Some(key.clone())))).map(|row| row.tickets.len()).sum()
    }

    /// See [`super::gates::Gate::set`].
    pub fn set_gate(&mut self, key: &Arc<str>, limits: FlowLimits, paused: Option<bool>, revision: u64) {
        self.gates.at(key).set(limits, paused, revision);
        self.refresh_gate(key);
    }

    /// Begins a new period at once.
    pub fn reset_gate(&mut self, key: &Arc<str>) {
        self.gates.at(key).begun = 0;
        self.refresh_gate(key);
    }

    pub fn forget_gate(&mut self, key: &str) {
        self.gates.forget(key, self.now);
    }

    fn ripen(&mut self) {
        while let Some(entry) = self.waiting.first_entry() {
            if entry.key().0 > self.now {
                return;
            }
            let (turn, ticket) = entry.remove_entry();
            let row = (ticket.host.clone(), ticket.flow.clone());
            if let Some(key) = &row.1 {
                self.gates.at(key).hosts.insert(row.0.clone());
            }
            self.rows.entry(row.clone()).or_default().tickets.insert(turn, ticket);
            self.refresh(&row);
        }
    }

    fn refresh_gate(&mut self, key: &Arc<str>) {
        let hosts: Vec<_> = self.gates.get(key).map(|gate| gate.hosts.iter().cloned().collect()).unwrap_or_default();
        for host in hosts {
            self.refresh(&(host, Some(key.clone())));
        }
    }

    /// Puts the row's first message among its host's if its gate is open, and forgets a row with nothing.
    fn refresh(&mut self, row: &Row) {
        let Some(ready) = self.rows.get_mut(row) else { return };
        let passage = row.1.as_ref().map_or(Passage::Open, |key| self.gates.passage(key, self.now));
        let first = ready.tickets.first_key_value().map(|(turn, _)| *turn);
        if let (Passage::From(time), Some(key), Some(_)) = (passage, &row.1, first) {
            self.gates.open_at(key, time);
        }
        let front = first.filter(|_| passage == Passage::Open);
        if ready.front != front {
            let place = self.hosts.entry(row.0.clone()).or_default();
            if let Some(old) = std::mem::replace(&mut ready.front, front) {
                place.rows.remove(&(old, row.1.clone()));
            }
            if let Some(new) = front {
                place.rows.insert((new, row.1.clone()));
            }
        }
        if ready.tickets.is_empty() {
            self.rows.remove(row);
            if let Some(key) = &row.1 {
                self.gates.at(key).hosts.remove(&row.0);
            }
        }
        self.refresh_host(&row.0);
    }

    /// Puts the host's first message among the fronts, and forgets a host with nothing.
    fn refresh_host(&mut self, host: &Arc<str>) {
        let Some(place) = self.hosts.get_mut(host) else { return };
        let front = place.rows.first().map(|(turn, _)| (place.flying, *turn));
        if place.front != front {
            if let Some((flying, old)) = std::mem::replace(&mut place.front, front) {
                self.fronts[flying].remove(&(old, host.clone()));
            }
            if let Some((flying, new)) = front {
                if self.fronts.len() <= flying {
                    self.fronts.resize_with(flying + 1, BTreeSet::new);
                }
                self.fronts[flying].insert((new, host.clone()));
            }
        }
        if place.rows.is_empty() && place.flying == 0 && place.members == 0 {
            self.hosts.remove(host);
        }
    }
}
