//! What can go wrong when Klap is asked, sorted for a caller who pays.

use std::time::Duration;

/// Why a call gave no answer. For a call that creates something, only [`Error::Unknown`] leaves open whether it was billed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// No connection could be made, or the request could not even be built: certainly nothing was billed.
    #[error("Klap could not be reached: {0}")]
    NotSent(String),
    /// Timeout, connection lost after sending, 500, 502, 504, or a success that cannot be read: it may have happened.
    #[error("the outcome at Klap is unknown: {0}")]
    Unknown(String),
    /// 429. `after` is what the reply asked for.
    #[error("Klap asks to slow down")]
    Busy { after: Option<Duration> },
    /// 503. `after` is what the reply asked for.
    #[error("Klap is unavailable (HTTP {status})")]
    Unavailable { status: u16, after: Option<Duration> },
    /// 401 or 403: the key is wrong, trying again is pointless.
    #[error("Klap refused the API key")]
    Unauthorized,
    /// 404: no such task, folder, project or export.
    #[error("Klap does not know it")]
    NotFound,
    /// Any other 4xx (and 3xx: redirects are not followed).
    #[error("Klap refused the request (HTTP {status}{}): {message}", code.as_ref().map(|code| format!(", {code}")).unwrap_or_default())]
    Refused { status: u16, code: Option<String>, message: String },
}

impl Error {
    /// Whether a call that creates something can have been billed although it failed.
    pub fn may_be_billed(&self) -> bool {
        matches!(self, Self::Unknown(_))
    }
}
