//! Reading the tables: one message, one dead letter, pages of them and of the log.

use super::super::filter::{Filter, Traits};
use super::super::message::{Dead, Millis, Record};
use super::{BODIES, DEAD, EVENTS, KEYS, MESSAGES, decode};
use crate::services::qstash::wire::Event;
use bytes::Bytes;
use redb::{Error, ReadTransaction, ReadableTable};

/// A page's entries with their places, and where the next page begins.
#[derive(Debug)]
pub struct Page<T> {
    pub entries: Vec<((Millis, u64), T)>,
    pub cursor: Option<String>,
}

/// A live message and its body.
pub fn live(txn: &ReadTransaction, id: &str) -> Result<Option<(Record, Bytes)>, Error> {
    let Some(record) = txn.open_table(MESSAGES)?.get(id)?.map(|stored| decode::<Record>(stored.value())).transpose()?
    else {
        return Ok(None);
    };
    let body = body(txn, id)?;
    Ok(Some((record, body)))
}

/// A message that is to leave.
#[derive(Debug)]
pub struct Leaving {
    pub record: Record,
    pub body: Load,
}

#[derive(Debug)]
pub enum Load {
    Small(Bytes),
    /// So many bytes, to be read when there is room.
    Large(usize),
}

/// A live message, with its body if that is not longer than `small`.
pub fn leaving(txn: &ReadTransaction, id: &str, small: usize) -> Result<Option<Leaving>, Error> {
    let Some(record) = txn.open_table(MESSAGES)?.get(id)?.map(|stored| decode::<Record>(stored.value())).transpose()?
    else {
        return Ok(None);
    };
    let body = txn.open_table(BODIES)?.get(id)?.map_or(Load::Small(Bytes::new()), |stored| match stored.value() {
        body if body.len() > small => Load::Large(body.len()),
        body => Load::Small(Bytes::copy_from_slice(body)),
    });
    Ok(Some(Leaving { record, body }))
}

/// Calls for every live message, in order of creation.
pub fn each_live(txn: &ReadTransaction, mut call: impl FnMut(&Record)) -> Result<(), Error> {
    for entry in txn.open_table(MESSAGES)?.iter()? {
        call(&decode(entry?.1.value())?);
    }
    Ok(())
}

pub fn dead(txn: &ReadTransaction, user: &str, place: (Millis, u64)) -> Result<Option<(Dead, Bytes)>, Error> {
    let dead = txn.open_table(DEAD)?.get(place)?.map(|stored| decode::<Dead>(stored.value())).transpose()?;
    let Some(dead) = dead.filter(|dead| dead.record.spec.user == user) else { return Ok(None) };
    let body = body(txn, &dead.record.id)?;
    Ok(Some((dead, body)))
}

/// A message's body; empty if it is gone.
pub fn body(txn: &ReadTransaction, id: &str) -> Result<Bytes, Error> {
    Ok(txn.open_table(BODIES)?.get(id)?.map(|body| Bytes::copy_from_slice(body.value())).unwrap_or_default())
}

/// What may be shown of a live message's body; none if it is gone or longer than `room`.
pub fn shown_body(txn: &ReadTransaction, id: &str, room: usize) -> Result<Option<Bytes>, Error> {
    let shown = live(txn, id)?.map(|(record, body)| record.spec.redaction.show_body(&body));
    Ok(shown.filter(|body| !body.is_empty() && body.len() <= room))
}

pub fn dead_page(txn: &ReadTransaction, user: &str, filter: &Filter) -> Result<Page<Dead>, Error> {
    dead_of(&txn.open_table(DEAD)?, user, filter)
}

/// The same, over the table as it stands inside a change.
pub fn dead_of(
    table: &impl ReadableTable<(i64, u64), &'static [u8]>,
    user: &str,
    filter: &Filter,
) -> Result<Page<Dead>, Error> {
    page(table, filter, |place, stored| {
        let dead: Dead = decode(stored)?;
        let id = format!("{}-{}", place.0, place.1);
        let traits = Traits {
            dlq_id: Some(&id),
            status: dead.answer.as_ref().map(|answer| answer.status),
            time: dead.died_at,
            ..Traits::of(&dead.record)
        };
        let matches = dead.record.spec.user == user && filter.matches(&traits);
        Ok(matches.then_some(dead))
    })
}

pub fn event_page(txn: &ReadTransaction, user: &str, filter: &Filter) -> Result<Page<Event>, Error> {
    page(&txn.open_table(EVENTS)?, filter, |_, (owner, stored)| {
        if owner != user {
            return Ok(None);
        }
        let event: Event = decode(stored)?;
        let traits = Traits {
            message_id: &event.message_id,
            dlq_id: None,
            url: &event.url,
            topic: event.topic_name.as_deref(),
            schedule: event.schedule_id.as_deref(),
            queue: event.queue_name.as_deref(),
            flow: event.flow_control_key.as_deref(),
            labels: &event.labels,
            caller_ip: event.caller_ip.as_deref(),
            state: Some(&event.state),
            status: event.response_status.and_then(|status| u16::try_from(status).ok()),
            time: event.time,
        };
        let matches = filter.matches(&traits);
        Ok(matches.then_some(event))
    })
}

/// Keys of earlier rotations: user, current, next.
pub fn rotated(txn: &ReadTransaction) -> Result<Vec<(String, String, String)>, Error> {
    let mut keys = Vec::new();
    for entry in txn.open_table(KEYS)?.iter()? {
        let (user, pair) = entry?;
        let (current, next) = pair.value();
        keys.push((user.value().to_owned(), current.to_owned(), next.to_owned()));
    }
    Ok(keys)
}

/// The entries after the cursor that `select` keeps, newest first unless asked otherwise. The next page's cursor is the
/// last entry's place, and there is none if nothing more was found.
fn page<V: redb::Value + 'static, T>(
    table: &impl ReadableTable<(i64, u64), V>,
    filter: &Filter,
    select: impl Fn((Millis, u64), V::SelfType<'_>) -> Result<Option<T>, Error>,
) -> Result<Page<T>, Error> {
    use std::ops::Bound::{Excluded, Unbounded};
    let cursor = filter.cursor.map_or(Unbounded, Excluded);
    let mut range = if filter.earliest_first {
        table.range::<(i64, u64)>((cursor, Unbounded))?
    } else {
        table.range::<(i64, u64)>((Unbounded, cursor))?
    };
    let mut page = Page { entries: Vec::new(), cursor: None };
    while let Some(entry) = if filter.earliest_first { range.next() } else { range.next_back() } {
        let (place, stored) = entry?;
        let place = place.value();
        let Some(selected) = select(place, stored.value())? else { continue };
        if page.entries.len() >= filter.page_size() {
            page.cursor = page.entries.last().map(|((time, number), _)| format!("{time}-{number}"));
            break;
        }
        page.entries.push((place, selected));
    }
    Ok(page)
}
