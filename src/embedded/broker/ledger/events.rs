//! The log: what happened to each message, a line at a time.

use super::super::attempt::grouped;
use super::super::message::{Answer, CallbackSpec, Millis, Outcome, Record};
use super::{EVENTS, encode};
use crate::services::qstash::wire::{Event, Headers};
use redb::{Error, ReadableTable, WriteTransaction};

pub const CREATED: &str = "CREATED";
pub const ACTIVE: &str = "ACTIVE";
pub const RETRY: &str = "RETRY";
pub const ERROR: &str = "ERROR";
pub const DELIVERED: &str = "DELIVERED";
pub const FAILED: &str = "FAILED";
pub const CANCEL_REQUESTED: &str = "CANCEL_REQUESTED";
pub const CANCELED: &str = "CANCELED";

/// What a line keeps of an answer's body: there are many lines.
const BODY_BYTES_MAX: usize = 1_024;
const HEADER_BYTES_MAX: usize = 4_096;

/// Adds a line.
pub fn note(
    txn: &WriteTransaction,
    record: &Record,
    time: Millis,
    state: &str,
    more: impl FnOnce(&mut Event),
) -> Result<(), Error> {
    let spec = &record.spec;
    let told = |to: Option<&CallbackSpec>| {
        to.map(|to| few(spec.redaction.show_headers(grouped(&to.headers)))).unwrap_or_default()
    };
    let mut event = Event {
        time,
        message_id: record.id.clone(),
        state: state.to_owned(),
        url: spec.destination.clone(),
        topic_name: spec.topic.clone(),
        endpoint_name: spec.endpoint.clone(),
        queue_name: spec.queue.clone(),
        schedule_id: spec.schedule_id.clone(),
        flow_control_key: spec.flow.as_ref().map(|flow| flow.key.clone()),
        caller_ip: spec.caller_ip.clone(),
        method: Some(spec.method.clone()),
        header: few(spec.redaction.show_headers(grouped(&spec.headers))),
        timeout: spec.timeout_s.and_then(|seconds| i64::try_from(seconds.saturating_mul(1_000)).ok()),
        callback: spec.callback.as_ref().map(|to| to.url.clone()),
        callback_headers: told(spec.callback.as_ref()),
        failure_callback: spec.failure_callback.as_ref().map(|to| to.url.clone()),
        failure_callback_headers: told(spec.failure_callback.as_ref()),
        max_retries: Some(spec.retries.into()),
        retry_delay_expression: spec.retry_delay.clone(),
        label: spec.labels.first().cloned(),
        labels: spec.labels.clone(),
        ..Event::default()
    };
    more(&mut event);
    let mut table = txn.open_table(EVENTS)?;
    let number = free_number(&table, time)?;
    table.insert((time, number), (spec.user.as_str(), encode(&event)?.as_slice()))?;
    Ok(())
}

/// Headers beyond a sensible size are left out of the log.
fn few(headers: Headers) -> Headers {
    let bytes: usize =
        headers.iter().flat_map(|(name, values)| values.iter().map(|value| name.len() + value.len())).sum();
    if bytes > HEADER_BYTES_MAX { Headers::new() } else { headers }
}

/// Adds a line that tells of an attempt's end.
pub fn note_end(
    txn: &WriteTransaction,
    record: &Record,
    time: Millis,
    state: &str,
    outcome: &Outcome,
) -> Result<(), Error> {
    note(txn, record, time, state, |event| match outcome {
        Outcome::Answered(Answer { status, headers, body }) => {
            event.response_status = Some((*status).into());
            event.response_header = few(grouped(headers));
            event.response_body = Some(body.slice(..body.len().min(BODY_BYTES_MAX))).filter(|body| !body.is_empty());
        }
        Outcome::Failed(error) => event.error = Some(error.clone()),
    })
}

/// A place's number within its millisecond that is not taken.
pub fn free_number<V: redb::Value + 'static>(
    table: &impl ReadableTable<(i64, u64), V>,
    time: Millis,
) -> Result<u64, Error> {
    let last = table.range((time, 0)..=(time, u64::MAX))?.next_back().transpose()?;
    Ok(last.map_or(0, |(place, _)| place.value().1 + 1))
}

/// The time of the newest line; 0 for an empty log.
pub fn newest(txn: &redb::ReadTransaction) -> Result<Millis, Error> {
    Ok(newest_place(txn)?.0)
}

/// Its time and its number; zeros for an empty log.
pub fn newest_place(txn: &redb::ReadTransaction) -> Result<(Millis, u64), Error> {
    Ok(txn.open_table(EVENTS)?.last()?.map_or((0, 0), |(place, _)| place.value()))
}
