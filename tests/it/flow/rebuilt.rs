//! What a record put back from a message says, and what it allows.

use super::forgot::{restore, snapshot};
use super::frozen::Frozen;
use crate::support::app::TestApp;
use crate::support::driving::Loss;
use crate::support::queue::Fate;
use crate::support::watched::Moment;
use cliprelay::embedded::klap::{Effect, Fault, Operation};
use cliprelay::flow::Reply;
use cliprelay::job::{JobId, State};
use serde_json::json;

async fn tasks(app: &TestApp) -> u64 {
    app.sandbox.klap.counts().await.unwrap().tasks
}

async fn failed(app: &TestApp) -> String {
    let job = app.enqueue("p1", 1).await;
    app.run_to(&job, "list").await;
    let effect = Effect::Answer { status: 401, body: json!({}), retry_after: None, after_effect: false };
    app.sandbox.klap.inject(Fault { operation: Operation::Folder, times: 1, effect });
    app.next().await.expect(489);
    job
}

#[tokio::test]
async fn a_record_put_back_says_what_its_message_says() {
    for step in ["submit", "await_task", "export", "finalize"] {
        let app = TestApp::builder().on_redis().start().await;
        let job = app.enqueue("p1", 1).await;
        app.run_to(&job, step).await;
        let (sent, lost) = (app.queue.only(), app.job(&job).await);
        app.forget();
        // Put back, and not yet claimed.
        assert!(app.cut_off(&sent, 0, Moment::After).await.is_none());
        let back = app.job(&job).await;
        let message = sent.message();
        assert_eq!((&back.owner, &back.project, &back.kind), (&lost.owner, &lost.project, &lost.kind), "{step}");
        assert_eq!(
            (&back.input, back.at, back.send),
            (&lost.input, message.envelope.at, message.envelope.send),
            "{step}"
        );
        assert_eq!((back.created_at, back.deadline), (lost.created_at, lost.deadline), "{step}");
        assert_eq!(back.ledger.receipts, lost.ledger.receipts, "{step}");
        assert_eq!((back.progress, lost.progress > 0), (lost.progress, step != "submit"), "{step}");
        assert_eq!((back.rebuilt, &back.state, back.attempts), (true, &State::Waiting, 0), "{step}");
        let current = app.get("/api/process-klap?projectId=p1").await.expect(200);
        assert_eq!(current.body["jobId"], json!(job), "{step}: it is its project's job again");
        app.run().await;
        assert_eq!(app.status(&job).await["status"], json!("completed"), "{step}");
        assert_eq!(app.sandbox.klap.counts().await.unwrap().exports_total, 1, "{step}");
        app.settled().await;
    }
}

#[tokio::test]
async fn a_rebuilt_submit_has_used_up_its_repetition() {
    let app = TestApp::builder().on_redis().start().await;
    let job = app.enqueue("p1", 1).await;
    app.forget();
    app.sandbox.klap.inject(Fault {
        operation: Operation::CreateTask,
        times: 1,
        effect: Effect::Drop { after_effect: true },
    });
    app.next().await.expect(503);
    assert_eq!(app.job(&job).await.ledger.possible_duplicates, 1, "the lost record may have paid already");
    assert_eq!(app.next().await.expect(489).code(), "klap_submit_unknown");
    assert_eq!(tasks(&app).await, 1);
    // A person may allow one more.
    app.retry(&job).await.expect(202);
    app.run().await;
    assert_eq!((tasks(&app).await, &app.status(&job).await["status"]), (2, &json!("completed")));
    app.settled().await;
}

#[tokio::test]
async fn a_holder_puts_its_own_claim_back_and_keeps_others_away() {
    let app = TestApp::builder().on_redis().start().await;
    let job = app.enqueue("p1", 1).await;
    let sent = app.queue.only();
    let mut holder = Frozen::at(&app, &sent, 0, Moment::After).await;
    let claimed = app.job(&job).await;
    app.forget();
    // The intent finds nothing, and is written with all the rest.
    holder.again(&app, 1, Moment::After).await;
    let back = app.job(&job).await;
    assert_eq!((&back.state, back.at, back.attempts), (&claimed.state, claimed.at, claimed.attempts));
    assert_eq!((back.ledger.intents.len(), back.rebuilt), (1, false), "nothing is unknown to a holder");
    app.push(&sent).await.expect(429);
    assert_eq!(holder.wake().await, Reply::Done);
    app.queue.set_fate(&sent.id, Fate::Delivered);
    app.run().await;
    let record = app.job(&job).await;
    assert_eq!((record.state, record.ledger.possible_duplicates, tasks(&app).await), (State::Done, 0, 1));
    app.settled().await;
}

#[tokio::test]
async fn a_holder_whose_record_was_rebuilt_by_another_writes_only_its_receipt() {
    let app = TestApp::builder().on_redis().start().await;
    let job = app.enqueue("p1", 1).await;
    let sent = app.queue.only();
    let holder = Frozen::at(&app, &sent, 2, Moment::Before).await;
    app.forget();
    let other = Frozen::at(&app, &sent, 1, Moment::After).await;
    let before = app.job(&job).await;
    assert!(!super::frozen::is_success(&holder.wake().await));
    let after = app.job(&job).await;
    assert_eq!((&after.state, after.at, &after.plan), (&before.state, before.at, &before.plan));
    assert_eq!(after.ledger.receipts.len(), 1, "{:#?}", after.ledger);
    // The intent of the other finds the receipt there.
    assert_eq!(other.wake().await, Reply::Done);
    app.queue.set_fate(&sent.id, Fate::Delivered);
    app.run().await;
    assert_eq!((app.job(&job).await.state, tasks(&app).await), (State::Done, 1));
    app.settled().await;
}

