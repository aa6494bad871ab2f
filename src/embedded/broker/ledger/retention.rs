//! What is forgotten, and when.

use super::super::message::{Dead, Millis};
use super::flow::Setting;
use super::{BODIES, DEAD, EVENTS, FLOWS, TAKEN, decode};
use redb::{Error, ReadableTable, ReadableTableMetadata, WriteTransaction};

const DAY: Millis = 86_400_000;
const EVENT_RETENTION: Millis = 3 * DAY;
const EVENTS_MAX: u64 = 100_000;
const DEAD_RETENTION: Millis = 7 * DAY;
const FLOW_RETENTION: Millis = 7 * DAY;

/// Forgets what is past its retention, and the oldest events beyond their number, so that the file stays bounded.
/// Flow-control keys that nobody set by hand or used lately are named, since their gates may go too.
pub fn prune(txn: &WriteTransaction, now: Millis) -> Result<Vec<(String, String)>, Error> {
    txn.open_table(TAKEN)?.retain(|_, (_, until)| until > now)?;
    let mut events = txn.open_table(EVENTS)?;
    events.retain_in(..(now - EVENT_RETENTION, 0), |_, _| false)?;
    while events.len()? > EVENTS_MAX {
        events.pop_first()?;
    }
    let mut bodies = txn.open_table(BODIES)?;
    let mut table = txn.open_table(DEAD)?;
    for entry in table.extract_from_if(..(now - DEAD_RETENTION, 0), |_, _| true)? {
        bodies.remove(decode::<Dead>(entry?.1.value())?.record.id.as_str())?;
    }
    prune_flows(txn, now)
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
