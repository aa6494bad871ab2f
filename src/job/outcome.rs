//! All a step may answer: a closed set, so that polling a vendor is a wait and never an error.

use super::id::Millis;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Why a job, or one attempt of a step, failed. Shown to users and operators; never holds a secret or a signed URL.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ErrorDetail, description = "Why a job failed.")]
pub struct Failure {
    /// Stable and machine-readable: `no_clips_stored`, `klap_submit_unknown`, …
    #[schema(example = "no_clips_stored")]
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
/// Where it is not clear what an address ends with, rather too much is left out.
pub fn unsigned(text: &str) -> String {
    let text = unescaped(text);
    let mut plain = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (word, after) = rest.split_at(word_end(rest));
        let end = after.chars().next().map_or(0, char::len_utf8);
        plain.push_str(&shown(word));
        plain.push_str(&after[..end]);
        rest = &after[end..];
    }
    plain
}

/// Slashes without the backslashes that JSON may put before them, once or more often.
fn unescaped(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for c in text.chars() {
        if c == '/' {
            plain.truncate(plain.trim_end_matches('\\').len());
        }
        plain.push(c);
    }
    plain
}

/// The sentence around an address.
const CLOSING: &str = ").,;:]}";

/// How long the word is that the text begins with. No address holds a space, a double quote or a bracket of a tag; single
/// quotes may stand in one, so there they end it only if nothing but the sentence's own marks follows.
fn word_end(text: &str) -> usize {
    let ends = |c: char| c.is_whitespace() || "\"<>".contains(c);
    let is_quote = |c: char| "'`".contains(c);
    let mut in_path = false;
    for (at, c) in text.char_indices() {
        in_path |= c == '/';
        let follows = || text[at..].trim_start_matches(|c| is_quote(c) || CLOSING.contains(c));
        if ends(c) || (is_quote(c) && (!in_path || follows().chars().next().is_none_or(ends))) {
            return at;
        }
    }
    text.len()
}

fn shown(word: &str) -> String {
    if !word.contains('/') {
        return word.to_owned();
    }
    let kept = word.split(['?', '#']).next().unwrap_or_default();
    let mut shown = match kept.split_once("//") {
        Some((scheme, _)) if word[kept.len()..].contains('@') && !names_a_host(kept) => format!("{scheme}//"),
        Some((scheme, address)) => {
            format!("{scheme}//{}", address.rsplit_once('@').map_or(address, |(_, host)| host))
        }
        None => kept.to_owned(),
    };
    if kept.len() < word.len() {
        let marks = word.trim_end_matches(|c| CLOSING.contains(c)).len();
        shown.push_str(&word[marks..]);
    }
    shown
}

/// Whether what is before the path is a host with its port, and not a user with the beginning of a password.
fn names_a_host(address: &str) -> bool {
    let authority = address.split_once("//").map_or("", |(_, rest)| rest).split('/').next().unwrap_or_default();
    match authority.rsplit_once(':') {
        Some((host, port)) if !authority.ends_with(']') => {
            !port.is_empty()
                && port.bytes().all(|byte| byte.is_ascii_digit())
                && (host.ends_with(']') || !host.contains(':'))
        }
        _ => true,
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
