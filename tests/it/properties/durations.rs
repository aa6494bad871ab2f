//! Durations, in the broker's headers and in our own configuration, against plain readings of what they mean.

use cliprelay::config::{Config, Problems};
use cliprelay::embedded::broker::duration::{go_millis, whole_seconds};
use cliprelay::kinds::Length;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Numbers with units, as text and in seconds.
fn parts() -> impl Strategy<Value = Vec<(u64, char)>> {
    let number = prop_oneof![0..100_u64, any::<u32>().prop_map(u64::from), any::<u64>()];
    proptest::collection::vec((number, proptest::sample::select(vec!['s', 'm', 'h', 'd'])), 1..5)
}

fn factor(unit: char) -> u128 {
    match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        _ => 86_400,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn seconds_are_the_sum_of_their_parts(parts in parts()) {
        let text = parts.iter().map(|(number, unit)| format!("{number}{unit}")).collect::<Vec<_>>().concat();
        let sum: u128 = parts.iter().map(|(number, unit)| u128::from(*number) * factor(*unit)).sum();
        prop_assert_eq!(whole_seconds(&text), u64::try_from(sum).ok());
    }

    /// Whatever is read was written in that form.
    #[test]
    fn nothing_else_is_read_as_seconds(text in "([0-9]{0,3}[smhdw .+-]){0,4}|\\PC{0,12}") {
        if whole_seconds(&text).is_some() {
            let trimmed = text.trim();
            prop_assert!(trimmed.starts_with(|c: char| c.is_ascii_digit()) && trimmed.ends_with(['s', 'm', 'h', 'd']));
            prop_assert!(trimmed.chars().all(|c| c.is_ascii_digit() || "smhd".contains(c)), "{}", text);
        }
    }

    /// Whole milliseconds, which an f64 holds as they are.
    #[test]
    fn gos_durations_are_the_sum_of_their_parts(
        hours in 0..1_000_u32, minutes in 0..100_u32, seconds in 0..100_u32, millis in 0..1_000_u32, negative in any::<bool>(),
    ) {
        let sum = i64::from(hours) * 3_600_000 + i64::from(minutes) * 60_000 + i64::from(seconds) * 1_000 + i64::from(millis);
        let (sign, sum) = if negative { ("-", -sum) } else { ("", sum) };
        prop_assert_eq!(go_millis(&format!("{sign}{hours}h{minutes}m{seconds}s{millis}ms")), Some(sum));
        let fraction = format!("{sign}{hours}h{minutes}m{seconds}.{millis:03}s");
        // A thousandth has no end in binary: it may be rounded up once.
        let read = go_millis(&fraction).unwrap();
        prop_assert!((sum..=sum + 1).contains(&read), "{}: {} for {}", fraction, read, sum);
    }

    #[test]
    fn a_longer_duration_is_not_read_as_a_shorter_one(one in 0..1_000_000_u32, other in 0..1_000_000_u32, unit in "ns|us|µs|ms|s|m|h") {
        let read = |number: u32| go_millis(&format!("{number}{unit}")).unwrap();
        prop_assert_eq!(one.min(other) == one || read(one) >= read(other), true);
        prop_assert!(read(one.min(other)) <= read(one.max(other)));
    }
}

/// The variables that say how long, their defaults and their limits.
const TIMES: [(&str, u64, u64, u64); 8] = [
    ("STEP_TIMEOUT", 230, 2, 3_600),
    ("POLL_DELAY_MIN", 10, 1, 3_600),
    ("POLL_DELAY_MAX", 60, 1, 3_600),
    ("JOB_TIMEOUT", 7_200, 10, 604_800),
    ("MAX_ATTEMPTS", 3, 1, 100),
    ("QUEUE_TIMEOUT", 86_400, 10, 2_592_000),
    ("JOB_TTL", 86_400, 1, 31_536_000),
    ("FAILED_TTL", 604_800, 1, 31_536_000),
];

const REST: [(&str, &str); 11] = [
    ("PUBLIC_URL", "https://clips.example.com"),
    ("REDIS_URL", "rediss://default:redis-secret@redis.example.com:6379"),
    ("QSTASH_TOKEN", "qstash-secret"),
    ("QSTASH_CURRENT_SIGNING_KEY", "sig_current-secret"),
    ("QSTASH_NEXT_SIGNING_KEY", "sig_next-secret"),
    ("WORKER_SECRET", "worker-secret-of-a-test"),
    ("KLAP_API_KEY", "klap-secret"),
    ("SUPABASE_URL", "https://ref.supabase.co"),
    ("SUPABASE_SERVICE_ROLE_KEY", "sb_secret_supabase-secret"),
    ("AUTH", "api-key"),
    ("API_KEYS", "web:first-secret-1234, mobile:second-secret-1234"),
];

