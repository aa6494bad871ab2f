//! A process that is about to stop: it says so, and takes no more work. That it keeps no watcher waiting is tested in `events`.

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
}
