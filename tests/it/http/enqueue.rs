//! What a request for clips is answered.

use crate::support::app::{ANN, BOB, TestApp};
use crate::support::driving::{Answer, read};
use crate::support::queue::Trouble;
use axum::http::Method;
use cliprelay::embedded::supabase::{Fault, Op, Planned};
use cliprelay::job::JobId;
use serde_json::{Value, json};
use std::sync::atomic::Ordering;

const PATH: &str = "/api/process-klap";

async fn raw(app: &TestApp, kind: &str, body: impl Into<reqwest::Body>) -> Answer {
    read(app.request(Method::POST, PATH).bearer_auth(ANN).header("content-type", kind).body(body)).await
}

async fn keyed(app: &TestApp, key: &str, body: &Value) -> Answer {
    read(app.request(Method::POST, PATH).bearer_auth(ANN).header("idempotency-key", key).json(body)).await
}

/// A row of the original app's table.
async fn row(app: &TestApp, id: &str, video: Option<&str>) {
    let row = json!({"id": id, "user_id": "somebody", "video_url": video, "status": "new", "folders": null,
        "updated_at": null});
    app.sandbox.supabase.add_project_row("projects", row.as_object().unwrap().clone()).await.unwrap();
}

fn nothing_recorded(app: &TestApp) {
    assert!(app.watch.jobs.lock().unwrap().is_empty());
    assert!(app.queue.all().is_empty());
}

#[tokio::test]
async fn a_new_job_is_answered_in_the_contracts_shape() {
    let app = TestApp::start().await;
    let answer = app.post(PATH, &app.asking("p-1_A", 1)).await.expect(202);
    let job = answer.body["jobId"].as_str().unwrap();
    let url = format!("/api/process-klap?jobId={job}");
    let expected = json!({
        "success": true, "message": "Clip generation queued", "jobId": job, "projectId": "p-1_A", "status": "queued",
        "progress": 0, "deduplicated": false, "statusUrl": url,
    });
    assert_eq!(answer.body, expected);
    assert_eq!(answer.header("location"), url);
    assert_eq!(app.queue.all().len(), 1);
}

