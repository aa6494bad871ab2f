//! What only tests and demonstrations ask for, on a path Supabase does not use.
//!
//! - `GET /control/counts`: [`Counts`](super::Counts) and the whole objects.
//! - `POST /control/faults`: `{"op","times","fault":{"kind",…}}`, or `{"sizeLimit":BYTES|null}`, or `{"rpcMissing":true}`.
//! - `GET /control/faults`: those still to come. `DELETE /control/faults`: back to good behaviour.

use super::Supabase;
use super::faults::Planned;
use super::reply::Answer;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

pub(super) fn routes() -> Router<Arc<Supabase>> {
    Router::new().route("/control/counts", get(counts)).route("/control/faults", get(left).post(plan).delete(clear))
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Order {
    Fault(Planned),
    Rpc {
        #[serde(rename = "rpcMissing")]
        missing: bool,
    },
    Size {
        #[serde(rename = "sizeLimit")]
        limit: Option<u64>,
    },
}

async fn counts(State(supabase): State<Arc<Supabase>>) -> Answer {
    let objects = supabase.objects().await?;
    let mut counts = serde_json::to_value(supabase.counts()).unwrap_or_default();
    if let Value::Object(counts) = &mut counts {
        counts.insert("objectsListed".to_owned(), json!(objects.len()));
        let objects: Vec<Value> = objects.into_iter().map(|(path, size)| json!({"path": path, "size": size})).collect();
        counts.insert("objects".to_owned(), Value::Array(objects));
    }
    Ok(Json(counts).into_response())
}

async fn left(State(supabase): State<Arc<Supabase>>) -> Json<Vec<Planned>> {
    Json(supabase.faults.left())
}

async fn plan(State(supabase): State<Arc<Supabase>>, Json(order): Json<Order>) -> StatusCode {
    match order {
        Order::Fault(planned) => supabase.faults.plan(planned),
        Order::Rpc { missing } => supabase.faults.hide_rpc(missing),
        Order::Size { limit } => supabase.faults.limit_size(limit),
    }
    StatusCode::NO_CONTENT
}

async fn clear(State(supabase): State<Arc<Supabase>>) -> StatusCode {
    supabase.faults.clear();
    StatusCode::NO_CONTENT
}
