//! Redis comes back empty, or with an older snapshot: a push puts its job back, and nothing is paid twice.

use crate::support::app::TestApp;
use crate::support::driving::Loss;
use crate::support::queue::Fate;
use crate::support::watched::Moment;
use serde_json::{Value, json};
use std::sync::Arc;

const CLIPS: u32 = 2;

async fn bills(app: &TestApp) -> (u64, u64, usize) {
    let counts = app.sandbox.klap.counts().await.unwrap();
    (counts.tasks, counts.exports_total, app.sandbox.supabase.objects().await.unwrap().len())
}

/// Runs a job over a Redis that is emptied at its `nth` write; whether it came that far.
async fn forgotten_at(app: &TestApp, project: &str, nth: usize, moment: Moment, loss: Loss) -> bool {
    let (tasks, exports, objects) = bills(app).await;
    app.forget_at(nth, moment, loss);
    let job = app.enqueue(project, CLIPS).await;
    let first = app.queue.only();
    let mut last = first;
    while let Some(sent) = app.queue.waiting().into_iter().next() {
        let answer = app.deliver(&sent).await;
        assert!([200, 503].contains(&answer.status), "{moment:?} write {nth}: {answer:?}");
        last = sent;
    }
    let met = !app.watch.disarm();
    let name = format!("{loss:?} {moment:?} write {nth}");
    if app.record(&job).await.is_none() {
        // All was done, and then forgotten with its tombstone: a late push does it again, without paying.
        app.push(&last).await.expect(200);
        app.run().await;
    }
    let status = app.status(&job).await;
    assert_eq!((&status["status"], &status["clipsFailed"]), (&json!("completed"), &json!(0)), "{name}: {status:#}");
    assert_eq!(status["clips"].as_array().unwrap().len(), 2);
    let by_project = app.get(&format!("/api/process-klap?projectId={project}")).await.expect(200);
    assert_eq!(by_project.body["jobId"], json!(job), "{name}");
    let now = bills(app).await;
    assert_eq!((now.0 - tasks, now.1 - exports, now.2 - objects), (1, u64::from(CLIPS), CLIPS as usize), "{name}");
    met
}

async fn forgotten_everywhere(moment: Moment, loss: Loss) {
    let app = TestApp::builder().on_redis().start().await;
    let mut nth = 0;
    while forgotten_at(&app, &format!("p{nth}"), nth, moment, loss).await {
        nth += 1;
    }
    assert!(nth > 20, "only {nth} writes were met");
    app.settled().await;
}

#[tokio::test]
async fn redis_may_forget_before_any_write() {
    forgotten_everywhere(Moment::Before, Loss::Everything).await;
}

#[tokio::test]
async fn redis_may_forget_after_any_write() {
    forgotten_everywhere(Moment::After, Loss::Everything).await;
}

#[tokio::test]
async fn redis_may_evict_a_record_before_any_write() {
    forgotten_everywhere(Moment::Before, Loss::Records).await;
}

/// A process dies and Redis forgets, both at the `nth` write of a job's pushes; whether it came that far.
async fn dies_and_is_forgotten_at(app: &TestApp, project: &str, nth: usize) -> bool {
    let (tasks, exports, objects) = bills(app).await;
    let job = app.enqueue(project, CLIPS).await;
    let mut left = Some(nth);
    while let Some(sent) = app.queue.waiting().into_iter().next() {
        let Some(writes) = left else {
            app.deliver(&sent).await;
            continue;
        };
        let before = app.watch.commits();
        if app.cut_off(&sent, writes, Moment::After).await.is_none() {
            app.forget();
            left = None;
        } else {
            app.queue.set_fate(&sent.id, Fate::Delivered);
            left = Some(writes - (app.watch.commits() - before));
        }
    }
    let record = app.job(&job).await;
    assert_eq!(record.state.public(), "completed", "write {nth}: {record:#?}");
    let now = bills(app).await;
    assert!(now.0 - tasks <= 1 + u64::from(record.ledger.possible_duplicates), "write {nth}: {record:#?}");
    assert_eq!((now.1 - exports, now.2 - objects), (u64::from(CLIPS), CLIPS as usize), "write {nth}: {record:#?}");
    left.is_none()
}

#[tokio::test]
async fn a_process_may_die_and_redis_forget_together() {
    let app = TestApp::builder().on_redis().start().await;
    let mut nth = 0;
    while dies_and_is_forgotten_at(&app, &format!("p{nth}"), nth).await {
        nth += 1;
    }
    assert!(nth > 20, "only {nth} writes were met");
    app.settled().await;
}

