//! What every call of the API has in common: counting, the key, faults on request, and how a refusal is told.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use secrecy::ExposeSecret as _;
use serde_json::json;

use crate::services::klap::wire::FailureFields;

use super::faults::{answer, dropped};
use super::{Effect, Error, Klap, Operation};

/// Why a call is refused.
#[derive(Debug)]
pub(super) enum Refusal {
    Unauthorized,
    NotFound,
    Malformed(String),
    Unprocessable { code: &'static str, why: String },
    Internal(Error),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Internal(error)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, body) = match self {
            Self::Unauthorized => (StatusCode::UNAUTHORIZED, json!({"message": "unauthorized"})),
            Self::NotFound => (StatusCode::NOT_FOUND, json!({"message": "not-found"})),
            Self::Malformed(why) => (StatusCode::BAD_REQUEST, json!({"message": "bad-request", "error": why})),
            Self::Unprocessable { code, why } => (
                StatusCode::UNPROCESSABLE_ENTITY,
                json!({"message": "unprocessable-entity", "error_code": code, "error": why}),
            ),
            Self::Internal(error) => {
                tracing::error!(error = %error, "the Klap stand-in failed");
                (StatusCode::INTERNAL_SERVER_ERROR, json!({"message": "internal-server-error"}))
            }
        };
        (status, Json(body)).into_response()
    }
}

/// One call: counted, its key checked, and struck by a fault if one is due. The effect runs to its end even if the caller
/// goes away meanwhile, as at the real service.
pub(super) async fn call<F>(
    klap: Arc<Klap>,
    operation: Operation,
    headers: &HeaderMap,
    effect: impl FnOnce(Option<FailureFields>) -> F,
) -> Response
where
    F: Future<Output = Result<Response, Refusal>> + Send + 'static,
{
    klap.tally.call(operation);
    let fault = klap.faults.strike(operation);
    match &fault {
        Some(Effect::Answer { status, body, retry_after, after_effect: false }) => {
            return answer(*status, body.clone(), retry_after.as_deref());
        }
        Some(Effect::Drop { after_effect: false }) => return dropped(),
        Some(Effect::Html) => return answer(200, "<!doctype html><title>Sign in</title>".into(), None),
        Some(Effect::Delay { millis, after_effect: false }) => tokio::time::sleep(Duration::from_millis(*millis)).await,
        _ => {}
    }
    if !key_is_good(&klap, headers) {
        return Refusal::Unauthorized.into_response();
    }
    let doom = match &fault {
        Some(Effect::Fail { code, message }) => Some(super::task::failure(code, message.clone())),
        _ => None,
    };
    let done = tokio::spawn(effect(doom)).await.unwrap_or_else(|_| Err(Error::Interrupted.into()));
    match fault {
        Some(Effect::Answer { status, body, retry_after, .. }) => answer(status, body, retry_after.as_deref()),
        Some(Effect::Drop { .. } | Effect::Truncated | Effect::Short | Effect::Oversized) => dropped(),
        Some(Effect::Delay { millis, after_effect: true }) => {
            tokio::time::sleep(Duration::from_millis(millis)).await;
            done.into_response()
        }
        _ => done.into_response(),
    }
}

fn key_is_good(klap: &Klap, headers: &HeaderMap) -> bool {
    let value = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let key = value.and_then(|value| value.strip_prefix("Bearer ")).map(str::trim).unwrap_or_default();
    match &klap.options.api_key {
        Some(wanted) => key == wanted.expose_secret(),
        None => !key.is_empty(),
    }
}
