//! What an API caller is told when something is wrong: `application/problem+json`. A handler returns a [`Problem`]; the
//! outermost layer writes it out, together with the request's id, and turns what the framework itself refused into one.

use crate::flow::{CancelError, ClipError, EnqueueError, Fault, FieldError, RetryError};
use crate::measure;
use axum::extract::Request;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use std::time::Duration;
use tower_http::request_id::RequestId;

/// How many wrong fields are told, and how much of their names: an answer is not to be many times the request.
const ERRORS_MAX: usize = 50;
const FIELD_MAX: usize = 128;

/// One problem, to be told to the caller. The detail never holds a secret or another owner's data.
#[derive(Debug, Clone)]
pub struct Problem {
    pub status: StatusCode,
    pub code: &'static str,
    pub detail: String,
    pub errors: Vec<FieldError>,
    pub retry_after: Option<Duration>,
    /// Further members, such as `jobId`.
    pub more: Vec<(&'static str, Value)>,
}

impl Problem {
    pub fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        let (errors, retry_after, more) = (Vec::new(), None, Vec::new());
        Self { status, code, detail: detail.into(), errors, retry_after, more }
    }

    pub fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_request", detail)
    }

    pub fn unauthorized() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", "Unauthorized")
    }

    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", detail)
    }

    pub fn unacceptable(errors: Vec<FieldError>) -> Self {
        let left_out = errors.len().saturating_sub(ERRORS_MAX);
        let mut errors = errors;
        errors.truncate(ERRORS_MAX);
        if left_out > 0 {
            errors.push(FieldError::new("", format!("and {left_out} more")));
        }
        for error in &mut errors {
            error.field = error.field.chars().take(FIELD_MAX).collect();
        }
        let told: Vec<_> = errors.iter().map(|error| format!("{} {}", error.field, error.message)).collect();
        let mut problem = Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", told.join("; "));
        problem.errors = errors;
        problem
    }

    pub fn unavailable(code: &'static str, detail: impl Into<String>) -> Self {
        let mut problem = Self::new(StatusCode::SERVICE_UNAVAILABLE, code, detail);
        problem.retry_after = Some(Duration::from_secs(5));
        problem
    }

    #[must_use]
    pub fn with(mut self, member: &'static str, value: impl Into<Value>) -> Self {
        self.more.push((member, value.into()));
        self
    }
}

impl From<Fault> for Problem {
    fn from(fault: Fault) -> Self {
        tracing::warn!(error = %fault, "a request could not be served");
        match fault {
            Fault::Store(_) => Self::unavailable("store_unavailable", "The job store is not available; try again"),
            Fault::Newer(_) => Self::unavailable("newer_version", "The job was written by a newer version; try again"),
            Fault::Garbled(_) => {
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, "unreadable_record", "The job's record cannot be read")
            }
        }
    }
}

impl From<EnqueueError> for Problem {
    fn from(error: EnqueueError) -> Self {
        match error {
            EnqueueError::Invalid(errors) => Self::unacceptable(errors),
            EnqueueError::NotAvailable(errors) => Self { code: "not_available", ..Self::unacceptable(errors) },
            EnqueueError::Limited(limit) => limit.into(),
            EnqueueError::ProjectNotFound => Self::not_found("Project not found"),
            EnqueueError::NoVideo => Self::new(StatusCode::UNPROCESSABLE_ENTITY, "no_video", "Project has no video"),
            EnqueueError::LookupUnavailable => {
                let detail = "The project could not be looked up; nothing was recorded, try again";
                Self::unavailable("project_lookup_unavailable", detail)
            }
            EnqueueError::DifferentInput(job) => {
                let detail = "A job of this project is running with different input";
                Self::new(StatusCode::CONFLICT, "different_input", detail).with("jobId", job.as_str())
            }
            EnqueueError::KeyReused => {
                let detail = "This Idempotency-Key was used with another request";
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "idempotency_key_reused", detail)
            }
            EnqueueError::OutcomeUnknown => {
                let detail = "Whether the job was recorded is not known; send the same request again";
                Self::unavailable("outcome_unknown", detail)
            }
            EnqueueError::Fault(fault) => fault.into(),
        }
    }
}

