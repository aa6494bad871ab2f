//! What a commit costs a Redis, told by its shape: for what a job is told to have cost. A test counts the server's own.

use super::{Commit, DueAt, Expected, Live, PointerWrite};

/// Of [`super::Store::get`]: the time and the record.
pub const COMMANDS_OF_A_READ: u32 = 2;

/// The commands that `redis/lua/commit.lua` runs for a commit that is applied, the script's own call included.
pub fn commands(commit: &Commit) -> u32 {
    let when = |told: bool, commands: u32| if told { commands } else { 0 };
    let (expires, counts) = (commit.expiry.is_some(), &commit.counts);
    let is_new = commit.expected == Expected::Absent;
    // The call, the record read and written.
    3 + match &commit.pointer {
        PointerWrite::Swap { .. } => 2 + when(expires, 1),
        PointerWrite::Release { .. } => when(expires, 2),
        PointerWrite::Keep => 0,
    } + when(commit.remember.is_some(), 2)
        // Expiry and tombstone; or what was a tombstone is none.
        + if expires { 2 } else { when(is_new, 1) }
        + when(commit.due != DueAt::Keep, 1)
        + match counts.live {
            Live::Keep => 0,
            // Those that must have ended go as well.
            Live::Until(_) => 3,
            Live::Ended => 1,
        }
        + when(counts.live_max.is_some(), 2)
        + when(counts.tally.is_some(), 2)
        + 3 * u32::try_from(commit.listed.len()).unwrap_or(u32::MAX / 3)
        + when(commit.peek_due > 0 || is_new, 1)
        + when(commit.peek_due > 0, 1)
}
