//! The embedded store's tables, and the few things done to them alike: what has expired reads as if it were not there,
//! and is removed a little at a time by the writes that follow.

use super::{list, log};
use crate::job::id::Millis;
use redb::{Error, ReadableTable, Table, TableDefinition, WriteTransaction};

/// Raised when a table's shape changes; a file of a later release is refused.
pub(super) const SCHEMA: u64 = 1;
/// How many expired entries one write removes.
const PURGED_PER_WRITE: usize = 16;
/// An entry's end, in milliseconds since the epoch; `NEVER` stays.
pub(super) type ExpiresAt = u64;
pub(super) const NEVER: ExpiresAt = u64::MAX;

/// Version, expiry, last operations with a space between, body.
type RecordRow = (u64, ExpiresAt, &'static str, &'static [u8]);

pub(super) const META: TableDefinition<&str, u64> = TableDefinition::new("meta");
pub(super) const RECORDS: TableDefinition<&str, RecordRow> = TableDefinition::new("records");
/// Due time and job: read in order.
pub(super) const DUE: TableDefinition<(Millis, &str), ()> = TableDefinition::new("due");
/// The same by job, to find the entry to move.
pub(super) const DUE_OF: TableDefinition<&str, Millis> = TableDefinition::new("due_of");
pub(super) const TOMBSTONES: TableDefinition<&str, (ExpiresAt, u32)> = TableDefinition::new("tombstones");
pub(super) const POINTERS: TableDefinition<&str, (ExpiresAt, &str)> = TableDefinition::new("pointers");
pub(super) const REPLIES: TableDefinition<&str, (ExpiresAt, &[u8])> = TableDefinition::new("replies");
pub(super) const COUNTERS: TableDefinition<&str, (ExpiresAt, u64)> = TableDefinition::new("counters");
/// Live jobs, by when they have ended at the latest.
pub(super) const LIVE: TableDefinition<&str, Millis> = TableDefinition::new("live");
/// List and place: read in order.
pub(super) const LISTED: TableDefinition<(&str, &str), ExpiresAt> = TableDefinition::new("listed");
/// How many entries a list has.
pub(super) const LENGTHS: TableDefinition<&str, u64> = TableDefinition::new("lengths");
/// Log and number: the newest last.
pub(super) const LOGS: TableDefinition<(&str, u64), (ExpiresAt, &[u8])> = TableDefinition::new("logs");
/// What may be removed when: expiry, table, key. An entry whose expiry was moved since is left alone.
const EXPIRIES: TableDefinition<(ExpiresAt, u8, &str), ()> = TableDefinition::new("expiries");

/// The tables whose entries expire, as numbered in [`EXPIRIES`].
#[derive(Clone, Copy)]
#[repr(u8)]
pub(super) enum Kind {
    Record = 0,
    Tombstone = 1,
    Pointer = 2,
    Reply = 3,
    Counter = 4,
    /// Its key is list and place, with a line's end between.
    Listed = 5,
    /// Its key is log and number, with a line's end between.
    Log = 6,
}

/// Has an entry of this expiry gone?
pub(super) fn gone(expires: ExpiresAt, now: Millis) -> bool {
    expires <= now
}

/// Creates every table, so that reading finds them, and refuses a file it does not understand.
pub(super) fn prepare(write: &WriteTransaction) -> Result<Option<u64>, Error> {
    let mut meta = write.open_table(META)?;
    let schema = meta.get("schema")?.map(|schema| schema.value());
    if schema.is_some_and(|schema| schema != SCHEMA) {
        return Ok(schema);
    }
    meta.insert("schema", SCHEMA)?;
    write.open_table(RECORDS)?;
    write.open_table(DUE)?;
    write.open_table(DUE_OF)?;
    write.open_table(TOMBSTONES)?;
    write.open_table(POINTERS)?;
    write.open_table(REPLIES)?;
    write.open_table(COUNTERS)?;
    write.open_table(LIVE)?;
    write.open_table(LISTED)?;
    write.open_table(LENGTHS)?;
    write.open_table(LOGS)?;
    write.open_table(EXPIRIES)?;
    Ok(None)
}

/// Notes that an entry may be removed at a time.
pub(super) fn expires(write: &WriteTransaction, at: ExpiresAt, kind: Kind, key: &str) -> Result<(), Error> {
    write.open_table(EXPIRIES)?.insert((at, kind as u8, key), ())?;
    Ok(())
}

/// Removes some of what has expired.
pub(super) fn purge(write: &WriteTransaction, now: Millis) -> Result<(), Error> {
    let mut expiries = write.open_table(EXPIRIES)?;
    for _ in 0..PURGED_PER_WRITE {
        let Some((at, kind, key)) = first(&expiries)?.filter(|(at, ..)| gone(*at, now)) else { return Ok(()) };
        expiries.remove((at, kind, key.as_str()))?;
        match kind {
            0 => remove_if(write.open_table(RECORDS)?, &key, |(_, expires, ..)| expires == at)?,
            1 => remove_if(write.open_table(TOMBSTONES)?, &key, |(expires, _)| expires == at)?,
            2 => remove_if(write.open_table(POINTERS)?, &key, |(expires, _)| expires == at)?,
            3 => remove_if(write.open_table(REPLIES)?, &key, |(expires, _)| expires == at)?,
            5 => list::remove_expired(write, &key, at)?,
            6 => log::remove_expired(write, &key, at)?,
            _ => remove_if(write.open_table(COUNTERS)?, &key, |(expires, _)| expires == at)?,
        }
    }
    Ok(())
}

fn first(expiries: &Table<(ExpiresAt, u8, &'static str), ()>) -> Result<Option<(ExpiresAt, u8, String)>, Error> {
    let Some((key, ())) = expiries.first()?.map(|(key, _)| (key, ())) else { return Ok(None) };
    let (at, kind, name) = key.value();
    Ok(Some((at, kind, name.to_owned())))
}

fn remove_if<V: redb::Value>(
    mut table: Table<&'static str, V>,
    key: &str,
    is_it: impl Fn(V::SelfType<'_>) -> bool,
) -> Result<(), Error> {
    let found = table.get(key)?.is_some_and(|entry| is_it(entry.value()));
    if found {
        table.remove(key)?;
    }
    Ok(())
}

/// A job's due time: moved, removed, or put where there was none.
pub(super) fn set_due(write: &WriteTransaction, id: &str, at: Option<Millis>) -> Result<(), Error> {
    let mut of = write.open_table(DUE_OF)?;
    let mut due = write.open_table(DUE)?;
    let before = of.get(id)?.map(|at| at.value());
    if let Some(before) = before {
        due.remove((before, id))?;
    }
    match at {
        Some(at) => {
            due.insert((at, id), ())?;
            of.insert(id, at)?;
        }
        None => {
            of.remove(id)?;
        }
    }
    Ok(())
}

/// The earliest due, up to a number.
pub(super) fn due_by(
    due: &impl ReadableTable<(Millis, &'static str), ()>,
    now: Millis,
    limit: usize,
) -> Result<Vec<String>, Error> {
    let mut ids = Vec::new();
    for entry in due.iter()?.take(limit) {
        let (key, _) = entry?;
        let (at, id) = key.value();
        if at > now {
            break;
        }
        ids.push(id.to_owned());
    }
    Ok(ids)
}
