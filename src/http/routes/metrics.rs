//! The metrics, for whoever scrapes them.

use crate::http::caller::Operator;
use crate::http::router::METRICS;
use crate::http::{Http, Problem};
use crate::measure;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use std::sync::Arc;

/// The text form that Prometheus reads.
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Metrics
///
/// In the text form of Prometheus: what this process counted since it started, and how the store and QStash stand now, over
/// all processes. With the store away the process's own are told all the same, and `cliprelay_store_up` is 0. Under
/// `cliprelay dev` anybody may read them.
#[utoipa::path(
    get, path = METRICS, operation_id = "metrics", tag = "Operator",
    responses((status = 200, body = String, content_type = "text/plain", description = "The metrics.")),
    security(("operator" = [])),
)]
pub async fn metrics(State(http): State<Arc<Http>>, operator: Result<Operator, Problem>) -> Result<Response, Problem> {
    if !http.metrics_open {
        operator?;
    }
    let stock = http.engine.stock().await;
    let told = format!("{}{}", stock.render(), measure::render());
    Ok(([(CONTENT_TYPE, TEXT)], told).into_response())
}
