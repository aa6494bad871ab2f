//! Faults on purpose, for whoever wants to see an application survive them: everything here is something the service may do
//! too, since it promises delivery at least once and no order. Pure but for a counter: the fate of the nth departure
//! follows from the seed alone.

use super::message::{Millis, Outcome};
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};

/// How long a message is held so that others overtake it, and how long a late one is late, at most.
const OVERTAKEN: Millis = 2_000;
const LATE: Millis = 60_000;

/// How often what goes wrong, each from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rates {
    /// An attempt is made twice.
    pub duplicate: f64,
    /// A message leaves up to a minute late.
    pub delay: f64,
    /// A message leaves a little late, so that others overtake it.
    pub reorder: f64,
    /// The destination's answer is lost: it did its work, and the attempt counts as failed.
    pub drop: f64,
}

/// What a seed alone means.
impl Default for Rates {
    fn default() -> Self {
        Self { duplicate: 0.1, delay: 0.05, reorder: 0.2, drop: 0.1 }
    }
}

/// `duplicate=0.5,drop=0.1`; what is not named does not happen.
impl FromStr for Rates {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut rates = Self { duplicate: 0.0, delay: 0.0, reorder: 0.0, drop: 0.0 };
        for part in text.split(',').map(str::trim) {
            let (name, value) = part.split_once('=').ok_or_else(|| format!("{part}: name=rate is expected"))?;
            let rate: f64 = value.parse().map_err(|_| format!("{part}: a rate from 0 to 1 is expected"))?;
            if !(0.0..=1.0).contains(&rate) {
                return Err(format!("{part}: a rate from 0 to 1 is expected"));
            }
            match name {
                "duplicate" => rates.duplicate = rate,
                "delay" => rates.delay = rate,
                "reorder" => rates.reorder = rate,
                "drop" => rates.drop = rate,
                _ => return Err(format!("{name}: duplicate, delay, reorder or drop is expected")),
            }
        }
        Ok(rates)
    }
}

/// What happens to one departure.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Fate {
    /// It does not leave now but so much later.
    pub hold: Option<Millis>,
    pub repeat: bool,
    pub lose: bool,
}

impl Fate {
    pub fn of(seed: u64, rates: Rates, departure: u64) -> Self {
        let mut state = seed ^ departure.wrapping_mul(0xD6E8_FEB8_6659_FD93);
        let late = if chance(&mut state, rates.delay) { Some(LATE) } else { None };
        let late = late.or(chance(&mut state, rates.reorder).then_some(OVERTAKEN));
        let hold = late.map(|most| 1 + Millis::try_from(random(&mut state) % most.unsigned_abs()).unwrap_or(0));
        Self { hold, repeat: chance(&mut state, rates.duplicate), lose: chance(&mut state, rates.drop) }
    }

    /// What is told of an attempt.
    pub fn outcome(self, outcome: Outcome) -> Outcome {
        if self.lose { Outcome::Failed("the answer was lost, as the seed wanted it".to_owned()) } else { outcome }
    }
}

/// The fates in order of departure.
#[derive(Debug, Default)]
pub struct Faults {
    plan: Option<(u64, Rates)>,
    departures: AtomicU64,
}

impl Faults {
    /// None: nothing goes wrong.
    pub fn new(plan: Option<(u64, Rates)>) -> Self {
        Self { plan, departures: AtomicU64::new(0) }
    }

    pub fn next(&self) -> Fate {
        let Some((seed, rates)) = self.plan else { return Fate::default() };
        Fate::of(seed, rates, self.departures.fetch_add(1, Ordering::Relaxed))
    }
}

fn chance(state: &mut u64, rate: f64) -> bool {
    #[expect(clippy::cast_precision_loss, reason = "53 bits fit a float exactly")]
    let drawn = (random(state) >> 11) as f64 / (1_u64 << 53) as f64;
    drawn < rate
}

/// `SplitMix64`.
fn random(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}
