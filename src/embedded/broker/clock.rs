//! The broker's clock: the wall's, or one that runs faster and can be moved on, so that hours of retries pass in a test.
//! Signatures are made by the wall's, since their readers have no other; so are the timeouts of calls.

use super::message::Millis;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How late a schedule may fire: by the grain of its expression.
const GRACE: Millis = 60_000;

#[derive(Debug)]
pub struct Clock {
    speed: u32,
    origin: Millis,
    started: Instant,
    moved: AtomicI64,
}

impl Clock {
    /// `seen` is a time already told of: a fast clock goes on from there and not back.
    pub fn new(speed: u32, seen: Millis) -> Self {
        let speed = speed.max(1);
        let origin = if speed > 1 { wall().max(seen) } else { wall() };
        Self { speed, origin, started: Instant::now(), moved: AtomicI64::new(0) }
    }

    pub fn now(&self) -> Millis {
        let plain = if self.speed == 1 {
            wall()
        } else {
            let elapsed = Millis::try_from(self.started.elapsed().as_micros()).unwrap_or(Millis::MAX);
            self.origin.saturating_add(elapsed.saturating_mul(self.speed.into()) / 1_000)
        };
        plain.saturating_add(self.moved.load(Ordering::Relaxed))
    }

    /// How long to really sleep until a time.
    pub fn until(&self, time: Millis) -> Duration {
        let millis = u64::try_from(time.saturating_sub(self.now())).unwrap_or(0);
        Duration::from_micros(millis.saturating_mul(1_000) / u64::from(self.speed))
    }

    /// Moves time on.
    pub fn advance(&self, by: Millis) {
        self.moved.fetch_add(by.max(0), Ordering::Relaxed);
    }

    pub fn grace(&self) -> Millis {
        GRACE.saturating_mul(self.speed.into())
    }
}

/// The system's clock.
pub fn wall() -> Millis {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Millis::try_from(elapsed.as_millis()).unwrap_or(Millis::MAX)
}
