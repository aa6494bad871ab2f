//! The broker's tables and the changes made to them. Each function here runs inside one transaction: an acceptance with
//! its deduplication, an attempt's end with everything that follows from it, a withdrawal. No clock, no network.

pub mod accept;
pub mod dead;
pub mod events;
pub mod flow;
pub mod groups;
pub mod latest;
pub mod left;
pub mod pages;
pub mod queues;
pub mod retention;
pub mod runs;
pub mod schedules;
#[cfg(test)]
mod tests;

use super::attempt::{Verdict, judge, tidings};
use super::filter::Filter;
use super::message::{Millis, Outcome, Record};
use super::schedules::State;
use accept::insert;
use bytes::Bytes;
use events::{ACTIVE, CANCEL_REQUESTED, CANCELED, DELIVERED, ERROR, FAILED, RETRY, note, note_end};
use redb::{Error, ReadableTable, TableDefinition, WriteTransaction};
use runs::Joined;
use serde::{Serialize, de::DeserializeOwned};

/// Live messages by id.
const MESSAGES: TableDefinition<&str, &[u8]> = TableDefinition::new("messages");
/// Bodies of live and of dead messages by message id.
const BODIES: TableDefinition<&str, &[u8]> = TableDefinition::new("bodies");
/// Dead letters by time of death and a number within that millisecond.
const DEAD: TableDefinition<(i64, u64), &[u8]> = TableDefinition::new("dead");
/// Taken deduplication keys, `user` and key: the first message's id and when the key is free again.
const TAKEN: TableDefinition<(&str, &str), (&str, i64)> = TableDefinition::new("taken");
/// Rotated keys by user: current and next.
const KEYS: TableDefinition<&str, (&str, &str)> = TableDefinition::new("keys");
/// What happened, by time and a number within that millisecond: the user and the event.
const EVENTS: TableDefinition<(i64, u64), (&str, &[u8])> = TableDefinition::new("events");

/// URL groups by user and name.
const GROUPS: TableDefinition<(&str, &str), &[u8]> = TableDefinition::new("groups");
/// Settings of queues and of flow-control keys, by user and name.
const QUEUES: TableDefinition<(&str, &str), &[u8]> = TableDefinition::new("queues");
const FLOWS: TableDefinition<(&str, &str), &[u8]> = TableDefinition::new("flows");
/// Schedules by user and id, and their bodies apart.
const SCHEDULES: TableDefinition<(&str, &str), &[u8]> = TableDefinition::new("schedules");
const SCHEDULE_BODIES: TableDefinition<(&str, &str), &[u8]> = TableDefinition::new("schedule_bodies");

/// So many at most are withdrawn by one call that says how many.
const CANCELLED_MAX: usize = 500;

/// What follows from an attempt's end.
#[derive(Debug, Clone, PartialEq)]
pub enum Settled {
    /// The message was withdrawn meanwhile.
    Gone,
    /// These are to be delivered: the message itself if it is tried again, and the callbacks.
    Follow(Vec<Record>),
}

/// Creates the tables, so that reading never meets a missing one.
pub fn prepare(txn: &WriteTransaction) -> Result<(), Error> {
    txn.open_table(MESSAGES)?;
    txn.open_table(BODIES)?;
    txn.open_table(DEAD)?;
    txn.open_table(TAKEN)?;
    txn.open_table(KEYS)?;
    txn.open_table(EVENTS)?;
    txn.open_table(GROUPS)?;
    txn.open_table(QUEUES)?;
    txn.open_table(FLOWS)?;
    txn.open_table(SCHEDULES)?;
    txn.open_table(SCHEDULE_BODIES)?;
    runs::prepare(txn)
}

