//! `/klap/control`: faults, counters and pace, for tests and operators. Klap itself has no such paths.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, put};
use axum::{Json, Router};

use super::{Fault, Klap, Pace};

pub(super) fn routes() -> Router<Arc<Klap>> {
    Router::new()
        .route("/klap/control/faults", get(list_faults).post(add_fault).delete(clear_faults))
        .route("/klap/control/counts", get(counts))
        .route("/klap/control/pace", put(set_pace).get(pace))
}

async fn list_faults(State(klap): State<Arc<Klap>>) -> Json<Vec<Fault>> {
    Json(klap.faults.list())
}

async fn add_fault(State(klap): State<Arc<Klap>>, Json(fault): Json<Fault>) -> StatusCode {
    klap.inject(fault);
    StatusCode::NO_CONTENT
}

async fn clear_faults(State(klap): State<Arc<Klap>>) -> StatusCode {
    klap.faults.clear();
    StatusCode::NO_CONTENT
}

async fn counts(State(klap): State<Arc<Klap>>) -> Response {
    match klap.counts().await {
        Ok(counts) => Json(counts).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

async fn pace(State(klap): State<Arc<Klap>>) -> Json<Pace> {
    Json(klap.pace())
}

async fn set_pace(State(klap): State<Arc<Klap>>, Json(pace): Json<Pace>) -> StatusCode {
    klap.set_pace(pace);
    StatusCode::NO_CONTENT
}
