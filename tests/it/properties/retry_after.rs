//! `Retry-After`: seconds, a date, or a duration as Go writes it, which QStash takes as well.

use bytes::Bytes;
use cliprelay::embedded::broker::attempt::{Verdict, judge};
use cliprelay::embedded::broker::backoff::default_delay;
use cliprelay::embedded::broker::message::{Answer, Outcome, Record, Spec};
use cliprelay::services::outbound::{RETRY_AFTER_MAX, retry_after};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use proptest::prelude::*;
use reqwest::header::{DATE, HeaderMap, HeaderValue, RETRY_AFTER};
use std::time::Duration;

/// 2026-11-23 12:00:00 UTC.
const NOW: i64 = 1_795_435_200;
const DAY: i64 = 86_400;

fn date(unix: i64) -> String {
    let time = Timestamp::from_second(unix).unwrap().to_zoned(TimeZone::UTC);
    jiff::fmt::strtime::format("%a, %d %b %Y %H:%M:%S GMT", &time).unwrap()
}

/// A vendor's answer as our clients read it.
fn ours(wish: &str, at: Option<&str>) -> Option<Duration> {
    let mut headers = HeaderMap::new();
    headers.insert(RETRY_AFTER, HeaderValue::from_bytes(wish.as_bytes()).ok()?);
    if let Some(at) = at {
        headers.insert(DATE, HeaderValue::from_bytes(at.as_bytes()).ok()?);
    }
    retry_after(&headers)
}

/// A destination's answer as the broker reads it: milliseconds until the next attempt.
fn brokers(name: &str, wish: &str) -> i64 {
    let spec = Spec {
        user: "u".to_owned(),
        destination: "http://a.example/".to_owned(),
        method: "POST".to_owned(),
        headers: Vec::new(),
        timeout_s: None,
        retries: 3,
        retry_delay: None,
        callback: None,
        failure_callback: None,
        labels: Vec::new(),
        caller_ip: None,
        ..Spec::default()
    };
    let record = Record { v: 1, id: "msg_1".to_owned(), spec, created_at: 0, not_before: 0, due: 0, retried: 0 };
    let answer = Answer { status: 503, headers: vec![(name.to_owned(), wish.to_owned())], body: Bytes::new() };
    match judge(&record, &Outcome::Answered(answer), NOW * 1_000) {
        Verdict::Retry { at } => at - NOW * 1_000,
        other => panic!("{other:?}"),
    }
}

fn header() -> impl Strategy<Value = &'static str> {
    proptest::sample::select(vec!["Retry-After", "retry-after", "x-ratelimit-reset", "X-RateLimit-Reset-Requests"])
}

proptest! {
    #[test]
    fn seconds_are_seconds(seconds in prop_oneof![0..10_000_u64, any::<u64>()], space in " {0,2}", name in header()) {
        let wish = format!("{space}{seconds}{space}");
        prop_assert_eq!(ours(&wish, None), Some(Duration::from_secs(seconds).min(RETRY_AFTER_MAX)));
        let expected = i64::try_from(seconds).ok().filter(|seconds| *seconds <= DAY).map(|seconds| seconds * 1_000);
        prop_assert_eq!(brokers(name, &wish), expected.unwrap_or(default_delay(0)));
    }

    /// Ours is measured against the answer's own date, the broker's against its clock; what has passed is at once.
    #[test]
    fn a_date_is_the_time_until_then(ahead in prop_oneof![-DAY..2 * DAY, -5..5_i64], now in 0..4_000_000_000_i64, name in header()) {
        let passed = u64::try_from(ahead).unwrap_or(0);
        let expected = Duration::from_secs(passed).min(RETRY_AFTER_MAX);
        prop_assert_eq!(ours(&date(now + ahead), Some(&date(now))), Some(expected));
        prop_assert_eq!(ours(&date(now + ahead), None), None);
        let expected = if ahead > DAY { default_delay(0) } else { ahead.max(0) * 1_000 };
        prop_assert_eq!(brokers(name, &date(NOW + ahead)), expected);
    }

    #[test]
    fn a_duration_is_its_parts(hours in 0..30_i64, minutes in 0..60_i64, seconds in 0..60_i64, name in header()) {
        let millis = ((hours * 60 + minutes) * 60 + seconds) * 1_000;
        let expected = if millis > DAY * 1_000 { default_delay(0) } else { millis };
        prop_assert_eq!(brokers(name, &format!("{hours}h{minutes}m{seconds}s")), expected);
    }

    /// Whatever stands there: a pause within bounds, or the usual one.
    #[test]
    fn anything_else_is_bounded(wish in "[0-9]{0,25}|-[0-9]{1,20}|[A-Z][a-z]{2}, [0-9]{2} [A-Z][a-z]{2} [0-9]{4,5} [0-9:]{5,8} (GMT|[+-][0-9]{4})|[0-9.]{1,30}[a-zµ]{1,2}|\\PC{0,30}", at in "\\PC{0,30}", name in header()) {
        prop_assert!(ours(&wish, Some(&at)).is_none_or(|pause| pause <= RETRY_AFTER_MAX));
        prop_assert!(ours(&at, Some(&wish)).is_none_or(|pause| pause <= RETRY_AFTER_MAX));
        prop_assert!((0..=DAY * 1_000).contains(&brokers(name, &wish)));
    }
}
