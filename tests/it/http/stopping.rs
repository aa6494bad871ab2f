//! A process that is about to stop: it says so, takes no more work, and lets nobody wait.

use crate::support::app::TestApp;
use crate::support::time::until;
use axum::http::Method;
use futures_util::future::join_all;
use serde_json::json;
use std::time::Instant;

#[tokio::test]
async fn a_process_that_stops_is_not_ready_and_takes_no_step() {
    let app = TestApp::start().await;
    let job = app.enqueue("p1", 1).await;
    assert_eq!(app.get("/api/ready").await.expect(200).body["status"], "ready");
    app.engines[0].stopping().cancel();
    let told = app.get("/api/ready").await.expect(503).body;
    assert_eq!(told, json!({"status": "stopping", "checks": {"store": "up", "qstash": "up"}}));
    assert_eq!(app.get("/api/health").await.expect(200).body["status"], "ok", "it lives until it has stopped");
    let (before, sent) = (app.record(&job).await, app.queue.only());
    let refused = app.push(&sent).await.expect(503);
    assert!(!refused.header("retry-after").is_empty());
    assert_eq!(app.record(&job).await, before, "nothing is claimed that could not be ended");
}

/// On a connection that is still open.
#[tokio::test]
async fn who_comes_to_wait_is_told_how_it_stands() {
    let app = TestApp::start().await;
    let job = app.enqueue("p1", 1).await;
    let known = app.get(&format!("/api/process-klap?jobId={job}")).await.header("etag").to_owned();
    app.engines[0].stopping().cancel();
    let begun = Instant::now();
    for find in [format!("jobId={job}"), "projectId=p1".to_owned()] {
        let path = format!("/api/process-klap?{find}&wait=20");
        let told = app.get(&path).await.expect(200);
        assert_eq!((&told.body["jobId"], &told.body["status"]), (&json!(job), &json!("queued")));
        let known = app.request(Method::GET, &path).header("if-none-match", &known);
        crate::support::driving::read(known.bearer_auth(crate::support::app::ANN)).await.expect(304);
    }
    app.get("/api/process-klap?jobId=job_none&wait=20").await.expect(404);
    // An `EventSource` comes back after an end, and never after a refusal.
    let events = format!("/api/process-klap/events?jobId={job}");
    let events = app.request(Method::GET, &events).bearer_auth(crate::support::app::ANN).send().await.unwrap();
    assert_eq!(events.status(), 200);
    let events = events.text().await.unwrap();
    assert!(events.starts_with("retry: 1000") && events.contains("\"status\":\"queued\""), "{events}");
    assert!(begun.elapsed().as_secs() < 10, "nobody is kept waiting");
}

#[tokio::test]
async fn however_many_ask_whether_it_is_ready_redis_and_qstash_are_asked_once() {
    let app = TestApp::start().await;
    let (calls, asked) = (app.watch.calls(), app.queue.keys_asked());
    let begun = Instant::now();
    let answers = join_all((0..100).map(|_| app.get("/api/ready"))).await;
    let took = usize::try_from(begun.elapsed().as_secs()).unwrap();
    assert!(answers.iter().all(|answer| answer.status == 200));
    // One, and one more for each two seconds that this took.
    let most = 1 + took.div_ceil(2);
    let (calls, so_often) = (app.watch.calls() - calls, app.queue.keys_asked());
    let asked = so_often - asked;
    assert!((1..=most).contains(&calls) && (1..=most).contains(&asked), "{calls} and {asked}, not {most}");
    until("it is looked at again", async || {
        app.get("/api/ready").await.expect(200);
        app.queue.keys_asked() > so_often
    })
    .await;
}
