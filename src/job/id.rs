//! Names of things: newtypes, so that a project is never passed where a job is wanted.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Milliseconds since the Unix epoch, by the store's clock unless a name says otherwise.
pub type Millis = u64;

macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            pub fn new(name: impl Into<String>) -> Self {
                Self(name.into())
            }

            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name!(
    /// One job: `job_` and a UUID without dashes. Safe in a path, a header, a Redis key and a deduplication id.
    JobId
);
name!(
    /// Whoever may see a job: a token's `sub`, or an API key's name.
    Owner
);
name!(
    /// The caller's own id of a project, unique within its owner.
    ProjectId
);
name!(
    /// One write to the store; the same id again means the same write repeated after an unclear answer.
    OpId
);
name!(
    /// One claim of a step; a later claim of the same step has another.
    LeaseToken
);

/// Where a job stands: `(epoch, seq)`. A push of an earlier position is old news, of a later one means the store forgot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Position {
    /// Starts at 1; each retry by a person opens the next.
    pub epoch: u32,
    /// Starts at 1 in an epoch; each step committed opens the next.
    pub seq: u32,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.epoch, self.seq)
    }
}
