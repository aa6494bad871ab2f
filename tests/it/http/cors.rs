//! Pages of other origins.

use crate::support::app::{ANN, TestApp};
use crate::support::driving::{Answer, read};
use axum::http::Method;

const OURS: &str = "https://app.example.com";
const PATH: &str = "/api/process-klap";

async fn app() -> TestApp {
    TestApp::builder().origins(&[OURS, "http://localhost:5173"]).start().await
}

async fn preflight(app: &TestApp, path: &str, origin: &str) -> Answer {
    let request = app.request(Method::OPTIONS, path).header("origin", origin);
    let request = request.header("access-control-request-method", "POST");
    read(request.header("access-control-request-headers", "authorization,content-type")).await
}

fn listed(answer: &Answer, header: &str) -> Vec<String> {
    answer.header(header).split(',').map(|name| name.trim().to_ascii_lowercase()).collect()
}

#[tokio::test]
async fn a_listed_page_may_do_what_the_frontend_does() {
    let app = app().await;
    for origin in [OURS, "http://localhost:5173"] {
        for path in [PATH, "/api/process-klap/retry", "/api/process-klap/events", "/api/jobs", "/api/clips/p1_clip_0"] {
            let answer = preflight(&app, path, origin).await.expect(200);
            assert_eq!(answer.header("access-control-allow-origin"), origin);
            let methods = listed(&answer, "access-control-allow-methods");
            assert!(["get", "post", "delete"].iter().all(|method| methods.contains(&(*method).to_owned())));
            let headers = listed(&answer, "access-control-allow-headers");
            for header in
                ["authorization", "content-type", "idempotency-key", "if-none-match", "last-event-id", "x-request-id"]
            {
                assert!(headers.contains(&header.to_owned()), "{header} is not among {headers:?}");
            }
            assert!(listed(&answer, "vary").contains(&"origin".to_owned()));
            assert_eq!(answer.header("access-control-allow-credentials"), "");
            assert_eq!(answer.header("access-control-max-age"), "3600");
        }
    }
    assert_eq!(app.watch.calls(), 0);
}

#[tokio::test]
async fn answers_and_errors_can_be_read_by_a_listed_page() {
    let app = app().await;
    let job = app.enqueue("p1", 1).await;
    let asked = |path: String, key: &str| read(app.request(Method::GET, &path).header("origin", OURS).bearer_auth(key));
    for (path, key, status) in [
        (format!("{PATH}?jobId={job}"), ANN, 200),
        (format!("{PATH}?jobId=job_x"), ANN, 404),
        (PATH.to_owned(), ANN, 400),
        (format!("{PATH}?jobId={job}"), "somebody", 401),
        (format!("{PATH}/retry"), ANN, 405),
    ] {
        let answer = asked(path, key).await.expect(status);
        assert_eq!(answer.header("access-control-allow-origin"), OURS, "{status}");
        assert!(listed(&answer, "vary").contains(&"origin".to_owned()), "{status}");
        let exposed = listed(&answer, "access-control-expose-headers");
        for header in
            ["etag", "location", "retry-after", "ratelimit", "ratelimit-policy", "www-authenticate", "x-request-id"]
        {
            assert!(exposed.contains(&header.to_owned()), "{status}: {header} is not among {exposed:?}");
        }
    }
}

#[tokio::test]
async fn other_pages_and_other_routes_are_left_out() {
    let app = app().await;
    for origin in ["https://evil.example.com", "https://app.example.com.evil.com", "http://app.example.com", "null"] {
        let answer = preflight(&app, PATH, origin).await;
        assert_eq!(answer.header("access-control-allow-origin"), "", "{origin}");
        assert!(listed(&answer, "vary").contains(&"origin".to_owned()), "not to be kept for a listed one");
    }
    for path in ["/api/cron/klap", "/api/worker/klap", "/api/ready", "/", "/api/process-klapper"] {
        assert_eq!(preflight(&app, path, OURS).await.header("access-control-allow-origin"), "", "{path}");
    }
    let app = TestApp::start().await;
    assert_eq!(preflight(&app, PATH, OURS).await.header("access-control-allow-origin"), "");
}
