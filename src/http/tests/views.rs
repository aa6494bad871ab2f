//! A job as its owner sees it.

use crate::flow::{Enqueued, Status, View};
use crate::http::view;
use crate::job::{By, Event, Failure, Job, JobId, Limits, NewJob, Owner, ProjectId, State, apply};
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
    let view = View { clips: vec![json!({"id": "p1_clip_0"})], clips_failed: 2, ..View::default() };
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
    let failed = seen(apply(&job(), &Event::Fail { failure, by: By::Push }, T0 + 1, &limits).unwrap());
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

/// What is told of a job, and its tag.
fn told(change: impl FnOnce(&mut Job, &mut View)) -> (Value, String) {
    let (mut job, mut view) =
        (job(), View { clips: vec![json!({"id": "p1_clip_0"})], clips_failed: 2, ..View::default() });
    job.state = State::Failed;
    job.error = Some(Failure::lasting("some_code", "some reason"));
    job.finished_at = Some(T0 + 5);
    change(&mut job, &mut view);
    let status = Status::new(job, 7, view, T0);
    (view::status(&status), status.tag().to_owned())
}

type Change = fn(&mut Job, &mut View);

/// What moves each field.
const CHANGES: [(&str, Change); 14] = [
    ("jobId", |job, _| job.id = JobId::new("job_2")),
    ("projectId", |job, _| job.project = ProjectId::new("p2")),
    ("status", |job, _| job.state = State::Done),
    ("stage", |job, _| job.stage = "Listing the clips".to_owned()),
    ("progress", |job, _| job.progress = 7),
    ("attempts", |job, _| job.attempts = 2),
    ("error", |job, _| job.error = Some(Failure::lasting("some_code", "another"))),
    ("errorDetail", |job, _| job.error = Some(Failure::retryable("some_code", "some reason"))),
    ("clips", |_, view| view.clips[0] = json!({"id": "p1_clip_0", "size": 7})),
    ("clipsFailed", |_, view| view.clips_failed = 3),
    ("possibleDuplicateCharge", |job, _| job.ledger.possible_duplicates = 1),
    ("createdAt", |job, _| job.created_at += 1),
    ("completedAt", |job, _| job.finished_at = Some(T0 + 6)),
    // Told while it waits: when the next step is planned.
    ("nextUpdateAt", |job, _| {
        job.state = State::Waiting;
        job.message.not_before = T0 + 60_000;
    }),
];

#[test]
fn each_field_that_moves_moves_the_tag() {
    let (before, tag) = told(|_, _| {});
    for (field, change) in CHANGES {
        let (after, changed) = told(change);
        assert_ne!(before[field], after[field], "{field} is not moved here");
        assert_ne!(tag, changed, "{field} moves and the tag stays");
    }
    let tested: Vec<&str> = CHANGES.iter().map(|(field, _)| *field).collect();
    for field in before.as_object().unwrap().keys() {
        // The one never changes; the other says when it was written, not what.
        let exempt = ["success", "updatedAt"].contains(&field.as_str());
        assert!(exempt || tested.contains(&field.as_str()), "{field} is tested nowhere");
    }
    // What is not told does not move it.
    let (_, same) = told(|job, _| {
        job.updated_at += 1;
        job.waits += 1;
        job.message.look_at += 1;
    });
    assert_eq!(tag, same);
}

#[test]
fn when_a_waiting_job_goes_on_is_part_of_what_is_seen() {
    let waiting = |not_before| {
        told(move |job, _| {
            job.state = State::Waiting;
            job.message.not_before = not_before;
        })
    };
    let (early, late) = (waiting(T0 + 30_000), waiting(T0 + 60_000));
    assert_ne!(early.0["nextUpdateAt"], late.0["nextUpdateAt"]);
    assert_ne!(early.1, late.1);
}
