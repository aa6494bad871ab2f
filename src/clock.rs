//! The host's clock, for tokens and logs only: leases, deadlines and the sweep go by the store's.

use std::time::{SystemTime, UNIX_EPOCH};

/// What a part that needs the host's time is handed: seconds since the Unix epoch.
pub type Clock = Box<dyn Fn() -> i64 + Send + Sync>;

/// Seconds since the Unix epoch.
pub fn unix_seconds() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
