//! What QStash is told: the table of the flow's replies as status and headers.

use crate::flow::Reply;
use crate::measure::Answer;
use axum::Json;
use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use std::time::Duration;

const NON_RETRYABLE: HeaderName = HeaderName::from_static("upstash-nonretryable-error");
/// The status that, with the header above, ends redelivery.
const GIVE_UP: u16 = 489;

/// In the words of what is measured.
pub(super) fn answer(reply: &Reply) -> Answer {
    match reply {
        Reply::Done => Answer::Done,
        Reply::OldNews => Answer::OldNews,
        Reply::Busy { .. } => Answer::Busy,
        Reply::TryAgain { .. } => Answer::TryAgain,
        Reply::GaveUp { .. } => Answer::GaveUp,
    }
}

pub(super) fn respond(reply: &Reply) -> Response {
    match reply {
        Reply::Done => (StatusCode::OK, Json(json!({"success": true}))).into_response(),
        Reply::OldNews => (StatusCode::OK, Json(json!({"success": true, "oldNews": true}))).into_response(),
        Reply::Busy { retry_after } => {
            let body = json!({"success": false, "code": "busy", "error": "another delivery of this step is at work"});
            later(StatusCode::TOO_MANY_REQUESTS, *retry_after, body)
        }
        Reply::TryAgain { retry_after, code, detail } => {
            let body = json!({"success": false, "code": code, "error": detail});
            later(StatusCode::SERVICE_UNAVAILABLE, *retry_after, body)
        }
        Reply::GaveUp { failure } => {
            let status = StatusCode::from_u16(GIVE_UP).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            let body = json!({"success": false, "code": failure.code, "error": failure.message});
            let mut response = (status, Json(body)).into_response();
            response.headers_mut().insert(NON_RETRYABLE, HeaderValue::from_static("true"));
            response
        }
    }
}

fn later(status: StatusCode, after: Duration, body: serde_json::Value) -> Response {
    let mut response = (status, Json(body)).into_response();
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(after.as_secs().max(1)));
    response
}
