//! What is told of a job's way: the spans around what moves it, of which every line within has the fields, and which are the
//! job's trace where traces are told. The trace is one from the request that made the job to its end: each push, and each
//! person who cancels or retries, goes on from what record and message carry. Nothing is decided on any of it.

use super::Delivery;
use super::delivery::Reply;
use crate::job::wire::Message;
use crate::job::{Job, Millis};
use crate::store::{self, Committed};
use crate::telemetry::trace;
use tracing::Span;
use tracing::field::Empty;

/// Around a caller's request for work, which goes on with the caller's trace if there is one.
pub fn asked(traceparent: Option<&str>, request_id: Option<&str>) -> Span {
    let span = tracing::error_span!(
        "enqueue",
        otel.kind = "server",
        otel.status_code = Empty,
        job.id = Empty,
        job.step = Empty,
        job.attempt = Empty,
        request.id = request_id,
        "error.type" = Empty,
    );
    trace::follow(&span, traceparent);
    span
}

/// The job that came of it: from here on its trace is the request's.
pub(super) fn begins(job: &mut Job) {
    let span = Span::current();
    span.record("job.id", job.id.as_str()).record("job.step", &job.step).record("job.attempt", 0);
    job.trace = trace::parent(&span);
}

/// Around one push.
pub(super) fn push(message: &Message, delivery: &Delivery) -> Span {
    arrival("push", message, delivery)
}

/// Around word that a message will not come again.
pub(super) fn spent(message: &Message, delivery: Option<&Delivery>) -> Span {
    arrival("message spent", message, delivery.unwrap_or(&Delivery::default()))
}

/// At the highest level, so that no line about the job, however few are asked for, is without it.
fn arrival(name: &'static str, message: &Message, delivery: &Delivery) -> Span {
    let envelope = &message.envelope;
    let span = tracing::error_span!(
        "push",
        otel.name = format!("{name} {}", message.step),
        otel.kind = "consumer",
        otel.status_code = Empty,
        job.id = envelope.job_id.as_str(),
        job.position = %envelope.at,
        job.send = envelope.send,
        job.step = message.step,
        job.attempt = Empty,
        message.id = delivery.message_id,
        request.id = delivery.from.request_id,
        job.age_ms = Empty,
        push.late_ms = Empty,
        outcome = Empty,
        "error.type" = Empty,
    );
    trace::follow(&span, message.trace.as_deref());
    span
}

/// How the job stood when the push met it: how old it was, and how long after its time the push came.
pub(super) fn met(job: &Job, now: Millis) {
    let span = Span::current();
    span.record("job.attempt", job.attempts);
    span.record("job.age_ms", now.saturating_sub(job.created_at));
    span.record("push.late_ms", now.saturating_sub(job.message.not_before));
}

/// A job without a trace, as builds without traces made it, gets the one that this push begins.
pub(super) fn adopt(job: &mut Job) {
    if job.trace.is_none() {
        job.trace = trace::parent(&Span::current());
    }
}

pub(super) fn answered(span: &Span, reply: &Reply) {
    let (outcome, code) = reply.told();
    span.record("outcome", outcome);
    if !code.is_empty() {
        failed(span, code);
    }
}

/// Around what a person does to a job.
pub(super) fn by_hand(job: &Job, what: &'static str) -> Span {
    done_to(job, what, true)
}

/// Around what the sweep does to a job.
pub(super) fn mend(job: &Job) -> Span {
    done_to(job, "mend", false)
}

fn done_to(job: &Job, what: &'static str, by_hand: bool) -> Span {
    let span = tracing::error_span!(
        "job",
        otel.name = what,
        otel.kind = if by_hand { "server" } else { "internal" },
        job.id = job.id.as_str(),
        job.position = %job.at,
        job.step = job.step,
        job.attempt = job.attempts,
    );
    trace::follow(&span, job.trace.as_deref());
    span
}

/// Around the work of a step.
pub(super) fn step(job: &Job) -> Span {
    tracing::debug_span!("step", otel.name = format!("step {}", job.step))
}

/// Around one message on its way to the queue.
pub(super) fn publish(job: &Job) -> Span {
    tracing::debug_span!(
        "publish",
        otel.name = format!("publish {}", job.step),
        otel.kind = "producer",
        otel.status_code = Empty,
        published.id = Empty,
        published.position = %job.at,
        published.send = job.send,
        "error.type" = Empty,
    )
}

/// Around a read of a record.
pub(super) fn read() -> Span {
    tracing::debug_span!("store read", otel.kind = "client")
}

/// Around a write of a record, with its repetitions.
pub(super) fn commit() -> Span {
    tracing::debug_span!(
        "store commit",
        otel.kind = "client",
        otel.status_code = Empty,
        outcome = Empty,
        "error.type" = Empty
    )
}

pub(super) fn committed(span: &Span, committed: &Result<Committed, store::Error>) {
    let outcome = match committed {
        Ok(Committed::Applied { .. }) => "applied",
        Ok(Committed::Replayed(_)) => "replayed",
        Ok(Committed::Conflict(_)) => "conflict",
        Ok(Committed::Missing) => "missing",
        Ok(Committed::PointerTaken(_)) => "pointer_taken",
        Ok(Committed::Remembered(_)) => "remembered",
        Ok(Committed::Full | Committed::Over) => "limited",
        Err(store::Error::Unavailable(_)) => return failed(span, "unavailable"),
        Err(store::Error::Unknown(_)) => return failed(span, "unknown"),
    };
    span.record("outcome", outcome);
}

/// The job has come to its end, whoever brought it there.
pub(super) fn ended(job: &Job) {
    let code = job.error.as_ref().map_or("", |error| error.code.as_str());
    tracing::info!(job.id = %job.id, job.position = %job.at, job.status = job.state.public(), code, "job ended");
}

/// `code`: a name of what went wrong, never its text.
pub(super) fn failed(span: &Span, code: &str) {
    span.record("otel.status_code", "error").record("error.type", code);
}
