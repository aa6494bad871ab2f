//! The built functions at work: a job from its request to its clips over signed pushes, the cron, and a preview beside
//! production that keeps to itself.

use super::deployment::{BYPASS, CRON_SECRET, Deployment, PREVIEW, PRODUCTION, World};
use super::edge::Bound;
use crate::support::processes::until;
use crate::support::redis;
use reqwest::header::HeaderValue;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

const BYPASS_HEADER: &str = "x-vercel-protection-bypass";
const WORKER: &str = "/api/worker/klap";

async fn completed(deployment: &Deployment, project: &str, sample: &str) -> String {
    let body = json!({"projectId": project, "videoUrl": sample, "options": {"targetClipCount": 2}});
    let answer = deployment.ask(Method::POST, "/api/process-klap").json(&body).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::ACCEPTED);
    let id = answer.json::<Value>().await.unwrap()["jobId"].as_str().expect("a job id").to_owned();
    let job = until("the job ends", async || {
        // Held for as long as the function may run, then asked for again.
        let path = format!("/api/process-klap?jobId={id}&wait=20");
        let answer = deployment.ask(Method::GET, &path).send().await.ok()?;
        let job: Value = answer.json().await.ok()?;
        matches!(job["status"].as_str(), Some("completed" | "failed" | "cancelled")).then_some(job)
    })
    .await;
    assert_eq!(job["status"], "completed", "{job:#}");
    assert_eq!(job["clips"].as_array().map(Vec::len), Some(2), "{job:#}");
    id
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs what infra/vercel-build makes; infra/vercel-check runs it"]
async fn a_job_the_cron_and_a_preview_as_deployed() {
    let (at_production, at_preview) = (Bound::new().await, Bound::new().await);
    let world = World::start(&[(PRODUCTION, &at_production.base), (PREVIEW, &at_preview.base)]).await;
    let production = world.deploy("production", PRODUCTION, at_production).await;
    let id = completed(&production, "as-deployed", &world.sample()).await;
    pushed_with_bypass(&production);
    streamed(&production, &id).await;
    swept(&production).await;
    unlisted(&production).await;

    // A preview over the same Redis and with the same account.
    let preview = world.deploy("preview", PREVIEW, at_preview).await;
    let pushes = production.edge.passed_to(WORKER).len();
    completed(&preview, "as-deployed", &world.sample()).await;
    pushed_with_bypass(&preview);
    assert_eq!(production.edge.passed_to(WORKER).len(), pushes, "the preview's pushes come to the preview");
    let keys: Vec<String> = redis::query(&world.redis, &["KEYS", "*"]);
    let of = |environment: &str| {
        let prefix = format!("{{cliprelay:{environment}:");
        keys.iter().filter(|key| key.starts_with(&prefix)).count()
    };
    assert!(of("production") > 0 && of("preview") > 0, "{keys:?}");
    assert_eq!(of("production") + of("preview"), keys.len(), "{keys:?}");

    // What is signed for production is nothing to the preview; to production it is old news.
    let push = &production.edge.passed_to(WORKER)[0];
    for (deployment, expected) in [(&preview, 401), (&production, 200)] {
        let mut again = world.http.post(format!("{}{WORKER}", deployment.edge.base)).body(push.body.clone());
        for name in ["upstash-signature", "content-type"] {
            again = again.header(name, push.headers[name].clone());
        }
        assert_eq!(again.send().await.unwrap().status().as_u16(), expected);
    }

    // The bypass is for our own pushes: no vendor ever sees it.
    let sent = world.vendors.passed();
    assert!(sent.len() > 10, "the vendors were asked {} times", sent.len());
    for request in &sent {
        let told = request
            .headers
            .values()
            .any(|value| value.as_bytes().windows(BYPASS.len()).any(|part| part == BYPASS.as_bytes()));
        assert!(!told, "{} {} carries the bypass", request.method, request.path);
    }
    world.keeps_secrets(&[&production, &preview]);
    for mut function in production.functions.into_iter().chain(preview.functions) {
        function.signal("TERM");
        assert_eq!(function.ended().await.code(), Some(0));
        let (version, logged) = (concat!(env!("CARGO_PKG_VERSION"), " ("), function.logged());
        assert!(logged.contains(version) && !logged.contains("(unknown)"), "which commit runs is told: {logged}");
    }
}

/// Every step came as a push to the worker, signed, and past the host's protection.
fn pushed_with_bypass(deployment: &Deployment) {
    let pushes = deployment.edge.passed_to(WORKER);
    assert!(pushes.len() >= 6, "{} pushes for six kinds of step", pushes.len());
    for push in pushes {
        assert_eq!(push.service, "worker");
        assert!(push.headers.contains_key("upstash-signature"));
        assert_eq!(push.headers.get(BYPASS_HEADER).map(HeaderValue::as_bytes), Some(BYPASS.as_bytes()));
        assert!(matches!(push.status, 200 | 429 | 503), "{}", push.status);
    }
}

/// A stream of an ended job ends by itself, well within the function's limit, and the host's headers are on it.
async fn streamed(deployment: &Deployment, id: &str) {
    let answer = deployment.ask(Method::GET, &format!("/api/process-klap/events?jobId={id}")).send().await.unwrap();
    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    assert_eq!(answer.headers()["strict-transport-security"], "max-age=63072000; includeSubDomains");
    let text = answer.text().await.unwrap();
    assert!(text.contains("retry: 1000") && text.contains("\"status\":\"completed\""), "{text}");
}

/// The cron comes as GET with its secret; nobody else may.
async fn swept(deployment: &Deployment) {
    let cron = || deployment.request(Method::GET, "/api/cron/klap").header("user-agent", "vercel-cron/1.0");
    assert_eq!(cron().send().await.unwrap().status(), 401);
    let answer = cron().bearer_auth(CRON_SECRET).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let swept: Value = answer.json().await.unwrap();
    assert_eq!(swept["success"], true, "{swept:#}");
    assert!(deployment.edge.passed_to("/api/cron/klap").iter().all(|passed| passed.service == "cron"));
}

/// What no rewrite names reaches no function: sources, the manifest, anything.
async fn unlisted(deployment: &Deployment) {
    let before = deployment.edge.passed().len();
    for path in ["/Cargo.toml", "/src/lib.rs", "/src/bin/worker_klap.rs", "/api/worker", "/index"] {
        assert_eq!(deployment.ask(Method::GET, path).send().await.unwrap().status(), 404, "{path}");
    }
    assert_eq!(deployment.edge.passed().len(), before);
}
