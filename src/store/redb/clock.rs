//! The embedded store's own time, as Redis has its: never goes back while the store is open, so that a lease once over
//! stays over whatever happens to the machine's clock.

use crate::job::id::Millis;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

#[derive(Clone)]
pub struct Clock {
    source: Arc<dyn Fn() -> Millis + Send + Sync>,
    latest: Arc<AtomicU64>,
}

impl Clock {
    /// The machine's.
    pub fn system() -> Self {
        Self::from_fn(|| {
            let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
        })
    }

    /// Whatever `source` says, for tests that move time by hand.
    pub fn from_fn(source: impl Fn() -> Millis + Send + Sync + 'static) -> Self {
        Self { source: Arc::new(source), latest: Arc::default() }
    }

    pub(super) fn now(&self) -> Millis {
        let read = (self.source)();
        self.latest.fetch_max(read, Ordering::SeqCst).max(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_goes_back() {
        let source = Arc::new(AtomicU64::new(10));
        let read = source.clone();
        let clock = Clock::from_fn(move || read.load(Ordering::SeqCst));
        assert_eq!(clock.now(), 10);
        source.store(4, Ordering::SeqCst);
        assert_eq!(clock.now(), 10);
        source.store(11, Ordering::SeqCst);
        assert_eq!(clock.now(), 11);
    }
}
