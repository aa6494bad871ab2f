//! A job's whole life when nothing goes wrong: what its watcher sees, what is sent, what it costs.

use crate::support::app::TestApp;
use crate::support::driving::read;
use crate::support::time::until;
use axum::http::Method;
use serde_json::{Value, json};

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
    let mut steps = vec![app.job(&job).await.step];
    let mut progress = vec![0];
    while !app.job(&job).await.is_final() {
        app.next().await.expect(200);
        let (record, status) = (app.job(&job).await, app.status(&job).await);
        steps.push(record.step.clone());
        progress.push(status["progress"].as_u64().unwrap());
        assert_eq!(status["stage"], json!(record.stage));
    }
    steps.dedup();
    assert_eq!(steps, ["submit", "await_task", "list", "export", "transfer", "finalize"]);
    assert!(progress.is_sorted(), "progress goes back: {progress:?}");
    assert_eq!(progress.last(), Some(&100));

    let status = app.status(&job).await;
    assert_eq!(status["status"], json!("completed"), "{status:#}");
    assert_eq!(status["clips"].as_array().unwrap().len(), 2);
    let counts = app.sandbox.klap.counts().await.unwrap();
    assert_eq!((counts.tasks, counts.exports_total), (1, 2));
    assert!(counts.exports.values().all(|paid| *paid == 1), "{counts:?}");
    assert_eq!(app.sandbox.supabase.objects().await.unwrap().len(), 2);
    app.settled().await;
}

const STATUS: &str = "attempts clips clipsFailed completedAt createdAt error errorDetail jobId nextUpdateAt \
    possibleDuplicateCharge progress projectId stage status success updatedAt";
const CLIP: &str = "createdAt description duration error exportUrl exported id klapFolderId klapProjectId \
    publicationCaptions score size status storedInSupabase thumbnail title transcript url viralityExplanation";

/// The names of an object's members, sorted.
fn members(value: &Value) -> String {
    let mut names: Vec<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    names.join(" ")
}

#[tokio::test]
async fn the_status_has_the_contracts_shape() {
    let app = TestApp::start().await;
    let job = app.enqueue("p1", 1).await;
    let queued = app.status(&job).await;
    assert_eq!(members(&queued), STATUS);
    for (member, value) in [
        ("success", json!(true)),
        ("jobId", json!(job)),
        ("projectId", json!("p1")),
        ("status", json!("queued")),
        ("progress", json!(0)),
        ("attempts", json!(0)),
        ("error", Value::Null),
        ("errorDetail", Value::Null),
        ("clips", json!([])),
        ("clipsFailed", json!(0)),
        ("completedAt", Value::Null),
    ] {
        assert_eq!(queued[member], value, "{member}");
    }
    // The store's time, carried on by our own clock for as long as the request took.
    let created = queued["createdAt"].as_str().unwrap();
    assert!(created.starts_with("2027-01-15T08:00:0") && created.len() == 24 && created.ends_with('Z'), "{created}");
    assert!(queued["nextUpdateAt"].is_string());
    app.run_to(&job, "finalize").await;
    let processing = app.status(&job).await;
    assert_eq!(processing["status"], json!("processing"));
    assert_eq!(processing["clips"][0]["status"], json!("stored"), "stored clips appear as they land");
    app.run().await;
    let done = app.status(&job).await;
    assert_eq!(members(&done), STATUS);
    assert_eq!((&done["status"], &done["progress"]), (&json!("completed"), &json!(100)));
    assert_eq!(done["nextUpdateAt"], Value::Null);
    assert!(done["completedAt"].is_string());
}

#[tokio::test]
async fn a_stored_clip_has_the_contracts_shape_and_can_be_fetched() {
    let app = TestApp::start().await;
    let job = app.enqueue("p1", 1).await;
    app.run().await;
    let done = app.status(&job).await;
    let clip = &done["clips"][0];
    assert_eq!(members(clip), CLIP);
    assert_eq!((&clip["id"], &clip["status"]), (&json!("p1_clip_0"), &json!("stored")));
    assert_eq!(clip["url"], clip["exportUrl"]);
    let flags = (&clip["exported"], &clip["storedInSupabase"], &clip["error"]);
    assert_eq!(flags, (&json!(true), &json!(true), &Value::Null));
    let score = clip["score"].as_f64().unwrap();
    assert!((0.0..=1.0).contains(&score), "{score}");
    let stored = app.http.get(clip["url"].as_str().unwrap()).send().await.unwrap();
    assert_eq!(stored.status(), 200);
    assert_eq!(json!(stored.bytes().await.unwrap().len()), clip["size"]);
    app.settled().await;
}

