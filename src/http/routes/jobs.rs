//! The frontend's routes: enqueue, status, cancel, retry.

use crate::flow::{self, Ask, FieldError, Find, Kind, Seen};
use crate::http::caller::{Caller, Received};
use crate::http::limits::{self, Network};
use crate::http::openapi::shapes;
use crate::http::router::{PROCESS, REQUEST_ID, RETRY};
use crate::http::view::{ChangedView, EnqueuedView, StatusView};
use crate::http::{Http, Problem, body, view};
use crate::job::{JobId, ProjectId};
use axum::Json;
use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::header::{CACHE_CONTROL, ETAG, IF_NONE_MATCH, LOCATION};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use std::sync::Arc;
use std::time::Duration;
use tracing::Instrument;

const KEY_MAX: usize = 255;

/// Enqueue
///
/// Clips of a project's video are made: the job is recorded, its first message sent, and the answer is here within nine
/// seconds. A project has one live job at a time: while it runs, the same request finds it (200) and another one is
/// refused (409). Without `videoUrl` the project row's video is taken. Fields that are not listed are refused; `priority`
/// and `webhookUrl` as `not_available`, for they are to come.
#[utoipa::path(
    post, path = PROCESS, operation_id = "enqueue", tag = "Jobs",
    params(("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255,
        description = "The same key with the same body is answered as the first time, for 24 hours; with another body it is refused. Printable ASCII.",
        example = "4f2a7c1e-upload-7")),
    request_body(content = shapes::Enqueue, content_type = "application/json"),
    responses(
        (status = 202, body = EnqueuedView, description = "A new job, queued."),
        (status = 200, body = EnqueuedView, description = "The project's job that was there already."),
    ),
    security(("bearer" = [])),
)]
pub async fn enqueue(
    State(http): State<Arc<Http>>,
    Received(received): Received,
    Caller(owner): Caller,
    Network(network): Network,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let idempotency_key = idempotency_key(&headers)?;
    let (fields, body) = body::object(&headers, body).await?;
    let checked = http.engine.check(Kind::PROCESS_KLAP, &fields)?;
    let standing = match http.engine.take_turn(&owner, &network, received).await {
        Ok(standing) => standing,
        Err(error) => return Ok(limits::refused(error)),
    };
    let ask =
        Ask { owner, trust: http.authenticator.trust(), idempotency_key, body, received, standing: standing.clone() };
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let span = flow::asked(text("traceparent"), text(REQUEST_ID.as_str()));
    let answer = http.engine.accept(checked, ask).instrument(span).await.map_err(Problem::from).map(|enqueued| {
        let status = if enqueued.deduplicated { StatusCode::OK } else { StatusCode::ACCEPTED };
        let location = view::status_url(enqueued.job_id.as_str());
        (status, [(LOCATION, location)], Json(view::enqueued(&enqueued)))
    });
    Ok(limits::told(&standing, answer))
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let mut given = headers.get_all("idempotency-key").iter();
    let Some(key) = given.next() else { return Ok(None) };
    if given.next().is_some() {
        return Err(Problem::bad_request("Idempotency-Key is there twice"));
    }
    let key = key.to_str().ok().map(str::trim).filter(|key| (1..=KEY_MAX).contains(&key.len()));
    let key = key.ok_or_else(|| Problem::bad_request("Idempotency-Key must have 1 to 255 printable characters"))?;
    Ok(Some(key.to_owned()))
}

#[derive(Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub struct Which {
    /// The job.
    #[param(min_length = 1, example = "job_0193f2c87b7c7d0a8e0c1b2a3d4e5f60")]
    job_id: Option<String>,
    /// Instead of `jobId`: the project, of which the current or last job is meant.
    #[param(min_length = 1, example = "my-project")]
    project_id: Option<String>,
    /// Seconds to hold the answer until something changes; more than the service allows (25, on Vercel 8) counts as that.
    #[param(maximum = 9_007_199_254_740_991_i64, example = 20)]
    wait: Option<u64>,
}

impl Which {
    fn find(&self) -> Result<Find, Problem> {
        match (&self.job_id, &self.project_id) {
            (Some(job), None) if !job.is_empty() => Ok(Find::Job(JobId::new(job))),
            (None, Some(project)) if !project.is_empty() => Ok(Find::Project(ProjectId::new(project))),
            (Some(_), Some(_)) => Err(Problem::bad_request("Give projectId or jobId, not both")),
            _ => Err(Problem::bad_request("Missing projectId (or jobId)")),
        }
    }

    pub(super) fn one_job(&self) -> Result<Find, Problem> {
        self.job().map(Find::Job)
    }

    /// The job, if one is named.
    pub(super) fn any_job(&self) -> Result<Option<JobId>, Problem> {
        self.job_id.is_some().then(|| self.job()).transpose()
    }

    fn job(&self) -> Result<JobId, Problem> {
        let job = self.job_id.as_ref().filter(|job| !job.is_empty());
        job.map(JobId::new).ok_or_else(|| Problem::bad_request("Missing jobId"))
    }
}

pub(super) fn which(query: Result<Query<Which>, QueryRejection>) -> Result<Which, Problem> {
    query.map(|Query(which)| which).map_err(|error| Problem::bad_request(error.body_text()))
}