#[tokio::test]
async fn a_receipt_survives_a_redis_that_forgets_and_has_a_newer_job_by_then() {
    let app = Arc::new(TestApp::builder().on_redis().start().await);
    let lost = app.enqueue("p1", 1).await;
    let sent = app.queue.only();
    // Just before the paid task's id is written down.
    let other = app.clone();
    app.watch.trap(2, Moment::Before, move || {
        Box::pin(async move {
            other.forget();
            other.enqueue("p1", 1).await;
        })
    });
    app.push(&sent).await.expect(200);
    app.queue.set_fate(&sent.id, Fate::Delivered);
    let record = app.job(&lost).await;
    assert_eq!(record.ledger.receipts.len(), 1, "what was paid is known: {record:#?}");
    assert_eq!(app.status(&lost).await["errorDetail"]["code"], json!("record_lost"));
    let current = app.get("/api/process-klap?projectId=p1").await.expect(200).body;
    assert_ne!(current["jobId"], json!(lost));
    app.run().await;
    assert_eq!(app.status(current["jobId"].as_str().unwrap()).await["status"], json!("completed"));
    app.settled().await;
}

#[tokio::test]
async fn a_push_from_long_ago_rebuilds_nothing() {
    let app = TestApp::builder().on_redis().start().await;
    let job = app.enqueue("p1", 1).await;
    let sent = app.queue.only();
    app.forget();
    let mut old: Value = serde_json::from_slice(&sent.body).unwrap();
    old["deadline"] = json!(old["deadline"].as_u64().unwrap() - 9 * 86_400_000);
    let old = bytes::Bytes::from(old.to_string());
    app.push_to(0, &old).await.expect(200);
    app.call_back_with(&old, &sent.id).await.expect(200);
    assert!(app.record(&job).await.is_none());
    app.run().await;
    app.settled().await;
}

#[tokio::test]
async fn a_forgotten_job_is_rebuilt_by_its_failure_callback() {
    let app = TestApp::builder().on_redis().start().await;
    let job = app.enqueue("p1", 1).await;
    app.run_to(&job, "export").await;
    let sent = app.queue.only();
    app.forget();
    app.dies(&sent).await;
    assert_eq!(app.queue.only().message().envelope.send, sent.message().envelope.send + 1);
    app.run().await;
    assert_eq!(app.status(&job).await["status"], json!("completed"));
    assert_eq!(bills(&app).await, (1, 1, 1));
    app.settled().await;
}

#[tokio::test]
async fn a_forgotten_job_whose_message_died_is_found_among_the_dead_letters() {
    let app = TestApp::builder().on_redis().start().await;
    let job = app.enqueue("p1", 1).await;
    app.run_to(&job, "list").await;
    let sent = app.queue.only();
    app.forget();
    app.queue.set_fate(&sent.id, Fate::Dead);
    assert_eq!(app.cron().await["revived"], json!(1));
    assert_eq!(app.queue.inner().letters_deleted, [sent.dlq_id()]);
    app.run().await;
    assert_eq!(app.status(&job).await["status"], json!("completed"));
    assert_eq!(bills(&app).await, (1, 1, 1));
    app.settled().await;
}

#[tokio::test]
async fn beside_a_newer_live_job_a_forgotten_one_is_recorded_as_lost() {
    let app = TestApp::builder().on_redis().start().await;
    let lost = app.enqueue("p1", 1).await;
    app.run_to(&lost, "await_task").await;
    let sent = app.queue.only();
    app.forget();
    let newer = app.enqueue("p1", 1).await;
    app.deliver(&sent).await.expect(200);
    let status = app.status(&lost).await;
    assert_eq!((&status["status"], &status["errorDetail"]["code"]), (&json!("failed"), &json!("record_lost")));
    assert_eq!(app.job(&lost).await.ledger.receipts.len(), 1, "its receipts are kept");
    let current = app.get("/api/process-klap?projectId=p1").await.expect(200);
    assert_eq!(current.body["jobId"], json!(newer));
    app.run().await;
    assert_eq!(app.status(&newer).await["status"], json!("completed"));
    app.settled().await;
}

/// The job's key, byte by byte.
pub(super) fn snapshot(app: &TestApp, job: &str) -> Vec<u8> {
    redis::cmd("DUMP").arg(format!("{{test:}}job:{job}")).query(&mut app.redis.as_ref().unwrap().connection()).unwrap()
}

pub(super) fn restore(app: &TestApp, job: &str, snapshot: &[u8]) {
    let mut command = redis::cmd("RESTORE");
    command.arg(format!("{{test:}}job:{job}")).arg(0).arg(snapshot).arg("REPLACE");
    command.exec(&mut app.redis.as_ref().unwrap().connection()).unwrap();
}

#[tokio::test]
async fn over_an_older_snapshot_the_push_goes_on_where_it_was() {
    let steps = ["submit", "await_task", "list", "export", "transfer", "finalize"];
    for (number, older) in steps.iter().enumerate() {
        for later in &steps[number + 1..] {
            let app = TestApp::builder().on_redis().start().await;
            let job = app.enqueue("p1", 1).await;
            app.run_to(&job, older).await;
            let old = snapshot(&app, &job);
            app.run_to(&job, later).await;
            restore(&app, &job, &old);
            app.run().await;
            let status = app.status(&job).await;
            assert_eq!(status["status"], json!("completed"), "{older} for {later}: {status:#}");
            assert_eq!(bills(&app).await, (1, 1, 1), "{older} for {later}");
            app.settled().await;
        }
    }
}
