//! Lists: the newest jobs of an owner, or of all, each entry with its own end. How long a list is stands beside it: counting
//! ten thousand entries with each write would take longer than the write.

use super::tables::{ExpiresAt, Kind, LENGTHS, LISTED, RECORDS, expires, gone};
use crate::job::id::Millis;
use crate::store::{ListKey, Listed, Page, Place, Record};
use bytes::Bytes;
use redb::{Error, ReadTransaction, ReadableTable, Table, WriteTransaction};

/// After every place of a list.
const END: &str = "~";

pub(super) fn put(write: &WriteTransaction, listed: &Listed, now: Millis) -> Result<(), Error> {
    let at = super::commit::after(now, listed.keep);
    let (list, place) = (listed.list.0.as_str(), listed.place.as_str());
    let mut table = write.open_table(LISTED)?;
    let length = length(write, &table, list)?;
    let more = usize::from(table.insert((list, place), at)?.is_none());
    let beyond = (length + more).saturating_sub(listed.most);
    let mut oldest = Vec::new();
    for entry in table.range((list, "")..(list, END))?.take(beyond) {
        oldest.push(entry?.0.value().1.to_owned());
    }
    for place in &oldest {
        table.remove((list, place.as_str()))?;
    }
    drop(table);
    set_length(write, list, length + more - oldest.len())?;
    expires(write, at, Kind::Listed, &format!("{list}\n{place}"))
}

type Entries<'a> = Table<'a, (&'static str, &'static str), ExpiresAt>;

/// How many entries a list has; counted once of a list that was begun by a release which kept no lengths.
fn length(write: &WriteTransaction, table: &Entries<'_>, list: &str) -> Result<usize, Error> {
    let known = write.open_table(LENGTHS)?.get(list)?.map(|length| length.value());
    match known.and_then(|length| usize::try_from(length).ok()) {
        Some(length) => Ok(length),
        None => Ok(table.range((list, "")..(list, END))?.count()),
    }
}

fn set_length(write: &WriteTransaction, list: &str, length: usize) -> Result<(), Error> {
    let mut lengths = write.open_table(LENGTHS)?;
    if length == 0 {
        lengths.remove(list)?;
    } else {
        lengths.insert(list, u64::try_from(length).unwrap_or(u64::MAX))?;
    }
    Ok(())
}

fn remove(write: &WriteTransaction, table: &mut Entries<'_>, list: &str, place: &str) -> Result<(), Error> {
    let length = length(write, table, list)?;
    if table.remove((list, place))?.is_some() {
        set_length(write, list, length.saturating_sub(1))?;
    }
    Ok(())
}

pub(super) fn remove_expired(write: &WriteTransaction, key: &str, at: ExpiresAt) -> Result<(), Error> {
    let Some((list, place)) = key.rsplit_once('\n') else { return Ok(()) };
    let mut table = write.open_table(LISTED)?;
    let found = table.get((list, place))?.is_some_and(|ends| ends.value() == at);
    if found {
        remove(write, &mut table, list, place)?;
    }
    Ok(())
}

/// The page, and the places whose records are gone.
pub(super) fn page(
    read: &ReadTransaction,
    list: &ListKey,
    before: Option<&Place>,
    limit: usize,
    now: Millis,
) -> Result<(Page, Vec<Place>), Error> {
    let list = list.0.as_str();
    let mut places = Vec::new();
    for entry in read.open_table(LISTED)?.range((list, "")..(list, before.map_or(END, Place::as_str)))?.rev() {
        let (key, ends) = entry?;
        if places.len() > limit {
            break;
        }
        if !gone(ends.value(), now) {
            places.extend(Place::parse(key.value().1));
        }
    }
    let more = places.len() > limit;
    places.truncate(limit);
    let next = if more { places.last().cloned() } else { None };
    let rows = read.open_table(RECORDS)?;
    let mut records = Vec::new();
    let mut missing = Vec::new();
    for place in places {
        let row = rows.get(place.id().as_str())?;
        match row.as_ref().map(redb::AccessGuard::value).filter(|(_, ends, ..)| !gone(*ends, now)) {
            Some((version, _, _, body)) => {
                records.push((place, Record { version, body: Bytes::copy_from_slice(body) }));
            }
            None => missing.push(place),
        }
    }
    Ok((Page { now, records, next }, missing))
}

/// Drops entries whose records are gone still.
pub(super) fn drop_gone(write: &WriteTransaction, list: &ListKey, places: &[Place], now: Millis) -> Result<(), Error> {
    let rows = write.open_table(RECORDS)?;
    let mut table = write.open_table(LISTED)?;
    for place in places {
        let there = rows.get(place.id().as_str())?.is_some_and(|row| !gone(row.value().1, now));
        if !there {
            remove(write, &mut table, &list.0, place.as_str())?;
        }
    }
    Ok(())
}
