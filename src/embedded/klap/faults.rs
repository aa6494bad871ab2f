//! Faults on request: what goes wrong with the next calls of an operation.

use std::sync::{Mutex, PoisonError};

use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::counts::Operation;

/// `{"operation":"create_task","times":2,"effect":{"answer":{"status":500,"body":"oops"}}}`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Fault {
    pub operation: Operation,
    /// How many calls it strikes.
    #[serde(default = "once")]
    pub times: u32,
    pub effect: Effect,
}

fn once() -> u32 {
    1
}

/// What goes wrong. With `afterEffect` the call does its work (and is billed) first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum Effect {
    /// This answer instead. A `body` that is a string is sent as it is (HTML, say), anything else as JSON.
    Answer {
        status: u16,
        #[serde(default)]
        body: Value,
        #[serde(default)]
        retry_after: Option<String>,
        #[serde(default)]
        after_effect: bool,
    },
    /// The connection ends without an answer.
    Drop {
        #[serde(default)]
        after_effect: bool,
    },
    /// The answer comes late.
    Delay {
        millis: u64,
        #[serde(default)]
        after_effect: bool,
    },
    /// What is created (a task, an export) ends in this error.
    Fail { code: String, message: String },
    /// A file's connection ends after half of the bytes it promised.
    Truncated,
    /// Half of a file, sent as if it were the whole.
    Short,
    /// A file that promises more bytes than anybody takes.
    Oversized,
    /// A page instead of a file, with status 200.
    Html,
}

/// The faults still to come, in the order they were asked for.
#[derive(Debug, Default)]
pub(super) struct Faults(Mutex<Vec<Fault>>);

impl Faults {
    pub fn add(&self, fault: Fault) {
        if fault.times > 0 {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).push(fault);
        }
    }

    pub fn list(&self) -> Vec<Fault> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// The fault that strikes this call, if any.
    pub fn strike(&self, operation: Operation) -> Option<Effect> {
        let mut faults = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let place = faults.iter().position(|fault| fault.operation == operation)?;
        faults[place].times -= 1;
        let effect = faults[place].effect.clone();
        if faults[place].times == 0 {
            faults.remove(place);
        }
        Some(effect)
    }
}

/// The answer a fault prescribes.
pub(super) fn answer(status: u16, body: Value, retry_after: Option<&str>) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = match body {
        Value::String(text) => (status, [(header::CONTENT_TYPE, "text/html")], text).into_response(),
        Value::Null => status.into_response(),
        json => (status, axum::Json(json)).into_response(),
    };
    if let Some(value) = retry_after.and_then(|value| HeaderValue::from_str(value).ok()) {
        response.headers_mut().insert(header::RETRY_AFTER, value);
    }
    response
}

/// A response that ends its connection before a single byte: the server gives up when the body fails at once.
pub(super) fn dropped() -> Response {
    let failed = futures_util::stream::once(async { Err::<Bytes, _>(std::io::Error::other("dropped on request")) });
    Response::new(Body::from_stream(failed))
}
