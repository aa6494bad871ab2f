//! What the service does not have: for tests that must not guess how long to wait. Under `/_broker/`.

use super::super::duration::whole_seconds;
use super::super::instructions::Refusal;
use super::super::message::Millis;
use super::{Call, json};
use axum::response::Response;
use std::time::Duration;

const WAIT: Duration = Duration::from_secs(30);
const WAIT_MAX: Duration = Duration::from_mins(10);

/// Waits until no message is waiting or on its way, `?timeout=30s` at most; 504 if some still are.
pub async fn idle(call: Call) -> Result<Response, Refusal> {
    let timeout = duration(&call, "timeout")?.map_or(WAIT, Duration::from_secs).min(WAIT_MAX);
    let pending = call.post.calm(timeout).await;
    Ok(json(if pending == 0 { 200 } else { 504 }, &serde_json::json!({ "pending": pending })))
}

/// Moves time on, `?by=1h` or as far as the next due thing.
pub async fn advance(call: Call) -> Result<Response, Refusal> {
    let by =
        duration(&call, "by")?.map(|seconds| Millis::try_from(seconds.saturating_mul(1_000)).unwrap_or(Millis::MAX));
    let advanced = call.post.advance(by).await;
    Ok(json(200, &serde_json::json!({ "advanced": advanced, "now": call.post.clock.now() })))
}

/// In seconds.
fn duration(call: &Call, name: &str) -> Result<Option<u64>, Refusal> {
    let Some(text) = call.target.parameter(name) else { return Ok(None) };
    whole_seconds(text).map(Some).ok_or_else(|| Refusal::bad(format!("invalid {name}: a duration such as 30s")))
}
