//! Dead letters: how a message becomes one, and the two ways it stops being one.

use super::super::message::{Dead, Millis, New, Outcome, Record, VERSION, new_id};
use super::{BODIES, DEAD, decode, encode, free_number, insert};
use bytes::Bytes;
use redb::{Error, ReadableTable, WriteTransaction};

/// Keeps a message that will not be tried again, and names it.
pub fn bury(txn: &WriteTransaction, record: &Record, outcome: &Outcome, now: Millis) -> Result<String, Error> {
    let (answer, error) = match outcome {
        Outcome::Answered(answer) => (Some(answer.clone()), None),
        Outcome::Failed(error) => (None, Some(error.clone())),
    };
    let dead = Dead { v: VERSION, record: record.clone(), died_at: now, answer, error };
    let mut table = txn.open_table(DEAD)?;
    let number = free_number(&table, now)?;
    table.insert((now, number), encode(&dead)?.as_slice())?;
    Ok(format!("{now}-{number}"))
}

/// Deletes the dead letters at these places if they are this user's; how many there were.
pub fn delete_dead(txn: &WriteTransaction, user: &str, places: &[(Millis, u64)]) -> Result<u64, Error> {
    let mut deleted = 0;
    for place in places {
        if let Some(dead) = take_dead(txn, user, *place)? {
            txn.open_table(BODIES)?.remove(dead.record.id.as_str())?;
            deleted += 1;
        }
    }
    Ok(deleted)
}

/// Sends a dead letter again, as a new message with its own id.
pub fn revive(txn: &WriteTransaction, user: &str, place: (Millis, u64), now: Millis) -> Result<Option<Record>, Error> {
    let Some(dead) = take_dead(txn, user, place)? else { return Ok(None) };
    let body =
        txn.open_table(BODIES)?.remove(dead.record.id.as_str())?.map(|body| Bytes::copy_from_slice(body.value()));
    let new = New {
        id: new_id("msg_"),
        spec: dead.record.spec,
        body: body.unwrap_or_default(),
        created_at: now,
        not_before: now,
        deduplication: None,
    };
    insert(txn, new).map(Some)
}

fn take_dead(txn: &WriteTransaction, user: &str, place: (Millis, u64)) -> Result<Option<Dead>, Error> {
    let mut table = txn.open_table(DEAD)?;
    let Some(dead) = table.get(place)?.map(|stored| decode::<Dead>(stored.value())).transpose()? else {
        return Ok(None);
    };
    if dead.record.spec.user != user {
        return Ok(None);
    }
    table.remove(place)?;
    Ok(Some(dead))
}
