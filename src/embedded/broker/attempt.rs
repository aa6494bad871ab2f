//! What an attempt's end means for its message. Pure: the outcome and the time in, the verdict and the messages that
//! tell of it out.

use super::backoff::next_delay;
use super::message::{Answer, CallbackSpec, Headers, Millis, New, Outcome, Record, Spec, new_id};
use crate::services::qstash::wire;
use bytes::Bytes;
use std::collections::BTreeMap;

/// What becomes of a message after an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    Delivered,
    Retry { at: Millis },
    Dead,
}

/// Success is 2xx and nothing else. 489 with its header ends a message at once; every other status, a redirect too, is
/// tried again until the retries are used up.
pub fn judge(record: &Record, outcome: &Outcome, now: Millis) -> Verdict {
    let headers = match outcome {
        Outcome::Answered(answer) if (200..300).contains(&answer.status) => return Verdict::Delivered,
        Outcome::Answered(answer) if answer.status == 489 && non_retryable(answer) => return Verdict::Dead,
        Outcome::Answered(answer) => answer.headers.as_slice(),
        Outcome::Failed(_) => &[],
    };
    if record.retried >= record.spec.retries {
        return Verdict::Dead;
    }
    Verdict::Retry { at: now.saturating_add(next_delay(record, headers, now)) }
}

fn non_retryable(answer: &Answer) -> bool {
    answer.headers.iter().any(|(name, value)| {
        name.eq_ignore_ascii_case("upstash-nonretryable-error") && value.trim().eq_ignore_ascii_case("true")
    })
}

/// The messages that tell of this attempt: a callback after each one, a failure callback once at the end. `dlq_id` is
/// given exactly if the message is dead.
pub fn tidings(record: &Record, body: &Bytes, outcome: &Outcome, dlq_id: Option<&str>, now: Millis) -> Vec<New> {
    let failure = record.spec.failure_callback.as_ref().filter(|_| dlq_id.is_some());
    let each = record.spec.callback.as_ref().map(|to| (to, None));
    each.into_iter()
        .chain(failure.map(|to| (to, dlq_id)))
        .map(|(to, dlq_id)| telling(record, to, &payload(record, body, outcome, dlq_id), now))
        .collect()
}

fn telling(of: &Record, to: &CallbackSpec, payload: &wire::Callback, now: Millis) -> New {
    let mut headers: Headers = vec![("Content-Type".to_owned(), "application/json".to_owned())];
    headers.extend(to.headers.iter().filter(|(name, _)| !name.eq_ignore_ascii_case("content-type")).cloned());
    New {
        id: new_id("msg_"),
        spec: Spec {
            user: of.spec.user.clone(),
            destination: to.url.clone(),
            method: to.method.clone(),
            headers,
            timeout_s: to.timeout_s,
            retries: to.retries.unwrap_or(of.spec.retries),
            retry_delay: to.retry_delay.clone(),
            caller_ip: of.spec.caller_ip.clone(),
            part: to.part.clone(),
            queue: of.spec.queue.clone(),
            redaction: of.spec.redaction.of_tidings(),
            tells_of: of.spec.queue.is_some().then(|| of.id.clone()),
            ..Spec::default()
        },
        // Plain maps, lists, text and numbers: this cannot fail.
        body: serde_json::to_vec(payload).unwrap_or_default().into(),
        created_at: now,
        not_before: now,
        deduplication: None,
    }
}

/// Where the destination never answered, the status is 0 and the body says why; the service's own value is unknown.
fn payload(record: &Record, body: &Bytes, outcome: &Outcome, dlq_id: Option<&str>) -> wire::Callback {
    let (status, header, answer) = match outcome {
        Outcome::Answered(answer) => (answer.status, grouped(&answer.headers), answer.body.clone()),
        Outcome::Failed(error) => (0, BTreeMap::new(), Bytes::from(error.clone())),
    };
    wire::Callback {
        source_message_id: record.id.clone(),
        status: Some(status.into()),
        header,
        body: Some(answer),
        retried: Some(record.retried.into()),
        max_retries: Some(record.spec.retries.into()),
        url: record.spec.destination.clone(),
        method: Some(record.spec.method.clone()),
        source_header: grouped(&record.spec.headers),
        source_body: Some(body.clone()),
        not_before: Some(record.not_before),
        created_at: Some(record.created_at),
        topic_name: record.spec.topic.clone(),
        endpoint_name: record.spec.endpoint.clone(),
        schedule_id: record.spec.schedule_id.clone(),
        caller_ip: record.spec.caller_ip.clone(),
        dlq_id: dlq_id.map(str::to_owned),
        workflow_run_id: record.spec.part.as_ref().map(|part| part.run.clone()),
        workflow_created_at: record.spec.part.as_ref().map(|part| part.began),
    }
}

/// Values gathered by name, names written as HTTP/1 traditionally does: `Content-Type`.
pub fn grouped(headers: &[(String, String)]) -> wire::Headers {
    let mut grouped = wire::Headers::new();
    for (name, value) in headers {
        grouped.entry(canonical(name)).or_default().push(value.clone());
    }
    grouped
}

fn canonical(name: &str) -> String {
    let mut start = true;
    let cased = name.chars().map(|c| {
        let cased = if start { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() };
        start = c == '-';
        cased
    });
    cased.collect()
}
