//! A stored clip, for who cannot fetch it by a plain address: the owner is sent on to one that soon expires.

use super::jobs::{Which, which};
use crate::http::caller::Caller;
use crate::http::router::CLIP;
use crate::http::{Http, Problem};
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::header::{CACHE_CONTROL, LOCATION};
use axum::http::{HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use std::sync::Arc;

/// A private clip
///
/// Sends its owner on to an address of the storage that soon expires.
#[utoipa::path(
    get, path = CLIP, operation_id = "clip", tag = "Jobs",
    params(
        ("id" = String, Path, description = "The clip's id.", example = "my-project_clip_0"),
        ("jobId" = Option<String>, Query, min_length = 1, description = "Its job; the project's current one if left out."),
    ),
    responses((status = 302, description = "The clip is there.")),
    security(("bearer" = [])),
)]
pub async fn clip(
    State(http): State<Arc<Http>>,
    Caller(owner): Caller,
    id: Result<Path<String>, PathRejection>,
    query: Result<Query<Which>, QueryRejection>,
) -> Result<Response, Problem> {
    let Path(id) = id.map_err(|error| Problem::bad_request(error.body_text()))?;
    let job = which(query)?.any_job()?;
    let url = http.engine.clip(&id, job, &owner).await?;
    let headers = [
        (LOCATION, String::from(url)),
        // A signed address is for this caller and for now.
        (CACHE_CONTROL, "no-store".to_owned()),
        // Players on other pages follow it, where the caller is known without a header.
        (HeaderName::from_static("cross-origin-resource-policy"), "cross-origin".to_owned()),
    ];
    Ok((StatusCode::FOUND, headers).into_response())
}
