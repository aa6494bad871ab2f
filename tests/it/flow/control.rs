//! What a person may ask of a job: to end it, or to try it once more.

use crate::support::app::TestApp;
use cliprelay::embedded::klap::{Effect, Fault, Operation};
use serde_json::json;
use std::time::Duration;

/// A job that failed at once, for a reason that a retry can mend.
async fn failed(app: &TestApp, project: &str) -> String {
    let effect = Effect::Answer { status: 401, body: json!({}), retry_after: None, after_effect: false };
    app.sandbox.klap.inject(Fault { operation: Operation::CreateTask, times: 1, effect });
    let job = app.enqueue(project, 1).await;
    app.next().await.expect(489);
    job
}

#[tokio::test]
async fn only_a_failed_job_can_be_tried_again() {
    let app = TestApp::start().await;
    let job = app.enqueue("p1", 1).await;
    assert_eq!(app.retry(&job).await.expect(409).code(), "not_failed");
    app.run().await;
    assert_eq!(app.retry(&job).await.expect(409).code(), "not_failed");
    for body in [json!({}), json!({"jobId": 7}), json!({"jobId": job, "x": 1})] {
        let refused = app.post("/api/process-klap/retry", &body).await.expect(422);
        assert_eq!(refused.body["errors"].as_array().map(Vec::len), Some(1), "{}", refused.body);
    }
    app.settled().await;
}

#[tokio::test]
async fn a_retry_waits_for_the_projects_live_job() {
    let app = TestApp::start().await;
    let old = failed(&app, "p1").await;
    let newer = app.enqueue("p1", 1).await;
    let busy = app.retry(&old).await.expect(409);
    assert_eq!((busy.code(), &busy.body["jobId"]), ("project_busy", &json!(newer)));
    app.run().await;
    app.retry(&old).await.expect(202);
    let current = app.get("/api/process-klap?projectId=p1").await.expect(200);
    assert_eq!(current.body["jobId"], json!(old), "it is the project's job again");
    app.run().await;
    assert_eq!(app.status(&old).await["status"], json!("completed"));
    app.settled().await;
}

#[tokio::test]
async fn a_retry_begins_a_new_epoch_with_its_own_time() {
    let app = TestApp::start().await;
    let job = failed(&app, "p1").await;
    let old = app.queue.all().pop().unwrap();
    let before = app.job(&job).await;
    app.retry(&job).await.expect(202);
    let record = app.job(&job).await;
    assert_eq!((record.at.epoch, record.at.seq, record.send, record.attempts), (2, 1, 1, 0));
    let sent = app.queue.only();
    assert_eq!(sent.deduplication, format!("{job}.2.1.1"));
    // The failing step's holder has ended, so nobody of the old epoch can still be at work: nothing to wait for.
    assert!(sent.delay <= 1, "{}", sent.delay);
    assert!(record.message.not_before >= before.leased_until);
    // The old epoch's message comes once more.
    let answer = app.push(&old).await.expect(200);
    assert_eq!(answer.body["oldNews"], json!(true));
    app.call_back(&old).await.expect(200);
    assert_eq!(app.job(&job).await.at.epoch, 2);
    app.next().await.expect(200);
    let deadline = app.job(&job).await.deadline - app.clock.now();
    assert!(deadline.abs_diff(7_200_000) < 5_000, "two hours from the epoch's first claim: {deadline}");
    app.run().await;
    app.settled().await;
}

#[tokio::test]
async fn a_retry_at_once_by_two_people_opens_one_epoch() {
    let app = TestApp::start().await;
    let job = failed(&app, "p1").await;
    let answers = futures_util::future::join_all((0..8).map(|_| app.retry(&job))).await;
    let accepted = answers.iter().filter(|answer| answer.status == 202).count();
    assert!(answers.iter().all(|answer| [202, 409].contains(&answer.status)), "{answers:#?}");
    assert_eq!((accepted, app.job(&job).await.at.epoch), (1, 2));
    assert_eq!(app.queue.waiting().len(), 1);
    app.run().await;
    app.settled().await;
}

#[tokio::test]
async fn a_failed_job_that_was_retried_outlives_its_old_expiry() {
    let app = TestApp::start().await;
    let job = failed(&app, "p1").await;
    app.clock.advance(Duration::from_hours(167));
    app.retry(&job).await.expect(202);
    app.clock.advance(Duration::from_hours(2));
    assert!(app.record(&job).await.is_some());
    app.run().await;
    assert_eq!(app.status(&job).await["status"], json!("completed"));
    app.settled().await;
}

#[tokio::test]
async fn cancelling_needs_no_qstash() {
    let app = TestApp::start().await;
    let job = app.enqueue("p1", 1).await;
    app.queue.is_away(true);
    let answer = app.cancel(&job).await.expect(200);
    let url = format!("/api/process-klap?jobId={job}");
    let expected = json!({"success": true, "message": "Cancelled", "jobId": job, "projectId": "p1",
        "status": "cancelled", "progress": 0, "statusUrl": url});
    assert_eq!(answer.body, expected);
    app.queue.is_away(false);
    app.run().await;
    assert_eq!(app.sandbox.klap.counts().await.unwrap().tasks, 0);
    app.settled().await;
}

#[tokio::test]
async fn many_at_once_cancel_a_job_once() {
    let app = TestApp::start().await;
    let job = app.enqueue("p1", 1).await;
    let answers = futures_util::future::join_all((0..8).map(|_| app.cancel(&job))).await;
    assert!(answers.iter().all(|answer| [200, 409].contains(&answer.status)), "{answers:#?}");
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1);
    app.settled().await;
}
