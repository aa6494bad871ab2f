//! The sweep, woken from outside.

use crate::http::caller::Operator;
use crate::http::{Http, Problem};
use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::time::Instant;

pub async fn sweep(State(http): State<Arc<Http>>, _: Operator) -> Result<Json<Value>, Problem> {
    let begun = Instant::now();
    let swept = http.engine.sweep().await?;
    let took = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    Ok(Json(json!({
        "success": true,
        "republished": swept.republished,
        "revived": swept.revived,
        "failed": swept.failed,
        "purged": swept.purged,
        "tookMs": took,
    })))
}
