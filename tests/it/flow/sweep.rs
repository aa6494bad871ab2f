//! The sweep mends what nobody else will: what was not published, never came, ran out of time, or is over.

use crate::support::app::TestApp;
use crate::support::queue::Fate;
use cliprelay::services::qstash::DeadLetter;
use futures_util::future::join_all;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;

fn mended(swept: &Value) -> [u64; 4] {
    ["republished", "revived", "failed", "purged"].map(|member| swept[member].as_u64().unwrap())
}

async fn many(app: &TestApp, count: usize) -> Vec<String> {
    let mut jobs = Vec::new();
    for number in 0..count {
        jobs.push(app.enqueue(&format!("many{number}"), 1).await);
    }
    jobs
}

/// QStash lost them without a word.
fn lose_all(app: &TestApp) {
    for sent in app.queue.waiting() {
        app.queue.set_fate(&sent.id, Fate::Delivered);
    }
}

#[tokio::test]
async fn a_message_that_qstash_does_not_know_is_sent_anew() {
    let app = TestApp::start().await;
    let job = app.enqueue("p1", 1).await;
    app.run_to(&job, "list").await;
    lose_all(&app);
    assert_eq!(mended(&app.cron().await), [0; 4], "it may still be on its way");
    app.clock.advance(Duration::from_secs(62));
    assert_eq!(mended(&app.cron().await), [0, 1, 0, 0]);
    let anew = app.queue.only();
    assert_eq!((anew.message().envelope.send, anew.delay), (2, 0));
    app.run().await;
    assert_eq!(app.status(&job).await["status"], json!("completed"));
    app.settled().await;
}

#[tokio::test]
async fn a_message_that_is_still_on_its_way_is_left_alone() {
    let app = TestApp::start().await;
    let job = app.enqueue("p1", 1).await;
    let mut looked = Vec::new();
    for minutes in [1, 5, 15, 15] {
        let before = app.job(&job).await.message.look_at;
        app.clock.reach(before);
        assert_eq!(mended(&app.cron().await), [0; 4]);
        looked.push((minutes, app.job(&job).await.message.look_at - app.clock.now()));
    }
    let after: Vec<u64> = looked.iter().map(|(_, after)| (after + 30_000) / 60_000).collect();
    assert_eq!(after, [5, 15, 15, 15]);
    assert_eq!(app.queue.all().len(), 1);
    app.run().await;
    app.settled().await;
}

#[tokio::test]
async fn a_message_among_the_dead_letters_is_sent_anew_without_its_callback() {
    let app = TestApp::start().await;
    let job = app.enqueue("p1", 1).await;
    app.cron().await;
    let sent = app.queue.only();
    app.queue.set_fate(&sent.id, Fate::Dead);
    app.clock.advance(Duration::from_secs(62));
    assert_eq!(mended(&app.cron().await), [0, 1, 0, 0]);
    assert_eq!(app.queue.only().deduplication, format!("{job}.1.1.2"));
    app.run().await;
    app.settled().await;
}

#[tokio::test]
async fn jobs_out_of_time_fail() {
    let app = TestApp::start().await;
    let never = app.enqueue("p1", 1).await;
    app.clock.advance(Duration::from_hours(23));
    let begun = app.enqueue("p2", 1).await;
    let sent = app.queue.waiting().pop().unwrap();
    app.deliver(&sent).await.expect(200);
    app.clock.advance(Duration::from_hours(2));
    app.clock.advance(Duration::from_mins(1));
    assert_eq!(mended(&app.cron().await), [0, 0, 2, 0]);
    assert_eq!(app.status(&never).await["errorDetail"]["code"], json!("queue_timeout"));
    assert_eq!(app.status(&begun).await["errorDetail"]["code"], json!("job_timeout"));
    for sent in app.queue.waiting() {
        app.deliver(&sent).await.expect(200);
    }
    // Failed jobs stay a week, then everything of them is gone.
    app.clock.advance(Duration::from_hours(167));
    assert_eq!(mended(&app.cron().await), [0; 4]);
    app.clock.advance(Duration::from_hours(2));
    assert_eq!(mended(&app.cron().await), [0, 0, 0, 2]);
    assert!(app.record(&never).await.is_none());
    app.settled().await;
}

