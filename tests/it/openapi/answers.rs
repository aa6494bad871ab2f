//! Real answers against the description. `support::driving::read` holds every answer of every test against it; here are the
//! statuses no other test reads that way, and the proof that a wrong answer is noticed.

use crate::support::app::{ANN, TestApp, WORKER_SECRET};
use crate::support::described::check;
use crate::support::driving::{Answer, read};
use crate::support::queue::CURRENT;
use crate::support::time::until;
use axum::http::{HeaderValue, Method};
use cliprelay::clock::unix_seconds;
use cliprelay::flow::Protection;
use cliprelay::http::openapi::document;
use cliprelay::services::qstash::signature::sign;
use serde_json::{Value, json};
use std::collections::BTreeSet;

const PROCESS: &str = "/api/process-klap";

#[tokio::test]
async fn what_is_not_described_is_noticed() {
    let app = TestApp::start().await;
    let job = app.enqueue("p1", 1).await;
    let good = app.get(&format!("{PROCESS}?jobId={job}")).await.expect(200);
    let bad = app.get(PROCESS).await.expect(400);
    let wrong = |answer: &Answer, change: &dyn Fn(&mut Answer)| {
        let mut changed = answer.clone();
        change(&mut changed);
        check(&Method::GET, PROCESS, &changed).expect_err("it is taken as described")
    };
    wrong(&good, &|answer| answer.status = 418);
    wrong(&good, &|answer| answer.body["more"] = json!(1));
    wrong(&good, &|answer| answer.body["progress"] = json!(101));
    wrong(&good, &|answer| answer.body["status"] = json!("done"));
    wrong(&good, &|answer| answer.body["createdAt"] = json!("today"));
    wrong(&good, &|answer| drop(answer.body.as_object_mut().unwrap().remove("clips")));
    wrong(&good, &|answer| answer.body["clips"] = json!([{"id": "p1_clip_0"}]));
    wrong(&good, &|answer| drop(answer.headers.remove("etag")));
    wrong(&good, &|answer| drop(answer.headers.insert("x-more", HeaderValue::from_static("1"))));
    wrong(&good, &|answer| drop(answer.headers.insert("content-type", HeaderValue::from_static("text/plain"))));
    wrong(&bad, &|answer| answer.body["code"] = json!("not_found"));
    wrong(&bad, &|answer| answer.body["more"] = json!(1));
}

/// The limits of a request are written twice: where they are checked, and where they are described.
#[tokio::test]
async fn requests_have_the_limits_that_are_described() {
    let app = TestApp::start().await;
    let shapes = &document()["components"]["schemas"];
    let limit = |schema: &Value| usize::try_from(schema["maxLength"].as_u64().expect("a limit")).unwrap();
    let fields = &shapes["Enqueue"]["properties"];
    let (project, video) = (limit(&fields["projectId"]), limit(&fields["videoUrl"]));
    let of = |length: usize| format!("https://example.com/{}", "x".repeat(length - "https://example.com/".len()));
    for (beyond, status) in [(0, 202), (1, 422)] {
        let long = json!({"projectId": "p".repeat(project + beyond), "videoUrl": of(100)});
        app.post(PROCESS, &long).await.expect(status);
        app.post(PROCESS, &json!({"projectId": "p1", "videoUrl": of(video + beyond)})).await.expect(status);
    }
    let parameters = document()["paths"][PROCESS]["post"]["parameters"].as_array().unwrap();
    let key = limit(&parameters.iter().find(|parameter| parameter["name"] == "Idempotency-Key").unwrap()["schema"]);
    for (length, status) in [(key, 202), (key + 1, 400), (0, 400)] {
        let request = app.request(Method::POST, PROCESS).bearer_auth(ANN).json(&app.asking("p2", 1));
        read(request.header("idempotency-key", "k".repeat(length))).await.expect(status);
    }
    for (shape, path) in [("Enqueue", PROCESS), ("Retry", "/api/process-klap/retry")] {
        assert_eq!(shapes[shape]["additionalProperties"], json!(false), "{shape}");
        let mut body = shapes[shape]["example"].as_object().cloned().unwrap_or_default();
        body.insert("more".to_owned(), json!(1));
        app.post(path, &json!(body)).await.expect(422);
    }
    assert_eq!(shapes["Options"]["additionalProperties"], json!(false));
}

