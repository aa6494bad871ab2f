//! When a cron expression fits: five fields, one minute the finest grain, in UTC unless `CRON_TZ=<zone> ` stands before it.
//! A fixed time that the clocks skip comes right after the gap; one they repeat comes once.

use super::super::message::Millis;
use croner::parser::{CronParser, Seconds, Year};
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use std::str::FromStr;

/// Longer ones are no schedule but an attack.
const LENGTH_MAX: usize = 256;
const FIELDS: usize = 5;

/// Why a text is no cron expression.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    #[error("it is missing")]
    Missing,
    #[error("longer than {LENGTH_MAX} characters")]
    Long,
    #[error("five fields are expected: minute, hour, day of month, month, day of week")]
    Fields,
    #[error("unknown time zone {0:?}")]
    Zone(String),
    #[error("{0}")]
    Pattern(String),
}

#[derive(Debug, Clone)]
pub struct Cron {
    pattern: croner::Cron,
    zone: TimeZone,
}

impl FromStr for Cron {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let text = text.trim();
        if text.is_empty() {
            return Err(Invalid::Missing);
        }
        if text.len() > LENGTH_MAX {
            return Err(Invalid::Long);
        }
        let (zone, pattern) = match text.strip_prefix("CRON_TZ=").or_else(|| text.strip_prefix("TZ=")) {
            None => (TimeZone::UTC, text),
            Some(rest) => {
                let (name, pattern) = rest.split_once(char::is_whitespace).ok_or(Invalid::Fields)?;
                (TimeZone::get(name).map_err(|_| Invalid::Zone(name.to_owned()))?, pattern.trim())
            }
        };
        let fields = pattern.split_ascii_whitespace().count();
        if fields != FIELDS && !(fields == 1 && pattern.starts_with('@')) {
            return Err(Invalid::Fields);
        }
        let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
        let pattern = parser.parse(pattern).map_err(|error| Invalid::Pattern(error.to_string()))?;
        Ok(Self { pattern, zone })
    }
}

impl Cron {
    /// The first fitting time after this one; none if there is none in any foreseeable year.
    pub fn next(&self, after: Millis) -> Option<Millis> {
        let next = self.pattern.find_next_occurrence(&self.local(after)?, false).ok()?;
        Some(next.timestamp().as_millisecond()).filter(|next| *next > after)
    }

    /// Whether the wall clock of its zone shows a fitting time at this instant.
    pub fn fits(&self, at: Millis) -> bool {
        self.local(at).is_some_and(|local| self.pattern.is_time_matching(&local).unwrap_or(false))
    }

    fn local(&self, at: Millis) -> Option<Zoned> {
        Some(Timestamp::from_millisecond(at).ok()?.to_zoned(self.zone.clone()))
    }
}
