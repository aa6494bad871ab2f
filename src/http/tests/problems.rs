//! What callers are told when something is wrong: always `application/problem+json`, whoever refused.

use crate::flow::FieldError;
use crate::http::{Problem, body, problem};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode};
use axum::middleware::from_fn;
use axum::routing::{get, post};
use serde_json::{Value, json};
use tower::{ServiceBuilder, ServiceExt};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::request_id::{MakeRequestUuid, SetRequestIdLayer};

async fn read(headers: HeaderMap, sent: Body) -> Result<String, Problem> {
    body::object(&headers, sent).await.map(|(fields, _)| format!("{} fields", fields.len()))
}

async fn refuse() -> Problem {
    Problem::unacceptable(vec![FieldError::new("projectId", "is missing"), FieldError::new("options.x", "is odd")])
}

async fn away() -> Problem {
    Problem::unavailable("store_unavailable", "try again").with("jobId", "job_1")
}

async fn panics() -> &'static str {
    panic!("of all things")
}

/// The layers as the router has them, around a few routes that fail in every way.
fn app() -> Router {
    let routes = Router::new()
        .route("/read", post(read))
        .route("/refuse", get(refuse))
        .route("/away", get(away))
        .route("/unauthorized", get(async || Problem::unauthorized()))
        .route("/panics", get(panics))
        .route("/fine", get(async || "fine"));
    routes.layer(
        ServiceBuilder::new()
            .layer(SetRequestIdLayer::x_request_id(MakeRequestUuid))
            .layer(from_fn(problem::write_out))
            .layer(CatchPanicLayer::new()),
    )
}

fn request(method: &str, path: &str) -> Request<Body> {
    Request::builder().method(method).uri(path).header("x-request-id", "request-7").body(Body::empty()).unwrap()
}

fn posted(kind: &str, sent: impl Into<Body>) -> Request<Body> {
    let request = Request::builder().method("POST").uri("/read").header("x-request-id", "request-7");
    request.header("content-type", kind).body(sent.into()).unwrap()
}

/// The status, headers and members of a problem; anything else is told.
async fn problem_of(request: Request<Body>) -> (StatusCode, HeaderMap, Value) {
    let response = app().oneshot(request).await.unwrap();
    let (parts, sent) = response.into_parts();
    assert_eq!(parts.headers["content-type"], "application/problem+json");
    assert_eq!(parts.headers.get_all("content-type").iter().count(), 1);
    let members: Value = serde_json::from_slice(&to_bytes(sent, 65_536).await.unwrap()).unwrap();
    assert_eq!(members["status"], parts.status.as_u16());
    assert_eq!(members["error"], members["detail"], "for older frontends");
    assert_eq!(members["requestId"], "request-7");
    assert_eq!(members["title"], parts.status.canonical_reason().unwrap());
    assert_eq!(members["type"], format!("urn:cliprelay:problem:{}", members["code"].as_str().unwrap()));
    (parts.status, parts.headers, members)
}

async fn code_of(request: Request<Body>) -> (u16, String) {
    let (status, _, members) = problem_of(request).await;
    (status.as_u16(), members["code"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn whatever_is_refused_is_told_in_the_same_shape() {
    let told = |status: u16, code: &str| (status, code.to_owned());
    assert_eq!(code_of(request("GET", "/nowhere")).await, told(404, "not_found"));
    assert_eq!(code_of(request("POST", "/fine")).await, told(405, "method_not_allowed"));
    assert_eq!(code_of(request("GET", "/panics")).await, told(500, "internal"));
    assert_eq!(code_of(posted("application/json", "{")).await, told(400, "bad_request"));
    assert_eq!(code_of(posted("application/json", "[1]")).await, told(400, "bad_request"));
    assert_eq!(code_of(posted("text/plain", "{}")).await, told(415, "unsupported_media_type"));
    assert_eq!(code_of(posted("", "{}")).await, told(415, "unsupported_media_type"));
}

#[tokio::test]
async fn a_body_has_a_size() {
    let of_size = |size: usize| format!("{{\"a\":\"{}\"}}", "x".repeat(size - 8));
    assert_eq!(code_of(posted("application/json", of_size(64 * 1024 + 1))).await.0, 413);
    let response = app().oneshot(posted("application/json; charset=utf-8", of_size(64 * 1024))).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
}

#[tokio::test]
async fn fields_are_told_one_by_one() {
    let (status, _, members) = problem_of(request("GET", "/refuse")).await;
    assert_eq!((status.as_u16(), &members["code"]), (422, &json!("invalid")));
    let errors = json!([{"field": "projectId", "message": "is missing"}, {"field": "options.x", "message": "is odd"}]);
    assert_eq!(members["errors"], errors);
    assert_eq!(members["detail"], "projectId is missing; options.x is odd");
}

#[tokio::test]
async fn who_is_to_come_again_is_told_when_and_who_is_to_sign_in_how() {
    let (_, headers, members) = problem_of(request("GET", "/away")).await;
    assert_eq!((&headers["retry-after"], &members["jobId"]), (&"5".parse().unwrap(), &json!("job_1")));
    assert!(members.get("errors").is_none());
    let (status, headers, _) = problem_of(request("GET", "/unauthorized")).await;
    assert_eq!((status.as_u16(), &headers["www-authenticate"]), (401, &"Bearer".parse().unwrap()));
    let (_, headers, _) = problem_of(request("POST", "/fine")).await;
    assert_eq!(headers["allow"], "GET,HEAD", "what the framework says besides is kept");
}

#[tokio::test]
async fn what_is_fine_is_left_alone() {
    let response = app().oneshot(request("GET", "/fine")).await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/plain; charset=utf-8");
    assert_eq!(&to_bytes(response.into_body(), 100).await.unwrap()[..], b"fine");
}
