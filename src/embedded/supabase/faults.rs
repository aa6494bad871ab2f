//! Misbehaviour on request.

use super::reply::{Refusal, dropped};
use super::{Supabase, reply};
use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// The operations that can be made to fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Op {
    Put,
    TusCreate,
    TusPatch,
    TusHead,
    Info,
    Sign,
    RowGet,
    Rpc,
    RowPatch,
}

/// What happens instead.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum Fault {
    /// The request is read to its end and answered with this; nothing takes effect.
    Answer {
        status: u16,
        #[serde(default)]
        body: String,
        /// Seconds.
        #[serde(default)]
        retry_after: Option<u64>,
    },
    /// Answered before the body's first byte is read; then the connection is held open and unread.
    Refuse {
        status: u16,
        #[serde(default)]
        body: String,
    },
    /// Nothing is read or answered for so long, then the connection drops.
    Stall { ms: u64 },
    /// The connection drops. Of `put` and `tus_patch` so many bytes are taken in first (an upload in chunks keeps them);
    /// the others take no effect.
    Drop {
        #[serde(default)]
        after_bytes: u64,
    },
    /// All is done as asked, but the connection drops instead of the reply. A refusal is still answered.
    DropAfterEffect,
}

/// A fault for the next calls of an operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Planned {
    pub op: Op,
    /// How many calls it meets.
    #[serde(default = "once")]
    pub times: u32,
    pub fault: Fault,
}

fn once() -> u32 {
    1
}

#[derive(Debug, Default)]
struct State {
    planned: Vec<Planned>,
    size_limit: Option<u64>,
    rpc_missing: bool,
}

#[derive(Debug, Default)]
pub(super) struct Faults(Mutex<State>);

/// What a handler itself has to do wrong.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// Drop the connection after so many bytes of the body.
    pub cut_after: Option<u64>,
    drop_reply: bool,
}

impl Plan {
    pub(super) fn finish(&self, response: Response) -> Response {
        if self.drop_reply { dropped() } else { response }
    }
}

impl Faults {
    pub(super) fn plan(&self, planned: Planned) {
        self.with(|state| state.planned.push(planned));
    }

    /// Over it every upload is refused, whatever the bucket says.
    pub(super) fn limit_size(&self, limit: Option<u64>) {
        self.with(|state| state.size_limit = limit);
    }

    pub(super) fn size_limit(&self) -> Option<u64> {
        self.with(|state| state.size_limit)
    }

    pub(super) fn hide_rpc(&self, missing: bool) {
        self.with(|state| state.rpc_missing = missing);
    }

    pub(super) fn rpc_missing(&self) -> bool {
        self.with(|state| state.rpc_missing)
    }

    pub(super) fn clear(&self) {
        self.with(|state| *state = State::default());
    }

    pub(super) fn left(&self) -> Vec<Planned> {
        self.with(|state| state.planned.clone())
    }

    fn next(&self, op: Op) -> Option<Fault> {
        self.with(|state| {
            let at = state.planned.iter().position(|planned| planned.op == op && planned.times > 0)?;
            state.planned[at].times -= 1;
            let fault = state.planned[at].fault.clone();
            state.planned.retain(|planned| planned.times > 0);
            Some(fault)
        })
    }

    fn with<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Supabase {
    /// Counts the call and lets a planned fault have its way: either the answer is settled, or the handler goes on with the
    /// body and what it has to do wrong itself.
    pub(super) async fn enter(&self, op: Op, headers: &HeaderMap, body: Body) -> Result<(Plan, Body), Refusal> {
        let name = serde_json::to_value(op).ok().and_then(|name| name.as_str().map(str::to_owned)).unwrap_or_default();
        self.ledger.counts(|counts| *counts.calls.entry(name).or_default() += 1);
        match self.faults.next(op) {
            None => Ok((Plan::default(), body)),
            Some(Fault::Answer { status, body: text, retry_after }) => {
                reply::drain(body).await;
                let mut response = answer(status, text);
                if let Some(seconds) = retry_after {
                    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
                }
                Err(response.into())
            }
            Some(Fault::Refuse { status, body: text }) => {
                Err(self.refuse_unread(answer(status, text), headers, body).await)
            }
            Some(Fault::Stall { ms }) => {
                tokio::time::sleep(Duration::from_millis(ms)).await;
                Err(dropped().into())
            }
            Some(Fault::Drop { after_bytes }) if matches!(op, Op::Put | Op::TusPatch) => {
                Ok((Plan { cut_after: Some(after_bytes), drop_reply: true }, body))
            }
            Some(Fault::Drop { .. }) => Err(dropped().into()),
            Some(Fault::DropAfterEffect) => Ok((Plan { cut_after: None, drop_reply: true }, body)),
        }
    }
}

fn answer(status: u16, body: String) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let kind = if body.starts_with(['{', '[']) { "application/json" } else { "text/plain" };
    (status, [(header::CONTENT_TYPE, kind)], body).into_response()
}
