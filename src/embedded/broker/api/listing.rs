//! Live messages and the log.

use super::super::attempt::grouped;
use super::super::filter::Filter;
use super::super::instructions::Refusal;
use super::super::ledger::{self, pages};
use super::super::message::{CallbackSpec, Record, Spec};
use super::{Call, json, read_json, trouble};
use crate::services::qstash::wire::{Cancelled, Event, Headers, Message};
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// What a page of the log shows of bodies, in all.
const BODIES_BYTES_MAX: usize = 4 * 1024 * 1024;

pub async fn message(call: Call, id: &str) -> Result<Response, Refusal> {
    let key = id.to_owned();
    let found = call.post.disk.read(move |txn| pages::live(txn, &key)).await.map_err(|error| trouble(&error))?;
    let (record, body) = found.filter(|(record, _)| record.spec.user == call.user).ok_or_else(|| missing(id))?;
    Ok(json(200, &Shown { message: view(&record, &body), more: More::of(&record.spec) }))
}

pub async fn cancel(call: Call, id: &str) -> Result<Response, Refusal> {
    let (user, key, now) = (call.user, id.to_owned(), call.post.clock.now());
    let write = call.post.disk.write(move |txn| ledger::cancel_one(txn, &user, &key, now));
    if !write.await.map_err(|error| trouble(&error))? {
        return Err(missing(id));
    }
    call.post.forget(&[id.to_owned()]);
    Ok(json(200, &Cancelled { cancelled: 1 }))
}

/// By ids in the body or by filters in the query; with neither, all.
pub async fn cancel_many(call: Call) -> Result<Response, Refusal> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase", deny_unknown_fields)]
    struct Ids {
        message_ids: Option<Vec<String>>,
    }
    let mut filter = Filter::read_with_place(&call.target.query)?.to_change()?;
    if !call.body.is_empty() {
        let ids: Ids = read_json(&call.body)?;
        filter = ids.message_ids.iter().fold(filter, |filter, ids| filter.ids(ids, false));
    }
    let (user, now) = (call.user, call.post.clock.now());
    let write = call.post.disk.write(move |txn| ledger::cancel(txn, &user, &filter, now));
    let ids = write.await.map_err(|error| trouble(&error))?;
    call.post.forget(&ids);
    Ok(json(200, &Cancelled { cancelled: ids.len() as u64 }))
}

/// The log under either of its names.
pub async fn log(call: Call, name: &str) -> Result<Response, Refusal> {
    let filter = Filter::read_with_place(&call.target.query)?;
    let user = call.user;
    let read = call.post.disk.read(move |txn| {
        let mut page = pages::event_page(txn, &user, &filter)?;
        let mut room = BODIES_BYTES_MAX;
        for (_, event) in &mut page.entries {
            event.body = pages::shown_body(txn, &event.message_id, room)?;
            room -= event.body.as_ref().map_or(0, Bytes::len);
        }
        Ok(page)
    });
    let page = read.await.map_err(|error| trouble(&error))?;
    let events: Vec<_> = page.entries.into_iter().map(|(_, event)| Line::of(event)).collect();
    let mut answer = serde_json::json!({ name: events });
    if let (Some(cursor), Some(object)) = (page.cursor, answer.as_object_mut()) {
        object.insert("cursor".to_owned(), cursor.into());
    }
    Ok(json(200, &answer))
}

/// A line of the log. Two fields go by two names each in the service's own texts; a reader of either finds his.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    #[serde(skip_serializing_if = "Headers::is_empty")]
    response_headers: Headers,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_delay_expr: Option<String>,
    #[serde(flatten)]
    event: Event,
}

impl Line {
    fn of(event: Event) -> Self {
        let (response_headers, retry_delay_expr) =
            (event.response_header.clone(), event.retry_delay_expression.clone());
        Self { response_headers, retry_delay_expr, event }
    }
}

#[derive(Serialize)]
struct Shown {
    #[serde(flatten)]
    message: Message,
    #[serde(flatten)]
    more: More,
}

/// What the API shows of a message beyond what our own client reads.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct More {
    #[serde(skip_serializing_if = "Option::is_none")]
    topic_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    endpoint_name: Option<String>,
    #[serde(skip_serializing_if = "Headers::is_empty")]
    callback_header: Headers,
    #[serde(skip_serializing_if = "Headers::is_empty")]
    failure_callback_header: Headers,
    #[serde(skip_serializing_if = "Option::is_none")]
    queue_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    schedule_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    flow_control_key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parallelism: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rate: Option<u32>,
    /// In seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    period: Option<u64>,
}

impl More {
    pub fn of(spec: &Spec) -> Self {
        let limits = spec.flow.as_ref().map(|flow| flow.limits).unwrap_or_default();
        Self {
            topic_name: spec.topic.clone(),
            endpoint_name: spec.endpoint.clone(),
            callback_header: told(spec, spec.callback.as_ref()),
            failure_callback_header: told(spec, spec.failure_callback.as_ref()),
            queue_name: spec.queue.clone(),
            schedule_id: spec.schedule_id.clone(),
            flow_control_key: spec.flow.as_ref().map(|flow| flow.key.clone()),
            parallelism: limits.parallelism,
            rate: limits.rate,
            period: limits.period,
        }
    }
}

/// The headers that a callback of this message is to bring, as far as they may be shown.
pub fn told(spec: &Spec, to: Option<&CallbackSpec>) -> Headers {
    to.map(|to| spec.redaction.show_headers(grouped(&to.headers))).unwrap_or_default()
}

/// A message as the API shows it: text where the body is text.
pub fn view(record: &Record, body: &Bytes) -> Message {
    let spec = &record.spec;
    let (text, encoded) = text_or_base64(&spec.redaction.show_body(body));
    Message {
        message_id: record.id.clone(),
        url: spec.destination.clone(),
        method: Some(spec.method.clone()),
        header: spec.redaction.show_headers(grouped(&spec.headers)),
        body: text,
        body_base64: encoded,
        max_retries: Some(spec.retries.into()),
        retry_delay_expression: spec.retry_delay.clone(),
        not_before: Some(record.not_before),
        created_at: Some(record.created_at),
        callback: spec.callback.as_ref().map(|to| to.url.clone()),
        failure_callback: spec.failure_callback.as_ref().map(|to| to.url.clone()),
        label: spec.labels.first().cloned(),
        labels: spec.labels.clone(),
        caller_ip: spec.caller_ip.clone(),
    }
}

pub fn text_or_base64(body: &[u8]) -> (Option<String>, Option<String>) {
    match std::str::from_utf8(body) {
        Ok(text) => (Some(text.to_owned()), None),
        Err(_) => (None, Some(STANDARD.encode(body))),
    }
}

fn missing(id: &str) -> Refusal {
    Refusal::new(404, format!("message {id} not found"))
}
