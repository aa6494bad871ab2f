//! Reading a request's JSON body, strictly: type, size, shape.

use super::{Problem, json};
use axum::body::{Body, to_bytes};
use axum::http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use bytes::Bytes;
use http_body_util::LengthLimitError;
use serde_json::{Map, Value};
use std::time::Duration;
use tokio::time::timeout;

/// The largest body a frontend route takes.
const BODY_MAX: usize = 64 * 1024;
/// How long it may take to come.
const BODY_TIMEOUT: Duration = Duration::from_secs(2);

/// A JSON object and the bytes it came as.
pub(super) async fn object(headers: &HeaderMap, body: Body) -> Result<(Map<String, Value>, Bytes), Problem> {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let essence = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if essence != "application/json" && !essence.ends_with("+json") {
        let detail = "The body must be application/json";
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", detail));
    }
    let encoded = headers.get(CONTENT_ENCODING).is_some_and(|encoding| encoding.as_bytes() != b"identity");
    if encoded {
        let detail = "The body must be sent as it is, not compressed";
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_content_encoding", detail));
    }
    let bytes = match timeout(BODY_TIMEOUT, to_bytes(body, BODY_MAX)).await {
        Ok(Ok(bytes)) => bytes,
        Ok(Err(error)) => return Err(unreadable(error)),
        Err(_) => {
            return Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "timeout", "The body did not come in time"));
        }
    };
    if std::str::from_utf8(&bytes).is_err() {
        return Err(Problem::bad_request("The body is not UTF-8"));
    }
    match json::strict(&bytes) {
        Ok(Value::Object(fields)) => Ok((fields, bytes)),
        Ok(_) => Err(Problem::bad_request("The body must be a JSON object")),
        Err(error) => Err(Problem::bad_request(format!("The body is not JSON: {error}"))),
    }
}

fn unreadable(error: axum::Error) -> Problem {
    if error.into_inner().is::<LengthLimitError>() {
        let detail = format!("The body is larger than {BODY_MAX} bytes");
        return Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", detail);
    }
    Problem::bad_request("The body ended early or was not sent as announced")
}
