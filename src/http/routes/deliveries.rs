//! QStash's routes: one push to the worker, and word that a message's redeliveries are used up.

use crate::flow::{Fault, Reply, Spent};
use crate::http::push::Destination;
use crate::http::{Http, Problem, reply};
use crate::job::Failure;
use crate::services::qstash::wire::FailureCallback;
use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use std::sync::Arc;
use std::time::Duration;

pub async fn worker(State(http): State<Arc<Http>>, headers: HeaderMap, body: Body) -> Result<Response, Problem> {
    let delivery = http.verified(Destination::Worker, &headers, body).await?;
    // Its own task, so that a caller who hangs up does not cut a step in the middle.
    let engine = Arc::clone(&http.engine);
    let ended = tokio::spawn(async move { engine.deliver(&delivery).await }).await;
    Ok(reply::respond(&ended.unwrap_or_else(|_| again("the step broke off"))))
}

pub async fn failed(State(http): State<Arc<Http>>, headers: HeaderMap, body: Body) -> Result<Response, Problem> {
    let delivery = http.verified(Destination::Failed, &headers, body).await?;
    let callback = FailureCallback::parse(&delivery.body).ok();
    let Some((callback, source)) =
        callback.and_then(|callback| callback.source_body.clone().map(|body| (callback, body)))
    else {
        let failure = Failure::lasting("unreadable_callback", "the failure callback carries no message");
        return Ok(reply::respond(&Reply::GaveUp { failure }));
    };
    Ok(reply::respond(&match http.engine.spent(&source, callback.dlq_id.as_deref()).await {
        Ok(Spent::Noted | Spent::Leased | Spent::SentAnew { .. } | Spent::Failed) => Reply::Done,
        Ok(Spent::Unreadable) => {
            Reply::GaveUp { failure: Failure::lasting("unreadable_message", "the message is none of ours") }
        }
        Err(Fault::Newer(version)) => again(&format!("version {version} is newer than this build reads")),
        Err(fault @ (Fault::Store(_) | Fault::Garbled(_))) => again(&fault.to_string()),
    }))
}

fn again(detail: &str) -> Reply {
    Reply::TryAgain { retry_after: Duration::from_secs(5), code: "unavailable", detail: detail.to_owned() }
}
