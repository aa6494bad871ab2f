//! Whether this process lives, and whether what it depends on does.

use crate::http::Http;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use std::sync::Arc;

/// Touches no dependency.
pub async fn health() -> Json<Value> {
    Json(json!({"status": "ok", "version": env!("CARGO_PKG_VERSION")}))
}

pub async fn ready(State(http): State<Arc<Http>>) -> Response {
    let readiness = http.engine.readiness().await;
    let checks = json!({"store": word(readiness.store), "qstash": word(readiness.qstash)});
    if readiness.store && readiness.qstash && !readiness.stopping {
        return Json(json!({"status": "ready", "checks": checks})).into_response();
    }
    let status = if readiness.stopping { "stopping" } else { "not ready" };
    (StatusCode::SERVICE_UNAVAILABLE, Json(json!({"status": status, "checks": checks}))).into_response()
}

fn word(up: bool) -> &'static str {
    if up { "up" } else { "down" }
}
