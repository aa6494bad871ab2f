//! Dead letters: how a message becomes one, and the two ways it stops being one.

use super::super::filter::Filter;
use super::super::instructions::Amendment;
use super::super::message::{Answer, Dead, Millis, New, Outcome, Record, VERSION, new_id};
use super::accept::insert;
use super::events::free_number;
use super::pages::dead_of;
use super::{BODIES, DEAD, decode, encode};
use bytes::Bytes;
use redb::{Error, ReadableTable, WriteTransaction};

/// What is kept of the last answer's body.
const ANSWER_BYTES_MAX: usize = 256 * 1024;

/// Keeps a message that will not be tried again, and names it.
pub fn bury(txn: &WriteTransaction, record: &Record, outcome: &Outcome, now: Millis) -> Result<String, Error> {
    let (answer, error) = match outcome {
        Outcome::Answered(answer) => {
            let body = answer.body.slice(..answer.body.len().min(ANSWER_BYTES_MAX));
            (Some(Answer { body, ..answer.clone() }), None)
        }
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

/// A page of them; how many there were, and where the next page begins.
pub fn delete_many(txn: &WriteTransaction, user: &str, filter: &Filter) -> Result<(u64, Option<String>), Error> {
    let (places, cursor) = page(txn, user, filter)?;
    Ok((delete_dead(txn, user, &places)?, cursor))
}

/// Sends a dead letter again, as a new message with its own id.
pub fn revive(
    txn: &WriteTransaction,
    user: &str,
    place: (Millis, u64),
    amendment: &Amendment,
    now: Millis,
) -> Result<Option<Record>, Error> {
    let Some(dead) = take_dead(txn, user, place)? else { return Ok(None) };
    let body =
        txn.open_table(BODIES)?.remove(dead.record.id.as_str())?.map(|body| Bytes::copy_from_slice(body.value()));
    let mut spec = dead.record.spec;
    // It is no longer what its queue waits for.
    spec.queue = spec.queue.filter(|_| spec.tells_of.is_none());
    spec.tells_of = None;
    amendment.apply(&mut spec);
    let new = New {
        id: new_id("msg_"),
        spec,
        body: body.unwrap_or_default(),
        created_at: now,
        not_before: amendment.not_before.max(now),
        deduplication: None,
    };
    insert(txn, new).map(Some)
}

/// A page of them, and where the next page begins.
pub fn revive_many(
    txn: &WriteTransaction,
    user: &str,
    filter: &Filter,
    amendment: &Amendment,
    now: Millis,
) -> Result<(Vec<Record>, Option<String>), Error> {
    let (places, cursor) = page(txn, user, filter)?;
    let mut records = Vec::new();
    for place in places {
        records.extend(revive(txn, user, place, amendment, now)?);
    }
    Ok((records, cursor))
}

type Places = Vec<(Millis, u64)>;

fn page(txn: &WriteTransaction, user: &str, filter: &Filter) -> Result<(Places, Option<String>), Error> {
    let page = dead_of(&txn.open_table(DEAD)?, user, filter)?;
    Ok((page.entries.into_iter().map(|(place, _)| place).collect(), page.cursor))
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