/// Status
///
/// One job, or a project's current or last one: give `projectId` or `jobId`. Clips appear as they are stored. With
/// `If-None-Match` an unchanged status is 304; with `wait` the answer is held until there is something to see.
#[utoipa::path(
    get, path = PROCESS, operation_id = "status", tag = "Jobs",
    params(
        Which,
        ("If-None-Match" = Option<String>, Header, example = "W/\"5d41402abc4b2a76\"",
            description = "The `ETag` of what is known already."),
    ),
    responses(
        (status = 200, body = StatusView, description = "How the job stands."),
        (status = 304, description = "Nothing that is told has changed."),
    ),
    security(("bearer" = [])),
)]
pub async fn status(
    State(http): State<Arc<Http>>,
    Received(received): Received,
    Caller(owner): Caller,
    headers: HeaderMap,
    query: Result<Query<Which>, QueryRejection>,
) -> Result<Response, Problem> {
    let which = which(query)?;
    let find = which.find()?;
    let seen = seen(&headers);
    // What it took to know the caller is part of what the host allows.
    let left = http.wait_max.saturating_sub(received.elapsed());
    let wait = Duration::from_secs(which.wait.unwrap_or(0)).min(left);
    let found = if wait.is_zero() {
        let found = http.engine.status(&find, &owner).await?;
        found.map(|status| {
            let news = match &seen {
                None => true,
                Some(Seen::Now) => false,
                Some(Seen::Tags(tags)) => tags.iter().all(|tag| tag != status.tag()),
            };
            (Arc::new(status), news)
        })
    } else {
        let _place = http.place(&owner)?;
        let found = http.engine.status_after(&find, &owner, seen.clone().unwrap_or(Seen::Now), wait).await?;
        found.map(|(status, news)| (status, news || seen.is_none()))
    };
    let (status, news) = found.ok_or_else(|| Problem::not_found("No job found for this project"))?;
    let tag = format!("\"{}\"", status.tag());
    // Weak: two answers under one tag may differ in when the record was written and when to look next.
    let tag = format!("W/{tag}");
    let headers = [
        (ETAG, HeaderValue::from_str(&tag).unwrap_or_else(|_| HeaderValue::from_static("\"\""))),
        (CACHE_CONTROL, HeaderValue::from_static("private, no-cache")),
    ];
    if !news {
        return Ok((StatusCode::NOT_MODIFIED, headers).into_response());
    }
    Ok((headers, Json(view::status(&status))).into_response())
}

/// What a caller has seen, read back from our tags; `None`: nothing is said.
fn seen(headers: &HeaderMap) -> Option<Seen> {
    let lines = headers.get_all(IF_NONE_MATCH).iter().filter_map(|line| line.to_str().ok());
    let tags = lines.flat_map(|line| line.split(',')).map(|tag| tag.trim().trim_start_matches("W/").trim_matches('"'));
    let tags: Vec<String> = tags.filter(|tag| !tag.is_empty()).map(str::to_owned).collect();
    match tags.as_slice() {
        [] => None,
        tags if tags.iter().any(|tag| tag == "*") => Some(Seen::Now),
        _ => Some(Seen::Tags(tags)),
    }
}

/// Cancel
///
/// At once and for good. A call to Klap under way may still be billed.
#[utoipa::path(
    delete, path = PROCESS, operation_id = "cancel", tag = "Jobs",
    params(("jobId" = String, Query, description = "The job.", min_length = 1, example = "job_0193f2c87b7c7d0a8e0c1b2a3d4e5f60")),
    responses((status = 200, body = ChangedView, description = "The job is cancelled.")),
    security(("bearer" = [])),
)]
pub async fn cancel(
    State(http): State<Arc<Http>>,
    Caller(owner): Caller,
    query: Result<Query<Which>, QueryRejection>,
) -> Result<Response, Problem> {
    let job = which(query)?.job()?;
    let cancelled = http.engine.cancel(&job, Some(&owner)).await?;
    Ok(Json(view::changed(&cancelled, "Cancelled")).into_response())
}

/// Retry
///
/// A failed job goes on from the step that failed, with a deadline of its own; what was paid for is used again.
#[utoipa::path(
    post, path = RETRY, operation_id = "retry", tag = "Jobs",
    request_body(content = shapes::Retry, content_type = "application/json"),
    responses((status = 202, body = ChangedView, description = "The job goes on.")),
    security(("bearer" = [])),
)]
pub async fn retry(
    State(http): State<Arc<Http>>,
    Received(received): Received,
    Caller(owner): Caller,
    Network(network): Network,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let (fields, _) = body::object(&headers, body).await?;
    let unknown = fields.keys().filter(|field| *field != "jobId");
    let mut errors: Vec<_> = unknown.map(|field| FieldError::new(field, "is not a field of this request")).collect();
    let job = fields.get("jobId").map(|id| id.as_str().filter(|id| !id.is_empty()));
    match job {
        Some(Some(_)) => {}
        Some(None) => errors.push(FieldError::new("jobId", "must be a job's id")),
        None => errors.push(FieldError::new("jobId", "is missing")),
    }
    let (Some(Some(job)), true) = (job, errors.is_empty()) else { return Err(Problem::unacceptable(errors)) };
    let job = JobId::new(job);
    let standing = match http.engine.take_turn(&owner, &network, received).await {
        Ok(standing) => standing,
        Err(error) => return Ok(limits::refused(error)),
    };
    let answer = http.engine.retry(&job, Some(&owner)).await.map_err(Problem::from).map(|retried| {
        let location = view::status_url(retried.id.as_str());
        let body = Json(view::changed(&retried, "The job goes on from the failed step"));
        (StatusCode::ACCEPTED, [(LOCATION, location)], body)
    });
    Ok(limits::told(&standing, answer))
}
