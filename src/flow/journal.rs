//! What a running step has written, under its lease. State goes through the fence; receipts are written whatever the job
//! has become, and for as long as the lease lasts they are tried again, because an id that is lost is paid again.

use super::record::{Along, Loaded, Updated};
use super::{Engine, Fault};
use crate::job::{Event, LeaseToken, Receipt, Refused, Report};
use crate::kinds::{Halt, Journal};
use async_trait::async_trait;
use serde_json::Value;
use std::time::Duration;
use tokio::sync::Mutex;
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
}

impl<'a> StepJournal<'a> {
    pub fn new(engine: &'a Engine, token: LeaseToken, claimed: Loaded, wind_up: Instant, lease_end: Instant) -> Self {
        Self { engine, token, loaded: Mutex::new(claimed), wind_up, lease_end }
    }

    /// The record as last seen, for settling.
    pub fn into_loaded(self) -> Loaded {
        self.loaded.into_inner()
    }

    pub fn token(&self) -> &LeaseToken {
        &self.token
    }

    async fn write(&self, event: &Event) -> Result<(), Halt> {
        let mut loaded = self.loaded.lock().await;
        let along = Along { put_back: true, ..Along::default() };
        match self.engine.update(&loaded, event, &along, self.lease_end).await {
            Ok(Updated::Applied(next, _)) => {
                *loaded = *next;
                // Put back only for its receipts: no more is to be paid for it.
                let ended = loaded.job.is_final() && !matches!(event, Event::Receive { .. });
                if ended { Err(Halt::Lost) } else { Ok(()) }
            }
            Ok(Updated::Refused(Refused::Nothing, _)) => Ok(()),
            // What the job has become: whoever answers the push has to see to its message.
            Ok(Updated::Refused(_, found)) => {
                *loaded = *found;
                Err(Halt::Lost)
            }
            Err(Fault::Store(error)) => Err(Halt::Store(error.to_string())),
            Ok(Updated::Missing | Updated::PointerTaken | Updated::Remembered(_))
            | Err(Fault::Newer(_) | Fault::Garbled(_)) => Err(Halt::Lost),
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
            return Err(Halt::NoTime);
        }
        let token = self.token.clone();
        self.write(&Event::Intend { token, effects: effects.to_vec(), looked_up }).await?;
        // The write itself may have taken long: then the call is not made, and the intent says less than it knows.
        if left(self.lease_end) < needed {
            return Err(Halt::NoTime);
        }
        Ok(())
    }

    async fn receive(&self, effect: &str, id: &str) -> Result<(), Halt> {
        let receipt = Receipt { effect: effect.to_owned(), id: id.to_owned() };
        self.write(&Event::Receive { receipt }).await
    }

    async fn checkpoint(&self, plan: Value, report: Report, refused: Vec<String>) -> Result<(), Halt> {
        let token = self.token.clone();
        self.write(&Event::Checkpoint { token, plan, report, refused }).await
    }

    fn time_left(&self) -> Duration {
        if self.engine.stopping.is_cancelled() {
            return Duration::ZERO;
        }
        self.wind_up.saturating_duration_since(Instant::now())
    }
}
