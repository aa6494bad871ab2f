//! Bodies that are no request, or not one we read.

use crate::support::app::{ANN, TestApp};
use crate::support::driving::{Answer, read};
use axum::http::Method;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const PATH: &str = "/api/process-klap";

async fn sent(app: &TestApp, body: impl Into<reqwest::Body>) -> Answer {
    let request = app.request(Method::POST, PATH).bearer_auth(ANN).header("content-type", "application/json");
    read(request.body(body)).await
}

#[tokio::test]
async fn what_can_be_read_in_two_ways_is_refused() {
    let app = TestApp::start().await;
    let twice = [
        r#"{"projectId":"p1","projectId":"p2"}"#,
        r#"{"projectId":"p1","project\u0049d":"p2"}"#,
        r#"{"projectId":"p1","options":{"maxClipCount":1,"maxClipCount":99}}"#,
    ];
    for body in twice {
        let answer = sent(&app, body).await.expect(400);
        assert!(answer.body["detail"].as_str().unwrap().contains("occurs twice"), "{:#}", answer.body);
    }
    let invalid = [&b"{\"projectId\":\"p\xff\"}"[..], b"{\"projectId\":\"p\"}\xc3", b"\xff\xfe{\x00}\x00", b"{} {}"];
    for body in invalid {
        sent(&app, body).await.expect(400);
    }
    assert_eq!(app.watch.calls(), 0);
}

#[tokio::test]
async fn nesting_has_an_end() {
    let app = TestApp::start().await;
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let levels = 60_000 / (open.len() + close.len());
        let deep = format!("{{\"options\":{}1{}}}", open.repeat(levels), close.repeat(levels));
        sent(&app, deep).await.expect(400);
        sent(&app, format!("{{\"options\":{}", open.repeat(60_000 / open.len()))).await.expect(400);
    }
    // What is only wrong is told as a field.
    sent(&app, r#"{"projectId":"p","options":{"name":[[[["x"]]]]}}"#).await.expect(422);
}

#[tokio::test]
async fn a_compressed_body_is_refused_unread() {
    let app = TestApp::start().await;
    for encoding in ["gzip", "br", "deflate", "gzip, identity", ""] {
        let request = app.request(Method::POST, PATH).bearer_auth(ANN).header("content-encoding", encoding);
        let answer = read(request.json(&app.asking("p1", 1))).await.expect(415);
        assert_eq!(answer.code(), "unsupported_content_encoding", "{encoding:?}");
    }
    let request = app.request(Method::POST, PATH).bearer_auth(ANN).header("content-encoding", "identity");
    read(request.json(&app.asking("p1", 1))).await.expect(202);
}

#[tokio::test]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let app = TestApp::start().await;
    let mut slow = TcpStream::connect(app.bases[0].socket_addrs(|| None).unwrap()[0]).await.unwrap();
    let head = format!(
        "POST {PATH} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {ANN}\r\ncontent-type: application/json\r\n\
         content-length: 1000\r\n\r\n{{\"projectId\""
    );
    slow.write_all(head.as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    slow.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 408");
}

#[tokio::test]
async fn what_comes_later_does_not_hide_what_is_wrong() {
    let app = TestApp::start().await;
    let body =
        json!({"projectId": "a b", "priority": "premium", "webhookUrl": "http://10.0.0.1/", "options": {"x": 1}});
    let answer = app.post(PATH, &body).await.expect(422);
    let errors = answer.body["errors"].as_array().unwrap();
    let mut fields: Vec<&str> = errors.iter().map(|error| error["field"].as_str().unwrap()).collect();
    fields.sort_unstable();
    assert_eq!(fields, ["options.x", "priority", "projectId", "webhookUrl"]);
    assert_eq!(answer.code(), "not_available");
    let wrong = app.post(PATH, &json!({"projectId": "a b", "options": {"x": 1}})).await.expect(422);
    assert_eq!(wrong.code(), "invalid");
}

#[tokio::test]
async fn thousands_of_wrong_fields_make_no_large_answer() {
    let app = TestApp::start().await;
    let fields: Vec<String> = (0..6_000).map(|number| format!("\"x{number}\":1")).collect();
    let answer = sent(&app, format!("{{{}}}", fields.join(","))).await.expect(422);
    assert_eq!(answer.body["errors"].as_array().unwrap().len(), 51);
    assert!(answer.body.to_string().len() < 16 * 1024);
    let answer = sent(&app, format!("{{\"{}\":1}}", "x".repeat(60_000))).await.expect(422);
    assert!(answer.body.to_string().len() < 4 * 1024);
}
