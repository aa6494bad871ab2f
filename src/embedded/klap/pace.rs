//! How long things take. Klap needs many minutes; tests and demos do not have them.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// When something becomes visible although the work behind it may long be done.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Wire", into = "Wire")]
pub enum Wait {
    /// After so much time.
    For(Duration),
    /// After so many looks that found it unfinished; the next look also waits for the work itself, so that the number of
    /// looks is certain.
    Looks(u32),
}

/// As JSON: `{"seconds": 1.5}` or `{"looks": 3}`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Wire {
    Seconds(f64),
    Looks(u32),
}

impl TryFrom<Wire> for Wait {
    type Error = std::time::TryFromFloatSecsError;

    fn try_from(wire: Wire) -> Result<Self, Self::Error> {
        Ok(match wire {
            Wire::Seconds(seconds) => Self::For(Duration::try_from_secs_f64(seconds)?),
            Wire::Looks(looks) => Self::Looks(looks),
        })
    }
}

impl From<Wait> for Wire {
    fn from(wait: Wait) -> Self {
        match wait {
            Wait::For(time) => Self::Seconds(time.as_secs_f64()),
            Wait::Looks(looks) => Self::Looks(looks),
        }
    }
}

impl Wait {
    /// Whether it is over for something done at `done` (milliseconds), not visible before `since` plus the wait, and looked
    /// at `looks` times, this one included.
    pub(super) fn is_over(self, since: i64, looks: u32, now: i64) -> bool {
        match self {
            Self::For(time) => now >= since.saturating_add(millis(time)),
            Self::Looks(wanted) => looks > wanted,
        }
    }

    /// Whether, with the work done, this look would find it finished: then it is worth waiting for the work.
    pub(super) fn is_certain(self, looks: u32) -> bool {
        matches!(self, Self::Looks(wanted) if looks > wanted)
    }
}

pub(super) fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

/// The three waits of a job at Klap.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Pace {
    /// From the task's creation until it is `ready`.
    pub task: Wait,
    /// From then until its folder shows its clips.
    pub empty_folder: Wait,
    /// From an export's creation until it is `ready`.
    pub export: Wait,
}

impl Pace {
    /// Nothing takes longer than the work itself, and the number of looks is certain.
    pub const IMMEDIATE: Self = Self { task: Wait::Looks(0), empty_folder: Wait::Looks(0), export: Wait::Looks(0) };
}

impl Default for Pace {
    fn default() -> Self {
        let wait = |millis| Wait::For(Duration::from_millis(millis));
        Self { task: wait(2_000), empty_folder: wait(1_000), export: wait(1_500) }
    }
}
