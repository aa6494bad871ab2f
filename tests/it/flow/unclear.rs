//! The store's answer is lost, or the write is: every sort of write is repeated under its operation id and applied once.

use super::frozen::{Frozen, LEASE, is_success, pass};
use crate::support::app::TestApp;
use crate::support::queue::Fate;
use crate::support::watched::{Moment, Written};
use cliprelay::embedded::klap::{Effect, Fault, Operation};
use cliprelay::job::{Job, State, wire};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// The `nth` write from now gets no answer: it never reached the store, or (`After`) it did.
fn unclear_at(app: &TestApp, nth: usize, moment: Moment) {
    let watch = app.watch.clone();
    app.watch.trap(nth, moment, move || {
        Box::pin(async move {
            let counter = if moment == Moment::Before { &watch.swallow } else { &watch.lose };
            counter.store(1, Ordering::SeqCst);
        })
    });
}

/// What a write did, by the records before and after it.
fn sort(before: Option<&Job>, after: &Job) -> &'static str {
    let Some(before) = before else { return "enqueue" };
    if after.at.epoch > before.at.epoch {
        "retry"
    } else if after.state == State::Cancelled {
        "cancel"
    } else if after.at != before.at || after.is_final() {
        "settle"
    } else if after.ledger.receipts.len() > before.ledger.receipts.len() {
        "receipt"
    } else if after.ledger.intents.len() > before.ledger.intents.len() {
        "intend"
    } else if after.message.message_id != before.message.message_id {
        "sent mark"
    } else if after.state == before.state {
        "checkpoint"
    } else {
        "claim"
    }
}

/// Every operation has changed the record once; the sort of the one that had to be repeated.
fn repeated(written: &[Written], name: &str) -> Option<&'static str> {
    let mut applied: BTreeMap<&str, usize> = BTreeMap::new();
    for write in written {
        *applied.entry(write.op.as_str()).or_default() += usize::from(write.applied);
    }
    assert!(applied.values().all(|times| *times == 1), "{name}: {applied:?}");
    let again: Vec<usize> = (1..written.len()).filter(|at| written[*at].op == written[at - 1].op).collect();
    assert_eq!(written.len(), applied.len() + again.len(), "{name}: repeated at once or not at all");
    let [again] = again[..] else { return None };
    let job = |write: &Written| wire::decode_record(&write.body).unwrap();
    let before = again.checked_sub(2).map(|before| job(&written[before]));
    assert_eq!(written[again].body, written[again - 1].body, "{name}: the same write");
    Some(sort(before.as_ref(), &job(&written[again])))
}

/// Runs a job whose `nth` write is unclear; the sort of that write, if there was one.
async fn lives_through(app: &TestApp, nth: usize, moment: Moment) -> Option<&'static str> {
    let name = format!("{moment:?} write {nth}");
    let before = app.sandbox.klap.counts().await.unwrap();
    unclear_at(app, nth, moment);
    let job = app.enqueue(&format!("p{nth}"), 2).await;
    // One clip lands before the other, so that there is a checkpoint between them.
    let effect = Effect::Delay { millis: 100, after_effect: false };
    app.sandbox.klap.inject(Fault { operation: Operation::File, times: 1, effect });
    while let Some(sent) = app.queue.waiting().into_iter().next() {
        assert_eq!(app.deliver(&sent).await.status, 200, "{name}");
    }
    let met = !app.watch.disarm();
    let record = app.job(&job).await;
    assert_eq!((&record.state, record.ledger.possible_duplicates), (&State::Done, 0), "{name}: {record:#?}");
    let after = app.sandbox.klap.counts().await.unwrap();
    assert_eq!((after.tasks - before.tasks, after.exports_total - before.exports_total), (1, 2), "{name}");
    let messages: Vec<String> = app.queue.all().into_iter().map(|sent| sent.deduplication).collect();
    assert_eq!(messages.iter().collect::<BTreeSet<_>>().len(), messages.len(), "{name}");
    let again = repeated(&app.watch.written(&job), &name);
    assert_eq!(again.is_some(), met, "{name}");
    again
}

async fn lives_through_all(moment: Moment) {
    let app = TestApp::start().await;
    let mut sorts = BTreeSet::new();
    let mut nth = 0;
    while let Some(sort) = lives_through(&app, nth, moment).await {
        sorts.insert(sort);
        nth += 1;
    }
    let all = ["checkpoint", "claim", "enqueue", "intend", "receipt", "sent mark", "settle"];
    assert_eq!(sorts, BTreeSet::from(all), "after {nth} writes");
    app.settled().await;
}

#[tokio::test]
async fn every_write_of_a_job_may_be_lost_on_its_way() {
    lives_through_all(Moment::Before).await;
}

#[tokio::test]
async fn every_write_of_a_job_may_lose_its_answer() {
    lives_through_all(Moment::After).await;
}

/// A job that failed at once, for a reason that a retry can mend.
async fn failed(app: &TestApp, project: &str) -> String {
    let effect = Effect::Answer { status: 401, body: json!({}), retry_after: None, after_effect: false };
    app.sandbox.klap.inject(Fault { operation: Operation::CreateTask, times: 1, effect });
    let job = app.enqueue(project, 1).await;
    app.next().await.expect(489);
    job
}

#[tokio::test]
async fn cancelling_may_lose_its_write_or_its_answer() {
    for moment in [Moment::Before, Moment::After] {
        let app = TestApp::start().await;
        let job = app.enqueue("p1", 1).await;
        app.run_to(&job, "list").await;
        unclear_at(&app, 0, moment);
        app.cancel(&job).await.expect(200);
        assert_eq!(repeated(&app.watch.written(&job), "cancel"), Some("cancel"), "{moment:?}");
        assert_eq!(app.job(&job).await.state, State::Cancelled);
        app.settled().await;
    }
}

