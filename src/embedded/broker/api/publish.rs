//! Publish, enqueue, and many at once.

use super::super::instructions::{Publishing, Refusal};
use super::super::ledger::accept::{Accepted, Offered};
use super::super::ledger::groups;
use super::super::message::{Headers, New};
use super::super::target::is_name;
use super::{Call, json, trouble};
use crate::services::qstash::wire::{Failure, Published};
use axum::response::Response;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// The answer for one destination: one message, or one for each endpoint of a group.
#[derive(Serialize)]
#[serde(untagged)]
enum Answer {
    One(Published),
    Group(Vec<ToEndpoint>),
    Failed(Failure),
}

#[derive(Serialize)]
struct ToEndpoint {
    #[serde(flatten)]
    published: Published,
    url: String,
}

pub async fn one(call: Call, destination: &str, queue: Option<&str>) -> Result<Response, Refusal> {
    let headers = call.headers.clone();
    let new = read(&call, destination, &headers, call.body.clone(), queue).await?;
    let group = new.spec.topic.is_some();
    let offered = call.post.accept(vec![new]).await.map_err(|error| trouble(&error))?;
    call.count_today(&offered);
    let accepted = offered.into_iter().next().unwrap_or_else(|| Err(Refusal::new(500, "internal error")))?;
    let status = if accepted.iter().any(|accepted| accepted.record().is_some()) { 201 } else { 202 };
    Ok(json(status, &published(accepted, group)))
}

/// One item of a batch; some clients send null for what they leave out.
#[derive(Deserialize)]
struct Item {
    #[serde(default)]
    destination: String,
    headers: Option<BTreeMap<String, String>>,
    body: Option<Value>,
    queue: Option<String>,
}

/// Each item stands for itself: one that is refused gets its error, the others are accepted together.
pub async fn batch(call: Call) -> Result<Response, Refusal> {
    let items: Vec<Item> =
        serde_json::from_slice(&call.body).map_err(|error| Refusal::new(400, format!("invalid batch: {error}")))?;
    let (mut read, mut valid) = (Vec::new(), Vec::new());
    for item in items {
        read.push(read_item(&call, item).await.map(|new| {
            let group = new.spec.topic.is_some();
            valid.push(new);
            group
        }));
    }
    let offered = call.post.accept(valid).await.map_err(|error| trouble(&error))?;
    call.count_today(&offered);
    let mut offered = offered.into_iter();
    let answers: Vec<Answer> = read
        .into_iter()
        .map(|group| {
            let group = group?;
            let accepted = offered.next().unwrap_or_else(|| Err(Refusal::new(500, "internal error")))?;
            Ok(published(accepted, group))
        })
        .map(|answer: Result<Answer, Refusal>| {
            answer.unwrap_or_else(|refusal| Answer::Failed(Failure { error: refusal.text }))
        })
        .collect();
    Ok(json(200, &answers))
}

async fn read_item(call: &Call, item: Item) -> Result<New, Refusal> {
    let headers: Headers =
        item.headers.unwrap_or_default().into_iter().map(|(name, value)| (name.to_ascii_lowercase(), value)).collect();
    // The workflow library leaves what it is given to call with as it is.
    let body = match item.body {
        None | Some(Value::Null) => Bytes::new(),
        Some(Value::String(text)) => text.into(),
        Some(other) => other.to_string().into(),
    };
    read(call, &item.destination, &headers, body, item.queue.as_deref()).await
}

async fn read(
    call: &Call,
    destination: &str,
    headers: &Headers,
    body: Bytes,
    queue: Option<&str>,
) -> Result<New, Refusal> {
    if queue.is_some_and(|name| !is_name(name)) {
        return Err(Refusal::new(400, "invalid queue name: letters, digits, '-', '_' and '.'"));
    }
    let headers = &completed(call, destination, headers).await?;
    let mut new = call.publishing(destination, headers, body).read(call.post.quota, call.post.clock.now())?;
    new.spec.queue = queue.map(str::to_owned);
    Ok(new)
}

/// The headers, with what the group's owner set for all that is published to it.
pub async fn completed(call: &Call, destination: &str, headers: &Headers) -> Result<Headers, Refusal> {
    if !is_name(destination) {
        return Ok(headers.clone());
    }
    let (user, name) = (call.user.clone(), destination.to_owned());
    let group =
        call.post.disk.read(move |txn| groups::get(txn, &user, &name)).await.map_err(|error| trouble(&error))?;
    Ok(group.map_or_else(|| headers.clone(), |group| group.complete(headers)))
}

impl Call {
    pub fn publishing<'a>(&'a self, destination: &'a str, headers: &'a Headers, body: Bytes) -> Publishing<'a> {
        Publishing { user: &self.user, destination, headers, body, caller_ip: Some(self.caller_ip.clone()) }
    }

    /// Counts what was accepted against the day's messages.
    fn count_today(&self, offered: &[Offered]) {
        let new = offered.iter().flatten().flatten().filter(|accepted| accepted.record().is_some()).count();
        self.count_messages(u32::try_from(new).unwrap_or(u32::MAX));
    }
}

fn published(accepted: Vec<Accepted>, group: bool) -> Answer {
    let mut all: Vec<ToEndpoint> = accepted
        .into_iter()
        .map(|accepted| match accepted {
            Accepted::New(record) => ToEndpoint {
                published: Published { message_id: record.id, deduplicated: false },
                url: record.spec.destination,
            },
            Accepted::Duplicate { first, url } => {
                ToEndpoint { published: Published { message_id: first, deduplicated: true }, url }
            }
        })
        .collect();
    match all.pop() {
        Some(only) if !group => Answer::One(only.published),
        last => Answer::Group(all.into_iter().chain(last).collect()),
    }
}
