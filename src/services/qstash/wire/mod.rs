//! The shapes QStash speaks, read leniently and written as the service writes them. The client reads them, the embedded
//! broker writes them, and both read callbacks. Official sources disagree on some types (times as text or number, headers
//! as text or list), so reading accepts both.

mod lenient;
mod schedule;

pub use schedule::Schedule;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Header names with all their values.
pub type Headers = BTreeMap<String, Vec<String>>;

/// The answer to a publish.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Published {
    pub message_id: String,
    /// The deduplication id was taken: `message_id` is that of the first message, and nothing new was accepted.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub deduplicated: bool,
}

/// Every error's body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    pub error: String,
}

/// The account's signing keys. Not for logs: the client wraps them at once.
#[derive(Clone, Serialize, Deserialize)]
pub struct Keys {
    pub current: String,
    pub next: String,
}

/// How many messages were cancelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cancelled {
    pub cancelled: u64,
}

/// How many dead letters were deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deleted {
    #[serde(default)]
    pub deleted: u64,
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "lenient::non_empty")]
    pub cursor: Option<String>,
}

/// A message that is waiting or on its way. Times are unix milliseconds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Message {
    pub message_id: String,
    #[serde(default)]
    pub url: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "lenient::headers")]
    pub header: Headers,
    /// The body as text; bodies that are no UTF-8 are in `body_base64`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body_base64: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "lenient::number")]
    pub max_retries: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_delay_expression: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "lenient::number")]
    pub not_before: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "lenient::number")]
    pub created_at: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub callback: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure_callback: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "lenient::list")]
    pub labels: Vec<String>,
    #[serde(default, rename = "callerIP", skip_serializing_if = "Option::is_none")]
    pub caller_ip: Option<String>,
}

impl Message {
    /// The body's bytes; none if it was left out or cannot be read.
    pub fn body_bytes(&self) -> Option<Bytes> {
        lenient::bytes(self.body.as_deref(), self.body_base64.as_deref())
    }
}

/// A message that used up its attempts, or was refused for good.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeadLetter {
    pub dlq_id: String,
    #[serde(flatten)]
    pub message: Message,
    /// None, written as 0, if the destination did not answer at all.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "lenient::non_zero")]
    pub response_status: Option<i64>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "lenient::headers")]
    pub response_header: Headers,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_body: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_body_base64: Option<String>,
}

impl DeadLetter {
    /// The bytes of the destination's last answer; none if it was left out or cannot be read.
    pub fn response_bytes(&self) -> Option<Bytes> {
        lenient::bytes(self.response_body.as_deref(), self.response_body_base64.as_deref())
    }
}

/// One page of dead letters.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetters {
    #[serde(default)]
    pub messages: Vec<DeadLetter>,
    /// Where the next page begins; none at the end.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "lenient::non_empty")]
    pub cursor: Option<String>,
}

/// One line of the log. Times are unix milliseconds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    pub time: i64,
    pub message_id: String,
    pub state: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "lenient::number")]
    pub next_delivery_time: Option<i64>,
    #[serde(default)]
    pub url: String,
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "lenient::number")]
    pub response_status: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "lenient::list")]
    pub labels: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic_name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint_name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue_name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flow_control_key: Option<String>,
    #[serde(default, rename = "callerIP", skip_serializing_if = "Option::is_none")]
    pub caller_ip: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "lenient::headers")]
    pub header: Headers,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "lenient::encoded")]
    pub body: Option<Bytes>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "lenient::headers")]
    pub response_header: Headers,
    /// The beginning of the destination's answer.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "lenient::encoded")]
    pub response_body: Option<Bytes>,
    /// In milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "lenient::number")]
    pub timeout: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub callback: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "lenient::headers")]
    pub callback_headers: Headers,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure_callback: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "lenient::headers")]
    pub failure_callback_headers: Headers,
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "lenient::number")]
    pub max_retries: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_delay_expression: Option<String>,
}

/// What a callback or a failure callback carries: the last answer of the destination and the message it was for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Callback {
    pub source_message_id: String,
    /// The destination's status; 0 or absent if it never answered.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "lenient::number")]
    pub status: Option<i64>,
    #[serde(default, deserialize_with = "lenient::headers")]
    pub header: Headers,
    /// The destination's answer, perhaps cut; none if absent or unreadable.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "lenient::encoded")]
    pub body: Option<Bytes>,
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "lenient::number")]
    pub retried: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "lenient::number")]
    pub max_retries: Option<i64>,
    #[serde(default)]
    pub url: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    #[serde(default, deserialize_with = "lenient::headers")]
    pub source_header: Headers,
    /// What the destination was sent; none if absent or unreadable.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "lenient::encoded")]
    pub source_body: Option<Bytes>,
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "lenient::number")]
    pub not_before: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "lenient::number")]
    pub created_at: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic_name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint_name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule_id: Option<String>,
    #[serde(default, rename = "callerIP", skip_serializing_if = "Option::is_none")]
    pub caller_ip: Option<String>,
    /// Only a failure callback has one.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "lenient::non_empty")]
    pub dlq_id: Option<String>,
    /// Of a message that belongs to a workflow run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workflow_run_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "lenient::number")]
    pub workflow_created_at: Option<i64>,
}

/// A callback that says the message is dead; the same shape.
pub type FailureCallback = Callback;

impl Callback {
    pub fn parse(body: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(body)
    }
}
