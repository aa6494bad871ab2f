//! Who may watch in this process: a bounded number, so that idle clients leave room for others. A place is held by a request
//! that waits or a stream that is open, and is free again when either ends.

use super::Problem;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

pub struct Watching {
    places: Arc<Semaphore>,
    pub(super) places_max: usize,
    /// The longest a stream is kept open.
    pub stream_max: Duration,
}

/// Held while somebody watches.
pub(super) type Place = OwnedSemaphorePermit;

impl Watching {
    pub fn new(watchers_max: usize, stream_max: Duration) -> Self {
        let places_max = watchers_max.min(Semaphore::MAX_PERMITS);
        Self { places: Arc::new(Semaphore::new(places_max)), places_max, stream_max }
    }

    pub(super) fn enter(&self) -> Result<Place, Problem> {
        Arc::clone(&self.places).try_acquire_owned().map_err(|_| {
            let detail = "Too many are watching at this instance; ask without waiting, or come back";
            Problem::unavailable("too_many_watchers", detail)
        })
    }
}
