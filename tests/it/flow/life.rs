//! A job's whole life when nothing goes wrong.

use crate::support::app::TestApp;
use serde_json::json;

#[tokio::test]
async fn a_job_completes_over_the_embedded_store() {
    completes(TestApp::start().await).await;
}

#[tokio::test]
async fn a_job_completes_over_redis() {
    completes(TestApp::builder().on_redis().start().await).await;
}

async fn completes(app: TestApp) {
    let job = app.enqueue("p1", 2).await;
    app.run().await;
    let status = app.status(&job).await;
    assert_eq!(status["status"], json!("completed"), "{status:#}");
    app.settled().await;
}
