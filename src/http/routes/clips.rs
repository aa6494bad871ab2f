//! A stored clip, for who cannot fetch it by a plain address: its owner or an operator is sent on to one that soon expires, or
//! is told it.

use super::jobs::{Which, which};
use crate::http::caller::Viewer;
use crate::http::router::CLIP;
use crate::http::{Http, Problem};
use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::header::{ACCEPT, CACHE_CONTROL, LOCATION, VARY};
use axum::http::{HeaderMap, HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// Where a clip can be fetched.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClipAddress {
    /// Always true.
    success: bool,
    /// Needs no key.
    #[schema(format = "uri")]
    url: String,
    /// Seconds for which the address works; `null`: always.
    works_for: Option<u64>,
}

/// A private clip
///
/// Sends its owner, or an operator who names the job, on to an address of the storage that soon expires. Who asks for
/// `application/json` is told the address instead: a player sends no key, so a page fetches the address with its key first.
#[utoipa::path(
    get, path = CLIP, operation_id = "clip", tag = "Jobs",
    params(
        ("id" = String, Path, description = "The clip's id.", example = "my-project_clip_0"),
        ("jobId" = Option<String>, Query, min_length = 1, description = "Its job; the project's current one if left out."),
    ),
    responses(
        (status = 200, body = ClipAddress, description = "The clip is there: asked for as JSON."),
        (status = 302, description = "The clip is there."),
    ),
    security(("bearer" = []), ("operator" = [])),
)]
pub async fn clip(
    State(http): State<Arc<Http>>,
    viewer: Viewer,
    id: Result<Path<String>, PathRejection>,
    query: Result<Query<Which>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let Path(id) = id.map_err(|error| Problem::bad_request(error.body_text()))?;
    let job = which(query)?.any_job()?;
    let at = match (viewer, job) {
        (Viewer::Owner(owner), job) => http.engine.clip(&id, job, &owner).await?,
        (Viewer::Operator, Some(job)) => http.engine.clip_of_any(&id, &job).await?,
        (Viewer::Operator, None) => return Err(Problem::bad_request("jobId is missing: an operator names the job")),
    };
    let url = String::from(at.url);
    // A signed address is for this caller and for now.
    let caching = [(CACHE_CONTROL, "no-store"), (VARY, "accept")];
    if headers
        .get_all(ACCEPT)
        .iter()
        .any(|accept| accept.to_str().is_ok_and(|accept| accept.contains("application/json")))
    {
        let works_for = at.works_for.map(|span| span.as_secs());
        return Ok((caching, Json(ClipAddress { success: true, url, works_for })).into_response());
    }
    let headers = [
        (LOCATION, url),
        // Players on other pages follow it, where the caller is known without a header.
        (HeaderName::from_static("cross-origin-resource-policy"), "cross-origin".to_owned()),
    ];
    Ok((StatusCode::FOUND, caching, headers).into_response())
}
