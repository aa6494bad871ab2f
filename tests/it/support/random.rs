//! Chance by seed: a run that failed is made again from the number it printed.

use std::ops::Range;
use std::time::{SystemTime, UNIX_EPOCH};

/// `SplitMix64`: small, and good enough to spread moments.
pub struct Random {
    state: u64,
}

impl Random {
    pub fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// The seed in the environment variable, or a fresh one; printed, so that a failed run can be made again.
    pub fn seeded(variable: &str) -> Self {
        let given = std::env::var(variable).ok().map(|seed| seed.parse().expect("a seed is a number"));
        let seed = given.unwrap_or_else(|| {
            let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970");
            u64::from(since.subsec_nanos()) ^ since.as_secs() << 20
        });
        println!("{variable}={seed}");
        Self::new(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub fn within(&mut self, range: Range<u64>) -> u64 {
        range.start + self.next() % (range.end - range.start)
    }

    /// True so often of a hundred times.
    pub fn percent(&mut self, often: u64) -> bool {
        self.within(0..100) < often
    }
}
