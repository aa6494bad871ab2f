//! What protects an account from being emptied: turns per owner and per address, live jobs in all, and money per day. All
//! of it is counted in the store, so that it holds over all instances; with the store away nothing is let through.
//!
//! Money is counted with the very commits that move a job: at its start what it may cost at the list price, then, as it
//! goes on and ends, what it has cost. So nothing is counted twice, and nothing stays counted because a process died. A job
//! counts on the UTC day on which it (or its retry) was accepted.

use super::record::Clock;
use super::{Engine, EnqueueError, Fault, enqueue::in_time};
use crate::job::{Charge, Job, Millis, Owner};
use crate::kinds::Kind;
use crate::store::{Counts, Live, Tally, Turn, keys};
use std::time::Duration;
use tokio::time::Instant;

const WINDOW: Duration = Duration::from_mins(1);
/// How long the store may take for turns.
const TURNS_WITHIN: Duration = Duration::from_secs(3);
const DAY: Millis = 24 * 60 * 60 * 1_000;
/// A day's sum matters on that day; clocks may differ a little.
const SUM_KEPT: Duration = Duration::from_hours(48);

/// What an operator allows; `None`: any amount.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Protection {
    /// Requests for work per minute.
    pub per_owner: Option<u64>,
    pub per_address: Option<u64>,
    /// Live jobs in all.
    pub queue: Option<u64>,
    /// US cents at Klap's list price, per UTC day.
    pub spend_day: Option<u64>,
}

/// How a caller stands with one limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    pub name: &'static str,
    pub quota: u64,
    pub window: Duration,
    pub remaining: u64,
    /// Until the window is over.
    pub resets_in: Duration,
}

/// How a caller stands after taking a turn.
#[derive(Debug, Clone, Default)]
pub struct Standing {
    pub policies: Vec<Policy>,
    /// The store's time, if it was asked.
    pub(super) clock: Option<Clock>,
}

#[derive(Debug, thiserror::Error)]
pub enum TurnError {
    #[error("too many requests")]
    TooMany(Standing),
    #[error(transparent)]
    Fault(Fault),
}

/// Why new work is not taken now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Limit {
    #[error("as many jobs are live as may be")]
    Queue,
    /// A new day begins in so many milliseconds.
    #[error("what may be spent in a day is spent")]
    Budget { resets_in: Millis },
}

impl Engine {
    /// Takes a turn to ask for work, for the owner and for the network the request came from.
    pub async fn take_turn(&self, owner: &Owner, network: &str, received: Instant) -> Result<Standing, TurnError> {
        let protection = &self.settings.protection;
        let asked = [
            ("owner", protection.per_owner, keys::owner_rate(owner)),
            ("address", protection.per_address, keys::address_rate(network)),
        ];
        let turn = |max, name| Turn { name, window: WINDOW, max };
        let (names, turns): (Vec<_>, Vec<_>) =
            asked.into_iter().filter_map(|(policy, max, name)| Some((policy, turn(max?, name)))).unzip();
        if turns.is_empty() {
            return Ok(Standing::default());
        }
        let taken =
            in_time(received + TURNS_WITHIN, || self.store.take(&turns)).await.map_err(|error| match error {
                EnqueueError::Fault(fault) => TurnError::Fault(fault),
                error => TurnError::Fault(Fault::Store(crate::store::Error::Unavailable(error.to_string()))),
            })?;
        let policy = |((name, turn), window): ((&'static str, &Turn), &crate::store::Window)| Policy {
            name,
            quota: turn.max,
            window: turn.window,
            remaining: turn.max.saturating_sub(window.used),
            resets_in: window.left,
        };
        let policies = names.into_iter().zip(&turns).zip(&taken.windows).map(policy).collect();
        let standing = Standing { policies, clock: Some(Clock::new(taken.now)) };
        if taken.granted { Ok(standing) } else { Err(TurnError::TooMany(standing)) }
    }

    /// What a write counts. `opens`: it accepts new work, and may be refused. What is counted for the job is noted in `new`.
    pub(super) fn counts(&self, old: Option<&Job>, new: &mut Job, opens: bool, now: Millis) -> Counts {
        Counts {
            live: live(old, new),
            live_max: self.settings.protection.queue.filter(|_| opens),
            tally: self.tally(old, new, opens, now),
        }
    }

    fn tally(&self, old: Option<&Job>, new: &mut Job, opens: bool, now: Millis) -> Option<Tally> {
        let limit = self.settings.protection.spend_day?;
        let today = day(now);
        // A job accepted without a limit stays uncounted; one that was lost is counted again.
        let mut charge = match new.charge {
            Some(charge) => charge,
            None if opens || old.is_none() => Charge { day: today, cents: 0 },
            None => return None,
        };
        if opens {
            charge.day = today;
        }
        let cents = Kind::parse(&new.kind)?.cents(new);
        let add = i64::try_from(cents).ok()?.saturating_sub_unsigned(charge.cents);
        new.charge = Some(Charge { cents, ..charge });
        let most = (opens && add > 0).then_some(limit);
        // Earlier days are over: nobody asks for their sums any more.
        let counts = add != 0 && charge.day == today;
        counts.then(|| Tally { name: keys::spent_on(today), add, most, ttl: SUM_KEPT })
    }
}

fn live(old: Option<&Job>, new: &Job) -> Live {
    let was_live = old.is_some_and(|old| !old.is_final());
    if new.is_final() {
        return if was_live || old.is_none() { Live::Ended } else { Live::Keep };
    }
    let as_before = was_live && old.is_some_and(|old| old.deadline == new.deadline);
    if as_before { Live::Keep } else { Live::Until(new.deadline) }
}

/// The UTC day, from the epoch.
pub(super) fn day(now: Millis) -> u64 {
    now / DAY
}

/// Until the next UTC day.
pub(super) fn rest_of_day(now: Millis) -> Millis {
    DAY - now % DAY
}
