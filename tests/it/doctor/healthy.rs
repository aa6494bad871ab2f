//! A good set-up, a missing one, and what the program says of them.

use super::{SECRET, Stand};
use crate::support::processes::{program, run};
use cliprelay::app::doctor::State;
use serde_json::Value;

#[tokio::test(flavor = "multi_thread")]
async fn a_good_set_up_has_nothing_to_mend() {
    let mut stand = Stand::start().await;
    stand.set("CORS_ORIGINS", "http://127.0.0.1:5173");
    // The service was started without; it has to say so.
    let report = stand.finds("service.cors", State::Warn, &["CORS_ORIGINS", "http://127.0.0.1:5173"]).await;
    assert!(report.findings.iter().filter(|finding| finding.state != State::Ok).count() == 1, "{report:#?}");
    stand.unset("CORS_ORIGINS");
    let report = stand.examine().await;
    assert!(report.findings.iter().all(|finding| finding.state == State::Ok), "{report:#?}");
    // Nothing was paid for, and nothing left behind that stays.
    let counts = stand.sandbox.klap.counts().await.unwrap();
    assert_eq!(counts.cents, 0);
    let mut command = program();
    command.arg("doctor").envs(stand.env());
    let ended = run(&mut command).await;
    assert_eq!(ended.code, Some(0), "{}\n{}", ended.stdout, ended.stderr);
    assert!(ended.stdout.contains("ok    redis.reach"), "{}", ended.stdout);
    assert!(!ended.stdout.contains('\u{1b}'), "no colours but on a terminal: {}", ended.stdout);
    assert!(!ended.stdout.contains("planted"), "{}", ended.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_check_is_exit_1_and_json_tells_it() {
    let mut stand = Stand::start().await;
    stand.set("SUPABASE_BUCKET", "elsewhere");
    let mut command = program();
    command.args(["doctor", "--json"]).envs(stand.env());
    let ended = run(&mut command).await;
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    let told: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!((&told["ok"], &told["failed"]), (&false.into(), &1.into()), "{told:#}");
    let findings = told["findings"].as_array().unwrap();
    let bucket = findings.iter().find(|finding| finding["check"] == "supabase.bucket").unwrap();
    assert_eq!(bucket["state"], "fail");
    assert!(bucket["mend"].as_str().unwrap().contains("cliprelay setup"), "{bucket}");
    assert!(ended.stderr.contains("1 check failed"), "{}", ended.stderr);
    assert!(!ended.stdout.contains(SECRET));
}

#[tokio::test]
async fn without_any_configuration_all_that_is_missing_is_told_and_the_exit_is_2() {
    let mut command = program();
    command.arg("doctor");
    let ended = run(&mut command).await;
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    for variable in ["PUBLIC_URL", "REDIS_URL", "QSTASH_TOKEN", "KLAP_API_KEY", "SUPABASE_URL", "AUTH", "WORKER_SECRET"]
    {
        assert!(ended.stdout.contains(&format!("{variable} is missing")), "{variable}: {}", ended.stdout);
    }
    assert!(ended.stdout.contains("skip  redis.reach"), "{}", ended.stdout);
}

/// What is configured is checked although something else is missing.
#[tokio::test(flavor = "multi_thread")]
async fn a_gap_in_the_configuration_keeps_nobody_from_checking_the_rest() {
    let mut stand = Stand::start().await;
    stand.unset("KLAP_API_KEY");
    stand.set("STEP_TIMEOUT", "soon");
    let report = stand.finds("config", State::Fail, &["KLAP_API_KEY"]).await;
    let seen: Vec<_> = report.findings.iter().filter(|finding| finding.check == "config").collect();
    assert!(seen.iter().any(|finding| finding.seen.contains("STEP_TIMEOUT must be a whole number")), "{seen:#?}");
    assert_eq!(super::of(&report, "klap.key").state, State::Skipped);
    assert_eq!(super::of(&report, "qstash.keys").state, State::Ok);
    assert_eq!(super::of(&report, "service.signed").state, State::Ok);
}
