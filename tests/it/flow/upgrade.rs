//! Deploys roll while jobs are in flight: what the build before wrote is carried on by this one, from every step, and what this
//! one writes is read by the build before, which drops what it does not know and writes the rest back.

use crate::support::app::TestApp;
use crate::support::before;
use crate::support::queue::Sent;
use bytes::Bytes;
use cliprelay::job::{JobId, OpId};
use cliprelay::store::{Commit, Committed, Counts, DueAt, Expected, PointerWrite};
use serde_json::{Map, Value, json};
use std::time::Duration;

/// What records and messages have had since: nothing that the build before misses.
const ADDED: [&str; 3] = ["trace", "usage", "history"];
const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
/// More pushes than the job of these tests needs.
const PUSHES_MAX: usize = 30;

fn parsed(bytes: &Bytes) -> Value {
    serde_json::from_slice(bytes).unwrap()
}

/// As the build before wrote it, having read what is there.
fn by_the_build_before(record: &Bytes) -> Bytes {
    let record: before::Record = serde_json::from_slice(record).unwrap();
    serde_json::to_vec(&record).unwrap().into()
}

fn message_by_the_build_before(message: &Bytes) -> Bytes {
    let message: before::Message = serde_json::from_slice(message).unwrap();
    serde_json::to_vec(&message).unwrap().into()
}

/// The same without any field that may be missing and says nothing.
fn sparse(record: &Bytes) -> Bytes {
    const OPTIONAL: [&str; 8] =
        ["waits", "error", "leasedUntil", "rebuilt", "startedAt", "finishedAt", "charge", "ledger"];
    const OF_MESSAGE: [&str; 5] = ["sent", "messageId", "spent", "dlqId", "looks"];
    let says_nothing = |value: &Value| match value {
        Value::Null => true,
        Value::Bool(is) => !is,
        Value::Number(number) => number.as_u64() == Some(0),
        Value::Object(fields) => fields.values().all(|value| *value == json!([]) || *value == json!(0)),
        Value::Array(_) | Value::String(_) => false,
    };
    let mut record = parsed(&by_the_build_before(record));
    let prune = |fields: &mut Map<String, Value>, optional: &[&str]| {
        fields.retain(|name, value| !(optional.contains(&name.as_str()) && says_nothing(value)));
    };
    let fields = record.as_object_mut().unwrap();
    prune(fields["message"].as_object_mut().unwrap(), &OF_MESSAGE);
    prune(fields, &OPTIONAL);
    record.to_string().into()
}

/// With everything that a newer neighbour writes, whatever this test's own surroundings make of it.
fn with_all_that_is_new(bytes: &Bytes) -> Bytes {
    let mut value = parsed(bytes);
    value["trace"] = json!(TRACE);
    value.to_string().into()
}

/// Puts another body in the place of a job's record.
async fn rewrite(app: &TestApp, job: &str, change: impl Fn(&Bytes) -> Bytes) {
    let id = JobId::new(job);
    let read = app.store.get(&id).await.unwrap().record.unwrap();
    let commit = Commit {
        id,
        op: OpId::new(format!("rewrite-{}", read.version)),
        expected: Expected::Version(read.version),
        version: read.version + 1,
        body: change(&read.body),
        due: DueAt::Keep,
        expiry: None,
        pointer: PointerWrite::Keep,
        remember: None,
        listed: Vec::new(),
        peek_due: 0,
        counts: Counts::default(),
    };
    assert!(matches!(app.store.commit(&commit).await.unwrap(), Committed::Applied { .. }));
}

fn change_message(app: &TestApp, sent: &Sent, change: impl Fn(&Bytes) -> Bytes) {
    let body = change(&sent.body);
    app.queue.change(&sent.id, |sent| sent.body = body);
}

/// Lives a job up to its `nth` push, lets somebody else write record and message there, and lives it to its end. The step it
/// was taken over at; none if it had ended by then.
async fn taken_over_at(
    nth: usize,
    record: impl Fn(&Bytes) -> Bytes,
    message: impl Fn(&Bytes) -> Bytes,
) -> Option<String> {
    let app = TestApp::start().await;
    let job = app.enqueue("p1", 2).await;
    for _ in 0..nth {
        app.next().await.expect(200);
        if app.queue.waiting().is_empty() {
            return None;
        }
    }
    let step = app.job(&job).await.step;
    rewrite(&app, &job, record).await;
    change_message(&app, &app.queue.only(), message);
    app.run().await;
    completed_for_its_price(&app, &job).await;
    Some(step)
}

