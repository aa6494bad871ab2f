//! Flow control: how many calls with one key may be under way, and how many may begin within a period. Pure. A message that
//! finds its gate shut waits; none is dropped. Periods are counted from the first call that begins in them.

use super::duration::whole_seconds;
use super::instructions::Refusal;
use super::message::{FlowLimits, Millis};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// The period of a rate without one, in seconds.
const PERIOD_S: u64 = 1;

const PERIOD_S_MAX: u64 = 7 * 86_400;

impl FlowLimits {
    /// `parallelism=2, rate=10, period=1h30m`: any of them, each a positive number.
    pub fn read(text: &str) -> Result<Self, Refusal> {
        let mut limits = Self::default();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            limits.set(name.trim(), value.trim())?;
        }
        if limits.parallelism.is_none() && limits.rate.is_none() {
            return Err(Refusal::bad(INVALID));
        }
        Ok(limits)
    }

    /// One of them; the period also in bare seconds.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), Refusal> {
        let bad = || Refusal::bad(INVALID);
        let number = || value.parse().ok().filter(|number| *number > 0).ok_or_else(bad);
        match name {
            "parallelism" => self.parallelism = Some(number()?),
            "rate" => self.rate = Some(number()?),
            "period" => {
                let seconds = value.parse().ok().or_else(|| whole_seconds(value));
                self.period = Some(seconds.filter(|s| (1..=PERIOD_S_MAX).contains(s)).ok_or_else(bad)?);
            }
            _ => return Err(bad()),
        }
        Ok(())
    }
}

/// The service's text, which is older than the period.
const INVALID: &str = "Upstash-Flow-Control-Value should be either rate=X or parallelism=Y, or both as comma-separated \
                       values; period=<duration up to 7d> may follow";

#[derive(Debug, Default)]
pub struct Gate {
    pub limits: FlowLimits,
    pub paused: bool,
    revision: u64,
    /// Calls under way.
    pub flying: usize,
    /// Calls begun in the period that started then.
    pub begun: u32,
    pub period_start: Millis,
    /// Messages in the queue with this key, due or not.
    members: usize,
    /// The hosts for which messages that are due wait here.
    pub(super) hosts: BTreeSet<Arc<str>>,
}

/// Whether a call may begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Passage {
    Open,
    /// Not before this time.
    From(Millis),
    /// Until something else happens: a call ends, or somebody opens it.
    Shut,
}

impl Gate {
    /// Changes of settings may be told out of order; an older one than the known changes nothing.
    pub fn set(&mut self, limits: FlowLimits, paused: Option<bool>, revision: u64) {
        if revision >= self.revision {
            (self.limits, self.revision) = (limits, revision);
            self.paused = paused.unwrap_or(self.paused);
        }
    }

    pub fn passage(&self, now: Millis) -> Passage {
        let full = self.limits.parallelism.is_some_and(|limit| self.flying >= limit as usize);
        if self.paused || full {
            return Passage::Shut;
        }
        if self.limits.rate.is_some_and(|limit| self.begun >= limit) && now < self.period_end() {
            return Passage::From(self.period_end());
        }
        Passage::Open
    }

    fn begin(&mut self, now: Millis) {
        self.flying += 1;
        if self.begun == 0 || now >= self.period_end() {
            (self.period_start, self.begun) = (now, 0);
        }
        self.begun += 1;
    }

    fn period_end(&self) -> Millis {
        let millis = self.limits.period.unwrap_or(PERIOD_S).saturating_mul(1_000);
        self.period_start.saturating_add_unsigned(millis)
    }

    /// Calls begun in the period that is now.
    pub fn begun_at(&self, now: Millis) -> u32 {
        if now < self.period_end() { self.begun } else { 0 }
    }
}

/// All gates by key. A key without a gate is open.
#[derive(Debug, Default)]
pub struct Gates {
    gates: HashMap<Arc<str>, Gate>,
    /// When gates that only wait for time open again.
    openings: BTreeSet<(Millis, Arc<str>)>,
}

impl Gates {
    pub fn get(&self, key: &str) -> Option<&Gate> {
        self.gates.get(key)
    }

    /// Makes it if it is missing.
    pub fn at(&mut self, key: &Arc<str>) -> &mut Gate {
        self.gates.entry(key.clone()).or_default()
    }

    pub fn passage(&self, key: &str, now: Millis) -> Passage {
        self.gates.get(key).map_or(Passage::Open, |gate| gate.passage(now))
    }

    pub fn begin(&mut self, key: &Arc<str>, now: Millis) {
        self.at(key).begin(now);
    }

    pub fn end(&mut self, key: &Arc<str>) {
        let gate = self.at(key);
        gate.flying = gate.flying.saturating_sub(1);
    }

    pub fn join(&mut self, key: &Arc<str>) {
        self.at(key).members += 1;
    }

    pub fn quit(&mut self, key: &Arc<str>) {
        let gate = self.at(key);
        gate.members = gate.members.saturating_sub(1);
    }

    pub fn open_at(&mut self, key: &Arc<str>, time: Millis) {
        self.openings.insert((time, key.clone()));
    }

    pub fn next_opening(&self) -> Option<Millis> {
        self.openings.first().map(|(time, _)| *time)
    }

    /// The gates whose time has come.
    pub fn opening(&mut self, now: Millis) -> Vec<Arc<str>> {
        let mut keys = Vec::new();
        while self.openings.first().is_some_and(|(time, _)| *time <= now) {
            keys.extend(self.openings.pop_first().map(|(_, key)| key));
        }
        keys
    }

    /// Forgets a gate that nothing waits at and nothing went through lately.
    pub fn forget(&mut self, key: &str, now: Millis) {
        let idle = |gate: &Gate| gate.members == 0 && gate.flying == 0 && !gate.paused && now >= gate.period_end();
        if self.gates.get(key).is_some_and(idle) {
            self.gates.remove(key);
        }
    }
}
