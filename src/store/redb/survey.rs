//! What is live and due, and counters as they stand.

use super::tables::{COUNTERS, DUE, LIVE, RECORDS, gone};
use crate::job::id::{JobId, Millis};
use crate::store::{Record, Survey, Window};
use bytes::Bytes;
use redb::{Error, ReadTransaction, ReadableTable};
use std::time::Duration;

pub(super) fn survey(read: &ReadTransaction, limit: usize, now: Millis) -> Result<Survey, Error> {
    let mut live = Vec::new();
    for entry in read.open_table(LIVE)?.iter()? {
        let (id, until) = entry?;
        if !gone(until.value(), now) {
            live.push((until.value(), id.value().to_owned()));
        }
    }
    live.sort();
    let due_index = read.open_table(DUE)?;
    let mut due = 0;
    for entry in due_index.range(..=(now, "\u{10ffff}"))? {
        entry?;
        due += 1;
    }
    let earliest_due = due_index.first()?.map(|(key, _)| key.value().0);
    let rows = read.open_table(RECORDS)?;
    let mut records = Vec::new();
    for (_, id) in live.iter().take(limit) {
        let row = rows.get(id.as_str())?;
        if let Some((version, _, _, body)) =
            row.as_ref().map(redb::AccessGuard::value).filter(|(_, ends, ..)| !gone(*ends, now))
        {
            records.push((JobId::new(id.clone()), Record { version, body: Bytes::copy_from_slice(body) }));
        }
    }
    Ok(Survey { now, live: live.len() as u64, due, earliest_due, records })
}

pub(super) fn counted(read: &ReadTransaction, names: &[String], now: Millis) -> Result<Vec<Option<Window>>, Error> {
    let table = read.open_table(COUNTERS)?;
    let mut windows = Vec::new();
    for name in names {
        let entry = table.get(name.as_str())?.map(|entry| entry.value()).filter(|(ends, _)| !gone(*ends, now));
        windows.push(entry.map(|(ends, used)| Window { used, left: Duration::from_millis(ends - now) }));
    }
    Ok(windows)
}
