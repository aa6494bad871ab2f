//! How long things may take, and what must outlive what.

use super::*;
use crate::kinds::Length;

fn seconds(config: &Config, length: Length) -> (f64, f64, u64) {
    let steps = &config.steps;
    (steps.step(length).as_secs_f64(), steps.lease(length).as_secs_f64(), steps.push(length).as_secs())
}

#[test]
fn a_lease_outlives_its_step_and_the_push_outlives_the_lease() {
    let config = good(&[]);
    assert_eq!(seconds(&config, Length::Transfer), (230.0, 264.5, 275));
    assert_eq!(seconds(&config, Length::Call), (40.0, 46.0, 56));
    assert_eq!(seconds(&config, Length::Look), (20.0, 23.0, 33));
    let short = good(&[("STEP_TIMEOUT", "5")]);
    for length in [Length::Transfer, Length::Call, Length::Look] {
        assert_eq!(seconds(&short, length), (5.0, 7.0, 17), "never above, and at least 2 s more");
    }
    let between = good(&[("STEP_TIMEOUT", "30")]);
    assert_eq!(seconds(&between, Length::Call), (30.0, 34.5, 45));
    assert_eq!(seconds(&between, Length::Look), (20.0, 23.0, 33));
}

#[test]
fn a_paid_call_takes_half_of_its_step_at_most() {
    let paid = |step| good(&[("STEP_TIMEOUT", step)]).pace.paid_call.as_millis();
    assert_eq!([paid("230"), paid("40"), paid("20"), paid("5")], [20_000, 20_000, 10_000, 2_500]);
}

#[test]
fn on_a_serverless_host_a_push_ends_before_the_platform_ends_it() {
    let on_host = |step| read(&[("STEP_TIMEOUT", step), ("VERCEL", "1"), ("VERCEL_ENV", "production")]);
    assert!(on_host("230").is_ok() && on_host("238").is_ok());
    let told = on_host("239").unwrap_err().to_string();
    assert!(told.contains("STEP_TIMEOUT of 239 s makes QStash wait 285 s"), "{told}");
    assert!(read(&[("STEP_TIMEOUT", "900")]).is_ok(), "elsewhere nothing ends it");
}

#[test]
fn limits_have_the_documented_defaults_and_units() {
    let config = good(&[]);
    let expected = Limits {
        max_attempts: 3,
        job_timeout: 7_200_000,
        queue_timeout: 86_400_000,
        done_ttl: 86_400_000,
        failed_ttl: 604_800_000,
    };
    assert_eq!(config.limits, expected);
    assert_eq!((config.pace.poll_min, config.pace.poll_max), (10_000, 60_000));
    let changes =
        [("MAX_ATTEMPTS", "5"), ("JOB_TIMEOUT", "600"), ("QUEUE_TIMEOUT", "60"), ("JOB_TTL", "7"), ("FAILED_TTL", "8")];
    let expected =
        Limits { max_attempts: 5, job_timeout: 600_000, queue_timeout: 60_000, done_ttl: 7_000, failed_ttl: 8_000 };
    assert_eq!(good(&changes).limits, expected);
}

#[test]
fn what_contradicts_itself_is_refused() {
    assert_eq!(wrong(&[("POLL_DELAY_MIN", "61")]), ["POLL_DELAY_MIN"]);
    assert_eq!(wrong(&[("JOB_TIMEOUT", "230")]), ["JOB_TIMEOUT"]);
    for (variable, bad) in
        [("MAX_ATTEMPTS", "0"), ("STEP_TIMEOUT", "1"), ("STEP_TIMEOUT", "-5"), ("JOB_TTL", "1.5"), ("PORT", "70000")]
    {
        assert_eq!(wrong(&[(variable, bad)]), [variable], "{bad}");
    }
}

#[test]
fn a_watcher_is_held_as_long_as_the_platform_allows() {
    assert_eq!(good(&[]).wait_max, Duration::from_secs(25));
    assert_eq!(good(&[("VERCEL", "1"), ("VERCEL_ENV", "production")]).wait_max, Duration::from_secs(8));
}
