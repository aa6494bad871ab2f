//! A push that has been verified, and all it can be answered.

use crate::job::{Failure, Origin};
use bytes::Bytes;
use std::time::Duration;

/// The raw body of a push whose signature holds. Only the verifying edge builds one.
#[derive(Debug, Clone, Default)]
pub struct Delivery {
    pub body: Bytes,
    pub from: Origin,
    /// QStash's id of the message: for whoever reads logs and traces.
    pub message_id: Option<String>,
}

impl Delivery {
    /// One of which nothing else is known.
    pub fn new(body: Bytes) -> Self {
        Self { body, ..Self::default() }
    }
}

/// What QStash is told; `http` turns it into status and headers.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    /// The step ended, or waits: state committed, next message published.
    Done,
    /// The job is final or has moved on; nothing of it is left unpublished.
    OldNews,
    /// Another delivery holds the lease for so long.
    Busy { retry_after: Duration },
    /// The step failed and may be tried again, or something of ours is away: deliver again.
    TryAgain { retry_after: Duration, code: &'static str, detail: String },
    /// The job has failed for good, or the body is nothing we ever wrote: do not deliver again.
    GaveUp { failure: Failure },
}

impl Reply {
    /// Its name, and the code of what went wrong if something did: what may be logged.
    pub fn told(&self) -> (&'static str, &str) {
        match self {
            Self::Done => ("done", ""),
            Self::OldNews => ("old_news", ""),
            Self::Busy { .. } => ("busy", ""),
            Self::TryAgain { code, .. } => ("try_again", code),
            Self::GaveUp { failure } => ("gave_up", &failure.code),
        }
    }

    pub(super) fn away(detail: &(impl ToString + ?Sized)) -> Self {
        Self::TryAgain { retry_after: Duration::from_secs(5), code: "unavailable", detail: detail.to_string() }
    }

    /// Written by a newer build, which may soon be here.
    pub fn newer(version: u32) -> Self {
        Self::TryAgain {
            retry_after: Duration::from_secs(30),
            code: "newer_version",
            detail: format!("version {version} is newer than this build reads"),
        }
    }
}