/// What an operator may write: mostly something near the limits.
fn written() -> impl Strategy<Value = Option<String>> {
    let near = proptest::sample::select(TIMES.to_vec())
        .prop_flat_map(|(_, _, min, max)| proptest::sample::select(vec![min - 1, min, min + 1, max - 1, max, max + 1]));
    let number = prop_oneof![3 => 0..400_u64, 2 => near, 1 => any::<u64>()];
    prop_oneof![
        3 => Just(None),
        8 => number.prop_map(|number| Some(number.to_string())),
        1 => "( [0-9]{1,3} |[0-9]{1,3}s|-[0-9]{1,3}|[0-9]\\.5|1e3|0x10|\\+[0-9]{1,3}|[0-9]{25}|  |\\PC{0,4})".prop_map(Some),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// Either every relation holds, or just the variables that are wrong are named.
    #[test]
    fn times_are_taken_only_if_they_agree(written in proptest::collection::vec(written(), TIMES.len()), host in any::<bool>()) {
        let mut variables: BTreeMap<&str, String> = REST.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        if host {
            variables.insert("VERCEL", "1".to_owned());
            variables.insert("VERCEL_ENV", "production".to_owned());
            variables.insert("CRON_SECRET", "cron-secret-1234".to_owned());
        }
        let mut wrong = BTreeSet::new();
        let mut meant = BTreeMap::new();
        for ((name, default, min, max), text) in TIMES.into_iter().zip(&written) {
            let number = match text.as_ref().map(|text| text.trim()).filter(|text| !text.is_empty()) {
                None => Some(default),
                Some(text) => text.parse().ok().filter(|number| (min..=max).contains(number)),
            };
            if number.is_none() {
                wrong.insert(name);
            }
            meant.insert(name, number.unwrap_or(default));
            if let Some(text) = text {
                variables.insert(name, text.clone());
            }
        }
        let step = meant["STEP_TIMEOUT"];
        // In tenths of a second: the step, 15 % or 2 s more, 10 s more, rounded up to seconds.
        let push = |step: u64| (step * 1_000 + (step * 150).max(2_000) + 10_000).div_ceil(1_000);
        if host && push(step) + 15 >= 300 {
            wrong.insert("STEP_TIMEOUT");
        }
        if meant["POLL_DELAY_MIN"] > meant["POLL_DELAY_MAX"] {
            wrong.insert("POLL_DELAY_MIN");
        }
        if meant["JOB_TIMEOUT"] <= step {
            wrong.insert("JOB_TIMEOUT");
        }
        match Config::read(&|name| variables.get(name).cloned(), None) {
            Ok(config) => {
                prop_assert!(wrong.is_empty(), "{:?} should have been refused", wrong);
                prop_assert_eq!(config.limits.job_timeout, meant["JOB_TIMEOUT"] * 1_000);
                prop_assert_eq!(config.limits.queue_timeout, meant["QUEUE_TIMEOUT"] * 1_000);
                prop_assert_eq!(config.limits.done_ttl, meant["JOB_TTL"] * 1_000);
                prop_assert_eq!(config.limits.failed_ttl, meant["FAILED_TTL"] * 1_000);
                prop_assert_eq!(u64::from(config.limits.max_attempts), meant["MAX_ATTEMPTS"]);
                prop_assert_eq!(config.pace.poll_min, meant["POLL_DELAY_MIN"] * 1_000);
                prop_assert_eq!(config.pace.poll_max, meant["POLL_DELAY_MAX"] * 1_000);
                for length in [Length::Transfer, Length::Call, Length::Look] {
                    let (run, lease, asked) = (config.steps.step(length), config.steps.lease(length), config.steps.push(length));
                    prop_assert!(run < lease && lease < asked, "{:?} {:?} {:?}", run, lease, asked);
                    prop_assert_eq!(asked, Duration::from_secs(push(run.as_secs())));
                }
                prop_assert!(config.pace.paid_call * 2 <= config.steps.call);
            }
            Err(Problems(problems)) => {
                let told: BTreeSet<&str> = problems.iter().map(|problem| problem.variable.as_str()).collect();
                prop_assert_eq!(told, wrong);
            }
        }
    }
}
