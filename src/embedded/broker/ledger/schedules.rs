//! Schedules on disk, and their firing: the new messages and the time of the next firing are one write, so that no firing is
//! made twice whatever ends in between.

use super::super::instructions::Quota;
use super::super::message::{Millis, New, Record, new_id};
use super::super::schedules::{Schedule, State, Turn};
use super::accept::{Accepted, accept_all};
use super::{SCHEDULE_BODIES, SCHEDULES, count_of, decode, encode};
use bytes::Bytes;
use redb::{Error, ReadTransaction, ReadableTable, WriteTransaction};

/// What came of looking at a schedule.
#[derive(Debug, Default)]
pub struct Fired {
    pub records: Vec<Record>,
    /// When to look again; none if it is gone, paused or over.
    pub due: Option<Millis>,
}

pub fn get(txn: &ReadTransaction, user: &str, id: &str) -> Result<Option<(Schedule, Bytes)>, Error> {
    let Some(schedule) =
        txn.open_table(SCHEDULES)?.get((user, id))?.map(|stored| decode(stored.value())).transpose()?
    else {
        return Ok(None);
    };
    let body = txn.open_table(SCHEDULE_BODIES)?.get((user, id))?.map(|body| Bytes::copy_from_slice(body.value()));
    Ok(Some((schedule, body.unwrap_or_default())))
}

/// Calls for every schedule with its user and body.
pub fn each(txn: &ReadTransaction, mut call: impl FnMut(&str, Schedule, Bytes)) -> Result<(), Error> {
    let bodies = txn.open_table(SCHEDULE_BODIES)?;
    for entry in txn.open_table(SCHEDULES)?.iter()? {
        let (name, stored) = entry?;
        let body = bodies.get(name.value())?.map(|body| Bytes::copy_from_slice(body.value()));
        call(name.value().0, decode(stored.value())?, body.unwrap_or_default());
    }
    Ok(())
}

/// Creates it or overwrites it whole; false beyond the number allowed, and then nothing is changed.
pub fn put(txn: &WriteTransaction, schedule: &Schedule, body: &Bytes, schedules_max: u64) -> Result<bool, Error> {
    let name = (schedule.spec.user.as_str(), schedule.id.as_str());
    let mut table = txn.open_table(SCHEDULES)?;
    if table.get(name)?.is_none() && count_of(&table, name.0)? >= schedules_max {
        return Ok(false);
    }
    table.insert(name, encode(schedule)?.as_slice())?;
    txn.open_table(SCHEDULE_BODIES)?.insert(name, body.as_ref())?;
    Ok(true)
}

/// False if there is no such schedule.
pub fn delete(txn: &WriteTransaction, user: &str, id: &str) -> Result<bool, Error> {
    txn.open_table(SCHEDULE_BODIES)?.remove((user, id))?;
    Ok(txn.open_table(SCHEDULES)?.remove((user, id))?.is_some())
}

/// The schedule after the change; none if there is none.
pub fn set_paused(
    txn: &WriteTransaction,
    user: &str,
    id: &str,
    paused: bool,
    now: Millis,
) -> Result<Option<Schedule>, Error> {
    change(txn, user, id, |schedule| schedule.set_paused(paused, now))
}

/// Makes the messages that are due, if any are.
pub fn fire(
    txn: &WriteTransaction,
    (user, id): (&str, &str),
    quota: Quota,
    now: Millis,
    grace: Millis,
) -> Result<Fired, Error> {
    let Some(mut schedule) = current(txn, user, id)? else { return Ok(Fired::default()) };
    let mut records = Vec::new();
    match schedule.turn(now, grace) {
        Turn::Wait => return Ok(Fired { records, due: schedule.due() }),
        Turn::Skip { next } => schedule.next = next,
        Turn::Fire { next } => {
            schedule.last = schedule.next;
            schedule.next = next;
            for accepted in make(txn, &mut schedule, quota, now)? {
                if let Accepted::New(record) = accepted {
                    records.push(*record);
                }
            }
            schedule.states = records.iter().map(|record| (record.id.clone(), State::InProgress)).collect();
        }
    }
    write(txn, user, &schedule)?;
    Ok(Fired { records, due: schedule.due() })
}

fn make(txn: &WriteTransaction, schedule: &mut Schedule, quota: Quota, now: Millis) -> Result<Vec<Accepted>, Error> {
    let name = (schedule.spec.user.as_str(), schedule.id.as_str());
    let body = txn.open_table(SCHEDULE_BODIES)?.get(name)?.map(|body| Bytes::copy_from_slice(body.value()));
    let new = New {
        id: new_id("msg_"),
        spec: schedule.spec.clone(),
        body: body.unwrap_or_default(),
        created_at: now,
        not_before: now.saturating_add(schedule.delay),
        deduplication: None,
    };
    schedule.error = None;
    match accept_all(txn, new, quota, now)? {
        Ok(accepted) => Ok(accepted),
        Err(refusal) => {
            schedule.error = Some(refusal.text);
            Ok(Vec::new())
        }
    }
}

/// A message of the last firing moved on.
pub fn tell(txn: &WriteTransaction, record: &Record, state: State) -> Result<(), Error> {
    let Some(id) = &record.spec.schedule_id else { return Ok(()) };
    let user = record.spec.user.as_str();
    let Some(mut schedule) = current(txn, user, id)? else { return Ok(()) };
    if let Some(known) = schedule.states.get_mut(&record.id) {
        *known = state;
        write(txn, user, &schedule)?;
    }
    Ok(())
}

fn change(
    txn: &WriteTransaction,
    user: &str,
    id: &str,
    change: impl FnOnce(&mut Schedule),
) -> Result<Option<Schedule>, Error> {
    let Some(mut schedule) = current(txn, user, id)? else { return Ok(None) };
    change(&mut schedule);
    write(txn, user, &schedule)?;
    Ok(Some(schedule))
}

fn current(txn: &WriteTransaction, user: &str, id: &str) -> Result<Option<Schedule>, Error> {
    txn.open_table(SCHEDULES)?.get((user, id))?.map(|stored| decode(stored.value())).transpose()
}

fn write(txn: &WriteTransaction, user: &str, schedule: &Schedule) -> Result<(), Error> {
    txn.open_table(SCHEDULES)?.insert((user, schedule.id.as_str()), encode(schedule)?.as_slice())?;
    Ok(())
}
