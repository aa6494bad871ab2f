//! One writer at a time for each upload. A newcomer waits a little, then shows the old one out.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, OwnedMutexGuard};
use tokio::time::timeout;

pub(super) struct Turns {
    patience: Duration,
    seats: Mutex<HashMap<String, Arc<Seat>>>,
}

#[derive(Default)]
struct Seat {
    taken: Arc<tokio::sync::Mutex<()>>,
    leave: Notify,
}

/// The right to an upload, until dropped or shown out.
pub(super) struct Turn {
    seat: Arc<Seat>,
    _taken: OwnedMutexGuard<()>,
}

impl Turns {
    pub(super) fn new(patience: Duration) -> Self {
        Self { patience, seats: Mutex::default() }
    }

    /// `None` if the old writer does not leave either.
    pub(super) async fn take(&self, upload: &str) -> Option<Turn> {
        let seat = {
            let mut seats = self.seats.lock().unwrap_or_else(PoisonError::into_inner);
            seats.retain(|_, seat| Arc::strong_count(seat) > 1);
            Arc::clone(seats.entry(upload.to_owned()).or_default())
        };
        let taken = if let Ok(taken) = timeout(self.patience, Arc::clone(&seat.taken).lock_owned()).await {
            taken
        } else {
            seat.leave.notify_waiters();
            timeout(Duration::from_secs(5), Arc::clone(&seat.taken).lock_owned()).await.ok()?
        };
        Some(Turn { seat, _taken: taken })
    }
}

impl Turn {
    /// Ends when another client wants the upload.
    pub(super) async fn shown_out(&self) {
        self.seat.leave.notified().await;
    }
}
