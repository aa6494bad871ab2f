//! The sweep, woken from outside.

use crate::http::caller::Operator;
use crate::http::router::CRON;
use crate::http::{Http, Problem};
use axum::Json;
use axum::extract::State;
use serde::Serialize;
use std::sync::Arc;
use tokio::time::Instant;
use utoipa::ToSchema;

/// What one round did.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Sweep {
    /// Always true.
    success: bool,
    /// Recorded messages that had not been published.
    republished: usize,
    /// Jobs whose push never came, sent for again.
    revived: usize,
    /// Jobs past their deadline.
    failed: usize,
    /// Expired jobs, deleted.
    purged: usize,
    /// Milliseconds.
    took_ms: u64,
}

/// Sweep
///
/// Mends what was left undone. Safe at any time, and twice at once.
#[utoipa::path(
    method(get, post), path = CRON, operation_id = "sweep", tag = "Operator",
    responses((status = 200, body = Sweep, description = "What was mended.")),
    security(("operator" = [])),
)]
pub async fn sweep(State(http): State<Arc<Http>>, _: Operator) -> Result<Json<Sweep>, Problem> {
    let begun = Instant::now();
    let swept = http.engine.sweep().await?;
    let took_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    let (republished, revived) = (swept.republished, swept.revived);
    Ok(Json(Sweep { success: true, republished, revived, failed: swept.failed, purged: swept.purged, took_ms }))
}
