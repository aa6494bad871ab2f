//! Schedules.

use super::super::attempt::grouped;
use super::super::instructions::Refusal;
use super::super::ledger::schedules;
use super::super::message::Millis;
use super::super::schedules::{Schedule, State};
use super::listing::{text_or_base64, told};
use super::publish::completed;
use super::{Call, json, trouble};
use crate::services::qstash::wire::Headers;
use axum::response::Response;
use bytes::Bytes;
use serde::Serialize;
use std::collections::BTreeMap;

/// A schedule as the API shows it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct View {
    schedule_id: String,
    cron: String,
    destination: String,
    created_at: Millis,
    method: String,
    header: Headers,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body_base64: Option<String>,
    retries: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_delay_expression: Option<String>,
    /// In seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    delay: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    callback: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure_callback: Option<String>,
    #[serde(skip_serializing_if = "Headers::is_empty")]
    callback_header: Headers,
    #[serde(skip_serializing_if = "Headers::is_empty")]
    failure_callback_header: Headers,
    /// In seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    timeout: Option<u64>,
    #[serde(rename = "callerIP", skip_serializing_if = "Option::is_none")]
    caller_ip: Option<String>,
    is_paused: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    queue_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    flow_control_key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parallelism: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rate: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    period: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    labels: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_schedule_time: Option<Millis>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_schedule_time: Option<Millis>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    last_schedule_states: BTreeMap<String, State>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// Creates one, or overwrites the one with the given id whole.
pub async fn create(call: Call, destination: &str) -> Result<Response, Refusal> {
    let headers = completed(&call, destination, &call.headers).await?;
    let _turn = call.post.settling.lock().await;
    let (quota, now) = (call.post.quota, call.post.clock.now());
    let (schedule, body) = Schedule::read(call.publishing(destination, &headers, call.body.clone()), quota, now)?;
    let (name, due) = ((call.user.clone(), schedule.id.clone()), schedule.due());
    let write = call.post.disk.write(move |txn| schedules::put(txn, &schedule, &body, quota.schedules));
    if !write.await.map_err(|error| trouble(&error))? {
        return Err(Refusal::quota("maxSchedules"));
    }
    let answer = json(200, &serde_json::json!({ "scheduleId": name.1 }));
    call.post.steer(|board| board.timetable.set(name, due));
    Ok(answer)
}

pub async fn list(call: Call) -> Result<Response, Refusal> {
    let user = call.user;
    let read = call.post.disk.read(move |txn| {
        let mut all = Vec::new();
        schedules::each(txn, |owner, schedule, body| {
            if owner == user {
                all.push(view(schedule, &body));
            }
        })?;
        Ok(all)
    });
    Ok(json(200, &read.await.map_err(|error| trouble(&error))?))
}

pub async fn get(call: Call, id: &str) -> Result<Response, Refusal> {
    let (user, key) = (call.user, id.to_owned());
    let read = call.post.disk.read(move |txn| schedules::get(txn, &user, &key)).await;
    let (schedule, body) = read.map_err(|error| trouble(&error))?.ok_or_else(|| missing(id))?;
    Ok(json(200, &view(schedule, &body)))
}

pub async fn delete(call: Call, id: &str) -> Result<Response, Refusal> {
    let _turn = call.post.settling.lock().await;
    let (user, key) = (call.user.clone(), id.to_owned());
    let write = call.post.disk.write(move |txn| schedules::delete(txn, &user, &key));
    if !write.await.map_err(|error| trouble(&error))? {
        return Err(missing(id));
    }
    call.post.steer(|board| board.timetable.set((call.user, id.to_owned()), None));
    Ok(super::empty(200))
}

pub async fn pause(call: Call, id: &str, pause: bool) -> Result<Response, Refusal> {
    let _turn = call.post.settling.lock().await;
    let (user, key, now) = (call.user.clone(), id.to_owned(), call.post.clock.now());
    let write = call.post.disk.write(move |txn| schedules::set_paused(txn, &user, &key, pause, now));
    let schedule = write.await.map_err(|error| trouble(&error))?.ok_or_else(|| missing(id))?;
    call.post.steer(|board| board.timetable.set((call.user, id.to_owned()), schedule.due()));
    Ok(super::empty(200))
}

fn view(schedule: Schedule, body: &Bytes) -> View {
    let Schedule { id, cron, spec, delay, created_at, paused, next, last, states, error, .. } = schedule;
    let (body, body_base64) = text_or_base64(&spec.redaction.show_body(body));
    let limits = spec.flow.as_ref().map(|flow| flow.limits).unwrap_or_default();
    View {
        schedule_id: id,
        callback_header: told(&spec, spec.callback.as_ref()),
        failure_callback_header: told(&spec, spec.failure_callback.as_ref()),
        cron,
        destination: spec.destination,
        created_at,
        method: spec.method,
        header: spec.redaction.show_headers(grouped(&spec.headers)),
        body,
        body_base64,
        retries: spec.retries,
        retry_delay_expression: spec.retry_delay,
        delay: (delay > 0).then_some(delay / 1_000),
        timeout: spec.timeout_s,
        callback: spec.callback.map(|to| to.url),
        failure_callback: spec.failure_callback.map(|to| to.url),
        caller_ip: spec.caller_ip,
        is_paused: paused,
        queue_name: spec.queue,
        flow_control_key: spec.flow.map(|flow| flow.key),
        parallelism: limits.parallelism,
        rate: limits.rate,
        period: limits.period,
        label: spec.labels.first().cloned(),
        labels: spec.labels,
        last_schedule_time: last,
        next_schedule_time: next,
        last_schedule_states: states,
        error,
    }
}

fn missing(id: &str) -> Refusal {
    Refusal::new(404, format!("schedule {id} not found"))
}
