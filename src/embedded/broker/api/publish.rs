//! Publish, one or many.

use super::super::instructions::{Publishing, Refusal};
use super::super::ledger::Accepted;
use super::super::message::{Headers, New};
use super::super::post::now;
use super::{Call, json, trouble};
use crate::services::qstash::wire::{Failure, Published};
use axum::response::Response;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

pub async fn one(call: Call, destination: &str) -> Result<Response, Refusal> {
    let new = read(&call, destination, &call.headers, call.body.clone())?;
    let accepted = call.post.accept(vec![new]).await.map_err(|error| trouble(&error))?;
    let published = accepted.into_iter().next().map(published).ok_or_else(|| Refusal::new(500, "internal error"))?;
    Ok(json(if published.deduplicated { 202 } else { 201 }, &published))
}

/// One item of a batch; some clients send null for what they leave out.
#[derive(Deserialize)]
struct Item {
    destination: String,
    headers: Option<BTreeMap<String, String>>,
    body: Option<String>,
    queue: Option<String>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Answer {
    Published(Published),
    Failed(Failure),
}

/// Each item stands for itself: one that is refused gets its error, the others are accepted together.
pub async fn batch(call: Call) -> Result<Response, Refusal> {
    let items: Vec<Item> =
        serde_json::from_slice(&call.body).map_err(|error| Refusal::new(400, format!("invalid batch: {error}")))?;
    let read: Vec<Result<New, Refusal>> = items.into_iter().map(|item| read_item(&call, item)).collect();
    let valid = read.iter().filter_map(|item| item.as_ref().ok().cloned()).collect();
    let mut accepted = call.post.accept(valid).await.map_err(|error| trouble(&error))?.into_iter();
    let answers: Vec<Answer> = read
        .into_iter()
        .map(|item| match (item, &mut accepted) {
            (Err(refusal), _) => Answer::Failed(Failure { error: refusal.text }),
            (Ok(_), accepted) => accepted.next().map_or_else(
                || Answer::Failed(Failure { error: "internal error".to_owned() }),
                |accepted| Answer::Published(published(accepted)),
            ),
        })
        .collect();
    Ok(json(200, &answers))
}

fn read_item(call: &Call, item: Item) -> Result<New, Refusal> {
    if item.queue.is_some() {
        return Err(Refusal::new(404, "queues are not available here yet"));
    }
    let headers: Headers =
        item.headers.unwrap_or_default().into_iter().map(|(name, value)| (name.to_ascii_lowercase(), value)).collect();
    read(call, &item.destination, &headers, item.body.unwrap_or_default().into())
}

fn read(call: &Call, destination: &str, headers: &Headers, body: Bytes) -> Result<New, Refusal> {
    let caller_ip = Some(call.caller_ip.clone());
    Publishing { user: &call.user, destination, headers, body, caller_ip }.read(call.post.quota, now())
}

fn published(accepted: Accepted) -> Published {
    match accepted {
        Accepted::New(record) => Published { message_id: record.id, deduplicated: false },
        Accepted::Duplicate(first) => Published { message_id: first, deduplicated: true },
    }
}
