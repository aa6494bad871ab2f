//! Everybody's jobs: found, looked at with all that happened to them, ended and tried again.

use super::query::{Asked, cursor, search};
use super::view::{self, Rows};
use super::{named, noted};
use crate::http::caller::Operator;
use crate::http::router::{ADMIN_CANCEL, ADMIN_JOB, ADMIN_JOBS, ADMIN_RETRY};
use crate::http::view::{ChangedView, JobStatus, changed, status_url};
use crate::http::{Http, Problem};
use crate::job::JobId;
use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::header::LOCATION;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use std::sync::Arc;

/// All jobs
///
/// Of all owners, the newest first, page by page; the newest 10,000. Where something is asked for, a page may hold fewer than
/// its limit, or nothing, and still have a next one: one request looks at 300 jobs.
#[utoipa::path(
    get, path = ADMIN_JOBS, operation_id = "allJobs", tag = "Operator",
    params(
        ("status" = inline(Option<JobStatus>), Query, description = "Only those that stand so."),
        ("owner" = Option<String>, Query, min_length = 1, max_length = 255, description = "Only this owner's."),
        ("project" = Option<String>, Query, min_length = 1, max_length = 255, description = "Only this project's."),
        ("q" = Option<String>, Query, min_length = 1, max_length = 255,
            description = "A job's id; or what the project, the owner or the error's code holds."),
        ("since" = Option<String>, Query, example = "3600",
            description = "Only those taken since then: a time, or how many seconds ago."),
        ("cursor" = Option<String>, Query, description = "The `nextCursor` of the page before."),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 100, description = "At most so many; 50 if left out."),
    ),
    responses((status = 200, body = Rows, description = "A page.")),
    security(("operator" = [])),
)]
pub async fn list(State(http): State<Arc<Http>>, _: Operator, query: Asked) -> Result<Json<Rows>, Problem> {
    let found = http.engine.search(&search(query)?).await?;
    let jobs = found.jobs.iter().map(view::row).collect();
    Ok(Json(Rows { success: true, jobs, next_cursor: found.next.as_ref().map(cursor) }))
}

/// One job
///
/// Whole, with what happened to it and what it cost. Deliveries that changed nothing (the step was under way, or over) are not
/// among what happened.
#[utoipa::path(
    get, path = ADMIN_JOB, operation_id = "job", tag = "Operator",
    params(("id" = String, Path, description = "The job's id.", example = "job_0193f2c87b7c7d0a8e0c1b2a3d4e5f60")),
    responses((status = 200, body = view::Whole, description = "The job.")),
    security(("operator" = [])),
)]
pub async fn show(
    State(http): State<Arc<Http>>,
    _: Operator,
    id: Result<Path<String>, PathRejection>,
) -> Result<Response, Problem> {
    let found = http.engine.job(&JobId::new(named(id)?)).await?;
    let status = found.ok_or_else(|| Problem::not_found("No such job"))?;
    Ok(Json(view::whole(&status)).into_response())
}

/// Cancel any job
///
/// As its owner would: at once and for good.
#[utoipa::path(
    post, path = ADMIN_CANCEL, operation_id = "cancelJob", tag = "Operator",
    params(("id" = String, Path, description = "The job's id.", example = "job_0193f2c87b7c7d0a8e0c1b2a3d4e5f60")),
    responses((status = 200, body = ChangedView, description = "The job is cancelled.")),
    security(("operator" = [])),
)]
pub async fn cancel(
    State(http): State<Arc<Http>>,
    _: Operator,
    id: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let id = named(id)?;
    let cancelled = http.engine.cancel(&JobId::new(&id), None).await.map_err(Problem::from);
    let cancelled = noted(&http, &headers, ("cancel", &id), "cancelled", cancelled).await?;
    Ok(Json(changed(&cancelled, "Cancelled")).into_response())
}

/// Retry any job
///
/// A failed job goes on from the step that failed, as if its owner asked for it; no turn is counted.
#[utoipa::path(
    post, path = ADMIN_RETRY, operation_id = "retryJob", tag = "Operator",
    params(("id" = String, Path, description = "The job's id.", example = "job_0193f2c87b7c7d0a8e0c1b2a3d4e5f60")),
    responses((status = 202, body = ChangedView, description = "The job goes on.")),
    security(("operator" = [])),
)]
pub async fn retry(
    State(http): State<Arc<Http>>,
    _: Operator,
    id: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let id = named(id)?;
    let retried = http.engine.retry(&JobId::new(&id), None).await.map_err(Problem::from);
    let retried = noted(&http, &headers, ("retry", &id), "goes on", retried).await?;
    let body = Json(changed(&retried, "The job goes on from the failed step"));
    Ok((StatusCode::ACCEPTED, [(LOCATION, status_url(retried.id.as_str()))], body).into_response())
}
