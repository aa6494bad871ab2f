//! Compare and commit, as `redis/lua/commit.lua` does it, in the same order.

use super::counts;
use super::list;
use super::tables::{
    DUE, ExpiresAt, Kind, NEVER, POINTERS, RECORDS, REPLIES, TOMBSTONES, due_by, expires, gone, purge, set_due,
};
use crate::job::id::{JobId, Millis};
use crate::store::keys::expiry_ms;
use crate::store::{Commit, Committed, DueAt, Expected, PointerWrite, Record};
use bytes::Bytes;
use redb::{Error, ReadableTable, WriteTransaction};
use std::time::Duration;

/// Operations a record keeps.
const OPS_KEPT: usize = 8;

/// What is there before the commit.
struct Found {
    record: Record,
    ops: String,
    expires: ExpiresAt,
}

/// The answer; only [`Committed::Applied`] has written something.
pub(super) fn commit(write: &WriteTransaction, commit: &Commit, now: Millis) -> Result<Committed, Error> {
    let found = find(write, commit, now)?;
    if let Some(refusal) = refusal(write, commit, found.as_ref(), now)? {
        return Ok(refusal);
    }
    let version = commit.version;
    let id = commit.id.as_str();
    let record_expires = commit.expiry.map_or(NEVER, |expiry| after(now, expiry.record));
    let ops = ops_with(commit, found.as_ref());
    let row = (version, record_expires, ops.as_str(), commit.body.as_ref());
    write.open_table(RECORDS)?.insert(id, row)?;
    match commit.expiry {
        Some(expiry) => {
            let at = after(now, expiry.tombstone);
            write.open_table(TOMBSTONES)?.insert(id, (at, expiry.epoch))?;
            expires(write, at, Kind::Tombstone, id)?;
            expires(write, record_expires, Kind::Record, id)?;
        }
        None if found.as_ref().is_none_or(|found| found.expires != NEVER) => {
            write.open_table(TOMBSTONES)?.remove(id)?;
        }
        None => {}
    }
    write_pointer(write, commit, record_expires, now)?;
    if let Some(remember) = &commit.remember {
        let at = after(now, remember.ttl);
        write.open_table(REPLIES)?.insert(remember.key.0.as_str(), (at, remember.reply.as_ref()))?;
        expires(write, at, Kind::Reply, &remember.key.0)?;
    }
    for listed in &commit.listed {
        list::put(write, listed, now)?;
    }
    match commit.due {
        DueAt::Keep => {}
        DueAt::At(at) => set_due(write, id, Some(at))?,
        DueAt::Never => set_due(write, id, None)?,
    }
    counts::count(write, commit, now)?;
    purge(write, now)?;
    let due = due_by(&write.open_table(DUE)?, now, commit.peek_due)?;
    let told = commit.peek_due > 0 || found.is_none();
    Ok(Committed::Applied { version, now: told.then_some(now), due: due.into_iter().map(JobId::new).collect() })
}

fn find(write: &WriteTransaction, commit: &Commit, now: Millis) -> Result<Option<Found>, Error> {
    let records = write.open_table(RECORDS)?;
    let Some(row) = records.get(commit.id.as_str())? else { return Ok(None) };
    let (version, expires, ops, body) = row.value();
    let record = Record { version, body: Bytes::copy_from_slice(body) };
    Ok((!gone(expires, now)).then(|| Found { record, ops: ops.to_owned(), expires }))
}

fn refusal(
    write: &WriteTransaction,
    commit: &Commit,
    found: Option<&Found>,
    now: Millis,
) -> Result<Option<Committed>, Error> {
    if let Some(found) = found
        && found.ops.split(' ').any(|op| op == commit.op.as_str())
    {
        return Ok(Some(Committed::Replayed(found.record.clone())));
    }
    if let Some(remember) = &commit.remember {
        let replies = write.open_table(REPLIES)?;
        let reply = replies.get(remember.key.0.as_str())?;
        if let Some((_, reply)) = reply.as_ref().map(redb::AccessGuard::value).filter(|(at, _)| !gone(*at, now)) {
            return Ok(Some(Committed::Remembered(Bytes::copy_from_slice(reply))));
        }
    }
    match (commit.expected, found) {
        (Expected::Version(_), None) => return Ok(Some(Committed::Missing)),
        (Expected::Version(version), Some(found)) if found.record.version == version => {}
        (_, Some(found)) => return Ok(Some(Committed::Conflict(found.record.clone()))),
        (Expected::Absent, None) => {}
    }
    if let PointerWrite::Swap { key, from, .. } = &commit.pointer {
        let holder = holder(write, &key.0, now)?;
        if holder != *from {
            return Ok(Some(Committed::PointerTaken(holder)));
        }
    }
    counts::refusal(write, &commit.counts, now)
}

fn ops_with(commit: &Commit, found: Option<&Found>) -> String {
    let before = found.map_or("", |found| found.ops.as_str());
    let kept: Vec<&str> = std::iter::once(commit.op.as_str()).chain(before.split_whitespace()).take(OPS_KEPT).collect();
    kept.join(" ")
}

fn write_pointer(
    write: &WriteTransaction,
    commit: &Commit,
    record_expires: ExpiresAt,
    now: Millis,
) -> Result<(), Error> {
    match &commit.pointer {
        PointerWrite::Swap { key, to, .. } => {
            write.open_table(POINTERS)?.insert(key.0.as_str(), (record_expires, to.as_str()))?;
            if commit.expiry.is_some() {
                expires(write, record_expires, Kind::Pointer, &key.0)?;
            }
        }
        PointerWrite::Release { key, value } if commit.expiry.is_some() => {
            if holder(write, &key.0, now)?.as_ref() == Some(value) {
                write.open_table(POINTERS)?.insert(key.0.as_str(), (record_expires, value.as_str()))?;
                expires(write, record_expires, Kind::Pointer, &key.0)?;
            }
        }
        PointerWrite::Release { .. } | PointerWrite::Keep => {}
    }
    Ok(())
}

fn holder(write: &WriteTransaction, key: &str, now: Millis) -> Result<Option<String>, Error> {
    let pointers = write.open_table(POINTERS)?;
    let entry = pointers.get(key)?;
    Ok(entry.as_ref().map(redb::AccessGuard::value).filter(|(at, _)| !gone(*at, now)).map(|(_, held)| held.to_owned()))
}

pub(super) fn after(now: Millis, span: Duration) -> ExpiresAt {
    now.saturating_add(expiry_ms(span)).min(NEVER - 1)
}
