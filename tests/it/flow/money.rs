//! Paid calls whose outcome nobody knows.

use crate::support::app::TestApp;
use crate::support::queue::Fate;
use crate::support::watched::Moment;
use cliprelay::embedded::klap::{Effect, Fault, Operation};
use serde_json::{Value, json};
use std::time::Duration;

const LEASE: Duration = Duration::from_mins(6);

fn fault(app: &TestApp, operation: Operation, times: u32, effect: Effect) {
    app.sandbox.klap.inject(Fault { operation, times, effect });
}

fn lost() -> Effect {
    Effect::Drop { after_effect: true }
}

async fn tasks(app: &TestApp) -> u64 {
    app.sandbox.klap.counts().await.unwrap().tasks
}

#[tokio::test]
async fn an_unknown_submit_is_repeated_once_and_said_so() {
    for effect in [
        lost(),
        Effect::Answer { status: 500, body: Value::Null, retry_after: None, after_effect: true },
        Effect::Answer { status: 502, body: json!("<html>"), retry_after: None, after_effect: true },
        Effect::Answer { status: 504, body: Value::Null, retry_after: None, after_effect: true },
        Effect::Answer { status: 200, body: json!("no JSON"), retry_after: None, after_effect: true },
    ] {
        let app = TestApp::start().await;
        let job = app.enqueue("p1", 1).await;
        fault(&app, Operation::CreateTask, 1, effect.clone());
        app.next().await.expect(503);
        assert_eq!(app.status(&job).await["possibleDuplicateCharge"], json!(0));
        app.run().await;
        let status = app.status(&job).await;
        assert_eq!(
            (&status["status"], &status["possibleDuplicateCharge"]),
            (&json!("completed"), &json!(1)),
            "{effect:?}"
        );
        assert_eq!(tasks(&app).await, 2);
        app.settled().await;
    }
}

#[tokio::test]
async fn a_known_refusal_of_a_submit_is_no_unknown() {
    let answer = |status| Effect::Answer { status, body: Value::Null, retry_after: None, after_effect: false };
    for effect in [answer(429), answer(503)] {
        let app = TestApp::start().await;
        let job = app.enqueue("p1", 1).await;
        fault(&app, Operation::CreateTask, 1, effect.clone());
        app.run().await;
        let record = app.job(&job).await;
        assert_eq!((record.state.public(), record.ledger.possible_duplicates), ("completed", 0), "{effect:?}");
        assert!(record.ledger.intents.is_empty());
        assert_eq!(tasks(&app).await, 1);
        app.settled().await;
    }
}

#[tokio::test]
async fn two_unknown_submits_end_the_job_and_a_person_may_allow_one_more() {
    let app = TestApp::start().await;
    let job = app.enqueue("p1", 1).await;
    fault(&app, Operation::CreateTask, 4, lost());
    app.next().await.expect(503);
    app.next().await.expect(503);
    let given_up = app.next().await.expect(489);
    assert_eq!(given_up.code(), "klap_submit_unknown");
    let status = app.status(&job).await;
    assert_eq!((&status["status"], &status["errorDetail"]["code"]), (&json!("failed"), &json!("klap_submit_unknown")));
    assert_eq!(status["errorDetail"]["retryable"], json!(true));
    assert_eq!((tasks(&app).await, &status["possibleDuplicateCharge"]), (2, &json!(1)));
    // Each retry by a person: one more, and no more.
    for expected in [3, 4] {
        app.retry(&job).await.expect(202);
        app.run().await;
        assert_eq!(app.status(&job).await["errorDetail"]["code"], json!("klap_submit_unknown"));
        assert_eq!(tasks(&app).await, expected);
    }
    app.retry(&job).await.expect(202);
    app.run().await;
    let status = app.status(&job).await;
    assert_eq!((&status["status"], &status["possibleDuplicateCharge"]), (&json!("completed"), &json!(4)));
    assert_eq!(tasks(&app).await, 5);
    app.settled().await;
}

#[tokio::test]
async fn crashes_after_the_intent_count_as_unknown_too() {
    let app = TestApp::start().await;
    let job = app.enqueue("p1", 1).await;
    let sent = app.queue.only();
    for _ in 0..2 {
        // Writes: claim, intent, receipt. Klap has made the task; we never write its id.
        assert!(app.cut_off(&sent, 2, Moment::Before).await.is_none());
        app.clock.advance(LEASE);
    }
    assert_eq!(tasks(&app).await, 2);
    let answer = app.deliver(&sent).await.expect(489);
    assert_eq!(answer.code(), "klap_submit_unknown");
    assert_eq!(tasks(&app).await, 2, "not a third time by itself");
    assert_eq!(app.job(&job).await.ledger.possible_duplicates, 1);
    app.settled().await;
}

#[tokio::test]
async fn an_unknown_export_is_looked_up_and_not_paid_again() {
    let app = TestApp::start().await;
    let job = app.enqueue("p1", 3).await;
    app.run_to(&job, "export").await;
    fault(&app, Operation::Export, 2, lost());
    app.run().await;
    let counts = app.sandbox.klap.counts().await.unwrap();
    assert_eq!((counts.exports_total, counts.tasks), (3, 1), "{counts:?}");
    let status = app.status(&job).await;
    assert_eq!((&status["status"], &status["clipsFailed"]), (&json!("completed"), &json!(0)), "{status:#}");
    assert_eq!(status["possibleDuplicateCharge"], json!(0));
    app.settled().await;
}

#[tokio::test]
async fn a_receipt_is_kept_after_the_job_has_ended() {
    let app = TestApp::start().await;
    let job = app.enqueue("p1", 1).await;
    let sent = app.queue.only();
    fault(&app, Operation::CreateTask, 1, Effect::Delay { millis: 700, after_effect: true });
    let cancelling = async {
        crate::support::time::until("the paid call is under way", async || tasks(&app).await == 1).await;
        app.cancel(&job).await.expect(200);
    };
    let (answer, ()) = tokio::join!(app.push(&sent), cancelling);
    answer.expect(200);
    app.queue.set_fate(&sent.id, Fate::Delivered);
    let record = app.job(&job).await;
    assert_eq!(record.state.public(), "cancelled");
    assert_eq!(record.ledger.receipts.len(), 1, "what may be billed is known: {:?}", record.ledger);
    assert!(record.ledger.intents.is_empty());
    app.settled().await;
}

#[tokio::test]
async fn a_receipt_that_comes_when_the_step_is_another_deliverys_is_kept() {
    let app = TestApp::start().await;
    let job = app.enqueue("p1", 1).await;
    let sent = app.queue.only();
    fault(&app, Operation::CreateTask, 1, Effect::Delay { millis: 700, after_effect: true });
    let overtaking = async {
        crate::support::time::until("the paid call is under way", async || tasks(&app).await == 1).await;
        // By the store's clock the lease is over while the first holder still waits for Klap.
        app.clock.advance(LEASE);
        app.push(&sent).await
    };
    let (first, second) = tokio::join!(app.push(&sent), overtaking);
    assert!([200, 503].contains(&first.status), "{first:?}");
    assert_eq!(second.status, 200, "{second:?}");
    app.queue.set_fate(&sent.id, Fate::Delivered);
    app.run().await;
    let record = app.job(&job).await;
    let submits = record.ledger.receipts.iter().filter(|receipt| receipt.effect == "submit:1").count();
    assert_eq!(submits as u64, tasks(&app).await, "every paid task is known: {:?}", record.ledger);
    assert_eq!((record.state.public(), record.ledger.possible_duplicates), ("completed", 1));
    app.settled().await;
}
