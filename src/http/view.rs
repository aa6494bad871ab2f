//! The public JSON of a job, and how a job's times are written.

use crate::flow::{Enqueued, Status};
use crate::job::{Job, Millis, State};
use serde_json::{Value, json};

/// RFC 3339 in UTC with milliseconds.
pub fn time(at: Millis) -> String {
    let at = i64::try_from(at).ok().and_then(|at| jiff::Timestamp::from_millisecond(at).ok()).unwrap_or_default();
    format!("{at:.3}")
}

pub fn status(status: &Status) -> Value {
    let mut told = job(status);
    told["success"] = true.into();
    told
}

/// A job as one of several.
pub fn job(status: &Status) -> Value {
    let job = &status.job;
    let failure = job.error.as_ref().filter(|_| job.state == State::Failed);
    json!({
        "jobId": job.id,
        "projectId": job.project,
        "status": job.state.public(),
        "stage": job.stage,
        "progress": job.progress,
        "attempts": job.attempts,
        "error": failure.map(|failure| &failure.message),
        "errorDetail": failure,
        "clips": status.view.clips,
        "clipsFailed": status.view.clips_failed,
        "possibleDuplicateCharge": job.ledger.possible_duplicates,
        "nextUpdateAt": status.next_update_at.map(time),
        "createdAt": time(job.created_at),
        "updatedAt": time(job.updated_at),
        "completedAt": job.finished_at.map(time),
    })
}

pub fn enqueued(enqueued: &Enqueued) -> Value {
    let message = if enqueued.deduplicated { "Clips are already being processed" } else { "Clip generation queued" };
    json!({
        "success": true,
        "message": message,
        "jobId": enqueued.job_id,
        "projectId": enqueued.project_id,
        "status": enqueued.status,
        "progress": enqueued.progress,
        "deduplicated": enqueued.deduplicated,
        "statusUrl": status_url(enqueued.job_id.as_str()),
    })
}

/// What cancelling and retrying answer.
pub fn changed(job: &Job, message: &str) -> Value {
    json!({
        "success": true,
        "message": message,
        "jobId": job.id,
        "projectId": job.project,
        "status": job.state.public(),
        "progress": job.progress,
        "statusUrl": status_url(job.id.as_str()),
    })
}

pub fn status_url(job: &str) -> String {
    format!("/api/process-klap?jobId={job}")
}
