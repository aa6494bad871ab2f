//! A job's changes as server-sent events. A stream holds at most one event that was not sent yet, whatever its reader does:
//! what a slow one missed is skipped, for each event is the whole status. One that takes nothing for a while loses its place.

use super::jobs::Which;
use crate::flow::{Status, Watcher};
use crate::http::caller::{Caller, Received};
use crate::http::router::EVENTS;
use crate::http::watching::Place;
use crate::http::{Http, Problem, openapi, view};
use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};
use tracing::Instrument;

/// A comment this often shows both sides that the other is there.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// A reader that takes nothing for so long is gone.
const TAKEN: Duration = Duration::from_secs(30);
/// After how many milliseconds a client comes back.
const RETRY: &str = "retry: 1000\n\n";

/// Events
///
/// Server-sent events: the status at every change, with its version as `id`, until the job has ended. A comment every 15
/// seconds shows that the stream is alive. It may end earlier, at the host's limit: an `EventSource` comes back by itself
/// after a second, with `Last-Event-ID`, and misses nothing that still matters. Who comes back having seen the job's end is
/// answered 204, by which an `EventSource` stops.
#[utoipa::path(
    get, path = EVENTS, operation_id = "events", tag = "Jobs",
    params(
        ("jobId" = String, Query, description = "The job.", min_length = 1, example = "job_0193f2c87b7c7d0a8e0c1b2a3d4e5f60"),
        ("Last-Event-ID" = Option<String>, Header, description = "The `id` of the last event seen: what is known is not sent again.",
            example = "5d41402abc4b2a76"),
    ),
    responses(
        (status = 200, body = String, content_type = "text/event-stream",
            description = "Events `id: <version>`, `data: <a Status on one line>`; `retry: 1000` at the beginning.",
            example = openapi::examples::event),
        (status = 204, description = "The job has ended, and `Last-Event-ID` is its end: there is nothing more to come."),
    ),
    security(("bearer" = [])),
)]
pub async fn events(
    State(http): State<Arc<Http>>,
    Received(begun): Received,
    Caller(owner): Caller,
    headers: HeaderMap,
    query: Result<Query<Which>, QueryRejection>,
) -> Result<Response, Problem> {
    let find = super::jobs::which(query)?.one_job()?;
    let last = headers.get("last-event-id").and_then(|id| id.to_str().ok()).filter(|id| !id.is_empty());
    let place = http.place(&owner)?;
    let watcher = http.engine.watch(&find, &owner, last.map(str::to_owned)).await?;
    let watcher = watcher.ok_or_else(|| Problem::not_found("No such job"))?;
    // One who comes back after the end has seen it, and would come back for ever.
    if watcher.current().job.is_final() && watcher.is_known() {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let (sender, receiver) = mpsc::channel(1);
    tokio::spawn(send(watcher, sender, begun + http.watching.stream_max, place).in_current_span());
    let body = stream::unfold(receiver, async |mut receiver| {
        let event: Bytes = receiver.recv().await?;
        Some((Ok::<_, Infallible>(event), receiver))
    });
    let headers = [
        (CONTENT_TYPE, "text/event-stream"),
        (CACHE_CONTROL, "no-store"),
        // Proxies that buffer would hold events back.
        (HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    Ok((headers, Body::from_stream(body)).into_response())
}

/// Sends until the job has ended, the reader is gone, the stream has lasted long enough or the process stops.
async fn send(mut watcher: Watcher, to: mpsc::Sender<Bytes>, end: Instant, place: Place) {
    let _place = place;
    let mut sent = push(&to, RETRY.into()).await;
    let mut heartbeat = Instant::now() + HEARTBEAT;
    let mut over = false;
    while sent && !over {
        sent = tokio::select! {
            next = timeout_at(end, watcher.next()) => {
                let Ok(Some(status)) = next else { return };
                over = status.job.is_final();
                push(&to, event(&status)).await
            }
            () = sleep_until(heartbeat) => {
                heartbeat = Instant::now() + HEARTBEAT;
                push(&to, ":\n\n".into()).await
            }
            () = to.closed() => return,
        };
    }
}

async fn push(to: &mpsc::Sender<Bytes>, event: Bytes) -> bool {
    timeout(TAKEN, to.send(event)).await.is_ok_and(|sent| sent.is_ok())
}

fn event(status: &Status) -> Bytes {
    format!("id: {}\ndata: {}\n\n", status.tag(), view::status(status)).into()
}
