//! What a message is, at rest and after an attempt. The stored shapes carry a version; a body rests apart from its
//! record, so that a change of state never rewrites it and a start never loads it.

use super::runs::Part;
use serde::{Deserialize, Serialize};

/// Unix milliseconds.
pub type Millis = i64;
/// Names as given, values as text; a name may repeat.
pub type Headers = Vec<(String, String)>;

/// The version written; older ones stay readable.
pub const VERSION: u8 = 1;

/// Everything the publisher decided, never changed afterwards.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Spec {
    pub user: String,
    /// As published, byte for byte: it is what the signature names.
    pub destination: String,
    pub method: String,
    /// For the destination: `Content-Type` and whatever was forwarded.
    pub headers: Headers,
    pub timeout_s: Option<u64>,
    pub retries: u32,
    pub retry_delay: Option<String>,
    pub callback: Option<CallbackSpec>,
    pub failure_callback: Option<CallbackSpec>,
    pub labels: Vec<String>,
    pub caller_ip: Option<String>,
    /// The URL group it was published to; `destination` is then one of its endpoints.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<String>,
    /// A callback of this message of a queue, which is not done with before its callbacks are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tells_of: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flow: Option<Flow>,
    #[serde(default, skip_serializing_if = "Redaction::is_none")]
    pub redaction: Redaction,
    /// What it is to a workflow run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<Part>,
}

/// A key shared by messages that are held to limits together, and the limits this message brings.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flow {
    pub key: String,
    #[serde(flatten)]
    pub limits: FlowLimits,
    /// Of the key's limits, which are those of the newest message: it tells which that is.
    #[serde(skip)]
    pub revision: u64,
}

/// None is no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlowLimits {
    /// Calls that await an answer at one time.
    pub parallelism: Option<u32>,
    /// Calls that begin within one period.
    pub rate: Option<u32>,
    /// In seconds.
    pub period: Option<u64>,
}

/// What the API does not show of a message. Deliveries carry it all the same.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Redaction {
    pub body: bool,
    /// Every header.
    pub header: bool,
    /// These headers, in lower case.
    pub headers: Vec<String>,
}

impl Redaction {
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

/// How the message that tells of an attempt is to be delivered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CallbackSpec {
    pub url: String,
    pub method: String,
    pub headers: Headers,
    pub timeout_s: Option<u64>,
    /// None: as the message it tells of.
    pub retries: Option<u32>,
    pub retry_delay: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<Part>,
}

/// A live message: waiting, or on its way. That it is on its way is not stored, since a restart begins every delivery anew.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    pub v: u8,
    pub id: String,
    pub spec: Spec,
    pub created_at: Millis,
    /// When the first attempt was to be.
    pub not_before: Millis,
    /// When the next attempt is to be.
    pub due: Millis,
    /// Retries made so far: 0 during the first attempt.
    pub retried: u32,
}

/// A message that will not be tried again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Dead {
    pub v: u8,
    pub record: Record,
    pub died_at: Millis,
    pub answer: Option<Answer>,
    /// Why there is no answer.
    pub error: Option<String>,
}

/// What the destination said; the body is cut at a limit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    pub status: u16,
    pub headers: Headers,
    #[serde(with = "answer_body")]
    pub body: bytes::Bytes,
}

/// How one attempt ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    Answered(Answer),
    /// No connection, or no answer in time.
    Failed(String),
}

/// A message as accepted, before it is stored.
#[derive(Debug, Clone, PartialEq)]
pub struct New {
    pub id: String,
    pub spec: Spec,
    pub body: bytes::Bytes,
    pub created_at: Millis,
    pub not_before: Millis,
    /// Messages of one user with the same key within the window are one.
    pub deduplication: Option<String>,
}

/// The host and port whose share of the deliveries a message uses.
pub fn host(destination: &str) -> String {
    let url = url::Url::parse(destination).ok();
    let port = url.as_ref().and_then(url::Url::port_or_known_default).unwrap_or(0);
    format!("{}:{port}", url.as_ref().and_then(url::Url::host_str).unwrap_or_default())
}

/// A new id: random, and in order of creation, so that equal due times keep their order over a restart.
pub fn new_id(prefix: &str) -> String {
    let (ordered, random) = (uuid::Uuid::now_v7().simple(), uuid::Uuid::new_v4().simple().to_string());
    format!("{prefix}{ordered}{}", random.get(..21).unwrap_or_default())
}

mod answer_body {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub fn serialize<S: Serializer>(body: &bytes::Bytes, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&STANDARD.encode(body))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<bytes::Bytes, D::Error> {
        STANDARD.decode(String::deserialize(from)?).map(bytes::Bytes::from).map_err(D::Error::custom)
    }
}