async fn completed_for_its_price(app: &TestApp, job: &str) {
    let status = app.status(job).await;
    assert_eq!((&status["status"], &status["possibleDuplicateCharge"]), (&json!("completed"), &json!(0)), "{status:#}");
    let counts = app.sandbox.klap.counts().await.unwrap();
    assert_eq!((counts.tasks, counts.exports_total), (1, 2), "nothing is paid again");
    assert_eq!(app.sandbox.supabase.objects().await.unwrap().len(), 2);
    app.settled().await;
}

async fn from_every_step(record: impl Fn(&Bytes) -> Bytes, message: impl Fn(&Bytes) -> Bytes) {
    let mut steps = Vec::new();
    for nth in 0..PUSHES_MAX {
        match taken_over_at(nth, &record, &message).await {
            Some(step) => steps.push(step),
            None => break,
        }
    }
    steps.dedup();
    assert_eq!(steps, ["submit", "await_task", "list", "export", "transfer", "finalize"]);
}

#[tokio::test]
async fn what_the_build_before_wrote_is_carried_on_from_every_step() {
    from_every_step(by_the_build_before, message_by_the_build_before).await;
}

#[tokio::test]
async fn what_nobody_wrote_is_not_missed_at_any_step() {
    from_every_step(sparse, message_by_the_build_before).await;
}

#[tokio::test]
async fn what_a_build_with_traces_wrote_is_carried_on_by_one_without() {
    from_every_step(with_all_that_is_new, with_all_that_is_new).await;
}

#[tokio::test]
async fn two_builds_that_take_turns_bring_a_job_to_its_end() {
    let app = TestApp::start().await;
    let job = app.enqueue("p1", 2).await;
    let mut turns = 0;
    while let [sent] = &app.queue.waiting()[..] {
        turns += 1;
        if turns % 2 == 0 {
            rewrite(&app, &job, by_the_build_before).await;
            change_message(&app, sent, message_by_the_build_before);
        } else {
            rewrite(&app, &job, with_all_that_is_new).await;
            change_message(&app, sent, with_all_that_is_new);
        }
        app.next().await.expect(200);
    }
    assert!(turns > 5, "{turns}");
    completed_for_its_price(&app, &job).await;
}

#[tokio::test]
async fn the_build_before_reads_all_it_needs_of_what_is_written_now() {
    let app = TestApp::start().await;
    let job = app.enqueue("p1", 2).await;
    let without = |bytes: &Bytes| {
        let mut value = parsed(bytes);
        value.as_object_mut().unwrap().retain(|name, _| !ADDED.contains(&name.as_str()));
        value
    };
    let mut seen = 0;
    loop {
        let record = with_all_that_is_new(&app.record(&job).await.unwrap());
        assert_eq!(parsed(&by_the_build_before(&record)), without(&record), "a record loses nothing but what is new");
        let Some(sent) = app.queue.waiting().into_iter().next() else { break };
        let message = with_all_that_is_new(&sent.body);
        assert_eq!(parsed(&message_by_the_build_before(&message)), without(&message));
        app.deliver(&sent).await.expect(200);
        seen += 1;
    }
    assert!(seen > 5, "{seen}");
    // A claim as well, which no step leaves behind.
    let golden = format!("{}/fixtures/wire/v1/record-running.json", env!("CARGO_MANIFEST_DIR"));
    let golden: Bytes = std::fs::read(golden).unwrap().into();
    assert_eq!(parsed(&by_the_build_before(&golden)), parsed(&golden));
    app.settled().await;
}

#[tokio::test]
async fn a_failed_job_of_the_build_before_can_be_tried_anew() {
    let app = TestApp::start().await;
    let job = app.enqueue("p1", 2).await;
    app.run_to(&job, "list").await;
    app.clock.advance(Duration::from_hours(3));
    app.next().await.expect(489);
    rewrite(&app, &job, sparse).await;
    assert_eq!(app.status(&job).await["status"], "failed");
    app.retry(&job).await.expect(202);
    app.run().await;
    completed_for_its_price(&app, &job).await;
}

#[tokio::test]
async fn a_store_that_forgot_is_told_by_a_message_of_the_build_before() {
    let app = TestApp::builder().on_redis().start().await;
    let job = app.enqueue("p1", 2).await;
    app.run_to(&job, "export").await;
    let sent = app.queue.only();
    app.forget();
    change_message(&app, &sent, message_by_the_build_before);
    app.run().await;
    completed_for_its_price(&app, &job).await;
}
