//! A process that is about to stop: it says so, takes no more work, and keeps nobody waiting.

use crate::support::app::TestApp;
use serde_json::json;

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
    // Who waits is answered with what there is.
    let waited = app.get(&format!("/api/process-klap?jobId={job}&wait=25")).await.expect(200);
    assert_eq!(waited.body["status"], "queued");
}
