//! QStash gives a message up: its failure callback fails no job, it has the step sent anew.

use crate::support::app::TestApp;
use crate::support::queue::Fate;
use crate::support::watched::Moment;
use bytes::Bytes;
use cliprelay::embedded::klap::{Effect, Fault, Operation};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

const LEASE: Duration = Duration::from_mins(6);

#[tokio::test]
async fn the_current_step_is_sent_anew_later_each_time() {
    let app = TestApp::start().await;
    let job = app.enqueue("p1", 1).await;
    for (send, delay) in [(2, 60), (3, 300), (4, 900), (5, 900)] {
        app.dies(&app.queue.only()).await;
        let sent = app.queue.only();
        assert_eq!((sent.deduplication.as_str(), sent.delay), (format!("{job}.1.1.{send}").as_str(), delay));
        assert_eq!(sent.message().envelope.send, send);
        app.clock.reach(sent.due);
    }
    assert_eq!(app.status(&job).await["status"], json!("queued"), "redeliveries never fail a job");
    app.run().await;
    assert_eq!(app.status(&job).await["status"], json!("completed"));
    app.settled().await;
}

#[tokio::test]
async fn the_same_callback_twice_sends_one_message() {
    let app = TestApp::start().await;
    let _ = app.enqueue("p1", 1).await;
    let sent = app.queue.only();
    app.dies(&sent).await;
    app.call_back(&sent).await.expect(200);
    assert_eq!(app.queue.all().len(), 2);
    app.run().await;
    app.settled().await;
}

#[tokio::test]
async fn old_callbacks_change_nothing() {
    let app = TestApp::start().await;
    let job = app.enqueue("p1", 1).await;
    let first = app.queue.only();
    app.next().await.expect(200);
    let before = app.record(&job).await;
    app.call_back(&first).await.expect(200);
    assert_eq!(app.record(&job).await, before);
    app.run().await;
    let before = app.record(&job).await;
    for sent in app.queue.all() {
        app.call_back(&sent).await.expect(200);
    }
    assert_eq!(app.record(&job).await, before, "a final job is final");
    app.settled().await;
}

#[tokio::test]
async fn a_leased_step_is_looked_at_when_its_lease_is_over() {
    let app = TestApp::start().await;
    let job = app.enqueue("p1", 1).await;
    let sent = app.queue.only();
    assert!(app.cut_off(&sent, 0, Moment::After).await.is_none());
    app.dies(&sent).await;
    let record = app.job(&job).await;
    assert!(record.message.spent);
    assert_eq!(record.message.dlq_id, Some(sent.dlq_id()), "the dead letter is noted");
    assert_eq!(app.cron().await["revived"], json!(0), "somebody may be at work");
    assert!(app.queue.waiting().is_empty());
    app.clock.advance(LEASE);
    assert_eq!(app.cron().await["revived"], json!(1));
    assert_eq!(app.queue.only().deduplication, format!("{job}.1.1.2"));
    app.run().await;
    assert_eq!(app.status(&job).await["status"], json!("completed"));
    app.settled().await;
}

#[tokio::test]
async fn a_step_that_fails_when_its_message_is_spent_sends_the_next_itself() {
    let app = Arc::new(TestApp::start().await);
    let job = app.enqueue("p1", 1).await;
    app.run_to(&job, "list").await;
    let sent = app.queue.only();
    let effect = Effect::Answer { status: 418, body: json!({}), retry_after: None, after_effect: false };
    app.sandbox.klap.inject(Fault { operation: Operation::Folder, times: 1, effect });
    // Between the claim and the settling of the step its message is given up.
    let (dying, message) = (app.clone(), sent.clone());
    app.watch.trap(1, Moment::Before, move || Box::pin(async move { dying.dies(&message).await }));
    app.push(&sent).await.expect(200);
    let anew = app.queue.only();
    assert_eq!(anew.message().envelope.send, 2);
    assert_eq!(app.job(&job).await.attempts, 1);
    app.run().await;
    assert_eq!(app.status(&job).await["status"], json!("completed"));
    app.settled().await;
}

#[tokio::test]
async fn a_spent_step_without_attempts_or_time_fails_the_job() {
    let app = TestApp::start().await;
    let cut_off = app.enqueue("p1", 1).await;
    let sent = app.queue.only();
    for _ in 0..3 {
        assert!(app.cut_off(&sent, 0, Moment::After).await.is_none());
        app.clock.advance(LEASE);
    }
    app.dies(&sent).await;
    assert_eq!(app.status(&cut_off).await["errorDetail"]["code"], json!("attempts_exhausted"));

    let late = app.enqueue("p2", 1).await;
    app.next().await.expect(200);
    app.clock.advance(Duration::from_hours(3));
    app.dies(&app.queue.only()).await;
    assert_eq!(app.status(&late).await["errorDetail"]["code"], json!("job_timeout"));

    let never = app.enqueue("p3", 1).await;
    app.clock.advance(Duration::from_hours(25));
    app.dies(&app.queue.only()).await;
    assert_eq!(app.status(&never).await["errorDetail"]["code"], json!("queue_timeout"));
    app.settled().await;
}

#[tokio::test]
async fn three_dead_processes_use_up_the_attempts() {
    let app = TestApp::start().await;
    let job = app.enqueue("p1", 1).await;
    let sent = app.queue.only();
    for attempt in 1..=3 {
        assert!(app.cut_off(&sent, 0, Moment::After).await.is_none());
        assert_eq!(app.job(&job).await.attempts, attempt);
        app.clock.advance(LEASE);
    }
    let answer = app.deliver(&sent).await.expect(489);
    assert_eq!(answer.code(), "attempts_exhausted");
    assert_eq!(app.status(&job).await["status"], json!("failed"));
    app.settled().await;
}

#[tokio::test]
async fn with_qstash_away_the_new_message_is_the_sweeps() {
    let app = TestApp::start().await;
    let job = app.enqueue("p1", 1).await;
    let sent = app.queue.only();
    app.queue.set_fate(&sent.id, Fate::Dead);
    app.queue.is_away(true);
    app.call_back(&sent).await.expect(200);
    assert!(app.job(&job).await.unsent());
    app.queue.is_away(false);
    assert_eq!(app.cron().await["republished"], json!(1));
    assert_eq!(app.queue.only().deduplication, format!("{job}.1.1.2"));
    app.run().await;
    app.settled().await;
}

#[tokio::test]
async fn with_the_store_away_the_callback_is_to_come_again() {
    let app = TestApp::start().await;
    let _ = app.enqueue("p1", 1).await;
    let sent = app.queue.only();
    app.watch.is_away(true);
    let answer = app.call_back(&sent).await.expect(503);
    assert!(!answer.header("retry-after").is_empty());
    app.watch.is_away(false);
    app.call_back_with(&Bytes::from_static(b"not ours"), "msg_x").await.expect(489);
    app.run().await;
    app.settled().await;
}
