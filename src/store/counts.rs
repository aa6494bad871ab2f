//! What is counted over all instances: turns taken from windows, jobs that are live, and sums that a commit adds to. Each is
//! checked and written in one step, so that of many at once no more get through than may.

use crate::job::id::Millis;
use std::time::Duration;

/// One turn, to be taken from a window that is over `window` after its first turn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn {
    pub name: String,
    pub window: Duration,
    /// How many turns it holds.
    pub max: u64,
}

/// What became of turns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    pub now: Millis,
    /// All were taken; otherwise none was.
    pub granted: bool,
    /// In the order they were asked for, as they are now.
    pub windows: Vec<Window>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    pub used: u64,
    /// Until it is over; the whole window while no turn was taken.
    pub left: Duration,
}

/// What a commit counts, and what it is refused for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    pub live: Live,
    /// [`super::Committed::Full`] if so many jobs are live already.
    pub live_max: Option<u64>,
    pub tally: Option<Tally>,
}

/// Whether the commit's job is among the live ones after it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Live {
    #[default]
    Keep,
    /// It is, at the latest until then: a record that gets lost is not counted for ever.
    Until(Millis),
    Ended,
}

/// A sum that a commit adds to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tally {
    pub name: String,
    /// The sum never falls below zero.
    pub add: i64,
    /// [`super::Committed::Over`] if the sum would be more.
    pub most: Option<u64>,
    /// The sum is forgotten this long after its last change.
    pub ttl: Duration,
}
