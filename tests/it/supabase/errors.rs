//! Every documented refusal lands in the right drawer.

use super::{Stand, content};
use cliprelay::services::supabase::Error;
use serde_json::json;

fn drawer(error: &Error) -> &'static str {
    match error {
        Error::Away { after: Some(_), .. } => "away, asked to wait",
        Error::Away { .. } => "away",
        Error::Unauthorized(_) => "unauthorized",
        Error::NotFound { .. } => "not found",
        Error::TooLarge(_) => "too large",
        Error::Refused { .. } => "refused",
        Error::OffsetConflict => "offset",
        Error::Gone => "gone",
        Error::Exists => "exists",
        Error::Contended => "contended",
        Error::Content(_) => "content",
    }
}

fn storage(status: &str, code: &str) -> String {
    json!({"statusCode": status, "error": "e", "message": "m", "code": code}).to_string()
}

#[tokio::test]
async fn storage_is_judged_by_code_then_inner_status_then_http() {
    let stand = Stand::start().await;
    let check = async |status: u16, body: String, expected: &str| {
        stand.fault("put", json!({"kind": "answer", "status": status, "body": body})).await;
        let error = stand.client.put("a.mp4", "video/mp4", 9, content(0, 9)).await.unwrap_err();
        assert_eq!(drawer(&error), expected, "{status} {body}: {error:?}");
    };
    check(400, storage("409", "KeyAlreadyExists"), "exists").await;
    check(400, storage("404", "NoSuchBucket"), "not found").await;
    check(400, storage("403", "AccessDenied"), "unauthorized").await;
    check(400, storage("400", "InvalidJWT"), "unauthorized").await;
    check(400, storage("413", "EntityTooLarge"), "too large").await;
    check(400, storage("415", "InvalidMimeType"), "refused").await;
    check(400, storage("400", "InvalidKey"), "refused").await;
    check(400, storage("423", "ResourceLocked"), "away").await;
    check(400, storage("500", "InternalError"), "away").await;
    check(544, storage("544", "DatabaseTimeout"), "away").await;
    check(429, storage("429", "SlowDown"), "away").await;
    check(400, json!({"statusCode": 413, "message": "older releases have no code"}).to_string(), "too large").await;
    check(400, json!({"statusCode": "404", "message": "Bucket not found"}).to_string(), "not found").await;
    check(401, json!({"message": "a gateway's shape"}).to_string(), "unauthorized").await;
    check(502, "<html>bad gateway</html>".to_owned(), "away").await;
    check(500, String::new(), "away").await;
    check(302, String::new(), "refused").await;
}

#[tokio::test]
async fn resumable_uploads_are_judged_by_http_and_text() {
    let stand = Stand::start().await;
    let check = async |status: u16, body: &str, expected: &str| {
        stand.fault("tus_create", json!({"kind": "answer", "status": status, "body": body})).await;
        let error = stand.client.resumable_create("a.mp4", "video/mp4", 9).await.unwrap_err();
        assert_eq!(drawer(&error), expected, "{status} {body}: {error:?}");
    };
    check(409, "Upload-Offset conflict", "offset").await;
    check(409, "The resource already exists", "exists").await;
    check(404, "Bucket not found", "not found").await;
    check(404, "The file for this url was not found", "gone").await;
    check(410, "", "gone").await;
    check(413, "Maximum size exceeded", "too large").await;
    check(403, "new row violates row-level security policy", "unauthorized").await;
    check(400, &storage("403", "AccessDenied"), "unauthorized").await;
    check(412, "Tus-Resumable Required", "refused").await;
    check(423, "locked", "away").await;
    check(503, "", "away").await;
}

#[tokio::test]
async fn rows_are_judged_by_postgres_code_and_http() {
    let stand = Stand::start().await;
    let check = async |status: u16, code: &str, expected: &str| {
        let body = json!({"code": code, "message": "m", "details": null, "hint": null}).to_string();
        stand.fault("row_get", json!({"kind": "answer", "status": status, "body": body, "retryAfter": 4})).await;
        let error = stand.client.project("p1").await.unwrap_err();
        assert_eq!(drawer(&error), expected, "{status} {code}: {error:?}");
    };
    check(401, "PGRST301", "unauthorized").await;
    check(403, "42501", "unauthorized").await;
    check(404, "PGRST205", "not found").await;
    check(400, "PGRST204", "refused").await;
    check(409, "23505", "refused").await;
    check(500, "57014", "away, asked to wait").await;
    check(503, "PGRST000", "away, asked to wait").await;
    check(504, "PGRST003", "away, asked to wait").await;
}

#[tokio::test]
async fn a_refusal_is_kept_short_whatever_its_length() {
    let stand = Stand::start().await;
    stand.fault("info", json!({"kind": "answer", "status": 400, "body": "x".repeat(1_000_000)})).await;
    let error = stand.client.info("a.mp4").await.unwrap_err();
    assert!(matches!(&error, Error::Refused { message, .. } if message.len() == 300), "{error:?}");
    stand.fault("info", json!({"kind": "drop"})).await;
    assert_eq!(drawer(&stand.client.info("a.mp4").await.unwrap_err()), "away");
    stand.fault("row_get", json!({"kind": "answer", "status": 200, "body": "not json"})).await;
    assert_eq!(drawer(&stand.client.project("p1").await.unwrap_err()), "away");
}
