//! URL groups on disk.

use super::super::groups::{Endpoint, Group};
use super::super::instructions::{Quota, Refusal};
use super::super::message::{Headers, Millis};
use super::{GROUPS, count_of, decode, encode};
use redb::{Error, ReadTransaction, ReadableTable, WriteTransaction};

pub fn get(txn: &ReadTransaction, user: &str, name: &str) -> Result<Option<Group>, Error> {
    txn.open_table(GROUPS)?.get((user, name))?.map(|stored| decode(stored.value())).transpose()
}

pub fn all(txn: &ReadTransaction, user: &str) -> Result<Vec<(String, Group)>, Error> {
    let mut groups = Vec::new();
    for entry in txn.open_table(GROUPS)?.range((user, "")..)? {
        let (name, stored) = entry?;
        if name.value().0 != user {
            break;
        }
        groups.push((name.value().1.to_owned(), decode(stored.value())?));
    }
    Ok(groups)
}

/// As it stands inside a change.
pub fn current(txn: &WriteTransaction, user: &str, name: &str) -> Result<Option<Group>, Error> {
    txn.open_table(GROUPS)?.get((user, name))?.map(|stored| decode(stored.value())).transpose()
}

/// Adds endpoints, and the group if it is new. On a refusal nothing is changed.
pub fn add(
    txn: &WriteTransaction,
    (user, name): (&str, &str),
    endpoints: Vec<Endpoint>,
    quota: Quota,
    now: Millis,
) -> Result<Result<(), Refusal>, Error> {
    let known = current(txn, user, name)?;
    if known.is_none() && count_of(&txn.open_table(GROUPS)?, user)? >= quota.groups {
        return Ok(Err(Refusal::quota("maxUrlGroups")));
    }
    let mut group = known.unwrap_or(Group { created_at: now, ..Group::default() });
    group.add(endpoints);
    if group.endpoints.len() > quota.endpoints {
        return Ok(Err(Refusal::quota("maxEndpoints")));
    }
    put(txn, user, name, group, now)?;
    Ok(Ok(()))
}

/// With its last endpoint the group goes; false if there is no such group.
pub fn remove(
    txn: &WriteTransaction,
    (user, name): (&str, &str),
    endpoints: &[Endpoint],
    now: Millis,
) -> Result<bool, Error> {
    let Some(mut group) = current(txn, user, name)? else { return Ok(false) };
    group.remove(endpoints);
    if group.endpoints.is_empty() {
        delete(txn, user, name)?;
    } else {
        put(txn, user, name, group, now)?;
    }
    Ok(true)
}

/// False if there is no such group.
pub fn set_headers(
    txn: &WriteTransaction,
    (user, name): (&str, &str),
    headers: Headers,
    now: Millis,
) -> Result<bool, Error> {
    let Some(group) = current(txn, user, name)? else { return Ok(false) };
    put(txn, user, name, Group { headers, ..group }, now)?;
    Ok(true)
}

pub fn delete(txn: &WriteTransaction, user: &str, name: &str) -> Result<(), Error> {
    txn.open_table(GROUPS)?.remove((user, name))?;
    Ok(())
}

fn put(txn: &WriteTransaction, user: &str, name: &str, group: Group, now: Millis) -> Result<(), Error> {
    let group = Group { updated_at: now, ..group };
    txn.open_table(GROUPS)?.insert((user, name), encode(&group)?.as_slice())?;
    Ok(())
}