/// An attempt ended. Its message moves on, dies or is done; the messages that tell of it are accepted with it.
pub fn settle(
    txn: &WriteTransaction,
    record: &Record,
    outcome: &Outcome,
    started: Millis,
    now: Millis,
) -> Result<Settled, Error> {
    if txn.open_table(MESSAGES)?.get(record.id.as_str())?.is_none() {
        return Ok(Settled::Gone);
    }
    let verdict = judge(record, outcome, now);
    let told = told_body(txn, record)?;
    note(txn, record, started, ACTIVE, |_| {})?;
    let mut follow = Vec::new();
    let mut dlq_id = None;
    match verdict {
        Verdict::Delivered => {
            remove_live(txn, &record.id)?;
            txn.open_table(BODIES)?.remove(record.id.as_str())?;
            note_end(txn, record, now, DELIVERED, outcome)?;
            schedules::tell(txn, record, State::Success)?;
        }
        Verdict::Retry { at } => {
            let next = Record { due: at, retried: record.retried + 1, ..record.clone() };
            txn.open_table(MESSAGES)?.insert(next.id.as_str(), encode(&next)?.as_slice())?;
            note_end(txn, record, now, ERROR, outcome)?;
            note(txn, record, now, RETRY, |event| event.next_delivery_time = Some(at))?;
            follow.push(next);
        }
        Verdict::Dead => {
            remove_live(txn, &record.id)?;
            note_end(txn, record, now, ERROR, outcome)?;
            note_end(txn, record, now, FAILED, outcome)?;
            schedules::tell(txn, record, State::Fail)?;
            dlq_id = Some(dead::bury(txn, record, outcome, now)?);
        }
    }
    let given = runs::given(txn, record)?;
    for mut telling in tidings(record, given.as_ref().unwrap_or(&told), outcome, dlq_id.as_deref(), now) {
        // What came of a call is of no use to a run that has ended meanwhile.
        if matches!(runs::join(txn, &mut telling, usize::MAX, now)?, Joined::In) {
            follow.push(insert(txn, telling)?);
        }
    }
    if !matches!(verdict, Verdict::Retry { .. }) {
        runs::leave(txn, record, verdict == Verdict::Dead)?;
    }
    Ok(Settled::Follow(follow))
}

/// The body, where callbacks are to tell it.
fn told_body(txn: &WriteTransaction, record: &Record) -> Result<Bytes, Error> {
    if record.spec.callback.is_none() && record.spec.failure_callback.is_none() {
        return Ok(Bytes::new());
    }
    let body = txn.open_table(BODIES)?.get(record.id.as_str())?.map(|body| Bytes::copy_from_slice(body.value()));
    Ok(body.unwrap_or_default())
}

/// Withdraws the live messages a filter lets through, at most its `count`; their ids.
pub fn cancel(txn: &WriteTransaction, user: &str, filter: &Filter, now: Millis) -> Result<Vec<String>, Error> {
    let mut cancelled: Vec<Record> = Vec::new();
    for entry in txn.open_table(MESSAGES)?.iter()? {
        let record: Record = decode(entry?.1.value())?;
        if record.spec.user == user && filter.matches(&super::filter::Traits::of(&record)) {
            cancelled.push(record);
        }
        if filter.count.is_some_and(|count| cancelled.len() >= count.min(CANCELLED_MAX)) {
            break;
        }
    }
    for record in &cancelled {
        withdraw(txn, record, now)?;
    }
    Ok(cancelled.into_iter().map(|record| record.id).collect())
}

/// Withdraws one message; false if this user has no such message alive.
pub fn cancel_one(txn: &WriteTransaction, user: &str, id: &str, now: Millis) -> Result<bool, Error> {
    let record: Option<Record> = match txn.open_table(MESSAGES)?.get(id)? {
        Some(stored) => Some(decode(stored.value())?),
        None => None,
    };
    let Some(record) = record.filter(|record| record.spec.user == user) else { return Ok(false) };
    withdraw(txn, &record, now)?;
    Ok(true)
}

fn withdraw(txn: &WriteTransaction, record: &Record, now: Millis) -> Result<(), Error> {
    remove_live(txn, &record.id)?;
    txn.open_table(BODIES)?.remove(record.id.as_str())?;
    schedules::tell(txn, record, State::Fail)?;
    runs::leave(txn, record, false)?;
    note(txn, record, now, CANCEL_REQUESTED, |_| {})?;
    note(txn, record, now, CANCELED, |_| {})
}

/// Keeps a user's new keys, which from now on win over any given at the start.
pub fn rotate(txn: &WriteTransaction, user: &str, current: &str, next: &str) -> Result<(), Error> {
    txn.open_table(KEYS)?.insert(user, (current, next))?;
    Ok(())
}

/// How many entries of a table are this user's.
fn count_of<V: redb::Value + 'static>(
    table: &impl ReadableTable<(&'static str, &'static str), V>,
    user: &str,
) -> Result<u64, Error> {
    let mut count = 0;
    for entry in table.range((user, "")..)? {
        if entry?.0.value().0 != user {
            break;
        }
        count += 1;
    }
    Ok(count)
}

fn remove_live(txn: &WriteTransaction, id: &str) -> Result<(), Error> {
    txn.open_table(MESSAGES)?.remove(id)?;
    Ok(())
}

fn encode(value: &impl Serialize) -> Result<Vec<u8>, Error> {
    serde_json::to_vec(value).map_err(|error| Error::Corrupted(error.to_string()))
}

fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(bytes).map_err(|error| Error::Corrupted(error.to_string()))
}
