//! The shapes of records and messages as the build before traces and timelines had them, frozen: never to be changed with the
//! program's own. What it does not know it drops, as that build did.

use serde::{Deserialize, Serialize};
use serde_json::Value;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    v: u32,
    job_id: String,
    owner: String,
    project_id: String,
    kind: String,
    input: Value,
    #[serde(flatten)]
    at: Position,
    send: u32,
    step: String,
    state: State,
    attempts: u32,
    #[serde(default)]
    waits: u32,
    message: Outgoing,
    #[serde(default)]
    ledger: Ledger,
    plan: Value,
    progress: u8,
    stage: String,
    #[serde(default)]
    error: Option<Failure>,
    #[serde(default)]
    leased_until: u64,
    #[serde(default)]
    rebuilt: bool,
    created_at: u64,
    updated_at: u64,
    #[serde(default)]
    started_at: Option<u64>,
    deadline: u64,
    #[serde(default)]
    finished_at: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    charge: Option<Charge>,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Position {
    epoch: u32,
    seq: u32,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Charge {
    day: u64,
    cents: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "name")]
enum State {
    Queued,
    Running { lease: Lease },
    Waiting,
    Done,
    Failed,
    Cancelled,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Lease {
    token: String,
    until: u64,
    opening: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Outgoing {
    not_before: u64,
    #[serde(default)]
    sent: bool,
    #[serde(default)]
    message_id: Option<String>,
    #[serde(default)]
    spent: bool,
    #[serde(default)]
    dlq_id: Option<String>,
    #[serde(default)]
    looks: u32,
    look_at: u64,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Ledger {
    intents: Vec<Intent>,
    receipts: Vec<Receipt>,
    possible_duplicates: u32,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Intent {
    effect: String,
    #[serde(flatten)]
    at: Position,
    made_at: u64,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    repeats: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Receipt {
    effect: String,
    id: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Failure {
    code: String,
    message: String,
    retryable: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Message {
    v: u32,
    job_id: String,
    #[serde(flatten)]
    at: Position,
    send: u32,
    kind: String,
    step: String,
    owner: String,
    project_id: String,
    input: Value,
    created_at: u64,
    deadline: u64,
    #[serde(default)]
    receipts: Vec<Receipt>,
    #[serde(default, skip_serializing_if = "is_zero")]
    possible_duplicates: u32,
    #[serde(default, skip_serializing_if = "is_nothing")]
    progress: u8,
    #[serde(default)]
    resume: Value,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over references")]
fn is_zero(count: &u32) -> bool {
    *count == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over references")]
fn is_nothing(progress: &u8) -> bool {
    *progress == 0
}