#[tokio::test]
async fn a_running_job_is_found_again() {
    let app = TestApp::start().await;
    let job = app.enqueue("p1", 1).await;
    app.next().await.expect(200);
    let again = app.post(PATH, &app.asking("p1", 1)).await.expect(200);
    assert_eq!(again.body["jobId"], json!(job));
    assert_eq!(again.body["deduplicated"], json!(true));
    assert_eq!(again.body["status"], json!("processing"));
    assert_eq!(again.body["message"], json!("Clips are already being processed"));
    let other = app.post(PATH, &app.asking("p1", 2)).await.expect(409);
    assert_eq!((other.code(), &other.body["jobId"]), ("different_input", &json!(job)));
    assert_eq!(app.watch.jobs.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_project_is_its_owners() {
    let app = TestApp::start().await;
    let job = app.enqueue("p1", 1).await;
    let body = app.asking("p1", 1);
    let bobs = read(app.request(Method::POST, PATH).bearer_auth(BOB).json(&body)).await.expect(202);
    assert_ne!(bobs.body["jobId"], json!(job));
    for path in [format!("{PATH}?jobId={job}"), format!("{PATH}?jobId={}", bobs.body["jobId"].as_str().unwrap())] {
        let (mine, other) = if path.ends_with(&job) { (ANN, BOB) } else { (BOB, ANN) };
        read(app.request(Method::GET, &path).bearer_auth(mine)).await.expect(200);
        read(app.request(Method::GET, &path).bearer_auth(other)).await.expect(404);
        read(app.request(Method::DELETE, &path).bearer_auth(other)).await.expect(404);
    }
    let retry = app.request(Method::POST, "/api/process-klap/retry").bearer_auth(BOB).json(&json!({"jobId": job}));
    read(retry).await.expect(404);
}

#[tokio::test]
async fn without_a_key_there_is_nothing() {
    let app = TestApp::start().await;
    let routes = [
        (Method::POST, PATH),
        (Method::GET, "/api/process-klap?projectId=p"),
        (Method::DELETE, PATH),
        (Method::POST, "/api/process-klap/retry"),
    ];
    for (method, path) in routes {
        for wrong in [None, Some("Bearer wrong-key-000000"), Some("Basic YW5uOmtleQ=="), Some("Bearer ")] {
            let mut request = app.request(method.clone(), path).json(&app.asking("p", 1));
            if let Some(wrong) = wrong {
                request = request.header("authorization", wrong);
            }
            let answer = read(request).await.expect(401);
            assert_eq!((answer.code(), answer.header("www-authenticate")), ("unauthorized", "Bearer"));
        }
    }
    nothing_recorded(&app);
    assert_eq!(app.watch.calls(), 0);
}

#[tokio::test]
async fn every_field_that_is_wrong_is_named_at_once() {
    let app = TestApp::start().await;
    let body = json!({"projectId": "a b", "videoUrl": "ftp://example.com/v.mp4", "videUrl": "x",
        "options": {"targetClipCount": 0, "maxDuration": 999, "captions": "yes", "langage": "en"}});
    let answer = app.post(PATH, &body).await.expect(422);
    let mut fields: Vec<&str> =
        answer.body["errors"].as_array().unwrap().iter().map(|error| error["field"].as_str().unwrap()).collect();
    fields.sort_unstable();
    let expected = [
        "options.captions",
        "options.langage",
        "options.maxDuration",
        "options.targetClipCount",
        "projectId",
        "videUrl",
        "videoUrl",
    ];
    assert_eq!(fields, expected, "{:#}", answer.body);
    assert_eq!(answer.header("content-type"), "application/problem+json");
    let long = "p".repeat(129);
    for id in [json!(""), json!(7), json!(null), json!("ä"), json!("a/b"), json!(long)] {
        let body = json!({"projectId": id, "videoUrl": app.sandbox.sample});
        let answer = app.post(PATH, &body).await.expect(422);
        assert_eq!(answer.body["errors"][0]["field"], json!("projectId"));
    }
    nothing_recorded(&app);
}

#[tokio::test]
async fn what_comes_later_is_refused_and_not_ignored() {
    let app = TestApp::start().await;
    for (field, value) in [("priority", json!("premium")), ("webhookUrl", json!("https://example.com/h"))] {
        let mut body = app.asking("p1", 1);
        body[field] = value;
        assert_eq!(app.post(PATH, &body).await.expect(422).code(), "not_available");
    }
    nothing_recorded(&app);
}

#[tokio::test]
async fn addresses_of_private_networks_are_refused() {
    let app = TestApp::start().await;
    let addresses = [
        "http://127.0.0.1:9/v.mp4",
        "http://10.0.0.1/v.mp4",
        "http://169.254.169.254/latest/meta-data",
        "http://[::1]/v.mp4",
        "http://localhost/v.mp4",
        "http://2130706433/v.mp4",
        "https://u:p@example.com/v.mp4",
        "file:///etc/passwd",
        "not an address",
    ];
    for address in addresses {
        let body = json!({"projectId": "p1", "videoUrl": address});
        let answer = app.post(PATH, &body).await.expect(422);
        assert_eq!(answer.body["errors"][0]["field"], json!("videoUrl"), "{address}");
    }
    row(&app, "p1", Some("http://127.0.0.1:1/v.mp4")).await;
    app.post(PATH, &json!({"projectId": "p1"})).await.expect(422);
    nothing_recorded(&app);
}

#[tokio::test]
async fn bodies_that_are_no_request_are_told_apart() {
    let app = TestApp::start().await;
    raw(&app, "application/json", "{\"projectId\":").await.expect(400);
    raw(&app, "application/json", "[1]").await.expect(400);
    raw(&app, "application/json", "").await.expect(400);
    raw(&app, "application/json", "\u{0}\u{ff}").await.expect(400);
    assert_eq!(raw(&app, "text/plain", "{}").await.expect(415).code(), "unsupported_media_type");
    let large = format!("{{\"projectId\":\"p\",\"x\":\"{}\"}}", "x".repeat(64 * 1024));
    assert_eq!(raw(&app, "application/json", large).await.expect(413).code(), "too_large");
    let answer = read(app.request(Method::PUT, PATH).bearer_auth(ANN)).await.expect(405);
    assert_eq!((answer.code(), answer.header("content-type")), ("method_not_allowed", "application/problem+json"));
    let answer = app.get("/api/nothing").await.expect(404);
    let mut members: Vec<&String> = answer.body.as_object().unwrap().keys().collect();
    members.sort();
    assert_eq!(members, ["code", "detail", "error", "requestId", "status", "title", "type"]);
    assert_eq!(answer.body["requestId"], json!(answer.header("x-request-id")));
    assert_eq!(answer.body["error"], answer.body["detail"]);
    nothing_recorded(&app);
}

#[tokio::test]
async fn without_an_address_the_projects_row_is_asked() {
    let app = TestApp::start().await;
    row(&app, "p1", Some(app.sandbox.sample.as_str())).await;
    row(&app, "p2", None).await;
    app.post(PATH, &json!({"projectId": "unknown"})).await.expect(404);
    assert_eq!(app.post(PATH, &json!({"projectId": "p2"})).await.expect(422).code(), "no_video");
    nothing_recorded(&app);
    // An API key is a trusted server: whose row it is does not matter.
    let answer = app.post(PATH, &json!({"projectId": "p1"})).await.expect(202);
    let job = app.job(answer.body["jobId"].as_str().unwrap()).await;
    assert_eq!(job.input["videoUrl"], json!(app.sandbox.sample));
}

#[tokio::test]
async fn with_the_projects_away_nothing_is_recorded() {
    let app = TestApp::start().await;
    row(&app, "p1", Some(app.sandbox.sample.as_str())).await;
    let fault = Fault::Answer { status: 503, body: "away".to_owned(), retry_after: None };
    app.sandbox.supabase.plan(Planned { op: Op::RowGet, times: 1, fault });
    let answer = keyed(&app, "k1", &json!({"projectId": "p1"})).await.expect(503);
    assert_eq!(answer.code(), "project_lookup_unavailable");
    assert!(!answer.header("retry-after").is_empty());
    nothing_recorded(&app);
    // A 503 is not remembered.
    keyed(&app, "k1", &json!({"projectId": "p1"})).await.expect(202);
}

#[tokio::test]
async fn an_idempotency_key_answers_the_first_reply_again() {
    let app = TestApp::start().await;
    let body = app.asking("p1", 1);
    let first = keyed(&app, "k1", &body).await.expect(202);
    assert_eq!(keyed(&app, "k1", &body).await.expect(202).body, first.body);
    assert_eq!(keyed(&app, "k1", &app.asking("p2", 1)).await.expect(422).code(), "idempotency_key_reused");
    let bobs = app.request(Method::POST, PATH).bearer_auth(BOB).header("idempotency-key", "k1").json(&body);
    assert_ne!(read(bobs).await.expect(202).body["jobId"], first.body["jobId"], "a key is its owner's");
    // Another key while the job runs: that reply is remembered as well.
    let found = keyed(&app, "k2", &body).await.expect(200);
    app.run().await;
    assert_eq!(keyed(&app, "k1", &body).await.expect(202).body, first.body, "after the end too");
    assert_eq!(keyed(&app, "k2", &body).await.expect(200).body, found.body);
    // Without a key the finished project is done anew.
    assert_ne!(app.post(PATH, &body).await.expect(202).body["jobId"], first.body["jobId"]);
    assert_eq!(app.post(PATH, &body).await.expect(200).body["deduplicated"], json!(true));
    for bad in ["", " ", &"k".repeat(256)] {
        keyed(&app, bad, &body).await.expect(400);
    }
    let twice = app.request(Method::POST, PATH).bearer_auth(ANN).header("idempotency-key", "k1");
    read(twice.header("idempotency-key", "k2").json(&body)).await.expect(400);
}

#[tokio::test]
async fn of_many_requests_at_once_one_makes_the_job() {
    for app in [TestApp::start().await, TestApp::builder().on_redis().routers(2).start().await] {
        let body = app.asking("p1", 1);
        let asked = (0..20).map(|number| {
            let url = app.bases[number % app.bases.len()].join(PATH).unwrap();
            let request = app.http.post(url).bearer_auth(ANN).json(&body);
            read(if number % 2 == 0 { request.header("idempotency-key", "k1") } else { request })
        });
        let answers = futures_util::future::join_all(asked).await;
        let jobs: std::collections::BTreeSet<_> =
            answers.iter().map(|answer| answer.body["jobId"].as_str().unwrap_or_default()).collect();
        assert_eq!(jobs.len(), 1, "{answers:#?}");
        let keyed: std::collections::BTreeSet<_> =
            answers.iter().step_by(2).map(|answer| (answer.status, answer.body.to_string())).collect();
        assert_eq!(keyed.len(), 1, "one key, one reply: {keyed:#?}");
        assert_eq!(app.queue.all().len(), 1);
    }
}

#[tokio::test]
async fn with_qstash_away_the_job_is_recorded_and_the_sweep_publishes() {
    let app = TestApp::start().await;
    app.queue.is_away(true);
    let job = app.enqueue("p1", 1).await;
    assert!(app.queue.all().is_empty());
    assert!(app.job(&job).await.unsent());
    app.queue.is_away(false);
    assert_eq!(app.cron().await["republished"], json!(1));
    app.run().await;
    assert_eq!(app.status(&job).await["status"], json!("completed"));
    app.settled().await;
}

#[tokio::test]
async fn a_lost_answer_to_a_publish_makes_no_second_message() {
    let app = TestApp::start().await;
    app.queue.next_publishes(&[Trouble::LoseAnswer]);
    let job = app.enqueue("p1", 1).await;
    assert!(app.job(&job).await.unsent(), "nobody told us");
    assert_eq!(app.cron().await["republished"], json!(1));
    let asked = app.queue.inner().asked.clone();
    assert_eq!(asked, [format!("{job}.1.1.1"), format!("{job}.1.1.1")]);
    let sent = app.queue.only();
    assert_eq!(app.job(&job).await.message.message_id, Some(sent.id));
}

#[tokio::test]
async fn with_the_store_away_nothing_is_recorded() {
    let app = TestApp::start().await;
    app.watch.is_away(true);
    let answer = keyed(&app, "k1", &app.asking("p1", 1)).await.expect(503);
    assert_eq!(answer.code(), "store_unavailable");
    assert!(!answer.header("retry-after").is_empty());
    app.get("/api/process-klap?projectId=p1").await.expect(503);
    app.watch.is_away(false);
    nothing_recorded(&app);
    keyed(&app, "k1", &app.asking("p1", 1)).await.expect(202);
}

#[tokio::test]
async fn a_create_whose_answer_is_lost_is_repeated_as_the_same_one() {
    for (lose, swallow) in [(2, 0), (0, 2)] {
        let app = TestApp::start().await;
        app.watch.lose.store(lose, Ordering::SeqCst);
        app.watch.swallow.store(swallow, Ordering::SeqCst);
        let job = app.enqueue("p1", 1).await;
        assert_eq!(app.watch.jobs.lock().unwrap().len(), 1);
        assert_eq!(app.queue.only().message().envelope.job_id.as_str(), job);
        app.run().await;
        app.settled().await;
    }
}

#[tokio::test]
async fn a_create_that_is_never_answered_is_told_as_unknown_and_found_later() {
    let app = TestApp::start().await;
    app.watch.lose.store(u64::MAX, Ordering::SeqCst);
    let answer = keyed(&app, "k1", &app.asking("p1", 1)).await.expect(503);
    assert_eq!(answer.code(), "outcome_unknown");
    app.watch.lose.store(0, Ordering::SeqCst);
    let later = keyed(&app, "k1", &app.asking("p1", 1)).await.expect(202);
    let jobs = app.watch.jobs.lock().unwrap().clone();
    assert_eq!(jobs.iter().map(JobId::as_str).collect::<Vec<_>>(), [later.body["jobId"].as_str().unwrap()]);
    app.cron().await;
    app.run().await;
    app.settled().await;
}

#[tokio::test]
async fn a_known_key_is_answered_whatever_has_become_of_the_project() {
    let app = TestApp::start().await;
    row(&app, "p1", Some(app.sandbox.sample.as_str())).await;
    let body = json!({"projectId": "p1"});
    let first = keyed(&app, "k1", &body).await.expect(202);
    let fault = Fault::Answer { status: 503, body: "away".to_owned(), retry_after: None };
    app.sandbox.supabase.plan(Planned { op: Op::RowGet, times: 1, fault });
    assert_eq!(keyed(&app, "k1", &body).await.expect(202).body, first.body, "with Supabase away");
    row(&app, "p1", None).await;
    assert_eq!(keyed(&app, "k1", &body).await.expect(202).body, first.body, "with the video gone");
}

#[tokio::test]
async fn a_store_that_hangs_is_not_waited_for_beyond_the_contracts_nine_seconds() {
    let app = TestApp::start().await;
    app.watch.hang.store(true, Ordering::SeqCst);
    let begun = std::time::Instant::now();
    let answer = keyed(&app, "k1", &app.asking("p1", 1)).await.expect(503);
    assert!(begun.elapsed() < std::time::Duration::from_secs(9), "{:?}", begun.elapsed());
    assert_eq!(answer.code(), "outcome_unknown");
    app.watch.hang.store(false, Ordering::SeqCst);
    keyed(&app, "k1", &app.asking("p1", 1)).await.expect(202);
}
