//! Queues on disk: their settings. Their messages are among the live ones.

use super::super::message::Millis;
use super::{QUEUES, count_of, decode, encode};
use redb::{Error, ReadTransaction, ReadableTable, WriteTransaction};
use serde::{Deserialize, Serialize};

/// A queue at rest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Queue {
    pub created_at: Millis,
    pub updated_at: Millis,
    pub parallelism: u32,
    pub paused: bool,
}

pub fn get(txn: &ReadTransaction, user: &str, name: &str) -> Result<Option<Queue>, Error> {
    txn.open_table(QUEUES)?.get((user, name))?.map(|stored| decode(stored.value())).transpose()
}

pub fn each(txn: &ReadTransaction, mut call: impl FnMut(&str, &str, Queue)) -> Result<(), Error> {
    for entry in txn.open_table(QUEUES)?.iter()? {
        let (name, stored) = entry?;
        let (user, name) = name.value();
        call(user, name, decode(stored.value())?);
    }
    Ok(())
}

/// Changes what is given, and makes the queue if it is missing; none beyond the number allowed.
pub fn set(
    txn: &WriteTransaction,
    (user, name): (&str, &str),
    parallelism: Option<u32>,
    paused: Option<bool>,
    queues_max: u64,
    now: Millis,
) -> Result<Option<Queue>, Error> {
    let mut table = txn.open_table(QUEUES)?;
    let known: Option<Queue> = table.get((user, name))?.map(|stored| decode(stored.value())).transpose()?;
    if known.is_none() && count_of(&table, user)? >= queues_max {
        return Ok(None);
    }
    let known = known.unwrap_or(Queue { created_at: now, updated_at: now, parallelism: 1, paused: false });
    let queue = Queue {
        updated_at: now,
        parallelism: parallelism.unwrap_or(known.parallelism),
        paused: paused.unwrap_or(known.paused),
        ..known
    };
    table.insert((user, name), encode(&queue)?.as_slice())?;
    Ok(Some(queue))
}

/// Makes it if it is missing; false beyond the number allowed.
pub fn ensure(txn: &WriteTransaction, user: &str, name: &str, queues_max: u64, now: Millis) -> Result<bool, Error> {
    if txn.open_table(QUEUES)?.get((user, name))?.is_some() {
        return Ok(true);
    }
    Ok(set(txn, (user, name), None, None, queues_max, now)?.is_some())
}

/// False if there is no such queue.
pub fn delete(txn: &WriteTransaction, user: &str, name: &str) -> Result<bool, Error> {
    Ok(txn.open_table(QUEUES)?.remove((user, name))?.is_some())
}
