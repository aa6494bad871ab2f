//! The audit trail.

use super::query::{Asked, each, limit, unknown};
use super::view::{DeedView, Deeds};
use crate::http::caller::Operator;
use crate::http::router::ADMIN_AUDIT;
use crate::http::{Http, Problem};
use axum::Json;
use axum::extract::State;
use std::sync::Arc;

const LIMIT: usize = 100;
const LIMIT_MAX: usize = 1_000;

/// What operators did
///
/// The newest first, the last thousand; what they were refused as well. What sweeps mended is told by the figures.
#[utoipa::path(
    get, path = ADMIN_AUDIT, operation_id = "audit", tag = "Operator",
    params(("limit" = Option<u32>, Query, minimum = 1, maximum = 1000, description = "At most so many; 100 if left out.")),
    responses((status = 200, body = Deeds, description = "The newest entries.")),
    security(("operator" = [])),
)]
pub async fn audit(State(http): State<Arc<Http>>, _: Operator, query: Asked) -> Result<Json<Deeds>, Problem> {
    let mut most = LIMIT;
    each(query, |name, value| match name {
        "limit" => limit(value, LIMIT_MAX).map(|limit| most = limit),
        _ => unknown(),
    })?;
    let deeds = http.engine.deeds(most).await?;
    Ok(Json(Deeds { success: true, entries: deeds.into_iter().map(DeedView::from).collect() }))
}
