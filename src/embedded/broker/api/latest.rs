//! What the page on the broker asks and the service has no call for: messages by what happened to them last, and whether
//! anything happened. Under `/_broker/`.

use super::super::instructions::Refusal;
use super::super::ledger::events;
use super::super::ledger::latest::{self, Wanted};
use super::{Call, json, trouble};
use axum::response::Response;

/// `{now, log}`: the broker's time, and a word that changes with every line of the log.
pub async fn pulse(call: Call) -> Result<Response, Refusal> {
    let log = call.post.disk.read(events::newest_place).await.map_err(|error| trouble(&error))?;
    let log = format!("{}-{}", log.0, log.1);
    Ok(json(200, &serde_json::json!({ "now": call.post.clock.now(), "log": log })))
}

/// `{messages, cursor?}`, those first to which something happened last; waiting and retrying ones by their age.
/// `?state=waiting|retrying|delivered|failed|canceled`, `?search=` within id or URL, `?label=`, `?cursor=`, `?count=` up to 100.
pub async fn list(call: Call) -> Result<Response, Refusal> {
    let wanted = Wanted::read(&call.target.query)?;
    let user = call.user;
    let page = call.post.disk.read(move |txn| latest::page(txn, &user, &wanted)).await;
    Ok(json(200, &page.map_err(|error| trouble(&error))?))
}
