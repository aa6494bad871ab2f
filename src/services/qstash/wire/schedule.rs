//! A schedule as the service tells of it. Only what we compare is read.

use super::{Headers, lenient};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt::Write;

/// One schedule; values its maker asked to be hidden are marks with a hash.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Schedule {
    pub schedule_id: String,
    pub cron: String,
    pub destination: String,
    pub method: String,
    #[serde(deserialize_with = "lenient::headers")]
    pub header: Headers,
    /// Not told where there are none.
    #[serde(deserialize_with = "lenient::number")]
    pub retries: Option<i64>,
    /// Not told by every server; in seconds, though logs have milliseconds.
    #[serde(deserialize_with = "lenient::number")]
    pub timeout: Option<i64>,
    pub is_paused: bool,
    /// Of the last firing's messages: `IN_PROGRESS`, `SUCCESS` or `FAIL`.
    pub last_schedule_states: BTreeMap<String, String>,
    /// Why the last firing made no message.
    #[serde(deserialize_with = "lenient::non_empty")]
    pub error: Option<String>,
}

const HIDDEN: &str = "REDACTED:";

impl Schedule {
    /// Whether a header it sends has this value; none if that cannot be told.
    pub fn sends(&self, name: &str, value: &str) -> Option<bool> {
        let sent = self.header.iter().find(|(known, _)| known.eq_ignore_ascii_case(name))?.1;
        let sent = sent.first()?;
        let Some(hash) = sent.strip_prefix(HIDDEN) else { return Some(sent == value) };
        let is_hash = hash.len() == 64 && hash.chars().all(|c| c.is_ascii_hexdigit());
        is_hash.then(|| hash.eq_ignore_ascii_case(&hex(&Sha256::digest(value))))
    }

    pub fn has_header(&self, name: &str) -> bool {
        self.header.keys().any(|known| known.eq_ignore_ascii_case(name))
    }

    pub fn failed_last(&self) -> bool {
        self.error.is_some() || self.last_schedule_states.values().any(|state| state == "FAIL")
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _infallible = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(value: &str) -> Schedule {
        Schedule {
            header: BTreeMap::from([("authorization".to_owned(), vec![value.to_owned()])]),
            ..Schedule::default()
        }
    }

    #[test]
    fn a_hidden_value_is_compared_by_its_hash() {
        let mark = format!("REDACTED:{}", hex(&Sha256::digest("Bearer a")));
        assert_eq!(told(&mark).sends("Authorization", "Bearer a"), Some(true));
        assert_eq!(told(&mark.to_uppercase()).sends("Authorization", "Bearer b"), Some(false));
        assert_eq!(told("Bearer a").sends("Authorization", "Bearer a"), Some(true));
        assert_eq!(told("Bearer a").sends("Authorization", "Bearer b"), Some(false));
        assert_eq!(told("REDACTED:abc").sends("Authorization", "Bearer a"), None);
        assert_eq!(told("Bearer a").sends("X-Other", "Bearer a"), None);
    }
}
