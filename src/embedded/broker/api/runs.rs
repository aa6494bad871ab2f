//! The end of workflow runs; they begin and go on by messages.

use super::super::instructions::Refusal;
use super::super::ledger::runs;
use super::{Call, empty, json, trouble};
use crate::services::qstash::wire::Cancelled;
use axum::response::Response;

/// A run is done (then there may be no such run any more: a last step may come twice), or with `?cancel=true` is given up.
pub async fn end(call: Call, id: &str) -> Result<Response, Refusal> {
    if call.target.parameter("cancel") == Some("true") {
        let cancelled = cancel(&call, Some(vec![id.to_owned()])).await?;
        let missing = || Refusal::new(404, format!("workflow run {id} not found"));
        return if cancelled == 0 { Err(missing()) } else { Ok(empty(200)) };
    }
    let (user, id) = (call.user, id.to_owned());
    call.post.disk.write(move |txn| runs::end(txn, &user, &id)).await.map_err(|error| trouble(&error))?;
    Ok(empty(200))
}

/// Those whose ids are given; with no parameter but a count, all.
pub async fn cancel_many(call: Call) -> Result<Response, Refusal> {
    let mut ids = Vec::new();
    for (name, value) in &call.target.query {
        match name.as_str() {
            "workflowRunIds" => ids.extend(value.split(',').map(str::to_owned)),
            "count" | "cursor" => {}
            other => return Err(Refusal::bad(format!("workflow runs cannot be filtered by {other}"))),
        }
    }
    let cancelled = cancel(&call, Some(ids).filter(|ids| !ids.is_empty())).await?;
    Ok(json(200, &Cancelled { cancelled }))
}

async fn cancel(call: &Call, ids: Option<Vec<String>>) -> Result<u64, Refusal> {
    let (user, now) = (call.user.clone(), call.post.clock.now());
    let write = call.post.disk.write(move |txn| runs::cancel(txn, &user, ids.as_deref(), now));
    let (cancelled, messages) = write.await.map_err(|error| trouble(&error))?;
    call.post.forget(&messages);
    Ok(cancelled)
}
