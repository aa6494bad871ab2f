//! What every answer carries, whatever it answers.

use crate::support::app::{ANN, TestApp};
use crate::support::driving::{Answer, read};
use axum::http::Method;
use cliprelay::http::ROUTES;

const ALWAYS: [(&str, &str); 3] =
    [("x-content-type-options", "nosniff"), ("x-frame-options", "DENY"), ("referrer-policy", "no-referrer")];

#[track_caller]
fn assert_hardened(answer: &Answer, what: &str) {
    for (name, value) in ALWAYS {
        assert_eq!(answer.header(name), value, "{name} of {what}");
    }
    assert!(answer.header("content-security-policy").contains("frame-ancestors 'none'"), "{what}");
    assert!(!answer.header("cross-origin-resource-policy").is_empty(), "{what}");
    assert!(!answer.header("cache-control").is_empty(), "{what}");
    assert!(!answer.header("x-request-id").is_empty(), "{what}");
    for name in ["server", "x-powered-by", "strict-transport-security"] {
        assert_eq!(answer.header(name), "", "{name} of {what}");
    }
}

#[track_caller]
fn assert_problem(answer: &Answer, what: &str) {
    assert_eq!(answer.header("content-type"), "application/problem+json", "{what}");
    assert_eq!(answer.body["requestId"], answer.header("x-request-id"), "{what}");
}

#[tokio::test]
async fn no_answer_is_without_its_headers() {
    let app = TestApp::builder().origins(&["https://app.example.com"]).start().await;
    let methods = ["GET", "HEAD", "POST", "DELETE", "PUT", "PATCH", "OPTIONS", "TRACE", "BREW"];
    for path in ROUTES.iter().copied().chain(["/nothing", "/api", "/api/process-klap/"]) {
        for method in methods.map(|name| Method::from_bytes(name.as_bytes()).unwrap()) {
            for known in [false, true] {
                let mut request = app.request(method.clone(), path).header("origin", "https://app.example.com");
                if known {
                    request = request.bearer_auth(ANN);
                }
                let answer = read(request).await;
                let what = format!("{method} {path} ({known}): {}", answer.status);
                assert_hardened(&answer, &what);
                assert!(answer.status < 500, "{what}");
                if answer.status >= 400 && method != Method::HEAD {
                    assert_problem(&answer, &what);
                }
                // What the layer for other pages answers to OPTIONS may name the methods as well.
                let told = !answer.header("allow").is_empty();
                assert!(told || answer.status != 405, "{what}");
                assert!(!told || answer.status == 405 || method == Method::OPTIONS, "{what}");
            }
        }
    }
}

#[tokio::test]
async fn refusals_of_every_sort_are_hardened() {
    let app = TestApp::start().await;
    let path = "/api/process-klap";
    let request = || app.request(Method::POST, path).bearer_auth(ANN).header("content-type", "application/json");
    let preflight = app.request(Method::OPTIONS, path).header("origin", "https://elsewhere.example.com");
    let faults = [
        (400, request().body("{")),
        (401, app.request(Method::GET, path)),
        (404, app.request(Method::GET, "/api/process-klap?jobId=job_x").bearer_auth(ANN)),
        (405, preflight.header("access-control-request-method", "POST")),
        (413, request().body(vec![b' '; 65 * 1024])),
        (415, request().header("content-type", "text/plain").body("{}")),
        (422, request().body("{}")),
    ];
    for (status, request) in faults {
        let answer = read(request).await;
        assert_hardened(&answer, &status.to_string());
        assert_problem(&answer, &status.to_string());
        assert_eq!(answer.status, if status == 415 { answer.status.max(400) } else { status });
    }
}

#[tokio::test]
async fn what_is_an_owners_is_kept_by_no_cache() {
    let app = TestApp::start().await;
    let job = app.enqueue("p1", 1).await;
    let answer = app.get(&format!("/api/process-klap?jobId={job}")).await.expect(200);
    assert_hardened(&answer, "a status");
    assert!(answer.header("cache-control").contains("private"));
    let answer = app.post("/api/process-klap", &app.asking("p2", 1)).await.expect(202);
    assert_eq!(answer.header("cache-control"), "no-store");
}

#[tokio::test]
async fn an_id_of_the_callers_is_taken_only_if_it_is_fit() {
    let app = TestApp::start().await;
    for id in ["a", "0f1e-2d3c", "iad1::x_y.z", &"x".repeat(128)] {
        let answer = read(app.request(Method::GET, "/api/health").header("x-request-id", id)).await;
        assert_eq!(answer.header("x-request-id"), id);
    }
    for id in ["", "a b", "a\"b", "a=b", "{}", "\u{e9}", &"x".repeat(129)] {
        let answer = read(app.request(Method::GET, "/nothing").header("x-request-id", id)).await;
        assert_ne!(answer.header("x-request-id"), id);
        assert_eq!(answer.header("x-request-id").len(), 36, "{id:?} is replaced");
    }
    let twice = app.request(Method::GET, "/api/health").header("x-request-id", "a").header("x-request-id", "b");
    assert_eq!(read(twice).await.header("x-request-id").len(), 36);
}

#[tokio::test]
async fn a_path_has_one_spelling() {
    let app = TestApp::start().await;
    for path in ["/api/health/", "/api//health", "/api/%68ealth", "/api%2Fhealth", "/API/health"] {
        let answer = read(app.request(Method::GET, path)).await.expect(404);
        assert_problem(&answer, path);
    }
    read(app.request(Method::GET, "/api/health?x=%ff")).await.expect(200);
}
