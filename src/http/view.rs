//! The public JSON of a job, and how a job's times are written.

use crate::flow::{Enqueued, PublicClip, Status};
use crate::job::{Failure, Job, Millis, State};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

/// Where a job stands.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Job, example = super::openapi::examples::job)]
pub struct JobView<'a> {
    job_id: &'a str,
    project_id: &'a str,
    #[schema(value_type = JobStatus)]
    status: &'a str,
    /// What is being done, for people.
    stage: &'a str,
    /// It never goes down, but for a retry.
    #[schema(minimum = 0, maximum = 100)]
    progress: u8,
    /// Attempts of this step since it last got anywhere.
    attempts: u32,
    /// Why it failed; null while it has not.
    #[schema(required = true)]
    error: Option<&'a str>,
    #[schema(required = true)]
    error_detail: Option<&'a Failure>,
    /// Each as far as it has come; stored ones appear as they land.
    #[schema(value_type = Vec<PublicClip>)]
    clips: &'a [Value],
    /// How many of them were given up.
    clips_failed: usize,
    /// How many paid calls may have been billed twice, because their outcome was lost.
    possible_duplicate_charge: u32,
    /// When it is worth looking again; null when the job has ended.
    #[schema(required = true, format = DateTime)]
    next_update_at: Option<String>,
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(format = DateTime)]
    updated_at: String,
    #[schema(required = true, format = DateTime)]
    completed_at: Option<String>,
}

/// One job's status, by itself.
#[derive(Serialize, ToSchema)]
#[schema(as = Status)]
pub struct StatusView<'a> {
    /// Always true.
    success: bool,
    #[serde(flatten)]
    job: JobView<'a>,
}

/// A page of jobs, the newest first.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Jobs)]
pub struct JobsView {
    /// Always true.
    pub success: bool,
    #[schema(value_type = Vec<JobView>)]
    pub jobs: Vec<Value>,
    /// Where the next page goes on; null: there is none. A page may be short, or empty, and still have a next one.
    #[schema(required = true)]
    pub next_cursor: Option<String>,
}

/// A job's status in a word. The last three are final.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum JobStatus {
    Queued,
    Processing,
    Completed,
    Failed,
    Cancelled,
}

/// A request that was taken, or finds its job running.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Enqueued, example = super::openapi::examples::enqueued)]
pub struct EnqueuedView<'a> {
    /// Always true.
    success: bool,
    message: &'a str,
    job_id: &'a str,
    project_id: &'a str,
    #[schema(value_type = JobStatus)]
    status: &'a str,
    #[schema(minimum = 0, maximum = 100)]
    progress: u8,
    /// The job was there already.
    deduplicated: bool,
    /// Where its status is read.
    status_url: String,
}

/// A job that was changed by hand.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Changed, example = super::openapi::examples::changed)]
pub struct ChangedView<'a> {
    /// Always true.
    success: bool,
    message: &'a str,
    job_id: &'a str,
    project_id: &'a str,
    #[schema(value_type = JobStatus)]
    status: &'a str,
    #[schema(minimum = 0, maximum = 100)]
    progress: u8,
    /// Where its status is read.
    status_url: String,
}

/// RFC 3339 in UTC with milliseconds.
pub fn time(at: Millis) -> String {
    let at = i64::try_from(at).ok().and_then(|at| jiff::Timestamp::from_millisecond(at).ok()).unwrap_or_default();
    format!("{at:.3}")
}

pub fn status(status: &Status) -> Value {
    json!(StatusView { success: true, job: of(status) })
}

/// A job as one of several.
pub fn job(status: &Status) -> Value {
    json!(of(status))
}

fn of(status: &Status) -> JobView<'_> {
    let job = &status.job;
    let failure = job.error.as_ref().filter(|_| job.state == State::Failed);
    JobView {
        job_id: job.id.as_str(),
        project_id: job.project.as_str(),
        status: job.state.public(),
        stage: &job.stage,
        progress: job.progress,
        attempts: job.attempts,
        error: failure.map(|failure| failure.message.as_str()),
        error_detail: failure,
        clips: &status.view.clips,
        clips_failed: status.view.clips_failed,
        possible_duplicate_charge: job.ledger.possible_duplicates,
        next_update_at: status.next_update_at.map(time),
        created_at: time(job.created_at),
        updated_at: time(job.updated_at),
        completed_at: job.finished_at.map(time),
    }
}

pub fn enqueued(enqueued: &Enqueued) -> Value {
    let message = if enqueued.deduplicated { "Clips are already being processed" } else { "Clip generation queued" };
    json!(EnqueuedView {
        success: true,
        message,
        job_id: enqueued.job_id.as_str(),
        project_id: enqueued.project_id.as_str(),
        status: &enqueued.status,
        progress: enqueued.progress,
        deduplicated: enqueued.deduplicated,
        status_url: status_url(enqueued.job_id.as_str()),
    })
}

/// What cancelling and retrying answer.
pub fn changed(job: &Job, message: &str) -> Value {
    json!(ChangedView {
        success: true,
        message,
        job_id: job.id.as_str(),
        project_id: job.project.as_str(),
        status: job.state.public(),
        progress: job.progress,
        status_url: status_url(job.id.as_str()),
    })
}

pub fn status_url(job: &str) -> String {
    format!("/api/process-klap?jobId={job}")
}
