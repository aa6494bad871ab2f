//! Turns, live jobs and tallies, as `redis/lua/take.lua` and `redis/lua/limits.lua` count them.

use super::commit::after;
use super::tables::{COUNTERS, ExpiresAt, Kind, LIVE, expires, gone};
use crate::job::id::Millis;
use crate::store::{Commit, Committed, Counts, Live, Taken, Tally, Turn, Window};
use redb::{Error, ReadableTable, WriteTransaction};
use std::time::Duration;

/// A counter's expiry and value, unless it has gone.
fn counter(write: &WriteTransaction, name: &str, now: Millis) -> Result<Option<(ExpiresAt, u64)>, Error> {
    let entry = write.open_table(COUNTERS)?.get(name)?.map(|entry| entry.value());
    Ok(entry.filter(|(at, _)| !gone(*at, now)))
}

fn set(write: &WriteTransaction, name: &str, at: ExpiresAt, value: u64) -> Result<(), Error> {
    write.open_table(COUNTERS)?.insert(name, (at, value))?;
    expires(write, at, Kind::Counter, name)
}

/// One more, in a window that begins with the last.
pub(super) fn one_more(write: &WriteTransaction, name: &str, window: Duration, now: Millis) -> Result<u64, Error> {
    let (_, value) = counter(write, name, now)?.unwrap_or_default();
    set(write, name, after(now, window), value + 1)?;
    Ok(value + 1)
}

pub(super) fn take(write: &WriteTransaction, turns: &[Turn], now: Millis) -> Result<Taken, Error> {
    let mut found = Vec::new();
    for turn in turns {
        found.push(counter(write, &turn.name, now)?.unwrap_or((after(now, turn.window), 0)));
    }
    let granted = turns.iter().zip(&found).all(|(turn, (_, used))| *used < turn.max);
    let mut windows = Vec::new();
    for (turn, (at, used)) in turns.iter().zip(found) {
        if granted {
            set(write, &turn.name, at, used + 1)?;
        }
        windows.push(Window { used: used + u64::from(granted), left: Duration::from_millis(at - now) });
    }
    Ok(Taken { now, granted, windows })
}

/// The sum after a tally, if it may be.
fn after_tally(tally: &Tally, sum: u64) -> Option<u64> {
    let sum = sum.saturating_add_signed(tally.add);
    tally.most.is_none_or(|most| sum <= most).then_some(sum)
}

/// What a commit is refused for.
pub(super) fn refusal(write: &WriteTransaction, counts: &Counts, now: Millis) -> Result<Option<Committed>, Error> {
    if let Some(max) = counts.live_max {
        let mut live = 0;
        for entry in write.open_table(LIVE)?.iter()? {
            live += u64::from(!gone(entry?.1.value(), now));
        }
        if live >= max {
            return Ok(Some(Committed::Full));
        }
    }
    if let Some(tally) = &counts.tally {
        let (_, sum) = counter(write, &tally.name, now)?.unwrap_or_default();
        if after_tally(tally, sum).is_none() {
            return Ok(Some(Committed::Over));
        }
    }
    Ok(None)
}

pub(super) fn count(write: &WriteTransaction, commit: &Commit, now: Millis) -> Result<(), Error> {
    let counts = &commit.counts;
    let mut live = write.open_table(LIVE)?;
    match counts.live {
        Live::Keep => {}
        Live::Until(until) => drop(live.insert(commit.id.as_str(), until)?),
        Live::Ended => drop(live.remove(commit.id.as_str())?),
    }
    if matches!(counts.live, Live::Until(_)) {
        live.retain(|_, until| !gone(until, now))?;
    }
    drop(live);
    if let Some(tally) = &counts.tally {
        let (_, sum) = counter(write, &tally.name, now)?.unwrap_or_default();
        set(write, &tally.name, after(now, tally.ttl), after_tally(tally, sum).unwrap_or(sum))?;
    }
    Ok(())
}
