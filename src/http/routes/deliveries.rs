//! QStash's routes: one push to the worker, and word that a message's redeliveries are used up.

use crate::flow::{Fault, Reply, Spent};
use crate::http::push::Destination;
use crate::http::{Http, Problem, reply};
use crate::job::Failure;
use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use std::sync::Arc;
use std::time::Duration;
use tracing::Instrument;

pub async fn worker(State(http): State<Arc<Http>>, headers: HeaderMap, body: Body) -> Result<Response, Problem> {
    let delivery = http.verified(Destination::Worker, &headers, body).await?;
    // Its own task, so that a caller who hangs up does not cut a step in the middle.
    let engine = Arc::clone(&http.engine);
    let ended = http.tasks.spawn(async move { Box::pin(engine.deliver(&delivery)).await }.in_current_span()).await;
    Ok(reply::respond(&ended.unwrap_or_else(|_| again("the step broke off"))))
}

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