#[tokio::test]
async fn the_project_row_gets_the_clips_and_keeps_what_is_others() {
    let app = TestApp::start().await;
    let row = json!({"id": "p1", "user_id": "ann", "video_url": app.sandbox.sample, "status": "new", "folders": {"theirs": 1},
        "updated_at": null, "note": "mine"});
    app.sandbox.supabase.add_project_row("projects", row.as_object().unwrap().clone()).await.unwrap();
    let asking = json!({"projectId": "p1", "options": {"targetClipCount": 1, "targetDuration": 10}});
    let answer = app.post("/api/process-klap", &asking).await.expect(202);
    app.run().await;
    let status = app.status(answer.body["jobId"].as_str().unwrap()).await;
    assert_eq!(status["status"], json!("completed"), "{status:#}");
    let rows = app.sandbox.supabase.rows("projects").await.unwrap();
    assert_eq!((&rows[0]["note"], &rows[0]["status"]), (&json!("mine"), &json!("ready")));
    assert_eq!(rows[0]["folders"]["theirs"], json!(1));
    assert_eq!(rows[0]["folders"]["clips"], status["clips"]);
    app.settled().await;
}

#[tokio::test]
async fn every_message_asks_for_what_the_contract_says() {
    let app = TestApp::start().await;
    let job = app.enqueue("p1", 1).await;
    app.run().await;
    let sent = app.queue.all();
    for sent in &sent {
        let message = sent.message();
        assert_eq!(sent.destination, app.worker_url);
        assert_eq!(sent.header("upstash-retries"), "3");
        assert_eq!(sent.header("upstash-retry-delay"), "min(60000, 5000 * pow(3, retried))");
        assert_eq!(sent.header("upstash-failure-callback"), app.failed_url);
        assert_eq!(sent.header("upstash-label"), job);
        assert_eq!(sent.header("upstash-forward-x-test-gate"), "open");
        assert_eq!(sent.header("upstash-failure-callback-forward-x-test-gate"), "open");
        let at = message.envelope.at;
        assert_eq!(sent.deduplication, format!("{job}.{}.{}.{}", at.epoch, at.seq, message.envelope.send));
        // Lease (step and 15 %) and 10 s more.
        let timeout = match message.step.as_str() {
            "transfer" => "275s",
            "submit" | "export" | "finalize" => "56s",
            _ => "33s",
        };
        assert_eq!(sent.header("upstash-timeout"), timeout, "{}", message.step);
    }
    let delays: Vec<(String, u64)> = sent.iter().map(|sent| (sent.message().step, sent.delay)).collect();
    assert_eq!(delays[0], ("submit".to_owned(), 0));
    // Half of the ten minutes that are expected without history, then 30 s for the exports.
    assert!(delays.contains(&("await_task".to_owned(), 300)), "{delays:?}");
    assert!(delays.contains(&("transfer".to_owned(), 30)), "{delays:?}");
    // The ids a later message carries are enough to find the paid work again.
    let last = sent.last().unwrap().message();
    assert_eq!(last.receipts.len(), 2, "{last:?}");
    app.settled().await;
}

#[tokio::test]
async fn the_first_page_health_and_readiness_answer() {
    let app = TestApp::start().await;
    let before = app.watch.calls();
    let health = app.get("/api/health").await.expect(200);
    assert_eq!(health.body["status"], json!("ok"));
    assert_eq!(app.watch.calls(), before, "health touches no dependency");
    app.get("/api/ready").await.expect(200);
    let told = async |status: u16, checks: Value| {
        until("it is told", async || {
            let ready = app.get("/api/ready").await;
            ready.status == status && ready.body["checks"] == checks
        })
        .await;
    };
    app.watch.is_away(true);
    told(503, json!({"store": "down", "qstash": "up"})).await;
    app.watch.is_away(false);
    app.queue.is_away(true);
    told(503, json!({"store": "up", "qstash": "down"})).await;
    read(app.request(Method::GET, "/")).await.expect(200);
}