#[tokio::test]
async fn a_round_has_its_ceilings() {
    let app = TestApp::start().await;
    let jobs = many(&app, 60).await;
    lose_all(&app);
    app.clock.advance(Duration::from_mins(2));
    assert_eq!(mended(&app.cron().await), [0, 50, 0, 0]);
    let delays: Vec<u64> = app.queue.waiting().iter().map(|sent| sent.delay).collect();
    assert_eq!(delays.len(), 50);
    assert_eq!((delays[0], delays[49] / 10), (0, 5), "spread over a minute");
    assert_eq!(mended(&app.cron().await), [0, 10, 0, 0]);
    assert_eq!(mended(&app.cron().await), [0; 4]);
    let anew: BTreeSet<String> = app.queue.waiting().iter().map(|sent| sent.deduplication.clone()).collect();
    assert_eq!(anew, jobs.iter().map(|job| format!("{job}.1.1.2")).collect());

    app.clock.advance(Duration::from_hours(25));
    assert_eq!(mended(&app.cron().await), [0, 0, 20, 0]);
    assert_eq!(mended(&app.cron().await), [0, 0, 20, 0]);
    assert_eq!(mended(&app.cron().await), [0, 0, 20, 0]);
    assert_eq!(mended(&app.cron().await), [0; 4]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_sweeps_at_once_do_the_work_of_one() {
    for app in [TestApp::start().await, TestApp::builder().on_redis().start().await] {
        app.queue.is_away(true);
        let jobs = many(&app, 12).await;
        app.queue.is_away(false);
        let sweeps = join_all((0..4).map(|_| app.cron())).await;
        assert!(sweeps.iter().all(|swept| swept["success"] == json!(true)));
        let published: BTreeSet<String> = app.queue.all().iter().map(|sent| sent.deduplication.clone()).collect();
        assert_eq!(published, jobs.iter().map(|job| format!("{job}.1.1.1")).collect());
        if app.redis.is_some() {
            continue;
        }
        lose_all(&app);
        app.clock.advance(Duration::from_mins(2));
        join_all((0..4).map(|_| app.cron())).await;
        let anew: BTreeSet<String> = app.queue.waiting().iter().map(|sent| sent.deduplication.clone()).collect();
        assert_eq!(anew, jobs.iter().map(|job| format!("{job}.1.1.2")).collect());
    }
}

#[tokio::test]
async fn every_push_mends_a_few_due_jobs() {
    let app = TestApp::start().await;
    app.queue.is_away(true);
    many(&app, 12).await;
    app.queue.is_away(false);
    app.clock.advance(Duration::from_secs(1));
    let pushed = app.enqueue("pushed", 1).await;
    let sent = app.queue.only();
    app.push(&sent).await.expect(200);
    app.queue.set_fate(&sent.id, Fate::Delivered);
    let (own, mended): (Vec<_>, Vec<_>) =
        app.queue.waiting().into_iter().partition(|sent| sent.message().envelope.job_id.as_str() == pushed);
    assert_eq!((own.len(), mended.len()), (1, 5));
}

#[tokio::test]
async fn dead_letters_that_concern_nothing_are_settled_or_left() {
    let app = TestApp::start().await;
    let job = app.enqueue("p1", 1).await;
    let first = app.queue.only();
    app.next().await.expect(200);
    let letter = |id: &str, status: i64, body: &str| DeadLetter {
        dlq_id: id.to_owned(),
        message: cliprelay::services::qstash::Message {
            message_id: format!("msg_{id}"),
            url: app.worker_url.clone(),
            body: Some(body.to_owned()),
            ..cliprelay::services::qstash::Message::default()
        },
        response_status: Some(status),
        ..DeadLetter::default()
    };
    let old = String::from_utf8(first.body.to_vec()).unwrap();
    let newer = old.replace("\"v\":1", "\"v\":2");
    app.queue.inner().letters = vec![
        letter("old", 503, &old),
        letter("refused", 489, &old),
        letter("garbled", 503, "not ours"),
        letter("newer", 503, &newer),
    ];
    let before = app.record(&job).await;
    assert_eq!(mended(&app.cron().await), [0; 4]);
    assert_eq!(app.queue.inner().letters_deleted, ["old"], "its sequence has passed");
    assert_eq!(app.record(&job).await, before);
    app.run().await;
    app.settled().await;
}

#[tokio::test]
async fn with_qstash_away_the_sweep_goes_on() {
    let app = TestApp::start().await;
    let job = app.enqueue("p1", 1).await;
    app.queue.is_away(true);
    app.clock.advance(Duration::from_mins(2));
    assert_eq!(mended(&app.cron().await), [0; 4], "away is no proof that a message is spent");
    app.queue.is_away(false);
    assert_eq!(app.job(&job).await.send, 1);
    app.watch.is_away(true);
    crate::support::driving::read(
        app.request(axum::http::Method::POST, "/api/cron/klap").bearer_auth(crate::support::app::CRON_SECRET),
    )
    .await
    .expect(503);
    app.watch.is_away(false);
    app.run().await;
    app.settled().await;
}
