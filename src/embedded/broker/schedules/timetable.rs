//! Which schedule is to be looked at when. Pure, and only an index: whether it fires is decided by its stored record.

use super::super::message::Millis;
use std::collections::{BTreeSet, HashMap};

/// Its user and its id.
pub type Name = (String, String);

#[derive(Debug, Default)]
pub struct Timetable {
    turns: BTreeSet<(Millis, Name)>,
    times: HashMap<Name, Millis>,
}

impl Timetable {
    /// None takes it out.
    pub fn set(&mut self, name: Name, at: Option<Millis>) {
        if let Some(old) = self.times.remove(&name) {
            self.turns.remove(&(old, name.clone()));
        }
        if let Some(at) = at {
            self.times.insert(name.clone(), at);
            self.turns.insert((at, name));
        }
    }

    /// Takes out those whose time has come, the earliest first.
    pub fn take(&mut self, now: Millis) -> Vec<Name> {
        let mut due = Vec::new();
        while self.turns.first().is_some_and(|(at, _)| *at <= now) {
            if let Some((_, name)) = self.turns.pop_first() {
                self.times.remove(&name);
                due.push(name);
            }
        }
        due
    }

    pub fn next(&self) -> Option<Millis> {
        self.turns.first().map(|(at, _)| *at)
    }
}
