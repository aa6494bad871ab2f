//! Every problem there is: its status, its code, and when it is told. A test looks through the edge's code for others.

use axum::http::StatusCode;
use serde_json::{Map, Value, json};

pub struct Known {
    pub status: u16,
    pub code: &'static str,
    pub when: &'static str,
}

macro_rules! problems {
    ($($status:literal $code:literal: $when:literal;)*) => {
        &[$(Known { status: $status, code: $code, when: $when }),*]
    };
}

pub const PROBLEMS: &[Known] = problems![
    400 "bad_request": "The request cannot be read: a parameter, a header, or a body that is no JSON object, names a key twice or is not UTF-8.";
    401 "unauthorized": "There is no token or key, or it is not the right one.";
    401 "invalid_token": "The token is not valid here.";
    401 "token_expired": "The token has expired.";
    401 "bad_signature": "The push carries no valid signature. Nothing has changed.";
    403 "not_a_user": "It is the token of a service or of nobody, not of a signed-in user.";
    403 "foreign_host": "With `AUTH` `none`, and under `cliprelay dev`: the request is for a name that may be a stranger's page's.";
    404 "not_found": "There is no such project, job or clip that is the caller's.";
    405 "method_not_allowed": "The path is there, and does not have this method.";
    408 "timeout": "The body did not come in time (2 seconds).";
    409 "different_input": "The project's job, `jobId`, runs with other input.";
    409 "already_final": "The job has ended, as `jobStatus` says.";
    409 "not_failed": "Only a failed job can be tried again.";
    409 "project_busy": "Another job of the project runs: `jobId`.";
    413 "too_large": "The body is larger than what is read (64 KiB; of a push 1 MiB).";
    415 "unsupported_media_type": "The body is not `application/json`.";
    415 "unsupported_content_encoding": "The body is compressed.";
    422 "invalid": "Fields are not acceptable; `errors` names each.";
    422 "not_available": "As `invalid`, and a field is among them that is to come with a later version.";
    422 "no_video": "There is no `videoUrl`, and the project's row names no video.";
    422 "idempotency_key_reused": "The `Idempotency-Key` was used with another body.";
    422 "cannot_retry": "The job failed for a `reason` that trying again cannot mend.";
    429 "rate_limited": "Too many requests of this caller or address.";
    500 "unreadable_record": "The job's record cannot be read.";
    500 "internal": "Something went wrong on our side.";
    503 "store_unavailable": "The job store does not answer. Nothing was recorded.";
    503 "newer_version": "The job was written by a newer version, which is being rolled out.";
    503 "issuer_unavailable": "The keys to check the token with could not be fetched.";
    503 "project_lookup_unavailable": "The project's row could not be read. Nothing was recorded.";
    503 "outcome_unknown": "Whether the job was recorded is not known; the same request again will tell.";
    503 "queue_full": "As many jobs are live as the service takes. Nothing was recorded.";
    503 "budget_exhausted": "More would be spent than the service allows for a day (UTC). Nothing was recorded.";
    503 "storage_unavailable": "The storage does not answer.";
    503 "too_many_watchers": "Too many wait or listen at this instance.";
];

pub fn known(code: &str) -> Option<&'static Known> {
    PROBLEMS.iter().find(|problem| problem.code == code)
}

/// One of each, by code.
pub fn examples() -> Value {
    PROBLEMS
        .iter()
        .map(|problem| (problem.code.to_owned(), json!({"value": example(problem)})))
        .collect::<Map<_, _>>()
        .into()
}

fn example(problem: &Known) -> Value {
    let status = StatusCode::from_u16(problem.status).unwrap_or_default();
    let mut told = json!({
        "type": format!("urn:cliprelay:problem:{}", problem.code),
        "title": status.canonical_reason().unwrap_or("Error"),
        "status": problem.status,
        "detail": problem.when,
        "code": problem.code,
        "error": problem.when,
        "requestId": "0193f2c8-7b7c-4d0a-8e0c-1b2a3d4e5f60",
    });
    match problem.code {
        "different_input" | "project_busy" => told["jobId"] = json!("job_0193f2c87b7c7d0a8e0c1b2a3d4e5f60"),
        "already_final" => {
            told["jobId"] = json!("job_0193f2c87b7c7d0a8e0c1b2a3d4e5f60");
            told["jobStatus"] = json!("completed");
        }
        "cannot_retry" => told["reason"] = json!("source_refused"),
        "invalid" => {
            told["errors"] = json!([{"field": "options.minDuration", "message": "must not be above maxDuration"}]);
        }
        "not_available" => {
            told["errors"] = json!([{"field": "priority", "message": "is not available in this version yet"}]);
        }
        _ => {}
    }
    told
}
