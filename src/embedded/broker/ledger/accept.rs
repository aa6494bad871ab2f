//! Taking messages in: deduplication, and one message for each endpoint of a group.

use super::super::instructions::{Quota, Refusal};
use super::super::message::{Millis, New, Record, VERSION};
use super::events::{CREATED, note};
use super::runs::{self, Joined};
use super::{BODIES, MESSAGES, TAKEN, encode, flow, groups, queues};
use redb::{Error, ReadableTable, WriteTransaction};

const DEDUPLICATION_WINDOW: Millis = 10 * 60_000;

/// What became of an offered message.
#[derive(Debug, Clone, PartialEq)]
pub enum Accepted {
    New(Box<Record>),
    /// Its deduplication key was taken by this message.
    Duplicate {
        first: String,
        url: String,
    },
}

/// What became of what was offered: one message, or one for each endpoint of a group.
pub type Offered = Result<Vec<Accepted>, Refusal>;

impl Accepted {
    pub fn record(&self) -> Option<&Record> {
        match self {
            Self::New(record) => Some(record),
            Self::Duplicate { .. } => None,
        }
    }
}

/// Each by itself: one that is refused keeps none of the others out.
pub fn accept(txn: &WriteTransaction, offered: Vec<New>, quota: Quota, now: Millis) -> Result<Vec<Offered>, Error> {
    offered.into_iter().map(|new| accept_all(txn, new, quota, now)).collect()
}

/// One message, or one for each endpoint of its group.
pub fn accept_all(txn: &WriteTransaction, mut new: New, quota: Quota, now: Millis) -> Result<Offered, Error> {
    match runs::join(txn, &mut new, quota.body_bytes, now)? {
        Joined::In => {}
        Joined::Known(first) => return Ok(Ok(vec![Accepted::Duplicate { first, url: new.spec.destination }])),
        Joined::Refused(refusal) => return Ok(Err(refusal)),
    }
    let spec = &new.spec;
    let group = match &spec.topic {
        None => None,
        Some(name) => match groups::current(txn, &spec.user, name)? {
            None => return Ok(Err(Refusal::new(404, format!("url group {name} not found")))),
            known => known,
        },
    };
    if let Some(queue) = &spec.queue
        && !queues::ensure(txn, &spec.user, queue, quota.queues, now)?
    {
        return Ok(Err(Refusal::quota("maxQueues")));
    }
    let all = match group {
        None => vec![new],
        Some(group) => group.spread(&new),
    };
    all.into_iter().map(|new| accept_one(txn, new, now)).collect::<Result<_, _>>().map(Ok)
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
            return Ok(Accepted::Duplicate { first, url: new.spec.destination });
        }
        taken.insert(place, (new.id.as_str(), now.saturating_add(DEDUPLICATION_WINDOW)))?;
    }
    Ok(Accepted::New(Box::new(insert(txn, new)?)))
}

pub fn insert(txn: &WriteTransaction, new: New) -> Result<Record, Error> {
    let New { id, mut spec, body, created_at, not_before, deduplication: _ } = new;
    if let Some(flow) = &mut spec.flow {
        let setting = flow::meet(txn, &spec.user, flow, created_at)?;
        (flow.limits, flow.revision) = (setting.limits, setting.revision);
    }
    let record = Record { v: VERSION, id, spec, created_at, not_before, due: not_before, retried: 0 };
    txn.open_table(BODIES)?.insert(record.id.as_str(), body.as_ref())?;
    txn.open_table(MESSAGES)?.insert(record.id.as_str(), encode(&record)?.as_slice())?;
    note(txn, &record, created_at, CREATED, |_| {})?;
    Ok(record)
}
