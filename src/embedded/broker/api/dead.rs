//! Dead letters.

use super::super::attempt::grouped;
use super::super::filter::{Filter, place};
use super::super::instructions::{Amendment, Refusal};
use super::super::ledger::{self, pages};
use super::super::message::{Dead, Millis};
use super::listing::{More, text_or_base64, view};
use super::{Call, json, read_json, trouble};
use crate::services::qstash::wire::{DeadLetter, Deleted, Published};
use axum::response::Response;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// A page ends early once its bodies come to this much: bodies may be large, memory and clients' limits are not.
const PAGE_BYTES: usize = 8 * 1024 * 1024;

pub async fn list(call: Call) -> Result<Response, Refusal> {
    let filter = Filter::read(&call.target.query)?;
    let user = call.user;
    let read = call.post.disk.read(move |txn| {
        let page = pages::dead_page(txn, &user, &filter)?;
        let (mut messages, mut cursor, mut bytes) = (Vec::new(), page.cursor, 0);
        let last = page.entries.len();
        for (n, (place, dead)) in page.entries.into_iter().enumerate() {
            let body = pages::body(txn, &dead.record.id)?;
            bytes += body.len() + dead.answer.as_ref().map_or(0, |answer| answer.body.len());
            messages.push(letter(place, &dead, &body));
            if bytes >= PAGE_BYTES && n + 1 < last {
                cursor = Some(format!("{}-{}", place.0, place.1));
                break;
            }
        }
        Ok(Letters { messages, cursor })
    });
    Ok(json(200, &read.await.map_err(|error| trouble(&error))?))
}

pub async fn get(call: Call, id: &str) -> Result<Response, Refusal> {
    let at = place(id).ok_or_else(|| missing(id))?;
    let user = call.user;
    let found = call.post.disk.read(move |txn| pages::dead(txn, &user, at)).await.map_err(|error| trouble(&error))?;
    let (dead, body) = found.ok_or_else(|| missing(id))?;
    Ok(json(200, &letter(at, &dead, &body)))
}

pub async fn delete(call: Call, id: &str) -> Result<Response, Refusal> {
    let at = place(id).ok_or_else(|| missing(id))?;
    let user = call.user;
    let write = call.post.disk.write(move |txn| ledger::dead::delete_dead(txn, &user, &[at]));
    match write.await.map_err(|error| trouble(&error))? {
        0 => Err(missing(id)),
        deleted => Ok(json(200, &Deleted { deleted, cursor: None })),
    }
}

/// By ids in the body or by filters in the query, a page at a time.
pub async fn delete_many(call: Call) -> Result<Response, Refusal> {
    let filter = wanted(&call)?;
    let user = call.user;
    let write = call.post.disk.write(move |txn| ledger::dead::delete_many(txn, &user, &filter));
    let (deleted, cursor) = write.await.map_err(|error| trouble(&error))?;
    Ok(json(200, &Deleted { deleted, cursor }))
}

pub async fn revive(call: Call, id: &str) -> Result<Response, Refusal> {
    let at = place(id).ok_or_else(|| missing(id))?;
    let (amendment, now) = (amendment(&call)?, call.post.clock.now());
    let user = call.user;
    let write = call.post.disk.write(move |txn| ledger::dead::revive(txn, &user, at, &amendment, now));
    let record = write.await.map_err(|error| trouble(&error))?.ok_or_else(|| missing(id))?;
    call.post.welcome([&record]);
    Ok(json(201, &Published { message_id: record.id, deduplicated: false }))
}

/// By ids in the body or by filters in the query, a page at a time.
pub async fn revive_many(call: Call) -> Result<Response, Refusal> {
    #[derive(Serialize)]
    struct Revived {
        #[serde(skip_serializing_if = "Option::is_none")]
        cursor: Option<String>,
        responses: Vec<Published>,
    }
    let (filter, amendment, now) = (wanted(&call)?, amendment(&call)?, call.post.clock.now());
    let user = call.user;
    let write = call.post.disk.write(move |txn| ledger::dead::revive_many(txn, &user, &filter, &amendment, now));
    let (records, cursor) = write.await.map_err(|error| trouble(&error))?;
    call.post.welcome(&records);
    let responses =
        records.into_iter().map(|record| Published { message_id: record.id, deduplicated: false }).collect();
    Ok(json(200, &Revived { cursor, responses }))
}

fn wanted(call: &Call) -> Result<Filter, Refusal> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase", deny_unknown_fields)]
    struct Ids {
        dlq_ids: Option<Vec<String>>,
    }
    let filter = Filter::read(&call.target.query)?.to_change()?;
    if call.body.is_empty() {
        return Ok(filter);
    }
    let ids: Ids = read_json(&call.body)?;
    Ok(ids.dlq_ids.iter().fold(filter, |filter, ids| filter.ids(ids, true)))
}

/// The headers of a retry win over those of the dead letter.
fn amendment(call: &Call) -> Result<Amendment, Refusal> {
    call.publishing("", &call.headers, Bytes::new()).amendment(call.post.quota, call.post.clock.now())
}

#[derive(Serialize)]
struct Letters {
    messages: Vec<Letter>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<String>,
}

#[derive(Serialize)]
struct Letter {
    #[serde(flatten)]
    letter: DeadLetter,
    #[serde(flatten)]
    more: More,
}

fn letter(place: (Millis, u64), dead: &Dead, body: &Bytes) -> Letter {
    let (answer, headers) = match (&dead.answer, &dead.error) {
        (Some(answer), _) => (answer.body.clone(), grouped(&answer.headers)),
        (None, error) => (Bytes::from(error.clone().unwrap_or_default()), grouped(&[])),
    };
    let (text, encoded) = text_or_base64(&answer);
    let letter = DeadLetter {
        dlq_id: format!("{}-{}", place.0, place.1),
        message: view(&dead.record, body),
        // Official clients need one even of a destination that never answered.
        response_status: Some(dead.answer.as_ref().map_or(0, |answer| answer.status.into())),
        response_header: headers,
        response_body: text,
        response_body_base64: encoded,
    };
    Letter { letter, more: More::of(&dead.record.spec) }
}

fn missing(id: &str) -> Refusal {
    Refusal::new(404, format!("message {id} not found in the dead letter queue"))
}
