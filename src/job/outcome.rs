//! All a step may answer: a closed set, so that polling a vendor is a wait and never an error.

use super::id::Millis;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Why a job, or one attempt of a step, failed. Shown to users and operators; never holds a secret or a signed URL.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Failure {
    /// Stable and machine-readable: `no_clips_stored`, `klap_submit_unknown`, …
    pub code: String,
    pub message: String,
    /// Whether a person's retry can help.
    pub retryable: bool,
}

impl Failure {
    pub fn retryable(code: &str, message: impl Into<String>) -> Self {
        Self { code: code.to_owned(), message: message.into(), retryable: true }
    }

    pub fn lasting(code: &str, message: impl Into<String>) -> Self {
        Self { code: code.to_owned(), message: message.into(), retryable: false }
    }
}

/// How a step ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Done; the next step's push comes after so many milliseconds.
    Next { step: &'static str, after: Millis },
    /// Nothing wrong, nothing to do yet: the same step again later. Uses up no attempt.
    Wait { after: Millis },
    /// The vendor is away: the same step again, later each time ([`super::retry::away`]), or when it asks. Uses up no attempt.
    Away { after: Option<Millis>, failure: Failure },
    /// The job is done.
    Done,
    /// The attempt failed and may be tried again; the queue redelivers. Used-up attempts make it a failure for good.
    Retry { failure: Failure, after: Option<Millis> },
    /// No attempt can help.
    Fail { failure: Failure },
}

/// What the caller sees of a job between steps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// 0–100; a job's progress never falls, so a smaller one is ignored.
    pub progress: u8,
    /// The step in words.
    pub stage: String,
}

/// A step's answer with all that is to be written with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settlement {
    pub outcome: Outcome,
    /// The kind's plan as it is now.
    pub plan: Value,
    pub report: Report,
    /// Effects whose last call is known not to have been billed.
    pub refused: Vec<String>,
}
