//! QStash's routes: one push to the worker, and word that a message's redeliveries are used up.

use crate::flow::{Fault, Reply, Spent};
use crate::http::openapi::shapes;
use crate::http::push::Destination;
use crate::http::router::{FAILED, WORKER};
use crate::http::{Http, Problem, reply};
use crate::job::Failure;
use crate::measure::{self, Answer};
use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use std::sync::Arc;
use std::time::Duration;
use tracing::Instrument;

/// One push
///
/// QStash brings a job's message: one step is done.
#[utoipa::path(
    post, path = WORKER, operation_id = "push", tag = "QStash",
    params(("Upstash-Region" = Option<String>, Header, description = "Whose keys it is signed with, where there are several regions.")),
    request_body(content = shapes::Message, content_type = "application/json"),
    responses(
        (status = 200, body = shapes::Taken, description = "The step is done, or the push is old news."),
        (status = 429, body = shapes::NotTaken, description = "Another delivery of this step is at work."),
        (status = 489, body = shapes::NotTaken, description = "It can never be done: QStash keeps it in its dead letters."),
        (status = 503, body = shapes::NotTaken, description = "It could not be done now: QStash is to come again."),
    ),
    security(("upstash-signature" = [])),
)]
pub async fn worker(State(http): State<Arc<Http>>, headers: HeaderMap, body: Body) -> Result<Response, Problem> {
    let delivery = http.verified(Destination::Worker, &headers, body).await;
    let delivery = delivery.inspect_err(|_| measure::delivered(Answer::Rejected))?;
    // Its own task, so that a caller who hangs up does not cut a step in the middle.
    let engine = Arc::clone(&http.engine);
    let ended = http.tasks.spawn(async move { Box::pin(engine.deliver(&delivery)).await }.in_current_span()).await;
    let reply = ended.unwrap_or_else(|_| again("the step broke off"));
    measure::delivered(reply::answer(&reply));
    Ok(reply::respond(&reply))
}

/// A message given up
///
/// QStash's failure callback: a message's redeliveries are used up.
#[utoipa::path(
    post, path = FAILED, operation_id = "pushFailed", tag = "QStash",
    params(("Upstash-Region" = Option<String>, Header, description = "Whose keys it is signed with, where there are several regions.")),
    request_body(content = shapes::Callback, content_type = "application/json"),
    responses(
        (status = 200, body = shapes::Taken, description = "It is noted; the step is sent anew if it is still wanted."),
        (status = 489, body = shapes::NotTaken, description = "It can never be done: QStash keeps it in its dead letters."),
        (status = 503, body = shapes::NotTaken, description = "It could not be done now: QStash is to come again."),
    ),
    security(("upstash-signature" = [])),
)]
pub async fn failed(State(http): State<Arc<Http>>, headers: HeaderMap, body: Body) -> Result<Response, Problem> {
    let delivery = http.verified(Destination::Failed, &headers, body).await?;
    let engine = Arc::clone(&http.engine);
    let ended = http.tasks.spawn(async move { engine.failed(&delivery).await }.in_current_span()).await;
    Ok(reply::respond(&match ended {
        Ok(Ok(Spent::Noted | Spent::Leased | Spent::SentAnew { .. } | Spent::Failed)) => Reply::Done,
        Ok(Ok(Spent::Unreadable)) => {
            Reply::GaveUp { failure: Failure::lasting("unreadable_message", "the callback carries no message of ours") }
        }
        Ok(Err(Fault::Newer(version))) => Reply::newer(version),
        Ok(Err(fault @ (Fault::Store(_) | Fault::Garbled(_)))) => again(&fault.to_string()),
        Err(_) => again("the callback's handling broke off"),
    }))
}

fn again(detail: &str) -> Reply {
    Reply::TryAgain { retry_after: Duration::from_secs(5), code: "unavailable", detail: detail.to_owned() }
}
