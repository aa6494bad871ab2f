//! Logs: the newest of what was noted, each entry with its own end.

use super::tables::{ExpiresAt, Kind, LOGS, expires, gone};
use crate::job::id::Millis;
use crate::store::LogKey;
use bytes::Bytes;
use redb::{Error, ReadTransaction, ReadableTable, WriteTransaction};
use std::time::Duration;

pub(super) fn note(
    write: &WriteTransaction,
    log: &LogKey,
    entry: &[u8],
    keep: usize,
    ttl: Duration,
    now: Millis,
) -> Result<(), Error> {
    let log = log.0.as_str();
    let at = super::commit::after(now, ttl);
    let mut table = write.open_table(LOGS)?;
    let last = table.range((log, 0)..=(log, u64::MAX))?.next_back().transpose()?.map(|(key, _)| key.value().1);
    let number = last.map_or(0, |last| last + 1);
    table.insert((log, number), (at, entry))?;
    let mut beyond = Vec::new();
    for entry in table.range((log, 0)..=(log, number))?.rev().skip(keep.max(1)) {
        beyond.push(entry?.0.value().1);
    }
    for number in beyond {
        table.remove((log, number))?;
    }
    drop(table);
    expires(write, at, Kind::Log, &format!("{log}\n{number}"))
}

pub(super) fn remove_expired(write: &WriteTransaction, key: &str, at: ExpiresAt) -> Result<(), Error> {
    let Some((log, number)) = key.rsplit_once('\n') else { return Ok(()) };
    let Ok(number) = number.parse() else { return Ok(()) };
    let mut table = write.open_table(LOGS)?;
    let found = table.get((log, number))?.is_some_and(|entry| entry.value().0 == at);
    if found {
        table.remove((log, number))?;
    }
    Ok(())
}

pub(super) fn newest(read: &ReadTransaction, log: &LogKey, limit: usize, now: Millis) -> Result<Vec<Bytes>, Error> {
    let log = log.0.as_str();
    let mut newest = Vec::new();
    for entry in read.open_table(LOGS)?.range((log, 0)..=(log, u64::MAX))?.rev() {
        let (_, entry) = entry?;
        let (ends, text) = entry.value();
        if newest.len() >= limit {
            break;
        }
        if !gone(ends, now) {
            newest.push(Bytes::copy_from_slice(text));
        }
    }
    Ok(newest)
}
