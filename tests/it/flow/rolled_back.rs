//! Redis falls back to an older snapshot while a delivery is at work. Its next write finds another's claim where its own
//! was, perhaps under the very version that it knows: it must not overwrite it.

use super::forgot::{restore, snapshot};
use super::frozen::{Frozen, is_success, state};
use crate::support::app::TestApp;
use crate::support::queue::Fate;
use crate::support::watched::Moment;
use cliprelay::embedded::klap::{Effect, Fault, Operation};
use cliprelay::flow::Reply;
use serde_json::json;

/// Steps, and the write after which both workers are frozen.
const POINTS: [(&str, usize); 10] = [
    ("submit", 0),
    ("submit", 1),
    ("submit", 2),
    ("await_task", 0),
    ("list", 0),
    ("export", 0),
    ("export", 1),
    ("export", 2),
    ("transfer", 0),
    ("finalize", 0),
];

#[tokio::test]
async fn a_holder_whose_claim_was_rolled_back_does_not_overwrite_the_claim_that_came_after() {
    let app = TestApp::builder().on_redis().start().await;
    for (number, (step, nth)) in POINTS.into_iter().enumerate() {
        let name = format!("{step} {nth}");
        let job = app.enqueue(&format!("p{number}"), 1).await;
        app.run_to(&job, step).await;
        let (sent, old) = (app.queue.only(), snapshot(&app, &job));
        let first = Frozen::at(&app, &sent, nth, Moment::After).await;
        restore(&app, &job, &old);
        let second = Frozen::at(&app, &sent, nth, Moment::After).await;
        let before = app.job(&job).await;
        let reply = first.wake().await;
        let after = app.job(&job).await;
        assert_eq!(state(after.clone()), state(before.clone()), "{name}: {reply:?}");
        assert!(before.ledger.receipts.iter().all(|receipt| after.ledger.receipts.contains(receipt)), "{name}");
        assert!(!is_success(&reply), "{name}: {reply:?}");
        let reply = second.wake().await;
        assert!(is_success(&reply), "{name}: {reply:?}");
        app.queue.set_fate(&sent.id, Fate::Delivered);
        app.run().await;
        assert_eq!(app.status(&job).await["status"], json!("completed"), "{name}");
    }
    app.settled().await;
}

#[tokio::test]
async fn a_holder_whose_claim_was_rolled_back_does_not_overwrite_anothers_settlement() {
    let app = TestApp::builder().on_redis().start().await;
    let job = app.enqueue("p1", 2).await;
    app.run_to(&job, "transfer").await;
    let (sent, old) = (app.queue.only(), snapshot(&app, &job));
    // The first has written its claim and its first stored clip; the other file takes longer.
    let effect = Effect::Delay { millis: 300, after_effect: false };
    app.sandbox.klap.inject(Fault { operation: Operation::File, times: 1, effect });
    let first = Frozen::at(&app, &sent, 1, Moment::After).await;
    restore(&app, &job, &old);
    // The second has written as often: its claim, and that Klap is away.
    let effect = Effect::Answer { status: 503, body: json!({}), retry_after: None, after_effect: false };
    app.sandbox.klap.inject(Fault { operation: Operation::ExportStatus, times: 2, effect });
    let second = Frozen::at(&app, &sent, 1, Moment::After).await;
    let before = app.record(&job).await;
    assert_eq!(app.job(&job).await.error.unwrap().code, "klap_away");
    let reply = first.wake().await;
    assert_eq!(app.job(&job).await.error.map(|error| error.code).as_deref(), Some("klap_away"), "{reply:?}");
    let settled = state(app.job(&job).await);
    let was = state(cliprelay::job::wire::decode_record(&before.unwrap()).unwrap());
    assert_eq!((settled.at, &settled.step, &settled.plan), (was.at, &was.step, &was.plan));
    assert_eq!(second.wake().await, Reply::Done);
    app.queue.set_fate(&sent.id, Fate::Delivered);
    app.run().await;
    let status = app.status(&job).await;
    assert_eq!((&status["status"], &status["clipsFailed"]), (&json!("completed"), &json!(0)), "{status:#}");
    let counts = app.sandbox.klap.counts().await.unwrap();
    assert_eq!((counts.tasks, counts.exports_total), (1, 2));
    assert_eq!(app.sandbox.supabase.objects().await.unwrap().len(), 2);
    app.settled().await;
}

#[tokio::test]
async fn a_receipt_of_a_holder_whose_claim_was_rolled_back_is_added_to_what_came_after() {
    let app = TestApp::builder().on_redis().start().await;
    let job = app.enqueue("p1", 1).await;
    let (sent, old) = (app.queue.only(), snapshot(&app, &job));
    // The first is about to write its receipt; the second has claimed and intended, as the first had.
    let first = Frozen::at(&app, &sent, 2, Moment::Before).await;
    restore(&app, &job, &old);
    let second = Frozen::at(&app, &sent, 1, Moment::After).await;
    first.wake().await;
    let record = app.job(&job).await;
    assert_eq!(record.ledger.receipts.len(), 1, "{:#?}", record.ledger);
    assert_eq!(record.at.seq, 1, "the step is the second's");
    assert!(is_success(&second.wake().await));
    app.queue.set_fate(&sent.id, Fate::Delivered);
    app.run().await;
    let record = app.job(&job).await;
    let submits = record.ledger.receipts.iter().filter(|receipt| receipt.effect == "submit:1").count();
    let tasks = app.sandbox.klap.counts().await.unwrap().tasks;
    assert_eq!((record.state.public(), submits as u64), ("completed", tasks), "every paid task is known");
    let told = u64::from(record.ledger.possible_duplicates);
    assert!(told >= tasks - 1, "{told} told, {tasks} paid");
    app.settled().await;
}
