//! QStash and Klap: tokens, keys, regions, schedules and clocks that do not fit.

use super::{NEXT, READ_ONLY, Stand, TOKEN, nobody, of, server};
use crate::support::redis::query;
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use cliprelay::app::doctor::State::{Fail, Ok, Skipped, Warn};
use cliprelay::clock::unix_seconds;
use cliprelay::embedded::klap::{Effect, Fault, Operation};
use cliprelay::store::redis::{Options, RedisStore};
use cliprelay::store::{Store, keys};
use serde_json::json;

async fn stand() -> Stand {
    Stand::without_service().await
}

async fn rotate(stand: &Stand) {
    let url = format!("http://{}/v2/keys/rotate", stand.broker.address);
    let answer = cliprelay::app::http_client().unwrap().post(url).bearer_auth(TOKEN).send().await.unwrap();
    assert_eq!(answer.status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_not_the_accounts() {
    let mut stand = stand().await;
    stand.set("QSTASH_TOKEN", "planted-some-other-token");
    let report = stand.finds("qstash.token", Fail, &["QSTASH_TOKEN", "Upstash console"]).await;
    assert_eq!(of(&report, "qstash.keys").state, Skipped);
    stand.set("QSTASH_TOKEN", READ_ONLY);
    let report = stand.finds("qstash.write", Fail, &["QSTASH_TOKEN", "read-only"]).await;
    assert_eq!(of(&report, "qstash.token").state, Ok);
    stand.set("QSTASH_URL", &nobody().await);
    stand.finds("qstash.token", Fail, &["QSTASH_URL", "reach"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_another_region() {
    let mut stand = stand().await;
    let text = "user (0f3c) not found in this region (eu-central-1). Check that you are using the correct endpoint.";
    let refusal = move || async move { (StatusCode::NOT_FOUND, Json(json!({"error": text}))) };
    let other = server(Router::new().fallback(refusal)).await;
    stand.set("QSTASH_URL", &other);
    stand.finds("qstash.token", Fail, &["region", "QSTASH_URL", "QSTASH_REGION", "us-east-1"]).await;
    // The variables in the advice are those of the region in use.
    stand.set("QSTASH_REGION", "US_EAST_1");
    for name in ["QSTASH_URL", "QSTASH_TOKEN", "QSTASH_CURRENT_SIGNING_KEY", "QSTASH_NEXT_SIGNING_KEY"] {
        let value = stand.env()[name].clone();
        stand.set(&format!("US_EAST_1_{name}"), &value);
    }
    stand.finds("qstash.token", Fail, &["US_EAST_1_QSTASH_URL"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_were_rolled() {
    let mut stand = stand().await;
    rotate(&stand).await;
    stand.finds("qstash.keys", Warn, &["rolled once", "QSTASH_CURRENT_SIGNING_KEY", "QSTASH_NEXT_SIGNING_KEY"]).await;
    rotate(&stand).await;
    stand.finds("qstash.keys", Fail, &["rolled twice", "QSTASH_CURRENT_SIGNING_KEY", "restart"]).await;
    stand.set("QSTASH_CURRENT_SIGNING_KEY", NEXT);
    stand.finds("qstash.keys", Fail, &["rolled twice"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_next_key_that_is_wrong() {
    let mut stand = stand().await;
    stand.set("QSTASH_NEXT_SIGNING_KEY", "sig_planted_typo");
    stand.finds("qstash.keys", Warn, &["QSTASH_NEXT_SIGNING_KEY", "after a roll"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_wrong() {
    let mut stand = stand().await;
    let keys = json!({"current": super::CURRENT, "next": NEXT});
    for (off, state, words) in [
        (3_600, Fail, &["behind", "NTP"][..]),
        (-3_600, Fail, &["ahead of", "NTP"]),
        (15, Warn, &["behind", "NTP"]),
        (0, Ok, &[]),
    ] {
        let keys = keys.clone();
        let answer = move || {
            let date = jiff::Timestamp::from_second(unix_seconds() + off).unwrap();
            let date = jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&date).unwrap();
            let keys = keys.clone();
            async move { ([("date", date)], Json(keys)) }
        };
        stand.set("QSTASH_URL", &server(Router::new().route("/v2/keys", get(answer))).await);
        stand.finds("qstash.clock", state, words).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_wakes_the_sweep() {
    let mut stand = stand().await;
    let report = stand.examine().await;
    assert!(of(&report, "qstash.schedule").seen.contains("by itself"), "{report:#?}");
    stand.set("VERCEL", "1");
    stand.set("VERCEL_ENV", "production");
    stand.finds("qstash.schedule", Warn, &["CRON_SECRET", "cliprelay setup"]).await;
    stand.set("CRON_SECRET", "planted-cron-secret-19ab77");
    let report = stand.examine().await;
    assert!(of(&report, "qstash.schedule").seen.contains("Vercel's cron is assumed"), "{report:#?}");
}

/// Looked at from elsewhere, with the variables of the deployment: only its answers tell where it runs.
#[tokio::test(flavor = "multi_thread")]
async fn a_deployment_on_vercel_that_nothing_sweeps() {
    let mut stand = stand().await;
    stand.set("CRON_SECRET", "planted-cron-secret-19ab77");
    let health = || async {
        let told = json!({"status": "ok", "version": env!("CARGO_PKG_VERSION")});
        ([("server", "Vercel"), ("x-vercel-id", "iad1::x")], Json(told))
    };
    stand.set("PUBLIC_URL", &server(Router::new().route("/api/health", get(health))).await);
    stand.finds("qstash.schedule", Warn, &["not once within a day", "cliprelay setup", "CRON_SECRET"]).await;
    let swept = async |prefix: &str| {
        let store = RedisStore::connect(&Options::new(stand.redis.url(), prefix)).unwrap();
        store.count(keys::ROUNDS, keys::ROUNDS_COUNTED).await.unwrap();
    };
    // Somebody else's in the same Redis.
    swept("cliprelay:").await;
    stand.finds("qstash.schedule", Warn, &["not once within a day"]).await;
    swept("cliprelay:production:").await;
    stand.finds("qstash.schedule", Ok, &["s ago"]).await;
    let key = "{cliprelay:production:}count:sweeps";
    assert_eq!(query::<u64>(&stand.redis, &["EXPIRE", key, &(24 * 3_600 - 1_200).to_string()]), 1);
    stand.finds("qstash.schedule", Warn, &["20 minutes ago", "cliprelay setup"]).await;
}

/// A process sweeps by itself; one that cannot is told as well.
#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_does_not_sweep() {
    let mut stand = stand().await;
    let health = || async { Json(json!({"status": "ok", "version": env!("CARGO_PKG_VERSION")})) };
    stand.set("PUBLIC_URL", &server(Router::new().route("/api/health", get(health))).await);
    stand.finds("qstash.schedule", Warn, &["not once within a day", "REDIS_PREFIX"]).await;
}

/// Old ones lie about until somebody takes them away.
#[tokio::test(flavor = "multi_thread")]
async fn the_best_of_all_schedules_counts() {
    let mut stand = stand().await;
    let worker = format!("http://{}/v2/schedules", stand.broker.address);
    let to = format!("{}/api/cron/klap", stand.env()["PUBLIC_URL"]);
    let http = cliprelay::app::http_client().unwrap();
    let make = async |id: &str, bearer: &str| {
        let request = http.post(format!("{worker}/{to}")).bearer_auth(TOKEN).header("upstash-schedule-id", id);
        let request = request.header("upstash-cron", "0 0 1 1 *").header("upstash-forward-authorization", bearer);
        assert!(request.send().await.unwrap().status().is_success());
    };
    let bearer = format!("Bearer {}", super::SECRET);
    // The service lists them by name, or by age.
    make("a-old", "Bearer an-old-one").await;
    stand.finds("qstash.schedule", Fail, &["a-old", "cliprelay setup"]).await;
    make("b-paused", &bearer).await;
    let pause = http.patch(format!("{worker}/b-paused/pause")).bearer_auth(TOKEN).send().await.unwrap();
    assert!(pause.status().is_success());
    stand.finds("qstash.schedule", Warn, &["b-paused"]).await;
    make("c-good", &bearer).await;
    make("d-old", "Bearer an-old-one").await;
    stand.finds("qstash.schedule", Ok, &["c-good wakes the sweep"]).await;
    stand.set("WORKER_SECRET", "planted-another-secret-5512");
    stand.finds("qstash.schedule", Warn, &["b-paused"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn klap_refuses_the_key_or_is_away() {
    let mut stand = stand().await;
    let fault = |status: u16| Fault {
        operation: Operation::Task,
        times: 1,
        effect: Effect::Answer { status, body: json!({"message": "no"}), retry_after: None, after_effect: false },
    };
    for status in [401, 403] {
        stand.sandbox.klap.inject(fault(status));
        stand.finds("klap.key", Fail, &["KLAP_API_KEY", "klap.app"]).await;
    }
    stand.sandbox.klap.inject(fault(503));
    stand.finds("klap.key", Warn, &["no time for us"]).await;
    stand.sandbox.klap.inject(fault(500));
    stand.finds("klap.key", Fail, &["KLAP_API_URL"]).await;
    let other = server(Router::new()).await;
    stand.set("KLAP_API_URL", &other);
    stand.finds("klap.key", Warn, &["KLAP_API_URL", "/v2"]).await;
    stand.set("KLAP_API_URL", &nobody().await);
    stand.finds("klap.key", Fail, &["KLAP_API_URL"]).await;
}
