//! A job as its owner sees it.

use crate::flow::{Enqueued, Status, View};
use crate::http::view;
use crate::job::{Event, Failure, Job, JobId, Limits, NewJob, Owner, ProjectId, apply};
use serde_json::{Value, json};

const T0: u64 = 1_795_435_200_007;

fn job() -> Job {
    let new = NewJob {
        id: JobId::new("job_1"),
        owner: Owner::new("ann"),
        project: ProjectId::new("p1"),
        kind: "clip",
        input: json!({}),
        step: "submit",
        plan: json!({}),
        stage: "Sending the video to Klap".to_owned(),
    };
    Job::new(new, T0, 60_000)
}

fn seen(job: Job) -> Value {
    let view = View { clips: vec![json!({"id": "p1_clip_0"})], clips_failed: 2 };
    view::status(&Status::new(job, 7, view, T0))
}

#[test]
fn times_are_utc_with_milliseconds() {
    assert_eq!(view::time(T0), "2026-11-23T12:00:00.007Z");
    assert_eq!(view::time(0), "1970-01-01T00:00:00.000Z");
    assert_eq!(view::time(u64::MAX), "1970-01-01T00:00:00.000Z", "no time at all, rather than a panic");
}

#[test]
fn a_live_job_says_when_it_can_change_and_keeps_its_troubles_to_itself() {
    let mut troubled = job();
    troubled.error = Some(Failure::retryable("klap_away", "no connection"));
    let expected = json!({
        "success": true, "jobId": "job_1", "projectId": "p1", "status": "queued", "stage": "Sending the video to Klap",
        "progress": 0, "attempts": 0, "error": null, "errorDetail": null, "clips": [{"id": "p1_clip_0"}], "clipsFailed": 2,
        "possibleDuplicateCharge": 0, "nextUpdateAt": "2026-11-23T12:00:01.007Z", "createdAt": "2026-11-23T12:00:00.007Z",
        "updatedAt": "2026-11-23T12:00:00.007Z", "completedAt": null
    });
    assert_eq!(seen(troubled), expected);
}

#[test]
fn a_failed_job_says_why_and_whether_a_retry_can_help() {
    let limits = Limits { max_attempts: 3, job_timeout: 1, queue_timeout: 1, done_ttl: 1, failed_ttl: 1 };
    let failure = Failure::lasting("source_refused", "the video is too long");
    let failed = seen(apply(&job(), &Event::Fail { failure }, T0 + 1, &limits).unwrap());
    assert_eq!((&failed["status"], &failed["error"]), (&json!("failed"), &json!("the video is too long")));
    let detail = json!({"code": "source_refused", "message": "the video is too long", "retryable": false});
    assert_eq!(failed["errorDetail"], detail);
    assert_eq!((&failed["nextUpdateAt"], &failed["completedAt"]), (&Value::Null, &json!("2026-11-23T12:00:00.008Z")));
}

#[test]
fn an_accepted_job_says_where_to_look() {
    let enqueued = |deduplicated| {
        let (job_id, project_id) = (JobId::new("job_1"), ProjectId::new("p1"));
        view::enqueued(&Enqueued { job_id, project_id, status: "queued".to_owned(), progress: 0, deduplicated })
    };
    let expected = json!({
        "success": true, "message": "Clip generation queued", "jobId": "job_1", "projectId": "p1", "status": "queued",
        "progress": 0, "deduplicated": false, "statusUrl": "/api/process-klap?jobId=job_1"
    });
    assert_eq!(enqueued(false), expected);
    assert_eq!(enqueued(true)["message"], "Clips are already being processed");
}
