//! Whether this process lives, and whether what it depends on does.

use crate::http::Http;
use crate::http::router::{HEALTH, READY};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;

#[derive(Serialize, ToSchema)]
pub struct Health {
    #[schema(example = "ok")]
    status: &'static str,
    /// Of the program.
    #[schema(example = "0.1.0")]
    version: &'static str,
}

/// Whether work can be done.
#[derive(Serialize, ToSchema)]
pub struct Readiness {
    status: Able,
    checks: Checks,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Ready)]
pub enum Able {
    #[serde(rename = "ready")]
    Yes,
    #[serde(rename = "not ready")]
    No,
    #[serde(rename = "stopping")]
    Stopping,
}

#[derive(Serialize, ToSchema)]
pub struct Checks {
    store: Check,
    qstash: Check,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum Check {
    Up,
    Down,
}

/// Alive
///
/// Touches no dependency.
#[utoipa::path(get, path = HEALTH, operation_id = "health", tag = "Operator", responses((status = 200, body = Health, description = "The process lives.")))]
pub async fn health() -> Json<Health> {
    Json(Health { status: "ok", version: env!("CARGO_PKG_VERSION") })
}

/// Able to work
///
/// Asks Redis and QStash, at most every two seconds. For people and alerts: while QStash is away it is 503 on every instance,
/// although jobs are taken and told of; a load balancer is to ask `/api/health`.
#[utoipa::path(
    get, path = READY, operation_id = "ready", tag = "Operator",
    responses(
        (status = 200, body = Readiness, description = "Ready."),
        (status = 503, body = Readiness, description = "Something is down, or the process is about to stop."),
    ),
)]
pub async fn ready(State(http): State<Arc<Http>>) -> Response {
    let readiness = http.engine.readiness().await;
    let checks = Checks { store: check(readiness.store), qstash: check(readiness.qstash) };
    if readiness.store && readiness.qstash && !readiness.stopping {
        return Json(Readiness { status: Able::Yes, checks }).into_response();
    }
    let status = if readiness.stopping { Able::Stopping } else { Able::No };
    (StatusCode::SERVICE_UNAVAILABLE, Json(Readiness { status, checks })).into_response()
}

fn check(up: bool) -> Check {
    if up { Check::Up } else { Check::Down }
}
