//! What uses up attempts, what only waits, and what ends a job.

use crate::support::app::TestApp;
use cliprelay::embedded::klap::{Effect, Fault, Operation};
use cliprelay::embedded::supabase;
use serde_json::{Value, json};
use std::time::Duration;

fn answering(app: &TestApp, operation: Operation, times: u32, status: u16, retry_after: Option<&str>) {
    let retry_after = retry_after.map(str::to_owned);
    let body = json!({"message": "on request", "error_code": "on_request"});
    let effect = Effect::Answer { status, body, retry_after, after_effect: false };
    app.sandbox.klap.inject(Fault { operation, times, effect });
}

async fn failed_with(app: &TestApp, job: &str, code: &str) -> Value {
    let status = app.status(job).await;
    assert_eq!((&status["status"], &status["errorDetail"]["code"]), (&json!("failed"), &json!(code)), "{status:#}");
    assert!(status["error"].as_str().is_some_and(|error| !error.is_empty()));
    assert!(status["completedAt"].is_string());
    status
}

#[tokio::test]
async fn a_step_that_fails_three_times_fails_the_job_with_the_reason() {
    let app = TestApp::start().await;
    let job = app.enqueue("p1", 1).await;
    app.run_to(&job, "list").await;
    answering(&app, Operation::Folder, 3, 418, None);
    for (attempt, after) in [(1, "5"), (2, "15")] {
        let answer = app.next().await.expect(503);
        assert_eq!((answer.code(), answer.header("retry-after")), ("step_failed", after));
        let status = app.status(&job).await;
        assert_eq!((&status["status"], &status["attempts"]), (&json!("processing"), &json!(attempt)));
        assert!(app.job(&job).await.error.is_some(), "the attempt and its error are recorded");
    }
    let answer = app.next().await.expect(489);
    assert_eq!((answer.code(), answer.header("upstash-nonretryable-error")), ("klap_refused", "true"));
    failed_with(&app, &job, "klap_refused").await;
    app.settled().await;

    // The failed step again, and nothing paid again.
    let retried = app.retry(&job).await.expect(202);
    assert_eq!((&retried.body["jobId"], &retried.body["status"]), (&json!(job), &json!("processing")));
    let record = app.job(&job).await;
    assert_eq!((record.at.epoch, record.step.as_str(), record.attempts), (2, "list", 0));
    app.run().await;
    assert_eq!(app.status(&job).await["status"], json!("completed"));
    assert_eq!(app.sandbox.klap.counts().await.unwrap().tasks, 1);
    app.settled().await;
}

#[tokio::test]
async fn two_failures_and_a_success_use_up_nothing_of_the_next_step() {
    let app = TestApp::start().await;
    let job = app.enqueue("p1", 1).await;
    for (step, operation) in [("await_task", Operation::Task), ("list", Operation::Folder)] {
        app.run_to(&job, step).await;
        answering(&app, operation, 2, 418, None);
        app.next().await.expect(503);
        app.next().await.expect(503);
        app.next().await.expect(200);
        assert_eq!(app.job(&job).await.attempts, 0);
    }
    app.run().await;
    app.settled().await;
}

#[tokio::test]
async fn a_vendor_that_is_away_is_waited_for_without_attempts() {
    let app = TestApp::start().await;
    let job = app.enqueue("p1", 1).await;
    app.run_to(&job, "await_task").await;
    answering(&app, Operation::Task, 7, 503, None);
    let mut delays = Vec::new();
    for _ in 0..7 {
        app.next().await.expect(200);
        delays.push(app.queue.only().delay);
        assert_eq!(app.job(&job).await.attempts, 0);
        assert_eq!(app.status(&job).await["status"], json!("processing"));
    }
    assert_eq!(delays, [10, 20, 40, 80, 160, 300, 300]);
    answering(&app, Operation::Task, 1, 429, Some("77"));
    app.next().await.expect(200);
    assert_eq!(app.queue.only().delay, 77, "as long as it asks for");
    app.run().await;
    assert_eq!(app.status(&job).await["status"], json!("completed"));
    app.settled().await;
}

#[tokio::test]
async fn a_vendor_that_stays_away_ends_the_job_at_its_deadline() {
    let app = TestApp::start().await;
    let job = app.enqueue("p1", 1).await;
    app.run_to(&job, "await_task").await;
    answering(&app, Operation::Task, 1_000, 502, None);
    app.run().await;
    let status = failed_with(&app, &job, "job_timeout").await;
    assert!(status["error"].as_str().unwrap().contains("502"), "the last error is told: {status:#}");
    app.settled().await;
}

