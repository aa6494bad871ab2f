//! What is forgotten, and when.

use super::super::message::{Dead, Millis};
use super::{BODIES, DEAD, EVENTS, TAKEN, decode};
use redb::{Error, ReadableTableMetadata, WriteTransaction};

const DAY: Millis = 86_400_000;
const EVENT_RETENTION: Millis = 3 * DAY;
const EVENTS_MAX: u64 = 100_000;
const DEAD_RETENTION: Millis = 7 * DAY;

/// Forgets what is past its retention, and the oldest events beyond their number, so that the file stays bounded.
pub fn prune(txn: &WriteTransaction, now: Millis) -> Result<(), Error> {
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
    Ok(())
}
