//! What a broker for tests does differently, from the command line.

use crate::app::broker::Tuning;
use crate::app::broker::faults::Rates;
use crate::app::broker::limits;
use crate::app::broker::quota::Plan;
use crate::app::broker::region::Region;
use crate::app::broker::resolve::Resolve;
use clap::Args;
use std::str::FromStr;

#[derive(Args)]
pub(super) struct BrokerTuning {
    /// Run time N times faster, or with `next` jump to the next due thing whenever messages only wait.
    #[arg(long, value_name = "N|next", default_value = "1")]
    speed: Speed,
    /// Duplicate, delay, reorder and lose answers, as this number has it.
    #[arg(long)]
    seed: Option<u64>,
    /// How often, as in `duplicate=0.1,delay=0.05,reorder=0.2,drop=0.1` (that is the default).
    #[arg(long, requires = "seed")]
    faults: Option<Rates>,
    /// Send the traffic for a host elsewhere: `example.com=127.0.0.1:9000`. May be repeated.
    #[arg(long, value_name = "HOST=ADDRESS")]
    resolve: Vec<Resolve>,
    /// Answer 429 beyond so many calls a second, publishing excepted.
    #[arg(long, value_name = "CALLS")]
    burst: Option<u32>,
    /// Answer 429 beyond so many messages a day.
    #[arg(long, value_name = "MESSAGES")]
    daily: Option<u32>,
    /// The plan whose limits hold: free, payg or pro.
    #[arg(long, value_name = "PLAN", default_value = "payg")]
    quota: Plan,
    /// What deliveries say in `upstash-region`: eu-central-1 or us-east-1.
    #[arg(long, default_value = "eu-central-1")]
    region: Region,
}

#[derive(Debug, Clone, Copy)]
enum Speed {
    Times(u32),
    Next,
}

impl FromStr for Speed {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "next" {
            return Ok(Self::Next);
        }
        let times = text.parse().ok().filter(|times| (1..=SPEED_MAX).contains(times));
        times.map(Self::Times).ok_or("a whole number from 1 to 100000, or `next`, is expected")
    }
}

/// A day in less than a second.
const SPEED_MAX: u32 = 100_000;

impl BrokerTuning {
    pub(super) fn tuning(self) -> Tuning {
        let (speed, leap) = match self.speed {
            Speed::Times(times) => (times, false),
            Speed::Next => (1, true),
        };
        let faults = self.seed.map(|seed| (seed, self.faults.unwrap_or_default()));
        let limits = limits::Rates { burst: self.burst, daily: self.daily };
        Tuning { speed, leap, faults, resolve: self.resolve, limits, plan: self.quota, region: self.region }
    }
}
