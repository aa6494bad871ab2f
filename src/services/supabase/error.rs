//! Three ways of saying no, sorted into one.
//!
//! Storage answers HTTP 400 for nearly everything and hides the true status in the body; resumable uploads answer true
//! statuses with plain text; PostgREST answers true statuses with Postgres' codes.

use super::call::Reply;
use super::wire::{RestError, StorageError, tus};
use crate::services::outbound::retry_after;
use std::time::Duration;

/// Why Supabase did not do what was asked. Texts are the server's, cut to 300 characters; none holds a key.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No connection, a timeout, 429, 5xx, a lock: later, and not before `after` if it is given.
    #[error("Supabase is away: {detail}")]
    Away { after: Option<Duration>, detail: String },
    /// The key is wrong, expired or has not the right.
    #[error("Supabase refuses the key: {0}")]
    Unauthorized(String),
    /// The bucket, table, function or object is missing; `code` says which (`NoSuchBucket`, `PGRST205`, …).
    #[error("not found at Supabase ({code}): {message}")]
    NotFound { code: String, message: String },
    /// Over the bucket's or project's limit; trying again changes nothing.
    #[error("too large for Supabase: {0}")]
    TooLarge(String),
    /// Anything else Supabase will not do, however often it is asked.
    #[error("Supabase refuses ({code}): {message}")]
    Refused { code: String, message: String },
    /// A chunk for another offset than the upload stands at: ask for the offset and go on from there.
    #[error("the upload stands at another offset")]
    OffsetConflict,
    /// The upload is unknown or has expired: begin a new one.
    #[error("the upload is gone")]
    Gone,
    /// The object exists and replacing it was not allowed.
    #[error("the object exists already")]
    Exists,
    /// Others changed the project's row each time between our look and our write.
    #[error("the project's row kept changing")]
    Contended,
    /// The bytes to send ended early or failed; the cause is the sender's own error.
    #[error("the upload's content failed: {0}")]
    Content(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Error {
    pub(super) fn away(detail: impl Into<String>) -> Self {
        Self::Away { after: None, detail: detail.into() }
    }

    pub(super) fn refused(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Refused { code: code.into(), message: message.into() }
    }

    pub(super) fn unreadable(what: &str) -> Self {
        Self::away(format!("unreadable reply: {what}"))
    }

    /// Sorts a refusal of Storage: by `code`, then `statusCode`, then HTTP.
    pub(super) fn storage(reply: &Reply) -> Self {
        let body: StorageError = serde_json::from_slice(&reply.body).unwrap_or_default();
        let code = body.code.unwrap_or_default();
        let message = reply.short(body.message.or(body.error));
        match code.as_str() {
            "KeyAlreadyExists" | "BucketAlreadyExists" => Self::Exists,
            "NoSuchBucket" | "NoSuchKey" => Self::NotFound { code, message },
            "AccessDenied" | "InvalidJWT" | "SignatureDoesNotMatch" => Self::Unauthorized(message),
            "EntityTooLarge" => Self::TooLarge(message),
            "SlowDown"
            | "too_many_connections"
            | "DatabaseTimeout"
            | "InternalError"
            | "LockTimeout"
            | "ResourceLocked" => reply.away(message),
            _ => match true_status(&body.status_code).unwrap_or(reply.status) {
                404 => Self::NotFound { code: missing(code, &message), message },
                409 => Self::Exists,
                status => Self::by_status(status, code, message, reply),
            },
        }
    }

    /// Sorts a refusal of a resumable upload.
    pub(super) fn resumable(reply: &Reply) -> Self {
        let text = reply.short(None);
        match reply.status {
            400 if reply.body.starts_with(b"{") => Self::storage(reply),
            404 if text.contains(tus::NO_BUCKET) => Self::NotFound { code: "NoSuchBucket".to_owned(), message: text },
            404 | 410 => Self::Gone,
            409 if text.contains("already exists") => Self::Exists,
            409 => Self::OffsetConflict,
            status => Self::by_status(status, String::new(), text, reply),
        }
    }

    /// Sorts a refusal of PostgREST.
    pub(super) fn rest(reply: &Reply) -> Self {
        let body: RestError = serde_json::from_slice(&reply.body).unwrap_or_default();
        let code = body.code.unwrap_or_default();
        let message = reply.short(body.message);
        match (reply.status, code.as_str()) {
            (_, "40001" | "40P01" | "57014") => reply.away(message),
            (404, _) => Self::NotFound { code, message },
            (status, _) => Self::by_status(status, code, message, reply),
        }
    }

    fn by_status(status: u16, code: String, message: String, reply: &Reply) -> Self {
        match status {
            401 | 403 => Self::Unauthorized(message),
            413 => Self::TooLarge(message),
            408 | 423 | 425 | 429 | 500.. => reply.away(message),
            _ if code.is_empty() => Self::refused(format!("HTTP {status}"), message),
            _ => Self::refused(code, message),
        }
    }
}

fn true_status(inner: &serde_json::Value) -> Option<u16> {
    match inner {
        serde_json::Value::String(text) => text.parse().ok(),
        other => other.as_u64().and_then(|status| status.try_into().ok()),
    }
}

/// Older releases give no code.
fn missing(code: String, message: &str) -> String {
    match code.as_str() {
        "" if message.starts_with("Bucket") => "NoSuchBucket".to_owned(),
        "" => "NoSuchKey".to_owned(),
        _ => code,
    }
}

impl Reply {
    fn away(&self, message: String) -> Error {
        let detail = if message.is_empty() { format!("HTTP {}", self.status) } else { message };
        Error::Away { after: retry_after(&self.headers), detail }
    }

    /// The server's words, or its body if it is text, within 300 characters.
    fn short(&self, message: Option<String>) -> String {
        let text = message.unwrap_or_else(|| String::from_utf8_lossy(&self.body).into_owned());
        text.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(300).collect()
    }
}
