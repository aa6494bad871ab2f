//! Refusals in the shapes of the real thing.

use super::{Error, Supabase};
use axum::Json;
use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::{StreamExt, stream};
use serde_json::json;

/// Bodies up to this size are read before a refusal; longer ones are refused unread, as the real server does.
const READ_ANYWAY: u64 = 512 * 1024;

/// A settled answer that ends a handler early.
pub(super) struct Refusal(Box<Response>);

pub(super) type Answer = Result<Response, Refusal>;

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        *self.0
    }
}

impl From<Response> for Refusal {
    fn from(response: Response) -> Self {
        Self(Box::new(response))
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        tracing::error!(error = &error as &dyn std::error::Error, "the Supabase stand-in failed");
        let body =
            json!({"statusCode": "500", "error": "Internal", "message": error.to_string(), "code": "InternalError"});
        (StatusCode::INTERNAL_SERVER_ERROR, Json(body)).into_response().into()
    }
}

impl From<std::io::Error> for Refusal {
    fn from(error: std::io::Error) -> Self {
        Error::from(error).into()
    }
}

/// Storage's refusal: HTTP 400, the true status inside.
pub(super) fn storage(status: u16, error: &str, message: &str, code: &str) -> Response {
    let body = json!({"statusCode": status.to_string(), "error": error, "message": message, "code": code});
    (StatusCode::BAD_REQUEST, Json(body)).into_response()
}

pub(super) fn no_bucket() -> Response {
    storage(404, "Bucket not found", "Bucket not found", "NoSuchBucket")
}

pub(super) fn no_object() -> Response {
    storage(404, "not_found", "Object not found", "NoSuchKey")
}

pub(super) fn exists() -> Response {
    storage(409, "Duplicate", "The resource already exists", "KeyAlreadyExists")
}

pub(super) fn bad_key(key: &str) -> Response {
    storage(400, "InvalidKey", &format!("Invalid key: {key}"), "InvalidKey")
}

/// The resumable protocol's refusal: a true status and plain text.
pub(super) fn text(status: StatusCode, message: &str) -> Response {
    (status, message.to_owned()).into_response()
}

/// PostgREST's refusal.
pub(super) fn rest(status: StatusCode, code: &str, message: &str) -> Response {
    (status, Json(json!({"code": code, "message": message, "details": null, "hint": null}))).into_response()
}

/// The connection drops before a byte of a reply: a body that fails at once takes the unsent head with it.
pub(super) fn dropped() -> Response {
    Response::new(Body::from_stream(stream::once(async {
        Err::<&[u8], _>(std::io::Error::other("dropped on request"))
    })))
}

pub(super) async fn drain(body: Body) {
    let mut pieces = body.into_data_stream();
    while let Some(Ok(_)) = pieces.next().await {}
}

impl Supabase {
    /// Storage wants a key before anything else.
    pub(super) fn storage_key(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        if self.admits(headers) {
            Ok(())
        } else if Self::shows_key(headers) {
            Err(storage(403, "Unauthorized", "signature verification failed", "AccessDenied").into())
        } else {
            let message = "headers must have required property 'authorization'";
            Err(storage(400, "Error", message, "InvalidRequest").into())
        }
    }

    /// Refuses an upload. A long one is answered unread, and its connection held for a while, still unread: a sender that
    /// does not listen is stuck.
    pub(super) async fn refuse_unread(&self, mut response: Response, headers: &HeaderMap, body: Body) -> Refusal {
        let length = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
        if length.is_some_and(|length| length <= READ_ANYWAY) {
            drain(body).await;
        } else {
            let hold = self.options.hold_unread;
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            tokio::spawn(async move {
                tokio::time::sleep(hold).await;
                drop(body);
            });
        }
        response.into()
    }
}
