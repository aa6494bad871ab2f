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
    pub fn retryable(code: &str, message: impl AsRef<str>) -> Self {
        Self { code: code.to_owned(), message: unsigned(message.as_ref()), retryable: true }
    }

    pub fn lasting(code: &str, message: impl AsRef<str>) -> Self {
        Self { code: code.to_owned(), message: unsigned(message.as_ref()), retryable: false }
    }
}

/// The text without what may open a door: of each address and path only what stands before its query, no credentials.
pub fn unsigned(text: &str) -> String {
    let delimiter = |c: char| c.is_whitespace() || "\"'<>`".contains(c);
    let text = text.replace("\\/", "/");
    let mut plain = String::with_capacity(text.len());
    for word in text.split_inclusive(delimiter) {
        let (word, end) = match word.char_indices().next_back() {
            Some((at, last)) if delimiter(last) => word.split_at(at),
            _ => (word, ""),
        };
        let is_path = word.contains('/');
        let kept = if is_path { word.split(['?', '#']).next().unwrap_or_default() } else { word };
        match kept.split_once("://") {
            Some((scheme, address)) => {
                plain.push_str(scheme);
                plain.push_str("://");
                plain.push_str(address.rsplit_once('@').map_or(address, |(_, host)| host));
            }
            None => plain.push_str(kept),
        }
        // The sentence around it is kept.
        let closing = word.len() - word.trim_end_matches(|c| ").,;:]}".contains(c)).len();
        if kept.len() < word.len() {
            plain.push_str(&word[word.len() - closing..]);
        }
        plain.push_str(end);
    }
    plain
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

impl Outcome {
    /// Its name, and the failure's code if there is one: what may be logged.
    pub fn told(&self) -> (&'static str, &str) {
        match self {
            Self::Next { step, .. } => ("next", step),
            Self::Wait { .. } => ("wait", ""),
            Self::Away { failure, .. } => ("away", &failure.code),
            Self::Done => ("done", ""),
            Self::Retry { failure, .. } => ("retry", &failure.code),
            Self::Fail { failure } => ("fail", &failure.code),
        }
    }
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
    /// The kind's plan as it is now; `None`: as it was last written.
    pub plan: Option<Value>,
    pub report: Report,
    /// Effects whose last call is known not to have been billed.
    pub refused: Vec<String>,
}