#[tokio::test]
async fn receipts_of_a_message_are_merged_into_an_older_record_of_the_same_position() {
    let app = TestApp::builder().on_redis().start().await;
    let job = app.enqueue("p1", 1).await;
    let (sent, old) = (app.queue.only(), snapshot(&app, &job));
    // The task is paid and its receipt written; before the step is settled its message is given up, and its worker fails
    // to settle: the message sent anew carries the receipt.
    let worker = Frozen::at(&app, &sent, 2, Moment::After).await;
    drop(worker);
    app.queue.set_fate(&sent.id, Fate::Dead);
    end_lease(&app, &job);
    app.call_back(&sent).await.expect(200);
    let anew = app.queue.only();
    assert_eq!((anew.message().envelope.send, anew.message().receipts.len()), (2, 1));
    restore(&app, &job, &old);
    assert!(app.job(&job).await.ledger.receipts.is_empty(), "the older record knows nothing of it");
    app.next().await.expect(200);
    let record = app.job(&job).await;
    assert_eq!((record.step.as_str(), record.ledger.possible_duplicates), ("await_task", 0), "{record:#?}");
    app.run().await;
    assert_eq!((app.job(&job).await.state, tasks(&app).await), (State::Done, 1));
    app.settled().await;
}

/// As if the lease's time had gone by.
fn end_lease(app: &TestApp, job: &str) {
    let key = format!("{{test:}}job:{job}");
    let mut connection = app.redis.as_ref().unwrap().connection();
    let body: String = redis::cmd("HGET").arg(&key).arg("b").query(&mut connection).unwrap();
    let mut record: serde_json::Value = serde_json::from_str(&body).unwrap();
    record["state"]["lease"]["until"] = json!(1);
    record["leasedUntil"] = json!(1);
    redis::cmd("HSET").arg(&key).arg("b").arg(record.to_string()).exec(&mut connection).unwrap();
}

#[tokio::test]
async fn a_tombstone_of_an_earlier_epoch_does_not_absorb_the_next_ones_pushes() {
    let app = TestApp::builder().on_redis().start().await;
    let job = failed(&app).await;
    let key = format!("{{test:}}ended:{job}");
    let tombstone: String = redis::cmd("GET").arg(&key).query(&mut app.redis.as_ref().unwrap().connection()).unwrap();
    assert_eq!(tombstone, "1");
    app.retry(&job).await.expect(202);
    assert_eq!(app.store.tombstone(&JobId::new(&*job)).await.unwrap(), None);
    // Redis falls back to before the retry, and has evicted the record.
    redis::cmd("SET").arg(&key).arg(&tombstone).exec(&mut app.redis.as_ref().unwrap().connection()).unwrap();
    app.lose(Loss::Records);
    app.run().await;
    let record = app.job(&job).await;
    assert_eq!((record.at.epoch, record.state, tasks(&app).await), (2, State::Done, 1));
    app.settled().await;
}

#[tokio::test]
async fn an_end_of_an_earlier_epoch_does_not_absorb_the_next_ones_pushes() {
    let app = TestApp::builder().on_redis().start().await;
    let job = failed(&app).await;
    let old = snapshot(&app, &job);
    app.retry(&job).await.expect(202);
    restore(&app, &job, &old);
    assert_eq!(app.job(&job).await.state, State::Failed);
    app.run().await;
    let record = app.job(&job).await;
    assert_eq!((record.at.epoch, record.state, tasks(&app).await), (2, State::Done, 1));
    app.settled().await;
}

#[tokio::test]
async fn live_records_never_expire_and_an_end_sets_the_expiry_of_all_at_once() {
    let app = TestApp::builder().on_redis().start().await;
    let left = |key: &str| -> i64 {
        redis::cmd("PTTL").arg(key).query(&mut app.redis.as_ref().unwrap().connection()).unwrap()
    };
    let job = failed(&app).await;
    app.retry(&job).await.expect(202);
    let keys = ["{test:}project:3:ann:p1".to_owned(), format!("{{test:}}job:{job}")];
    let tombstone = format!("{{test:}}ended:{job}");
    while !app.job(&job).await.is_final() {
        for key in &keys {
            assert_eq!(left(key), -1, "{key} of a live job has an end, or is not there");
        }
        assert_eq!(left(&tombstone), -2, "a live job has a tombstone");
        app.next().await.expect(200);
    }
    let day = 24 * 3_600_000;
    for key in &keys {
        assert!((day - 60_000..=day).contains(&left(key)), "{key}: {}", left(key));
    }
    assert!(left(&tombstone) >= 8 * day - 60_000);
    app.settled().await;
}

#[tokio::test]
async fn a_pointer_to_nothing_counts_as_no_job() {
    let app = TestApp::builder().on_redis().start().await;
    let lost = app.enqueue("p1", 1).await;
    app.run_to(&lost, "await_task").await;
    let sent = app.queue.only();
    app.lose(Loss::Records);
    app.get("/api/process-klap?projectId=p1").await.expect(404);
    let newer = app.enqueue("p1", 1).await;
    app.deliver(&sent).await.expect(200);
    assert_eq!(app.status(&lost).await["errorDetail"]["code"], json!("record_lost"));
    assert_eq!(app.get("/api/process-klap?projectId=p1").await.expect(200).body["jobId"], json!(newer));
    app.run().await;
    assert_eq!(app.job(&newer).await.state, State::Done);
    app.settled().await;
}
