//! Messages by what happened to them last, for people who look on. Those that ended are known to the log alone; those
//! that live are known even where the log has forgotten them. A page is put together from the newest line on each time:
//! the log is bounded, and an index would cost every delivery something.

use super::super::filter::place;
use super::super::instructions::Refusal;
use super::super::message::{Headers, Millis, Record};
use super::events::{CANCEL_REQUESTED, CANCELED, CREATED, DELIVERED, FAILED, RETRY};
use super::{DEAD, EVENTS, MESSAGES, decode};
use crate::services::qstash::wire::Event;
use redb::{Error, ReadTransaction, ReadableTable, ReadableTableMetadata};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::HashSet;

const PAGE: usize = 50;
const PAGE_MAX: usize = 100;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Choice {
    /// Not yet tried.
    Waiting,
    /// Tried in vain, to be tried again.
    Retrying,
    /// Whatever the log says of it is one of these; none is anything.
    Logged(&'static [&'static str]),
}

/// Which messages, and which page of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    choice: Choice,
    /// Within the id or the URL, in lower case.
    search: Option<String>,
    label: Option<String>,
    cursor: Option<String>,
    count: usize,
}

impl Wanted {
    pub fn read(query: &Headers) -> Result<Self, Refusal> {
        let given = |wanted: &str| {
            query.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.as_str()).filter(|it| !it.is_empty())
        };
        let choice = match given("state") {
            None => Choice::Logged(&[]),
            Some("waiting") => Choice::Waiting,
            Some("retrying") => Choice::Retrying,
            Some("delivered") => Choice::Logged(&[DELIVERED]),
            Some("failed") => Choice::Logged(&[FAILED]),
            Some("canceled") => Choice::Logged(&[CANCEL_REQUESTED, CANCELED]),
            Some(_) => return Err(Refusal::bad("invalid state")),
        };
        let count = given("count").map(str::parse).transpose().map_err(|_| Refusal::bad("invalid count"))?;
        Ok(Self {
            choice,
            search: given("search").map(str::to_lowercase),
            label: given("label").map(str::to_owned),
            cursor: given("cursor").map(str::to_owned),
            count: count.unwrap_or(PAGE).clamp(1, PAGE_MAX),
        })
    }

    fn takes(&self, id: &str, url: &str, mut labels: impl Iterator<Item = impl AsRef<str>>) -> bool {
        let found = |text: &String| id.to_lowercase().contains(text) || url.to_lowercase().contains(text);
        self.search.as_ref().is_none_or(found)
            && self.label.as_ref().is_none_or(|wanted| labels.any(|label| label.as_ref() == wanted))
    }
}

/// A message as the list shows it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Latest {
    message_id: String,
    state: String,
    /// Of the last thing that happened.
    time: Millis,
    /// When it is to be tried next, of a live one.
    #[serde(skip_serializing_if = "Option::is_none")]
    due: Option<Millis>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retried: Option<u32>,
    url: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    labels: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    queue_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    schedule_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    topic_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_status: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

#[derive(Debug, Serialize)]
pub struct Page {
    messages: Vec<Latest>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<String>,
}

/// How many there are, of all users: their deletion leaves no line in the log.
pub fn dead_letters(txn: &ReadTransaction) -> Result<u64, Error> {
    Ok(txn.open_table(DEAD)?.len()?)
}

pub fn page(txn: &ReadTransaction, user: &str, wanted: &Wanted) -> Result<Page, Error> {
    match wanted.choice {
        Choice::Waiting => live(txn, user, wanted, |record| record.retried == 0),
        Choice::Retrying => live(txn, user, wanted, |record| record.retried > 0),
        Choice::Logged(states) => logged(txn, user, wanted, states),
    }
}

/// Ids are in order of creation; the cursor is one.
fn live(txn: &ReadTransaction, user: &str, wanted: &Wanted, chosen: impl Fn(&Record) -> bool) -> Result<Page, Error> {
    let table = txn.open_table(MESSAGES)?;
    let range = match &wanted.cursor {
        Some(id) => table.range::<&str>(..id.as_str())?,
        None => table.range::<&str>(..)?,
    };
    let mut page = Page { messages: Vec::new(), cursor: None };
    for entry in range.rev() {
        let record: Record = decode(entry?.1.value())?;
        let labels = record.spec.labels.iter();
        if record.spec.user != user || !chosen(&record) || !wanted.takes(&record.id, &record.spec.destination, labels) {
            continue;
        }
        if page.messages.len() >= wanted.count {
            page.cursor = page.messages.last().map(|last| last.message_id.clone());
            break;
        }
        page.messages.push(Latest::of_live(record));
    }
    Ok(page)
}

/// What of a line decides whether it is shown.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Glance<'a> {
    #[serde(borrow)]
    message_id: Cow<'a, str>,
    #[serde(borrow)]
    state: Cow<'a, str>,
    #[serde(borrow, default)]
    url: Cow<'a, str>,
    #[serde(default)]
    labels: Vec<String>,
}

/// The cursor is the place of the last line shown.
fn logged(txn: &ReadTransaction, user: &str, wanted: &Wanted, states: &[&str]) -> Result<Page, Error> {
    let after = wanted.cursor.as_deref().and_then(place);
    let (table, messages) = (txn.open_table(EVENTS)?, txn.open_table(MESSAGES)?);
    let mut seen = HashSet::new();
    let mut page = Page { messages: Vec::new(), cursor: None };
    let mut last = None;
    for entry in table.iter()?.rev() {
        let (at, stored) = entry?;
        let (owner, line) = stored.value();
        if owner != user {
            continue;
        }
        let glance: Glance<'_> = serde_json::from_slice(line).map_err(|error| Error::Corrupted(error.to_string()))?;
        if !seen.insert(glance.message_id.to_string()) {
            continue;
        }
        let chosen = states.is_empty() || states.contains(&&*glance.state);
        let is_after = after.is_none_or(|after| at.value() < after);
        if !chosen || !is_after || !wanted.takes(&glance.message_id, &glance.url, glance.labels.iter()) {
            continue;
        }
        if page.messages.len() >= wanted.count {
            page.cursor = last.map(|(time, number)| format!("{time}-{number}"));
            break;
        }
        let record = messages.get(&*glance.message_id)?.map(|stored| decode::<Record>(stored.value())).transpose()?;
        page.messages.push(Latest::of_line(decode(line)?, record.as_ref()));
        last = Some(at.value());
    }
    Ok(page)
}

impl Latest {
    fn of_live(record: Record) -> Self {
        let Record { id, spec, created_at, due, retried, .. } = record;
        Self {
            message_id: id,
            state: if retried == 0 { CREATED } else { RETRY }.to_owned(),
            time: created_at,
            due: Some(due),
            retried: Some(retried),
            url: spec.destination,
            method: Some(spec.method),
            labels: spec.labels,
            queue_name: spec.queue,
            schedule_id: spec.schedule_id,
            topic_name: spec.topic,
            response_status: None,
            error: None,
        }
    }

    fn of_line(event: Event, record: Option<&Record>) -> Self {
        Self {
            message_id: event.message_id,
            state: event.state,
            time: event.time,
            due: record.map(|record| record.due),
            retried: record.map(|record| record.retried),
            url: event.url,
            method: event.method,
            labels: event.labels,
            queue_name: event.queue_name,
            schedule_id: event.schedule_id,
            topic_name: event.topic_name,
            response_status: event.response_status,
            error: event.error,
        }
    }
}