#[tokio::test]
async fn a_retry_may_lose_its_write_or_its_answer_and_opens_one_epoch() {
    for moment in [Moment::Before, Moment::After] {
        let app = TestApp::start().await;
        let job = failed(&app, "p1").await;
        unclear_at(&app, 0, moment);
        app.retry(&job).await.expect(202);
        assert_eq!(repeated(&app.watch.written(&job), "retry"), Some("retry"), "{moment:?}");
        assert_eq!(app.job(&job).await.at.epoch, 2);
        assert_eq!(app.queue.waiting().len(), 1);
        app.run().await;
        assert_eq!(app.status(&job).await["status"], json!("completed"));
        app.settled().await;
    }
}

#[tokio::test]
async fn news_of_a_spent_message_may_lose_its_write_or_its_answer() {
    for moment in [Moment::Before, Moment::After] {
        let app = TestApp::start().await;
        let job = app.enqueue("p1", 1).await;
        unclear_at(&app, 0, moment);
        app.dies(&app.queue.only()).await;
        assert!(!app.watch.disarm());
        assert_eq!((app.job(&job).await.send, app.queue.only().deduplication), (2, format!("{job}.1.1.2")));
        let written = app.watch.written(&job);
        let operations: BTreeSet<&str> = written.iter().map(|write| write.op.as_str()).collect();
        assert_eq!((written.len(), written.iter().filter(|write| write.applied).count()), (5, 4), "{moment:?}");
        assert_eq!(operations.len(), 4, "enqueue, its mark, the new sending, its mark");
        app.run().await;
        app.settled().await;
    }
}

#[tokio::test]
async fn putting_a_record_back_may_lose_its_write_or_its_answer() {
    for moment in [Moment::Before, Moment::After] {
        let app = TestApp::builder().on_redis().start().await;
        let job = app.enqueue("p1", 1).await;
        app.run_to(&job, "list").await;
        app.forget();
        let before = app.watch.written(&job).len();
        unclear_at(&app, 0, moment);
        app.next().await.expect(200);
        // The record put back, its claim, the settlement, the mark.
        let written = &app.watch.written(&job)[before..];
        assert_eq!(written.len(), 5, "{moment:?}");
        assert_eq!(repeated(written, "put back"), Some("enqueue"), "{moment:?}");
        app.run().await;
        assert_eq!(app.job(&job).await.state, State::Done);
        app.settled().await;
    }
}

#[tokio::test]
async fn failing_a_job_that_is_out_of_time_may_lose_its_write_or_its_answer() {
    for moment in [Moment::Before, Moment::After] {
        let app = TestApp::start().await;
        let job = app.enqueue("p1", 1).await;
        app.run_to(&job, "list").await;
        app.clock.advance(Duration::from_hours(3));
        unclear_at(&app, 0, moment);
        assert_eq!(app.cron().await["failed"], json!(1));
        assert_eq!(repeated(&app.watch.written(&job), "fail"), Some("settle"), "{moment:?}");
        assert_eq!(app.job(&job).await.state, State::Failed);
        app.run().await;
        app.settled().await;
    }
}

#[tokio::test]
async fn a_write_that_nobody_ever_answers_is_left_to_the_next_delivery() {
    // The claim, the intent, the receipt, the settlement, the mark.
    for nth in 0..5 {
        for moment in [Moment::Before, Moment::After] {
            let name = format!("{moment:?} write {nth}");
            let app = TestApp::start().await;
            let job = app.enqueue("p1", 1).await;
            let sent = app.queue.only();
            let frozen = Frozen::at(&app, &sent, nth, moment).await;
            pass(&app, LEASE).await;
            let reply = frozen.go_on_without_an_answer().await;
            // Only a mark is no loss: the message is out.
            assert_eq!(is_success(&reply), nth == 4, "{name}: {reply:?}");
            let again = app.push(&sent).await.expect(200);
            let moved_on = nth == 4 || (nth, moment) == (3, Moment::After);
            assert_eq!(again.body["oldNews"] == json!(true), moved_on, "{name}");
            assert!(!app.job(&job).await.unsent(), "{name}");
            app.queue.set_fate(&sent.id, Fate::Delivered);
            app.run().await;
            let counts = app.sandbox.klap.counts().await.unwrap();
            assert_eq!((app.job(&job).await.state, counts.tasks), (State::Done, 1), "{name}");
            app.settled().await;
        }
    }
}

#[tokio::test]
async fn an_answer_lost_while_somebody_else_writes_is_not_decided_again() {
    // The claim is applied, its answer lost; before it is repeated a failure callback writes the record.
    let app = Arc::new(TestApp::start().await);
    let job = app.enqueue("p1", 1).await;
    let sent = app.queue.only();
    let (other, message) = (app.clone(), sent.clone());
    app.watch.trap(0, Moment::After, move || {
        Box::pin(async move {
            other.call_back(&message).await.expect(200);
            other.watch.lose.store(1, Ordering::SeqCst);
        })
    });
    app.push(&sent).await.expect(200);
    app.queue.set_fate(&sent.id, Fate::Delivered);
    let record = app.job(&job).await;
    assert_eq!((record.step.as_str(), record.ledger.possible_duplicates), ("await_task", 0));
    app.run().await;
    assert_eq!(app.status(&job).await["status"], json!("completed"));
    assert_eq!(app.sandbox.klap.counts().await.unwrap().tasks, 1);
    app.settled().await;
}
