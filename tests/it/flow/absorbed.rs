//! However a job has ended, also when its record is gone, its late pushes and its late failure callbacks are answered 200,
//! change nothing and pay for nothing.

use crate::support::app::TestApp;
use crate::support::driving::Loss;
use crate::support::queue::{Fate, Sent};
use cliprelay::embedded::klap::{Effect, Fault, Operation};
use cliprelay::job::JobId;
use cliprelay::store::Record;
use serde_json::json;
use std::time::Duration;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Completed,
    Failed,
    /// Before its first push.
    CancelledAtOnce,
    Cancelled,
}

const ENDS: [End; 4] = [End::Completed, End::Failed, End::CancelledAtOnce, End::Cancelled];

/// A job that has ended so; nothing of it waits to be delivered.
async fn ended(app: &TestApp, end: End) -> String {
    let job = app.enqueue("p1", 1).await;
    match end {
        End::Completed => {}
        End::Failed => {
            app.run_to(&job, "list").await;
            let effect = Effect::Answer { status: 401, body: json!({}), retry_after: None, after_effect: false };
            app.sandbox.klap.inject(Fault { operation: Operation::Folder, times: 1, effect });
        }
        End::CancelledAtOnce => drop(app.cancel(&job).await.expect(200)),
        End::Cancelled => {
            app.run_to(&job, "transfer").await;
            app.cancel(&job).await.expect(200);
        }
    }
    app.run().await;
    job
}

/// The record with its version, the messages, and what Klap and storage were asked in all.
async fn world(app: &TestApp, job: &str) -> (Option<Record>, Vec<Fate>, u64, usize) {
    let record = app.store.get(&JobId::new(job)).await.unwrap().record;
    let fates = app.queue.all().into_iter().map(|sent| sent.fate).collect();
    let calls = app.sandbox.klap.counts().await.unwrap().calls.values().sum();
    (record, fates, calls, app.sandbox.supabase.objects().await.unwrap().len())
}

/// These messages come once more, and once more their redeliveries are used up, the newest first.
async fn absorbed(app: &TestApp, job: &str, messages: &[Sent], name: &str) {
    let before = world(app, job).await;
    for sent in messages.iter().rev().chain(messages) {
        let answer = app.push(sent).await;
        assert_eq!((answer.status, &answer.body["oldNews"]), (200, &json!(true)), "{name}: {answer:?}");
        assert_eq!(app.call_back(sent).await.status, 200, "{name}");
    }
    assert_eq!(world(app, job).await, before, "{name}: something has changed");
}

#[tokio::test]
async fn late_messages_after_any_end_change_nothing() {
    for end in ENDS {
        let app = TestApp::start().await;
        let job = ended(&app, end).await;
        absorbed(&app, &job, &app.queue.all(), &format!("{end:?}")).await;
        app.settled().await;
    }
}

#[tokio::test]
async fn late_messages_of_an_earlier_epoch_change_nothing_in_the_next() {
    let app = TestApp::start().await;
    let job = ended(&app, End::Failed).await;
    let old = app.queue.all();
    app.retry(&job).await.expect(202);
    absorbed(&app, &job, &old, "waiting").await;
    app.next().await.expect(200);
    absorbed(&app, &job, &old, "a step further").await;
    app.run().await;
    assert_eq!(app.status(&job).await["status"], json!("completed"));
    absorbed(&app, &job, &app.queue.all(), "completed").await;
    assert_eq!(app.sandbox.klap.counts().await.unwrap().tasks, 1);
    app.settled().await;
}

#[tokio::test]
async fn late_messages_after_the_record_is_gone_meet_its_tombstone_or_are_too_old() {
    for end in ENDS {
        for swept in [false, true] {
            let name = format!("{end:?}, swept {swept}");
            let app = TestApp::start().await;
            let job = ended(&app, end).await;
            app.clock.advance(Duration::from_hours(if end == End::Failed { 169 } else { 25 }));
            if swept {
                assert_eq!(app.cron().await["purged"], json!(1), "{name}");
            }
            assert!(app.record(&job).await.is_none(), "{name}");
            assert_eq!(app.store.tombstone(&JobId::new(&*job)).await.unwrap(), Some(1), "{name}");
            absorbed(&app, &job, &app.queue.all(), &name).await;
            app.clock.advance(Duration::from_hours(8 * 24));
            assert_eq!(app.store.tombstone(&JobId::new(&*job)).await.unwrap(), None, "{name}");
            absorbed(&app, &job, &app.queue.all(), &format!("{name}, without a tombstone")).await;
            app.settled().await;
        }
    }
}

#[tokio::test]
async fn over_redis_late_messages_after_the_record_is_gone_meet_its_tombstone() {
    for end in ENDS {
        let app = TestApp::builder().on_redis().start().await;
        let job = ended(&app, end).await;
        app.lose(Loss::Records);
        absorbed(&app, &job, &app.queue.all(), &format!("{end:?}")).await;
        assert!(app.record(&job).await.is_none());
        app.settled().await;
    }
}

#[tokio::test]
async fn a_dead_letter_of_a_deleted_job_is_settled_by_the_sweep() {
    let app = TestApp::start().await;
    let job = ended(&app, End::Cancelled).await;
    let sent = app.queue.all().pop().unwrap();
    app.queue.set_fate(&sent.id, Fate::Dead);
    app.clock.advance(Duration::from_hours(25));
    let swept = app.cron().await;
    assert_eq!((&swept["revived"], &swept["failed"]), (&json!(0), &json!(0)), "{swept}");
    assert_eq!(app.queue.inner().letters_deleted, [sent.dlq_id()]);
    assert!(app.record(&job).await.is_none());
    app.settled().await;
}

#[tokio::test]
async fn a_tombstone_outlives_every_message_that_could_bring_its_job_back() {
    let hour = 3_600_000;
    for (done_ttl, failed_ttl, queue_timeout) in [(1, 24, 30 * 24), (1, 60 * 24, 24), (1, 1, 24)] {
        let name = format!("{done_ttl} {failed_ttl} {queue_timeout}");
        let limits = TestApp::builder().limits(|limits| {
            limits.done_ttl = done_ttl * hour;
            limits.failed_ttl = failed_ttl * hour;
            limits.queue_timeout = queue_timeout * hour;
        });
        let app = limits.start().await;
        let job = ended(&app, End::CancelledAtOnce).await;
        // A message can bring a job back as long after its deadline as a failed one stays.
        let end = app.clock.now() + (queue_timeout + failed_ttl) * hour;
        while app.clock.now() <= end + 2 * hour {
            app.clock.advance(Duration::from_hours(1));
            let day = app.clock.now() / hour % 24 == 0;
            if day || app.clock.now().abs_diff(end) <= 2 * hour {
                absorbed(&app, &job, &app.queue.all(), &name).await;
            }
        }
        assert!(app.record(&job).await.is_none(), "{name}");
        app.settled().await;
    }
}
