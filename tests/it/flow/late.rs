//! Pushes that come twice, late, in another order, or after the end change nothing and are answered 200.

use crate::support::app::TestApp;
use crate::support::queue::{Fate, Sent, Trouble};
use crate::support::watched::Moment;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

/// Pushes again what was delivered before, the newest first.
async fn all_again(app: &TestApp, job: &str, sent: &[Sent]) {
    let before = app.record(job).await;
    let messages = app.queue.all().len();
    for old in sent.iter().rev() {
        let answer = app.push(old).await.expect(200);
        assert_eq!(answer.body, json!({"success": true, "oldNews": true}));
    }
    assert_eq!(app.record(job).await, before, "old news changed the record");
    assert_eq!(app.queue.all().len(), messages, "old news was published");
}

#[tokio::test]
async fn old_news_changes_nothing_in_any_order() {
    let app = TestApp::start().await;
    let job = app.enqueue("p1", 1).await;
    let mut delivered = Vec::new();
    while let Some(sent) = app.queue.waiting().into_iter().next() {
        app.deliver(&sent).await.expect(200);
        delivered.push(sent);
        all_again(&app, &job, &delivered).await;
    }
    assert_eq!(app.status(&job).await["status"], json!("completed"));
    assert_eq!(app.sandbox.klap.counts().await.unwrap().tasks, 1);
    app.settled().await;
}

#[tokio::test]
async fn late_pushes_after_the_records_end_meet_the_tombstone() {
    let app = TestApp::start().await;
    let job = app.enqueue("p1", 1).await;
    app.run().await;
    app.clock.advance(Duration::from_hours(25));
    assert!(app.record(&job).await.is_none());
    assert_eq!(app.cron().await["purged"], json!(1));
    for sent in app.queue.all() {
        app.push(&sent).await.expect(200);
        app.call_back(&sent).await.expect(200);
    }
    assert!(app.record(&job).await.is_none(), "a deleted job came back");
    app.get(&format!("/api/process-klap?jobId={job}")).await.expect(404);
    app.get("/api/process-klap?projectId=p1").await.expect(404);
    assert_eq!(app.sandbox.klap.counts().await.unwrap().tasks, 1);
    app.enqueue("p1", 1).await;
}

#[tokio::test]
async fn late_pushes_after_cancelling_are_absorbed() {
    let app = TestApp::start().await;
    let job = app.enqueue("p1", 1).await;
    app.run_to(&job, "export").await;
    let pending = app.queue.only();
    let cancelled = app.cancel(&job).await.expect(200);
    assert_eq!(cancelled.body["status"], json!("cancelled"));
    assert_eq!(app.queue.fate(&pending.id), Fate::Cancelled, "the pending message is withdrawn");
    let all = app.queue.all();
    all_again(&app, &job, &all).await;
    let again = app.cancel(&job).await.expect(409);
    assert_eq!(again.code(), "already_final");
    assert_eq!(app.retry(&job).await.expect(409).code(), "not_failed");
    assert_eq!(app.sandbox.klap.counts().await.unwrap().exports_total, 0);
    app.settled().await;
    app.enqueue("p1", 1).await;
}

#[tokio::test]
async fn old_news_is_answered_only_after_its_jobs_message_is_published() {
    let app = TestApp::start().await;
    let job = app.enqueue("p1", 1).await;
    let first = app.queue.only();
    // The step is done and committed, but its next message cannot be published: QStash is to deliver again.
    app.queue.next_publishes(&[Trouble::Refuse(503)]);
    let answer = app.push(&first).await.expect(503);
    assert!(!answer.header("retry-after").is_empty());
    assert!(app.job(&job).await.unsent());
    app.queue.next_publishes(&[Trouble::Refuse(500)]);
    app.push(&first).await.expect(503);
    assert!(app.job(&job).await.unsent());
    let answer = app.push(&first).await.expect(200);
    assert_eq!(answer.body["oldNews"], json!(true));
    assert!(!app.job(&job).await.unsent());
    app.queue.set_fate(&first.id, Fate::Delivered);
    assert_eq!(app.sandbox.klap.counts().await.unwrap().tasks, 1);
    app.run().await;
    app.settled().await;
}

#[tokio::test]
async fn a_lost_publish_answer_in_the_middle_makes_no_second_message() {
    let app = TestApp::start().await;
    let job = app.enqueue("p1", 1).await;
    let first = app.queue.only();
    app.queue.next_publishes(&[Trouble::LoseAnswer]);
    app.push(&first).await.expect(503);
    app.push(&first).await.expect(200);
    app.queue.set_fate(&first.id, Fate::Delivered);
    assert_eq!(app.queue.all().len(), 2);
    assert_eq!(app.job(&job).await.message.message_id, Some(app.queue.only().id));
    app.run().await;
    app.settled().await;
}

#[tokio::test]
async fn a_push_that_outruns_the_mark_of_its_publishing_is_run() {
    let app = TestApp::start().await;
    app.queue.next_publishes(&[Trouble::LoseAnswer]);
    let job = app.enqueue("p1", 1).await;
    assert!(app.job(&job).await.unsent(), "not known to be published");
    app.next().await.expect(200);
    assert_eq!(app.job(&job).await.step, "await_task", "a claim is proof of sending");
    app.run().await;
    app.settled().await;
}

#[tokio::test]
async fn a_delivery_that_lost_its_lease_publishes_before_it_answers() {
    let app = Arc::new(TestApp::start().await);
    let job = app.enqueue("p1", 1).await;
    app.run_to(&job, "transfer").await;
    let sent = app.queue.only();
    app.clock.reach(sent.due);
    // The first delivery is about to write down its stored clip when its lease ends; another one takes the step, ends it,
    // and cannot publish.
    let (other, copy) = (app.clone(), sent.clone());
    app.watch.trap(1, Moment::Before, move || {
        Box::pin(async move {
            other.clock.advance(Duration::from_mins(6));
            other.queue.next_publishes(&[Trouble::Refuse(503)]);
            other.push(&copy).await.expect(503);
        })
    });
    app.push(&sent).await.expect(200);
    assert_eq!(app.job(&job).await.step, "finalize");
    assert!(!app.job(&job).await.unsent(), "answered 200 with the next message unpublished");
    app.queue.set_fate(&sent.id, Fate::Delivered);
    app.run().await;
    assert_eq!(app.status(&job).await["status"], json!("completed"));
    app.settled().await;
}