/// What was answered, for the list at the end.
#[derive(Default)]
struct Tour(BTreeSet<(&'static str, u16)>);

impl Tour {
    async fn sees(&mut self, operation: &'static str, status: u16, request: reqwest::RequestBuilder) -> Value {
        let answer = read(request).await.expect(status);
        self.0.insert((operation, status));
        answer.body
    }
}

#[tokio::test]
async fn a_tour_of_the_answers() {
    let protection = Protection { per_owner: Some(8), ..Protection::default() };
    let app = TestApp::builder().protection(protection).watchers(0).start().await;
    let mut tour = Tour::default();
    let to = |method: Method, path: &str| app.request(method, path).bearer_auth(ANN);
    let post = |body: Value| to(Method::POST, PROCESS).json(&body);
    let asking = app.asking("p1", 1);
    let job = tour.sees("enqueue", 202, post(asking.clone())).await["jobId"].as_str().unwrap().to_owned();
    let query = format!("?jobId={job}");
    tour.sees("enqueue", 200, post(asking.clone())).await;
    tour.sees("enqueue", 409, post(app.asking("p1", 2))).await;
    tour.sees("enqueue", 400, to(Method::POST, PROCESS).header("content-type", "application/json").body("{")).await;
    tour.sees("enqueue", 401, app.request(Method::POST, PROCESS).json(&asking)).await;
    tour.sees("enqueue", 404, post(json!({"projectId": "nowhere"}))).await;
    tour.sees("enqueue", 413, post(json!({"projectId": "x".repeat(70_000)}))).await;
    tour.sees("enqueue", 415, to(Method::POST, PROCESS).body("{}")).await;
    tour.sees("enqueue", 422, post(json!({"projectId": "!", "options": {"width": 1}, "priority": "premium"}))).await;
    tour.sees("status", 200, to(Method::GET, &format!("{PROCESS}{query}"))).await;
    tour.sees("status", 304, to(Method::GET, &format!("{PROCESS}{query}")).header("if-none-match", "*")).await;
    tour.sees("status", 400, to(Method::GET, PROCESS)).await;
    tour.sees("status", 401, app.request(Method::GET, PROCESS)).await;
    tour.sees("status", 404, to(Method::GET, &format!("{PROCESS}?projectId=nowhere"))).await;
    tour.sees("status", 503, to(Method::GET, &format!("{PROCESS}{query}&wait=1"))).await;
    tour.sees("events", 400, to(Method::GET, "/api/process-klap/events")).await;
    tour.sees("events", 503, to(Method::GET, &format!("/api/process-klap/events{query}"))).await;
    let retry = |job: &str| to(Method::POST, "/api/process-klap/retry").json(&json!({"jobId": job}));
    tour.sees("retry", 409, retry(&job)).await;
    tour.sees("retry", 404, retry("job_x")).await;
    tour.sees("retry", 422, retry("")).await;
    tour.sees("cancel", 400, to(Method::DELETE, PROCESS)).await;
    tour.sees("cancel", 404, to(Method::DELETE, &format!("{PROCESS}?jobId=job_x"))).await;
    tour.sees("cancel", 200, to(Method::DELETE, &format!("{PROCESS}{query}"))).await;
    tour.sees("cancel", 409, to(Method::DELETE, &format!("{PROCESS}{query}"))).await;
    for _ in 0..2 {
        read(retry("job_x")).await.expect(404);
    }
    tour.sees("retry", 429, retry("job_x")).await;
    tour.sees("push", 401, app.request(Method::POST, "/api/worker/klap").body("{}")).await;
    let large = "x".repeat(1_100_000);
    let token = sign(&CURRENT.into(), &app.worker_url, large.as_bytes(), unix_seconds(), "jwt_large");
    let push = app.request(Method::POST, "/api/worker/klap").header("upstash-signature", token);
    tour.sees("push", 413, push.body(large)).await;
    tour.sees("pushFailed", 401, app.request(Method::POST, "/api/worker/klap/failed").body("{}")).await;
    tour.sees("sweep", 200, app.request(Method::GET, "/api/cron/klap").bearer_auth(WORKER_SECRET)).await;
    tour.sees("sweep", 401, app.request(Method::POST, "/api/cron/klap")).await;
    for (operation, path) in [("health", "/api/health"), ("ready", "/api/ready"), ("page", "/"), ("docs", "/api/docs")]
    {
        tour.sees(operation, 200, app.request(Method::GET, path)).await;
    }
    for (operation, path) in [("stats", "/api/admin/stats"), ("metrics", "/metrics")] {
        tour.sees(operation, 200, app.request(Method::GET, path).bearer_auth(WORKER_SECRET)).await;
        tour.sees(operation, 401, app.request(Method::GET, path)).await;
    }
    app.watch.is_away(true);
    until("it is noticed", async || app.get("/api/ready").await.status == 503).await;
    tour.sees("ready", 503, app.request(Method::GET, "/api/ready")).await;
    tour.sees("enqueue", 503, post(asking)).await;
    assert!(tour.0.len() >= 34, "{:#?}", tour.0);
}
