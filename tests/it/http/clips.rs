//! Clips of a private bucket: the owner is sent on, and nobody else.

use crate::support::app::{ANN, BOB, TestApp, WORKER_SECRET};
use crate::support::driving::{Answer, read};
use axum::http::Method;
use cliprelay::embedded::supabase::{Fault, Op, Planned};
use serde_json::{Value, json};

async fn fetch(app: &TestApp, path: &str, key: &str) -> Answer {
    read(app.request(Method::GET, path).bearer_auth(key)).await
}

fn without(clips: &Value) -> (String, String) {
    let clip = &clips[0];
    assert_eq!(clip["url"], clip["exportUrl"]);
    (clip["id"].as_str().unwrap().to_owned(), clip["url"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn the_owner_is_sent_to_an_address_that_works() {
    let app = TestApp::builder().private_bucket().start().await;
    let row = json!({"id": "p1", "user_id": "ann", "status": "new", "folders": null, "updated_at": null});
    app.sandbox.supabase.add_project_row("projects", row.as_object().unwrap().clone()).await.unwrap();
    let job = app.enqueue("p1", 1).await;
    app.run().await;
    let status = app.status(&job).await;
    let (id, url) = without(&status["clips"]);
    assert_eq!(url, format!("/api/clips/{id}?jobId={job}"));
    let sent_on = fetch(&app, &url, ANN).await.expect(302);
    assert_eq!(sent_on.header("cache-control"), "no-store");
    let clip = app.http.get(sent_on.header("location")).send().await.unwrap();
    assert_eq!(clip.status(), 200, "{}", sent_on.header("location"));
    assert_eq!(clip.bytes().await.unwrap().len() as u64, status["clips"][0]["size"].as_u64().unwrap());
    let rows = app.sandbox.supabase.rows("projects").await.unwrap();
    assert_eq!(rows[0]["folders"]["clips"], status["clips"], "the project's row says the same");
    // Asked as JSON, the same is told: a player sends no key.
    let told =
        read(app.request(Method::GET, &url).bearer_auth(ANN).header("accept", "application/json")).await.expect(200);
    assert_eq!((&told.body["worksFor"], told.header("cache-control")), (&json!(900), "no-store"));
    assert_eq!(app.http.get(told.body["url"].as_str().unwrap()).send().await.unwrap().status(), 200);
    // Without the job the project's current one is meant.
    fetch(&app, &format!("/api/clips/{id}"), ANN).await.expect(302);
}

#[tokio::test]
async fn nobody_else_is_and_what_is_not_there_is_not_found() {
    let app = TestApp::builder().private_bucket().start().await;
    let job = app.enqueue("p1", 1).await;
    app.run_to(&job, "transfer").await;
    let early = format!("/api/clips/p1_clip_0?jobId={job}");
    fetch(&app, &early, ANN).await.expect(404);
    app.run().await;
    fetch(&app, &early, ANN).await.expect(302);
    for path in [&early, "/api/clips/p1_clip_0"] {
        fetch(&app, path, BOB).await.expect(404);
        read(app.request(Method::GET, path)).await.expect(401);
    }
    for path in ["p1_clip_1", "p1_clip_00", "p2_clip_0", "p1", "_clip_", "x%2F..%2F_clip_0", "%ff"] {
        for query in ["", &format!("?jobId={job}"), "?jobId=job_x"] {
            let answer = fetch(&app, &format!("/api/clips/{path}{query}"), ANN).await;
            assert!([400, 404].contains(&answer.status), "{path}{query}: {}", answer.status);
        }
    }
}

#[tokio::test]
async fn an_operator_is_let_in_to_a_job_that_is_named() {
    let app = TestApp::builder().private_bucket().start().await;
    let job = app.enqueue("p1", 1).await;
    app.run().await;
    let (id, url) = without(&app.status(&job).await["clips"]);
    let sent_on = fetch(&app, &url, WORKER_SECRET).await.expect(302);
    assert_eq!(app.http.get(sent_on.header("location")).send().await.unwrap().status(), 200);
    fetch(&app, &format!("/api/clips/{id}"), WORKER_SECRET).await.expect(400);
    for wrong in [format!("/api/clips/p2_clip_0?jobId={job}"), format!("/api/clips/{id}?jobId=job_x")] {
        fetch(&app, &wrong, WORKER_SECRET).await.expect(404);
    }
}

#[tokio::test]
async fn a_job_without_a_name_is_none_as_everywhere() {
    let app = TestApp::start().await;
    app.enqueue("p1", 1).await;
    app.run().await;
    for path in ["/api/clips/p1_clip_0", "/api/process-klap", "/api/process-klap/events"] {
        fetch(&app, &format!("{path}?jobId="), ANN).await.expect(400);
    }
    fetch(&app, "/api/clips/p1_clip_0?jobId=job_x", ANN).await.expect(404);
    fetch(&app, "/api/clips/p1_clip_0", ANN).await.expect(302);
}

#[tokio::test]
async fn two_jobs_of_a_project_keep_their_clips_apart() {
    let app = TestApp::builder().private_bucket().start().await;
    let mut places = Vec::new();
    for _ in 0..2 {
        let job = app.enqueue("p1", 1).await;
        app.run().await;
        let (_, url) = without(&app.status(&job).await["clips"]);
        places.push((job, url));
    }
    for (job, url) in places {
        let sent_on = fetch(&app, &url, ANN).await.expect(302);
        assert!(sent_on.header("location").contains(&job), "{}", sent_on.header("location"));
    }
}

#[tokio::test]
async fn with_storage_away_it_is_told_so() {
    let app = TestApp::builder().private_bucket().start().await;
    let job = app.enqueue("p1", 1).await;
    app.run().await;
    let (_, url) = without(&app.status(&job).await["clips"]);
    let fault = Fault::Answer { status: 503, body: "away".to_owned(), retry_after: None };
    app.sandbox.supabase.plan(Planned { op: Op::Sign, times: 1, fault });
    let refused = fetch(&app, &url, ANN).await.expect(503);
    assert_eq!((refused.code(), refused.header("retry-after")), ("storage_unavailable", "5"));
    fetch(&app, &url, ANN).await.expect(302);
}

#[tokio::test]
async fn of_a_public_bucket_it_is_the_plain_address() {
    let app = TestApp::start().await;
    let job = app.enqueue("p1", 1).await;
    app.run().await;
    let (id, url) = without(&app.status(&job).await["clips"]);
    assert_eq!(fetch(&app, &format!("/api/clips/{id}"), ANN).await.expect(302).header("location"), url);
}
