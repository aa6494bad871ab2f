//! Workflow runs, as `@upstash/workflow` has them: a run is started by a message, each step's result comes as another, and
//! each is pushed with the results of all before it. Here is what a message has to do with a run, and how the results are
//! written; `ledger::runs` keeps them. No step is ever run here: that is the endpoint's own library.

use super::message::{Headers, Millis, Spec};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// What a message is to a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    pub run: String,
    pub role: Role,
    /// When the run began; 0 until it is known.
    #[serde(default)]
    pub began: Millis,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Role {
    /// It starts the run; its body is what the run was given.
    Trigger,
    /// A step's result, or its plan.
    Step,
    /// A call to somebody else, who is told nothing of the run.
    Call,
    /// What came of such a call.
    CallResult,
    /// That the run has failed.
    Failure,
}

impl Role {
    /// Whether such a message's failure is the run's.
    pub fn carries(self) -> bool {
        matches!(self, Self::Trigger | Self::Step | Self::CallResult)
    }
}

/// A run that has not ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// The message that started it, which also says how every step is delivered.
    pub first: String,
    pub spec: Spec,
    pub began: Millis,
    /// Its messages that are alive. Without any, nobody can bring it on: an endpoint sends the next before it answers.
    pub live: u32,
}

impl Run {
    /// What the trigger said holds for every message to the endpoint: retries, limits, labels, forwarded headers, and whom
    /// to tell of a failure.
    pub fn configure(&self, spec: &mut Spec) {
        let Spec { retries, retry_delay, timeout_s, failure_callback, flow, labels, headers, .. } = self.spec.clone();
        spec.retries = retries;
        spec.retry_delay = retry_delay;
        spec.timeout_s = timeout_s;
        spec.failure_callback = failure_callback;
        spec.flow = flow;
        spec.labels = labels;
        let own = |name: &str| name.starts_with("upstash-workflow-") || name == "content-type";
        let missing =
            headers.into_iter().filter(|(name, _)| !own(name) && !spec.headers.iter().any(|(given, _)| given == name));
        spec.headers.extend(missing.collect::<Headers>());
    }
}

/// One entry of what a step is pushed with.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    message_id: String,
    /// Base64.
    body: String,
    call_type: String,
}

/// All results so far and one more, as the endpoint reads them: a JSON list.
pub fn append(so_far: &[u8], message_id: &str, body: &[u8]) -> Vec<u8> {
    let entry = Entry { message_id: message_id.to_owned(), body: STANDARD.encode(body), call_type: "step".to_owned() };
    let mut list = so_far.strip_suffix(b"]").unwrap_or(b"[").to_vec();
    if list.len() > 1 {
        list.push(b',');
    }
    // Plain text: this cannot fail.
    list.extend(serde_json::to_vec(&entry).unwrap_or_default());
    list.push(b']');
    list
}

/// What the run was given.
pub fn initial(list: &[u8]) -> Option<Bytes> {
    let entries: Vec<Entry> = serde_json::from_slice(list).ok()?;
    STANDARD.decode(&entries.first()?.body).ok().map(Bytes::from)
}
