//! Reading a request's JSON body, strictly: type, size, shape.

use super::Problem;
use axum::body::{Body, to_bytes};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use bytes::Bytes;
use serde_json::{Map, Value};

/// The largest body a frontend route takes.
const BODY_MAX: usize = 64 * 1024;

/// A JSON object and the bytes it came as.
pub(super) async fn object(headers: &HeaderMap, body: Body) -> Result<(Map<String, Value>, Bytes), Problem> {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let essence = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if essence != "application/json" && !essence.ends_with("+json") {
        let detail = "The body must be application/json";
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", detail));
    }
    let bytes = to_bytes(body, BODY_MAX).await.map_err(|_| {
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", format!("The body is larger than {BODY_MAX} bytes"))
    })?;
    match serde_json::from_slice(&bytes) {
        Ok(Value::Object(fields)) => Ok((fields, bytes)),
        Ok(_) => Err(Problem::bad_request("The body must be a JSON object")),
        Err(error) => Err(Problem::bad_request(format!("The body is not JSON: {error}"))),
    }
}
