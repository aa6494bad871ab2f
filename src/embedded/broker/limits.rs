//! Rate limits of the API, off unless asked for: so many calls a second, publishing excepted, and so many messages a day.
//! Counted in memory. The headers tell a client which of the two it met.

use super::message::Millis;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

const SECOND: Millis = 1_000;
const DAY: Millis = 86_400_000;

/// None is no limit.
#[derive(Debug, Clone, Copy, Default)]
pub struct Rates {
    /// Calls a second, publishing excepted.
    pub burst: Option<u32>,
    /// Messages a day.
    pub daily: Option<u32>,
}

/// A limit as a caller is told of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    pub limit: u32,
    pub remaining: u32,
    /// Unix seconds.
    pub reset: i64,
    pub exceeded: bool,
}

#[derive(Debug, Default)]
struct Meter {
    period: i64,
    used: u32,
}

impl Meter {
    fn read(&mut self, limit: u32, used: u32, length: Millis, now: Millis) -> Reading {
        let period = now.div_euclid(length);
        if period != self.period {
            *self = Self { period, used: 0 };
        }
        let exceeded = self.used >= limit;
        self.used = self.used.saturating_add(used);
        let reset = (period + 1).saturating_mul(length) / SECOND;
        Reading { limit, remaining: limit.saturating_sub(self.used), reset, exceeded }
    }
}

#[derive(Debug, Default)]
pub struct Meters {
    rates: Rates,
    /// By user: calls and messages.
    used: Mutex<HashMap<String, (Meter, Meter)>>,
}

impl Meters {
    pub fn new(rates: Rates) -> Self {
        Self { rates, used: Mutex::default() }
    }

    /// One more call; none without a limit.
    pub fn call(&self, user: &str, now: Millis) -> Option<Reading> {
        let limit = self.rates.burst?;
        let mut meters = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        Some(meters.entry(user.to_owned()).or_default().0.read(limit, 1, SECOND, now))
    }

    /// So many more messages; none without a limit. With none more, asks whether there is room.
    pub fn messages(&self, user: &str, more: u32, now: Millis) -> Option<Reading> {
        let limit = self.rates.daily?;
        let mut meters = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        Some(meters.entry(user.to_owned()).or_default().1.read(limit, more, DAY, now))
    }
}
