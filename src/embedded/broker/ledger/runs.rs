//! Workflow runs on disk: what each has come to, until it has ended.

use super::super::instructions::Refusal;
use super::super::message::{Millis, New, Record};
use super::super::runs::{Role, Run, append, initial};
use super::{MESSAGES, decode, encode, withdraw};
use bytes::Bytes;
use redb::{Error, ReadableTable, TableDefinition, WriteTransaction};

/// Runs that have not ended, by user and id.
const RUNS: TableDefinition<(&str, &str), &[u8]> = TableDefinition::new("runs");
/// Their results so far: the list that the next step is pushed with.
const RESULTS: TableDefinition<(&str, &str), &[u8]> = TableDefinition::new("results");

/// What became of a message that says it belongs to a run.
pub enum Joined {
    /// It does now, and carries what it must. So does every message without a run.
    In,
    /// The run was started before, by this message.
    Known(String),
    Refused(Refusal),
}

pub fn prepare(txn: &WriteTransaction) -> Result<(), Error> {
    txn.open_table(RUNS)?;
    txn.open_table(RESULTS)?;
    Ok(())
}

pub fn join(txn: &WriteTransaction, new: &mut New, body_bytes_max: usize, now: Millis) -> Result<Joined, Error> {
    let Some(mut part) = new.spec.part.clone() else { return Ok(Joined::In) };
    let (user, id) = (new.spec.user.clone(), part.run.clone());
    let known = get(txn, &user, &id)?;
    let mut run = match (known, part.role) {
        (Some(run), Role::Trigger) => return Ok(Joined::Known(run.first)),
        (None, Role::Trigger) => Run { first: new.id.clone(), spec: new.spec.clone(), began: now, live: 0 },
        (Some(run), _) => run,
        (None, Role::Failure) => return Ok(Joined::In),
        (None, _) => return Ok(Joined::Refused(Refusal::bad(format!("workflow run {id} has ended or never began")))),
    };
    part.began = run.began;
    new.spec.part = Some(part.clone());
    if matches!(part.role, Role::Step | Role::CallResult) {
        run.configure(&mut new.spec);
    }
    if part.role != Role::Call {
        new.spec.headers.push(("upstash-workflow-createdat".to_owned(), run.began.to_string()));
    }
    if matches!(part.role, Role::Trigger | Role::Step) {
        let list = append(&results(txn, &user, &id)?, &new.id, &new.body);
        if list.len() > body_bytes_max {
            return Ok(Joined::Refused(Refusal::quota("maxMessageSize")));
        }
        txn.open_table(RESULTS)?.insert((user.as_str(), id.as_str()), list.as_slice())?;
        new.body = list.into();
    }
    run.live += 1;
    put(txn, &user, &id, &run)?;
    Ok(Joined::In)
}

/// A message of a run is no more. With its last one the run is over, and with one that cannot be delivered it has failed.
pub fn leave(txn: &WriteTransaction, record: &Record, dead: bool) -> Result<(), Error> {
    let Some(part) = record.spec.part.as_ref().filter(|part| part.role != Role::Failure) else { return Ok(()) };
    let user = record.spec.user.as_str();
    let Some(mut run) = get(txn, user, &part.run)?.filter(|run| run.began == part.began) else { return Ok(()) };
    run.live = run.live.saturating_sub(1);
    if run.live == 0 || (dead && part.role.carries()) {
        return end(txn, user, &part.run).map(drop);
    }
    put(txn, user, &part.run, &run)
}

/// What a run was given, which is what a failure tells of instead of the message's own body.
pub fn given(txn: &WriteTransaction, record: &Record) -> Result<Option<Bytes>, Error> {
    match &record.spec.part {
        Some(part) if part.role.carries() => Ok(initial(&results(txn, &record.spec.user, &part.run)?)),
        _ => Ok(None),
    }
}

/// Forgets a run; whether there was one.
pub fn end(txn: &WriteTransaction, user: &str, id: &str) -> Result<bool, Error> {
    txn.open_table(RESULTS)?.remove((user, id))?;
    Ok(txn.open_table(RUNS)?.remove((user, id))?.is_some())
}

/// Ends runs and withdraws their messages: those named, or all of a user. How many runs, and which messages.
pub fn cancel(
    txn: &WriteTransaction,
    user: &str,
    ids: Option<&[String]>,
    now: Millis,
) -> Result<(u64, Vec<String>), Error> {
    let mut ended = 0;
    let mut live: Vec<Record> = Vec::new();
    for id in all(txn, user)?.into_iter().filter(|id| ids.is_none_or(|ids| ids.contains(id))) {
        ended += u64::from(end(txn, user, &id)?);
        for entry in txn.open_table(MESSAGES)?.iter()? {
            let record: Record = decode(entry?.1.value())?;
            let part = record.spec.part.as_ref();
            if record.spec.user == user && part.is_some_and(|part| part.run == id && part.role != Role::Failure) {
                live.push(record);
            }
        }
    }
    for record in &live {
        withdraw(txn, record, now)?;
    }
    Ok((ended, live.into_iter().map(|record| record.id).collect()))
}

fn all(txn: &WriteTransaction, user: &str) -> Result<Vec<String>, Error> {
    let mut all = Vec::new();
    for entry in txn.open_table(RUNS)?.range((user, "")..)? {
        let (name, _) = entry?;
        if name.value().0 != user {
            break;
        }
        all.push(name.value().1.to_owned());
    }
    Ok(all)
}

fn get(txn: &WriteTransaction, user: &str, id: &str) -> Result<Option<Run>, Error> {
    txn.open_table(RUNS)?.get((user, id))?.map(|stored| decode(stored.value())).transpose()
}

fn put(txn: &WriteTransaction, user: &str, id: &str, run: &Run) -> Result<(), Error> {
    txn.open_table(RUNS)?.insert((user, id), encode(run)?.as_slice())?;
    Ok(())
}

fn results(txn: &WriteTransaction, user: &str, id: &str) -> Result<Vec<u8>, Error> {
    Ok(txn.open_table(RESULTS)?.get((user, id))?.map(|list| list.value().to_vec()).unwrap_or_default())
}
