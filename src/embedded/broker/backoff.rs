//! When a failed message is tried again: as the destination asked, else as the publisher asked, else QStash's backoff.

use super::duration::go_millis;
use super::expression::Expression;
use super::message::{Millis, Record};

const DAY_MS: i64 = 86_400_000;
/// In the order they are looked at; the service documents none.
const ASKING: [&str; 4] =
    ["retry-after", "x-ratelimit-reset", "x-ratelimit-reset-requests", "x-ratelimit-reset-tokens"];

/// Milliseconds from `now` to the next attempt, which follows `record.retried` earlier retries.
pub fn next_delay(record: &Record, answer: &[(String, String)], now: Millis) -> i64 {
    asked(answer, now).or_else(|| expression(record)).unwrap_or_else(|| default_delay(record.retried))
}

fn expression(record: &Record) -> Option<i64> {
    record.spec.retry_delay.as_deref()?.parse::<Expression>().ok()?.millis(record.retried)
}

/// `min(86400, e^(2.5·n))` whole seconds before retry n, n from 1.
pub fn default_delay(retried: u32) -> i64 {
    #[expect(clippy::cast_possible_truncation, reason = "clamped to a day")]
    let seconds = (2.5 * (f64::from(retried) + 1.0)).exp().min(86_400.0).floor() as i64;
    seconds * 1_000
}

/// The first usable wish of the destination. More than a day is ignored, as the service does; a past date means at once.
fn asked(answer: &[(String, String)], now: Millis) -> Option<i64> {
    let wish = |name: &str| {
        let text = answer.iter().find(|(given, _)| given.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())?;
        let millis = seconds(text).or_else(|| go_millis(text)).or_else(|| until(text, now))?.max(0);
        (millis <= DAY_MS).then_some(millis)
    };
    ASKING.into_iter().find_map(wish)
}

fn seconds(text: &str) -> Option<i64> {
    text.parse::<i64>().ok().map(|seconds| seconds.saturating_mul(1_000))
}

fn until(date: &str, now: Millis) -> Option<i64> {
    jiff::fmt::rfc2822::parse(date).ok().map(|date| date.timestamp().as_millisecond().saturating_sub(now))
}