#[tokio::test]
async fn a_wrong_klap_key_ends_the_job_until_somebody_mends_it() {
    let app = TestApp::start().await;
    let job = app.enqueue("p1", 1).await;
    answering(&app, Operation::CreateTask, 1, 401, None);
    assert_eq!(app.next().await.expect(489).code(), "klap_unauthorized");
    failed_with(&app, &job, "klap_unauthorized").await;
    app.retry(&job).await.expect(202);
    app.run().await;
    assert_eq!(app.status(&job).await["status"], json!("completed"));
    app.settled().await;
}

#[tokio::test]
async fn a_refused_source_cannot_be_tried_again() {
    let app = TestApp::start().await;
    let refused = app.enqueue("p1", 1).await;
    answering(&app, Operation::CreateTask, 1, 422, None);
    app.next().await.expect(489);
    failed_with(&app, &refused, "klap_refused").await;
    assert_eq!(app.retry(&refused).await.expect(422).code(), "cannot_retry");
    let too_long = app.enqueue("p2", 1).await;
    let effect = Effect::Fail { code: "video_too_long".to_owned(), message: "longer than 5 hours".to_owned() };
    app.sandbox.klap.inject(Fault { operation: Operation::CreateTask, times: 1, effect });
    app.run().await;
    let status = failed_with(&app, &too_long, "source_refused").await;
    assert_eq!(status["errorDetail"]["retryable"], json!(false));
    app.retry(&too_long).await.expect(422);
    app.settled().await;
}

#[tokio::test]
async fn a_task_that_klap_ends_in_error_fails_and_a_retry_makes_another() {
    let app = TestApp::start().await;
    let job = app.enqueue("p1", 1).await;
    let effect = Effect::Fail { code: "internal".to_owned(), message: "it broke".to_owned() };
    app.sandbox.klap.inject(Fault { operation: Operation::CreateTask, times: 1, effect });
    app.run().await;
    failed_with(&app, &job, "klap_task_failed").await;
    app.retry(&job).await.expect(202);
    app.run().await;
    let record = app.job(&job).await;
    assert_eq!((record.state.public(), record.ledger.possible_duplicates), ("completed", 0));
    assert_eq!(app.sandbox.klap.counts().await.unwrap().tasks, 2, "a new task, known and meant");
    app.settled().await;
}

#[tokio::test]
async fn a_folder_that_stays_empty_for_fifteen_minutes_has_no_clips() {
    let app = TestApp::start().await;
    let pace = cliprelay::embedded::klap::Pace {
        empty_folder: cliprelay::embedded::klap::Wait::Looks(1_000),
        ..cliprelay::embedded::klap::Pace::IMMEDIATE
    };
    app.sandbox.klap.set_pace(pace);
    let job = app.enqueue("p1", 1).await;
    app.run_to(&job, "list").await;
    let begun = app.clock.now();
    app.run().await;
    failed_with(&app, &job, "no_clips").await;
    let waited = Duration::from_millis(app.clock.now() - begun);
    assert!(waited >= Duration::from_mins(15) && waited < Duration::from_mins(17), "{waited:?}");
    // It may only have been slow.
    app.sandbox.klap.set_pace(cliprelay::embedded::klap::Pace::IMMEDIATE);
    app.retry(&job).await.expect(202);
    app.run().await;
    assert_eq!(app.status(&job).await["status"], json!("completed"));
    assert_eq!(app.sandbox.klap.counts().await.unwrap().tasks, 1);
    app.settled().await;
}

#[tokio::test]
async fn a_projects_row_that_is_away_is_waited_for() {
    let app = TestApp::start().await;
    let job = app.enqueue("p1", 1).await;
    app.run_to(&job, "finalize").await;
    let fault = supabase::Fault::Answer { status: 503, body: "away".to_owned(), retry_after: Some(42) };
    app.sandbox.supabase.plan(supabase::Planned { op: supabase::Op::Rpc, times: 1, fault });
    app.next().await.expect(200);
    assert_eq!(app.queue.only().delay, 42);
    app.run().await;
    assert_eq!(app.status(&job).await["status"], json!("completed"));
    app.settled().await;
}
