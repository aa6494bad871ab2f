//! What is forgotten, and when. A bit at a time: nothing that comes in waits for much of it.

use super::super::message::{Dead, Millis};
use super::flow::Setting;
use super::{BODIES, DEAD, EVENTS, FLOWS, TAKEN, decode};
use redb::{Error, ReadableTable, ReadableTableMetadata, WriteTransaction};
use std::ops::Bound::{Excluded, Unbounded};

const DAY: Millis = 86_400_000;
const EVENT_RETENTION: Millis = 3 * DAY;
const EVENTS_MAX: u64 = 1_000_000;
const DEAD_RETENTION: Millis = 7 * DAY;
const FLOW_RETENTION: Millis = 7 * DAY;
/// So many entries of a table at most are looked at or forgotten by one write.
const BIT: usize = 5_000;

/// Where one write ended and the next goes on: the last deduplication key that was looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seam(String, String);

#[derive(Debug, Default)]
pub struct Pruned {
    /// Flow-control keys that nobody set by hand or used lately: their gates may go too.
    pub idle: Vec<(String, String)>,
    /// None if all is done.
    pub next: Option<Seam>,
}

/// Forgets what is past its retention, and the oldest events beyond their number, so that the file stays bounded.
pub fn prune(txn: &WriteTransaction, from: Seam, now: Millis) -> Result<Pruned, Error> {
    let (seam, looked) = free_taken(txn, from, now)?;
    let gone = prune_events(txn, now)?.max(prune_dead(txn, now)?);
    if looked.max(gone) >= BIT {
        return Ok(Pruned { idle: Vec::new(), next: Some(seam) });
    }
    Ok(Pruned { idle: prune_flows(txn, now)?, next: None })
}

/// How far it came, and how many it looked at.
fn free_taken(txn: &WriteTransaction, Seam(user, key): Seam, now: Millis) -> Result<(Seam, usize), Error> {
    let mut table = txn.open_table(TAKEN)?;
    let (mut free, mut last, mut looked) = (Vec::new(), None, 0);
    for entry in table.range::<(&str, &str)>((Excluded((user.as_str(), key.as_str())), Unbounded))?.take(BIT) {
        let (place, taken) = entry?;
        let (user, key) = place.value();
        let place = (user.to_owned(), key.to_owned());
        if taken.value().1 <= now {
            free.push(place.clone());
        }
        (last, looked) = (Some(place), looked + 1);
    }
    for (user, key) in &free {
        table.remove((user.as_str(), key.as_str()))?;
    }
    Ok((last.map_or(Seam(user, key), |(user, key)| Seam(user, key)), looked))
}

fn prune_events(txn: &WriteTransaction, now: Millis) -> Result<usize, Error> {
    let mut events = txn.open_table(EVENTS)?;
    let mut gone = 0;
    while gone < BIT {
        let Some(oldest) = events.first()?.map(|(place, _)| place.value().0) else { break };
        if oldest >= now - EVENT_RETENTION && events.len()? <= EVENTS_MAX {
            break;
        }
        events.pop_first()?;
        gone += 1;
    }
    Ok(gone)
}

fn prune_dead(txn: &WriteTransaction, now: Millis) -> Result<usize, Error> {
    let (mut bodies, mut table) = (txn.open_table(BODIES)?, txn.open_table(DEAD)?);
    let mut gone = 0;
    for entry in table.extract_from_if(..(now - DEAD_RETENTION, 0), |_, _| true)?.take(BIT) {
        bodies.remove(decode::<Dead>(entry?.1.value())?.record.id.as_str())?;
        gone += 1;
    }
    Ok(gone)
}

fn prune_flows(txn: &WriteTransaction, now: Millis) -> Result<Vec<(String, String)>, Error> {
    let mut gone = Vec::new();
    let mut table = txn.open_table(FLOWS)?;
    for entry in table.iter()? {
        let (name, stored) = entry?;
        let setting: Setting = decode(stored.value())?;
        if now - setting.used_at > FLOW_RETENTION && !setting.is_set_by_hand() {
            gone.push((name.value().0.to_owned(), name.value().1.to_owned()));
        }
    }
    for (user, key) in &gone {
        table.remove((user.as_str(), key.as_str()))?;
    }
    Ok(gone)
}
