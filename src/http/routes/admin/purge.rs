//! Deleting ended jobs before their time.

use super::query::{cursor, place};
use super::view::PurgedView;
use super::{Targets, note};
use crate::flow::FieldError;
use crate::http::caller::Operator;
use crate::http::openapi::shapes;
use crate::http::router::ADMIN_PURGE;
use crate::http::{Http, Problem, body};
use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use serde_json::Value;
use std::sync::Arc;

/// A century, in seconds.
const OLD_MAX: u64 = 100 * 365 * 24 * 60 * 60;

/// Delete ended jobs
///
/// Those whose end is longer ago than `olderThan` seconds; live ones never. At most 100 in one request, and 1,000 looked at;
/// `more` says to ask again, with `nextCursor` as `cursor`. A dry run only names them.
#[utoipa::path(
    post, path = ADMIN_PURGE, operation_id = "purgeJobs", tag = "Operator",
    request_body(content = shapes::Purge, content_type = "application/json"),
    responses((status = 200, body = PurgedView, description = "Those jobs are deleted, or would be.")),
    security(("operator" = [])),
)]
pub async fn purge(
    State(http): State<Arc<Http>>,
    _: Operator,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<PurgedView>, Problem> {
    let (fields, _) = body::object(&headers, body).await?;
    let (mut errors, mut older_than, mut before, mut dry_run) = (Vec::new(), None, None, false);
    for (field, value) in &fields {
        let wrong = match (field.as_str(), value) {
            ("olderThan", value) => match value.as_u64().filter(|seconds| *seconds <= OLD_MAX) {
                Some(seconds) => {
                    older_than = Some(seconds * 1_000);
                    continue;
                }
                None => "must be a whole number of seconds, at least 0",
            },
            ("dryRun", Value::Bool(dry)) => {
                dry_run = *dry;
                continue;
            }
            ("dryRun", _) => "must be true or false",
            ("cursor", value) => match value.as_str().and_then(place) {
                Some(place) => {
                    before = Some(place);
                    continue;
                }
                None => "must be a nextCursor of an earlier answer",
            },
            _ => "is not a field of this request",
        };
        errors.push(FieldError::new(field, wrong));
    }
    if !fields.contains_key("olderThan") {
        errors.push(FieldError::new("olderThan", "is missing"));
    }
    let (Some(older_than), true) = (older_than, errors.is_empty()) else { return Err(Problem::unacceptable(errors)) };
    let purged = http.engine.purge(older_than, dry_run, before).await?;
    if !dry_run && !purged.jobs.is_empty() {
        let targets = Targets::all(purged.jobs.iter().map(ToString::to_string).collect(), "jobs");
        note(&http, &headers, "purge", targets, format!("ended more than {} s ago", older_than / 1_000)).await;
    }
    Ok(Json(PurgedView {
        success: true,
        dry_run,
        purged: purged.jobs.len(),
        jobs: purged.jobs.iter().map(ToString::to_string).collect(),
        more: purged.next.is_some(),
        next_cursor: purged.next.as_ref().map(cursor),
    }))
}
