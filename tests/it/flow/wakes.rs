//! A worker that wakes after its lease writes no state and begins nothing paid. What it is told to answer depends on what
//! has become of the job meanwhile.

use super::frozen::{Frozen, LEASE, is_success, pass, state};
use crate::support::app::TestApp;
use crate::support::driving::Answer;
use crate::support::queue::{Fate, Sent};
use crate::support::watched::Moment;
use bytes::Bytes;
use cliprelay::embedded::klap::Operation;
use cliprelay::flow::Reply;
use serde_json::json;
use std::time::Duration;

/// Steps, and the write after which their worker is frozen.
const POINTS: [(&str, usize); 10] = [
    // The claim; the intent, before the paid call; the receipt.
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

async fn paid_calls(app: &TestApp) -> (u64, u64) {
    let calls = app.sandbox.klap.counts().await.unwrap().calls;
    let of = |operation| calls.get(&operation).copied().unwrap_or(0);
    (of(Operation::CreateTask), of(Operation::Export))
}

/// A job whose worker is frozen after that write, by now for longer than its lease.
async fn overslept(app: &TestApp, (step, nth): (&str, usize)) -> (String, Sent, Frozen) {
    let job = app.enqueue("p1", 1).await;
    app.run_to(&job, step).await;
    let sent = app.queue.only();
    let frozen = Frozen::at(app, &sent, nth, Moment::After).await;
    pass(app, LEASE).await;
    (job, sent, frozen)
}

/// The job goes on to its end and has cost what it should.
async fn completes(app: &TestApp, job: &str, name: &str) {
    app.run().await;
    assert_eq!(app.status(job).await["status"], json!("completed"), "{name}: {:#?}", app.job(job).await);
    let counts = app.sandbox.klap.counts().await.unwrap();
    assert_eq!((counts.tasks, counts.exports_total), (1, 1), "{name}");
    assert_eq!(app.sandbox.supabase.objects().await.unwrap().len(), 1, "{name}");
    app.settled().await;
}

/// Answered as old news, or, where that was not found out in time, when it comes once more.
async fn is_old_news(app: &TestApp, frozen: Frozen, sent: &Sent) {
    let reply = frozen.wake().await;
    assert!(matches!(reply, Reply::OldNews | Reply::TryAgain { .. }), "{reply:?}");
    assert_eq!(app.push(sent).await.expect(200).body["oldNews"], json!(true));
}

#[tokio::test]
async fn a_worker_that_wakes_after_its_lease_writes_no_state_although_nobody_else_came() {
    for point in POINTS {
        let app = TestApp::start().await;
        let (job, _, frozen) = overslept(&app, point).await;
        let (before, calls) = (app.job(&job).await, paid_calls(&app).await);
        let reply = frozen.wake().await;
        assert_eq!(state(app.job(&job).await), state(before), "{point:?}: {reply:?}");
        assert!(!is_success(&reply), "{point:?}: the job has not moved on, its message must come again: {reply:?}");
        assert_eq!(paid_calls(&app).await, calls, "{point:?}: a paid call was begun after the lease");
        completes(&app, &job, &format!("{point:?}")).await;
    }
}

#[tokio::test]
async fn a_worker_that_wakes_beside_another_at_work_writes_no_state_and_is_to_come_again() {
    for point in POINTS {
        let app = TestApp::start().await;
        let (job, sent, frozen) = overslept(&app, point).await;
        assert!(app.cut_off(&sent, 0, Moment::After).await.is_none(), "another delivery has claimed the step");
        let (before, calls) = (app.job(&job).await, paid_calls(&app).await);
        let reply = frozen.wake().await;
        assert_eq!(state(app.job(&job).await), state(before), "{point:?}: {reply:?}");
        assert!(!is_success(&reply), "{point:?}: the other may yet fail, and the message is the same: {reply:?}");
        assert_eq!(paid_calls(&app).await, calls, "{point:?}: a paid call was begun after the lease");
        app.clock.advance(LEASE);
        completes(&app, &job, &format!("{point:?}")).await;
    }
}

#[tokio::test]
async fn a_worker_that_wakes_when_the_job_has_moved_on_changes_nothing() {
    for point in POINTS {
        let app = TestApp::start().await;
        let (job, sent, frozen) = overslept(&app, point).await;
        app.deliver(&sent).await.expect(200);
        let before = app.record(&job).await;
        let (messages, calls) = (app.queue.all().len(), paid_calls(&app).await);
        is_old_news(&app, frozen, &sent).await;
        assert_eq!(app.record(&job).await, before, "{point:?}");
        assert_eq!((app.queue.all().len(), paid_calls(&app).await), (messages, calls), "{point:?}");
        completes(&app, &job, &format!("{point:?}")).await;
    }
}

#[tokio::test]
async fn a_worker_that_wakes_after_cancelling_changes_nothing() {
    for point in POINTS {
        let app = TestApp::start().await;
        let (job, sent, frozen) = overslept(&app, point).await;
        app.cancel(&job).await.expect(200);
        app.queue.set_fate(&sent.id, Fate::Delivered);
        let (before, calls) = (app.record(&job).await, paid_calls(&app).await);
        is_old_news(&app, frozen, &sent).await;
        assert_eq!((app.record(&job).await, paid_calls(&app).await), (before, calls), "{point:?}");
        app.settled().await;
    }
}

#[tokio::test]
async fn a_worker_that_wakes_in_a_later_epoch_changes_nothing() {
    for point in POINTS {
        let app = TestApp::start().await;
        let (job, sent, frozen) = overslept(&app, point).await;
        pass(&app, Duration::from_hours(3)).await;
        assert_eq!(app.cron().await["failed"], json!(1), "{point:?}");
        app.queue.set_fate(&sent.id, Fate::Delivered);
        app.retry(&job).await.expect(202);
        let (before, calls) = (app.record(&job).await, paid_calls(&app).await);
        is_old_news(&app, frozen, &sent).await;
        assert_eq!((app.record(&job).await, paid_calls(&app).await), (before, calls), "{point:?}");
        completes(&app, &job, &format!("{point:?}")).await;
    }
}

#[tokio::test]
async fn no_paid_call_begins_when_too_little_of_the_lease_is_left() {
    // The lease of a paid call is 46 s, the call may take 20 s and its receipt 4 s.
    for (nth, slept, paid) in [(0, 20, 1), (0, 23, 0), (1, 20, 1), (1, 23, 0)] {
        for (step, operation) in [("submit", Operation::CreateTask), ("export", Operation::Export)] {
            let name = format!("{step}: {slept} s after write {nth}");
            let app = TestApp::start().await;
            let job = app.enqueue("p1", 1).await;
            app.run_to(&job, step).await;
            let sent = app.queue.only();
            let frozen = Frozen::at(&app, &sent, nth, Moment::After).await;
            pass(&app, Duration::from_secs(slept)).await;
            assert_eq!(frozen.wake().await, Reply::Done, "{name}");
            let calls = app.sandbox.klap.counts().await.unwrap().calls;
            assert_eq!(calls.get(&operation).copied().unwrap_or(0), paid, "{name}");
            let record = app.job(&job).await;
            assert_eq!(record.step == step, paid == 0, "{name}: the same step again, with a lease of its own");
            assert!(record.ledger.intents.is_empty(), "{name}: {:#?}", record.ledger);
            app.queue.set_fate(&sent.id, Fate::Delivered);
            completes(&app, &job, &name).await;
            assert_eq!(app.job(&job).await.ledger.possible_duplicates, 0, "{name}");
        }
    }
}

/// A delivery that wakes while a write of another kind has happened to the record under its lease.
async fn woken_after(app: &TestApp, sent: &Sent, happens: impl AsyncFnOnce() -> Answer) -> Reply {
    let frozen = Frozen::at(app, sent, 0, Moment::After).await;
    happens().await.expect(200);
    frozen.wake().await
}

#[tokio::test]
async fn a_write_of_others_under_the_lease_does_not_take_it_away() {
    let app = TestApp::start().await;
    let job = app.enqueue("p1", 1).await;
    app.run_to(&job, "list").await;
    let sent = app.queue.only();
    // The message is given up while its delivery is at work: noted, and the step ends well all the same.
    let reply = woken_after(&app, &sent, async || app.call_back(&sent).await).await;
    assert_eq!(reply, Reply::Done);
    app.queue.set_fate(&sent.id, Fate::Delivered);
    assert_eq!(app.job(&job).await.step, "export");
    completes(&app, &job, "spent under the lease").await;
}

#[tokio::test]
async fn a_copy_under_the_lease_is_told_to_wait_and_neither_runs_nor_writes() {
    let app = TestApp::start().await;
    let job = app.enqueue("p1", 1).await;
    let sent = app.queue.only();
    let frozen = Frozen::at(&app, &sent, 1, Moment::After).await;
    let before: Option<Bytes> = app.record(&job).await;
    for _ in 0..3 {
        app.push(&sent).await.expect(429);
    }
    assert_eq!(app.record(&job).await, before);
    assert_eq!(frozen.wake().await, Reply::Done);
    app.queue.set_fate(&sent.id, Fate::Delivered);
    completes(&app, &job, "copies under the lease").await;
}