impl From<CancelError> for Problem {
    fn from(error: CancelError) -> Self {
        match error {
            CancelError::NotFound => Self::not_found("No such job"),
            CancelError::Final(job) => Self::new(StatusCode::CONFLICT, "already_final", "The job has already ended")
                .with("jobId", job.id.as_str())
                .with("jobStatus", job.state.public()),
            CancelError::Fault(fault) => fault.into(),
        }
    }
}

impl From<ClipError> for Problem {
    fn from(error: ClipError) -> Self {
        match error {
            ClipError::NotFound => Self::not_found("No such clip"),
            ClipError::Storage(error) => {
                tracing::warn!(error, "a clip's address could not be had");
                Self::unavailable("storage_unavailable", "Storage is not available; try again")
            }
            ClipError::Fault(fault) => fault.into(),
        }
    }
}

impl From<RetryError> for Problem {
    fn from(error: RetryError) -> Self {
        match error {
            RetryError::NotFound => Self::not_found("No such job"),
            RetryError::NotFailed => {
                Self::new(StatusCode::CONFLICT, "not_failed", "Only a failed job can be tried again")
            }
            RetryError::ProjectBusy(job) => {
                Self::new(StatusCode::CONFLICT, "project_busy", "Another job of this project is running")
                    .with("jobId", job.as_str())
            }
            RetryError::Hopeless(failure) => {
                let detail = format!("Trying again cannot help: {}", failure.message);
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "cannot_retry", detail).with("reason", failure.code)
            }
            RetryError::Limited(limit) => limit.into(),
            RetryError::Fault(fault) => fault.into(),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// Writes problems out, at the very edge.
pub(super) async fn write_out(request: Request, next: Next) -> Response {
    let id = request.extensions().get::<RequestId>().cloned();
    let response = next.run(request).await;
    let status = response.status();
    let problem = match response.extensions().get::<Problem>() {
        Some(problem) => problem.clone(),
        None if status.is_client_error() || status.is_server_error() => match of_framework(&response) {
            Some(problem) => problem,
            None => return response,
        },
        None => return response,
    };
    measure::refused(problem.code);
    let id = id.as_ref().and_then(|id| id.header_value().to_str().ok()).unwrap_or_default();
    let mut written = render(&problem, id);
    for (name, value) in response.headers() {
        if name != CONTENT_TYPE && name != axum::http::header::CONTENT_LENGTH {
            written.headers_mut().append(name.clone(), value.clone());
        }
    }
    written
}

/// What the framework refused by itself; `None` for answers that carry a body of their own.
fn of_framework(response: &Response) -> Option<Problem> {
    let json = response.headers().get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"application/"));
    if json {
        return None;
    }
    let (code, detail) = match response.status() {
        StatusCode::NOT_FOUND => ("not_found", "There is nothing here"),
        StatusCode::METHOD_NOT_ALLOWED => ("method_not_allowed", "This method is not allowed here"),
        StatusCode::PAYLOAD_TOO_LARGE => ("too_large", "The body is too large"),
        StatusCode::REQUEST_TIMEOUT => ("timeout", "The request took too long"),
        StatusCode::INTERNAL_SERVER_ERROR => ("internal", "Something went wrong on our side"),
        _ => ("refused", "The request was refused"),
    };
    Some(Problem::new(response.status(), code, detail))
}

fn render(problem: &Problem, request_id: &str) -> Response {
    let mut body = json!({
        "type": format!("urn:cliprelay:problem:{}", problem.code),
        "title": problem.status.canonical_reason().unwrap_or("Error"),
        "status": problem.status.as_u16(),
        "detail": problem.detail,
        "code": problem.code,
        "error": problem.detail,
        "requestId": request_id,
    });
    if let Some(members) = body.as_object_mut() {
        members.extend(problem.more.iter().map(|(member, value)| ((*member).to_owned(), value.clone())));
        if !problem.errors.is_empty() {
            members.insert("errors".to_owned(), json!(problem.errors));
        }
    }
    let mut response = (problem.status, body.to_string()).into_response();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    if let Some(after) = problem.retry_after {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(after.as_secs().max(1)));
    }
    if problem.status == StatusCode::UNAUTHORIZED {
        let challenge = HeaderValue::from_static("Bearer");
        response.headers_mut().insert(axum::http::header::WWW_AUTHENTICATE, challenge);
    }
    response
}
