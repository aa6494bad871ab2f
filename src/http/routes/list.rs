//! The caller's jobs, page by page.

use crate::flow::{FieldError, Listing, Place};
use crate::http::caller::Caller;
use crate::http::router::LIST;
use crate::http::view::{JobStatus, JobsView};
use crate::http::{Http, Problem, view};
use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::header::CACHE_CONTROL;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::sync::Arc;

const LIMIT: usize = 20;
const LIMIT_MAX: usize = 100;
const STATUSES: [&str; 5] = ["queued", "processing", "completed", "failed", "cancelled"];

/// List
///
/// The caller's jobs, the newest first, page by page.
#[utoipa::path(
    get, path = LIST, operation_id = "list", tag = "Jobs",
    params(
        ("status" = inline(Option<JobStatus>), Query, description = "Only those that stand so."),
        ("cursor" = Option<String>, Query, description = "The `nextCursor` of the page before."),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 100, description = "At most so many; 20 if left out."),
    ),
    responses((status = 200, body = JobsView, description = "A page.")),
    security(("bearer" = [])),
)]
pub async fn list(
    State(http): State<Arc<Http>>,
    Caller(owner): Caller,
    query: Result<Query<Vec<(String, String)>>, QueryRejection>,
) -> Result<Response, Problem> {
    let Query(asked) = query.map_err(|error| Problem::bad_request(error.body_text()))?;
    let found = http.engine.list(&owner, &listing(&asked)?).await?;
    let body = JobsView {
        success: true,
        jobs: found.jobs.iter().map(view::job).collect(),
        next_cursor: found.next.map(|place| URL_SAFE_NO_PAD.encode(place.as_str())),
    };
    Ok(([(CACHE_CONTROL, "private, no-store")], Json(body)).into_response())
}

/// Every problem at once.
fn listing(asked: &[(String, String)]) -> Result<Listing, Problem> {
    let mut listing = Listing { status: None, before: None, limit: LIMIT };
    let mut errors = Vec::new();
    for (n, (name, value)) in asked.iter().enumerate() {
        if asked[..n].iter().any(|(earlier, _)| earlier == name) {
            errors.push(FieldError::new(name, "is there twice"));
            continue;
        }
        match name.as_str() {
            "status" if STATUSES.contains(&value.as_str()) => listing.status = Some(value.clone()),
            "status" => errors.push(FieldError::new(name, format!("must be one of {}", STATUSES.join(", ")))),
            "cursor" => match place(value) {
                Some(place) => listing.before = Some(place),
                None => errors.push(FieldError::new(name, "must be a nextCursor of an earlier answer")),
            },
            "limit" => match value.parse() {
                Ok(limit @ 1..=LIMIT_MAX) => listing.limit = limit,
                _ => errors.push(FieldError::new(name, format!("must be a whole number from 1 to {LIMIT_MAX}"))),
            },
            _ => errors.push(FieldError::new(name, "is not a parameter of this request")),
        }
    }
    if errors.is_empty() { Ok(listing) } else { Err(Problem::unacceptable(errors)) }
}

fn place(cursor: &str) -> Option<Place> {
    let text = URL_SAFE_NO_PAD.decode(cursor).ok()?;
    Place::parse(std::str::from_utf8(&text).ok()?)
}
