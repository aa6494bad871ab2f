//! Time that moves by hand, and waiting for what takes real time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Beyond this a condition will not come true.
const LIMIT: Duration = Duration::from_secs(30);

/// The store's time in tests over the embedded store; shared, and still unless moved.
#[derive(Clone)]
pub struct Hand(Arc<AtomicU64>);

impl Hand {
    pub fn new() -> Self {
        Self(Arc::new(AtomicU64::new(1_800_000_000_000)))
    }

    /// Milliseconds since the Unix epoch.
    pub fn now(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }

    pub fn advance(&self, by: Duration) {
        self.0.fetch_add(u64::try_from(by.as_millis()).unwrap(), Ordering::SeqCst);
    }

    /// Moves on to that time, unless it is past.
    pub fn reach(&self, at: u64) {
        self.0.fetch_max(at, Ordering::SeqCst);
    }
}

/// Waits until something of another task has happened.
pub async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while !holds().await {
        assert!(begun.elapsed() < LIMIT, "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
}
