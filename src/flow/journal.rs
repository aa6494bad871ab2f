//! What a running step has written, under its lease. State goes through the fence; receipts are written whatever the job
//! has become, and for as long as the lease lasts they are tried again, because an id that is lost is paid again.

use super::Engine;
use super::record::{Along, Loaded, Updated};
use crate::job::{Event, LeaseToken, Receipt, Refused, Report};
use crate::kinds::{Halt, Journal};
use async_trait::async_trait;
use serde_json::Value;
use std::sync::{MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Mutex, watch};
use tokio::time::Instant;

pub(super) struct StepJournal<'a> {
    engine: &'a Engine,
    token: LeaseToken,
    /// The record as last written or seen; one write at a time.
    loaded: Mutex<Loaded>,
    /// When the step should wind up.
    wind_up: Instant,
    /// When the lease ends, by the local monotonic clock.
    lease_end: Instant,
    /// Until then a paid call may be under way.
    paying_until: watch::Sender<Option<Instant>>,
    /// Receipts not written down yet.
    in_hand: std::sync::Mutex<Vec<Receipt>>,
}

impl<'a> StepJournal<'a> {
    pub fn new(engine: &'a Engine, token: LeaseToken, claimed: Loaded, wind_up: Instant, lease_end: Instant) -> Self {
        let paying_until = watch::Sender::new(None);
        Self {
            engine,
            token,
            loaded: Mutex::new(claimed),
            wind_up,
            lease_end,
            paying_until,
            in_hand: std::sync::Mutex::default(),
        }
    }

    /// The record as last seen, for settling.
    pub fn into_loaded(self) -> Loaded {
        self.loaded.into_inner()
    }

    /// Whether the step must not be cut off now: a paid call may be under way, or its receipt is not written yet.
    pub fn is_paying(&self) -> bool {
        self.paying_until.borrow().is_some_and(|until| Instant::now() < until) || !self.in_hand().is_empty()
    }

    fn in_hand(&self) -> MutexGuard<'_, Vec<Receipt>> {
        self.in_hand.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes the receipts that a step cut off left unwritten, also past the end of its lease: they need none.
    pub async fn write_receipts(&self, until: Instant) {
        let in_hand = self.in_hand().clone();
        for receipt in in_hand {
            let event = Event::Receive { token: self.token.clone(), receipt: receipt.clone() };
            if self.write_until(&event, until).await.is_ok() {
                self.in_hand().retain(|other| *other != receipt);
            }
        }
    }

    pub fn token(&self) -> &LeaseToken {
        &self.token
    }

    async fn write(&self, event: &Event) -> Result<(), Halt> {
        self.write_until(event, self.lease_end).await
    }

    async fn write_until(&self, event: &Event, until: Instant) -> Result<(), Halt> {
        let mut loaded = self.loaded.lock().await;
        let along = Along { put_back: true, ..Along::default() };
        match self.engine.update(&loaded, event, &along, until).await {
            Ok(Updated::Applied(next, _)) => {
                *loaded = *next;
                // Put back only for its receipts: no more is to be paid for it.
                let ended = loaded.job.is_final() && !matches!(event, Event::Receive { .. });
                if ended { Err(Halt::Lost) } else { Ok(()) }
            }
            Ok(Updated::Refused(Refused::Nothing, _)) => Ok(()),
            Ok(Updated::Refused(Refused::Paid, paid)) => {
                *loaded = *paid;
                Err(Halt::NotNow)
            }
            Ok(Updated::Refused(..) | Updated::Missing) => Err(Halt::Lost),
            Ok(Updated::PointerTaken | Updated::Remembered(_) | Updated::Limited(_)) => {
                Err(Halt::Store("the record changes too often".to_owned()))
            }
            Err(fault) => Err(Halt::Store(fault.to_string())),
        }
    }
}

/// The time kept free after a paid call, to write its receipt: a tenth of the step, at most 5 s.
fn margin(paid_call: Duration) -> Duration {
    (paid_call / 5).min(Duration::from_secs(5))
}

#[async_trait]
impl Journal for StepJournal<'_> {
    async fn intend(&self, effects: &[String], looked_up: bool) -> Result<(), Halt> {
        let paid_call = self.engine.settings.pace.paid_call;
        let needed = paid_call + margin(paid_call);
        let left = |end: Instant| end.saturating_duration_since(Instant::now());
        if left(self.lease_end) < needed || self.engine.stopping.is_cancelled() {
            return Err(Halt::NotNow);
        }
        let (token, effects) = (self.token.clone(), effects.to_vec());
        self.write(&Event::Intend { token: token.clone(), effects: effects.clone(), looked_up }).await?;
        // The write itself may have taken long: then the call is not made, and must not count as one that may have been.
        if left(self.lease_end) < needed {
            self.write(&Event::Withdraw { token, effects }).await?;
            return Err(Halt::NotNow);
        }
        self.paying_until.send_replace(Some(Instant::now() + needed));
        Ok(())
    }

    async fn receive(&self, effect: &str, id: &str) -> Result<(), Halt> {
        let receipt = Receipt { effect: effect.to_owned(), id: id.to_owned() };
        self.in_hand().push(receipt.clone());
        let written = self.write(&Event::Receive { token: self.token.clone(), receipt: receipt.clone() }).await;
        match &written {
            Ok(()) => self.in_hand().retain(|other| *other != receipt),
            Err(halt) => {
                tracing::error!(effect, receipt = id, %halt, "a receipt of a paid call could not be written down yet");
            }
        }
        written
    }

    async fn checkpoint(&self, plan: Value, report: Report, further: bool) -> Result<(), Halt> {
        let token = self.token.clone();
        self.write(&Event::Checkpoint { token, plan, report, further }).await
    }

    fn time_left(&self) -> Duration {
        if self.engine.stopping.is_cancelled() {
            return Duration::ZERO;
        }
        self.wind_up.saturating_duration_since(Instant::now())
    }
}
