//! What the page on the broker asks and the service has no call for: messages by what happened to them last, and whether
//! anything happened. Under `/_broker/`.

use super::super::instructions::Refusal;
use super::super::ledger::events;
use super::super::ledger::latest::{self, Wanted};
use super::{Call, json, trouble};
use axum::response::Response;

/// `{now, word}`: the broker's time, and a word that is another one once anything happened to a message or a dead letter.
pub async fn pulse(call: Call) -> Result<Response, Refusal> {
    let read = call.post.disk.read(|txn| Ok((events::newest_place(txn)?, latest::dead_letters(txn)?)));
    let ((time, number), dead) = read.await.map_err(|error| trouble(&error))?;
    let word = format!("{time}-{number}-{dead}");
    Ok(json(200, &serde_json::json!({ "now": call.post.clock.now(), "word": word })))
}

/// `{messages, cursor?}`, those first to which something happened last; waiting and retrying ones by their age.
/// `?state=waiting|retrying|delivered|failed|canceled`, `?search=` within id or URL, `?label=`, `?cursor=`, `?count=` up to 100.
pub async fn list(call: Call) -> Result<Response, Refusal> {
    let wanted = Wanted::read(&call.target.query)?;
    let user = call.user;
    let page = call.post.disk.read(move |txn| latest::page(txn, &user, &wanted)).await;
    Ok(json(200, &page.map_err(|error| trouble(&error))?))
}
