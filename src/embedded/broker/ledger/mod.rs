//! The broker's tables and the changes made to them. Each function here runs inside one transaction: an acceptance with
//! its deduplication, an attempt's end with everything that follows from it, a withdrawal. No clock, no network.

pub mod dead;
pub mod pages;
pub mod retention;
#[cfg(test)]
mod tests;

use super::attempt::{Verdict, judge, tidings};
use super::filter::Filter;
use super::message::{Millis, New, Outcome, Record, VERSION};
use crate::services::qstash::wire::Event;
use bytes::Bytes;
use redb::{Error, ReadableTable, TableDefinition, WriteTransaction};
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

const DEDUPLICATION_WINDOW: Millis = 10 * 60_000;

/// What became of an offered message.
#[derive(Debug, Clone, PartialEq)]
pub enum Accepted {
    New(Box<Record>),
    /// Its deduplication key was taken by this message.
    Duplicate(String),
}

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
    Ok(())
}

pub fn accept(txn: &WriteTransaction, offered: Vec<New>, now: Millis) -> Result<Vec<Accepted>, Error> {
    offered.into_iter().map(|new| accept_one(txn, new, now)).collect()
}

fn accept_one(txn: &WriteTransaction, new: New, now: Millis) -> Result<Accepted, Error> {
    if let Some(key) = &new.deduplication {
        let mut taken = txn.open_table(TAKEN)?;
        let place = (new.spec.user.as_str(), key.as_str());
        let first = taken.get(place)?.and_then(|entry| {
            let (first, until) = entry.value();
            (until > now).then(|| first.to_owned())
        });
        if let Some(first) = first {
            return Ok(Accepted::Duplicate(first));
        }
        taken.insert(place, (new.id.as_str(), now.saturating_add(DEDUPLICATION_WINDOW)))?;
    }
    Ok(Accepted::New(Box::new(insert(txn, new)?)))
}

fn insert(txn: &WriteTransaction, new: New) -> Result<Record, Error> {
    let New { id, spec, body, created_at, not_before, deduplication: _ } = new;
    let record = Record { v: VERSION, id, spec, created_at, not_before, due: not_before, retried: 0 };
    txn.open_table(BODIES)?.insert(record.id.as_str(), body.as_ref())?;
    txn.open_table(MESSAGES)?.insert(record.id.as_str(), encode(&record)?.as_slice())?;
    note(txn, &record, created_at, "CREATED", |_| {})?;
    Ok(record)
}

/// An attempt ended. Its message moves on, dies or is done; the messages that tell of it are accepted with it.
pub fn settle(
    txn: &WriteTransaction,
    record: &Record,
    body: &Bytes,
    outcome: &Outcome,
    started: Millis,
    now: Millis,
) -> Result<Settled, Error> {
    if txn.open_table(MESSAGES)?.get(record.id.as_str())?.is_none() {
        return Ok(Settled::Gone);
    }
    let verdict = judge(record, outcome, now);
    note(txn, record, started, "ACTIVE", |_| {})?;
    let mut follow = Vec::new();
    let mut dlq_id = None;
    match verdict {
        Verdict::Delivered => {
            remove_live(txn, &record.id)?;
            txn.open_table(BODIES)?.remove(record.id.as_str())?;
            note(txn, record, now, "DELIVERED", |event| event.response_status = status(outcome))?;
        }
        Verdict::Retry { at } => {
            let next = Record { due: at, retried: record.retried + 1, ..record.clone() };
            txn.open_table(MESSAGES)?.insert(next.id.as_str(), encode(&next)?.as_slice())?;
            note_error(txn, record, outcome, now)?;
            note(txn, record, now, "RETRY", |event| event.next_delivery_time = Some(at))?;
            follow.push(next);
        }
        Verdict::Dead => {
            remove_live(txn, &record.id)?;
            note_error(txn, record, outcome, now)?;
            note(txn, record, now, "FAILED", |event| event.response_status = status(outcome))?;
            dlq_id = Some(dead::bury(txn, record, outcome, now)?);
        }
    }
    for telling in tidings(record, body, outcome, dlq_id.as_deref(), now) {
        follow.push(insert(txn, telling)?);
    }
    Ok(Settled::Follow(follow))
}

/// Withdraws the live messages a filter lets through, at most its `count`; their ids.
pub fn cancel(txn: &WriteTransaction, user: &str, filter: &Filter, now: Millis) -> Result<Vec<String>, Error> {
    let mut cancelled: Vec<Record> = Vec::new();
    for entry in txn.open_table(MESSAGES)?.iter()? {
        let record: Record = decode(entry?.1.value())?;
        if record.spec.user == user && filter.matches(&super::filter::Traits::of(&record)) {
            cancelled.push(record);
        }
        if filter.count.is_some_and(|count| cancelled.len() >= count) {
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
    note(txn, record, now, "CANCEL_REQUESTED", |_| {})?;
    note(txn, record, now, "CANCELED", |_| {})
}

/// Keeps a user's new keys, which from now on win over any given at the start.
pub fn rotate(txn: &WriteTransaction, user: &str, current: &str, next: &str) -> Result<(), Error> {
    txn.open_table(KEYS)?.insert(user, (current, next))?;
    Ok(())
}

fn remove_live(txn: &WriteTransaction, id: &str) -> Result<(), Error> {
    txn.open_table(MESSAGES)?.remove(id)?;
    Ok(())
}

fn status(outcome: &Outcome) -> Option<i64> {
    match outcome {
        Outcome::Answered(answer) => Some(answer.status.into()),
        Outcome::Failed(_) => None,
    }
}

fn note_error(txn: &WriteTransaction, record: &Record, outcome: &Outcome, now: Millis) -> Result<(), Error> {
    note(txn, record, now, "ERROR", |event| {
        event.response_status = status(outcome);
        if let Outcome::Failed(error) = outcome {
            event.error = Some(error.clone());
        }
    })
}

fn note(
    txn: &WriteTransaction,
    record: &Record,
    time: Millis,
    state: &str,
    more: impl FnOnce(&mut Event),
) -> Result<(), Error> {
    let mut event = Event {
        time,
        message_id: record.id.clone(),
        state: state.to_owned(),
        url: record.spec.destination.clone(),
        label: record.spec.labels.first().cloned(),
        ..Event::default()
    };
    more(&mut event);
    let mut table = txn.open_table(EVENTS)?;
    let number = free_number(&table, time)?;
    table.insert((time, number), (record.spec.user.as_str(), encode(&event)?.as_slice()))?;
    Ok(())
}

fn free_number<V: redb::Value + 'static>(
    table: &impl ReadableTable<(i64, u64), V>,
    time: Millis,
) -> Result<u64, Error> {
    let last = table.range((time, 0)..=(time, u64::MAX))?.next_back().transpose()?;
    Ok(last.map_or(0, |(place, _)| place.value().1 + 1))
}

fn encode(value: &impl Serialize) -> Result<Vec<u8>, Error> {
    serde_json::to_vec(value).map_err(|error| Error::Corrupted(error.to_string()))
}

fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(bytes).map_err(|error| Error::Corrupted(error.to_string()))
}
