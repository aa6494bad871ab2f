//! The operators' overview.

use crate::support::app::{TestApp, WORKER_SECRET};
use crate::support::driving::read;
use crate::support::queue::Fate;
use cliprelay::flow::Protection;
use reqwest::Method;
use serde_json::{Value, json};
use std::time::Duration;

async fn stats(app: &TestApp) -> Value {
    read(app.request(Method::GET, "/api/admin/stats").bearer_auth(WORKER_SECRET)).await.expect(200).body
}

#[tokio::test]
async fn how_all_of_it_stands() {
    let protection = Protection { spend_day: Some(5_000), ..Protection::default() };
    let app = TestApp::builder().protection(protection).start().await;
    let done = app.enqueue("p1", 1).await;
    app.run().await;
    let cancelled = app.enqueue("p2", 1).await;
    app.cancel(&cancelled).await.expect(200);
    app.enqueue("p3", 1).await;
    let told = stats(&app).await;
    let expected = json!({"live": 1, "waiting": 1, "inFlight": 0, "looked": 1});
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(told["jobs"][name], *value, "{name} of {told:#}");
    }
    assert_eq!(told["jobs"]["byStage"], json!({"submit": 1}), "{told:#}");
    assert_eq!(told["jobs"]["byStatus"], json!({"cancelled": 1, "completed": 1, "queued": 1}), "{told:#}");
    let hour = json!({"accepted": 3, "completed": 1, "failed": 0, "cancelled": 1, "complete": true});
    assert_eq!(told["lastHour"], hour, "{told:#}");
    assert_eq!(told["deadLetters"], json!({"count": 0, "more": false}));
    assert_eq!((&told["sweptAt"], &told["sweeps"]), (&Value::Null, &json!([])), "nobody has swept");
    assert_eq!((&told["spend"]["limitUsd"], &told["success"]), (&json!(50.0), &json!(true)), "{told:#}");
    assert!(told["spend"]["todayUsd"].as_f64().is_some_and(|usd| usd > 1.0), "{told:#}");
    assert_eq!(told["signing"]["verdict"], "safe");
    let recent = told["signing"]["recent"].as_array().unwrap();
    assert!(recent.len() >= 5 && recent.iter().all(|push| push["signedWith"] == "current"), "{told:#}");
    assert!(recent.iter().all(|push| push["jobId"] == *done), "{told:#}");
    assert!(!told.to_string().contains("sig_"), "no key is told: {told:#}");
    assert_eq!(told["version"], env!("CARGO_PKG_VERSION"));
}

#[tokio::test]
async fn what_the_sweep_mended_is_kept_and_idle_rounds_are_not() {
    let app = TestApp::start().await;
    app.queue.is_away(true);
    app.enqueue("p1", 1).await;
    app.queue.is_away(false);
    app.clock.advance(Duration::from_mins(2));
    assert_eq!(app.cron().await["republished"], 1);
    app.cron().await;
    let dead = app.queue.only();
    app.queue.set_fate(&dead.id, Fate::Dead);
    app.clock.advance(Duration::from_hours(1));
    assert_eq!(app.cron().await["revived"], 1);
    app.cron().await;
    app.clock.advance(Duration::from_secs(30));
    let told = stats(&app).await;
    let rounds: Vec<_> = told["sweeps"].as_array().unwrap().iter().collect();
    assert_eq!(rounds.len(), 2, "{told:#}");
    assert_eq!((&rounds[0]["revived"], &rounds[1]["republished"]), (&json!(1), &json!(1)), "newest first: {told:#}");
    assert!(rounds[0]["at"].as_str() > rounds[1]["at"].as_str() && rounds[0]["tookMs"].is_u64(), "{told:#}");
    assert!(told["sweptAt"].as_str() > rounds[0]["at"].as_str() || told["sweptAt"] == rounds[0]["at"], "{told:#}");
    assert!(told["sweptAt"].as_str() < told["now"].as_str(), "{told:#}");
}

#[tokio::test]
async fn whether_the_keys_may_be_rolled() {
    for (theirs, verdict) in [
        (["a", "b"], "locked_out"),
        ([crate::support::queue::NEXT, "c"], "would_lock_out"),
        ([crate::support::queue::CURRENT, "c"], "would_lock_out"),
        ([crate::support::queue::CURRENT, crate::support::queue::NEXT], "safe"),
    ] {
        let app = TestApp::start().await;
        app.queue.inner().keys = Some(theirs.map(str::to_owned));
        let told = stats(&app).await;
        assert_eq!(told["signing"]["verdict"], verdict, "{theirs:?}: {told:#}");
    }
    let app = TestApp::start().await;
    app.queue.is_away(true);
    let told = stats(&app).await;
    assert_eq!((&told["signing"]["verdict"], &told["deadLetters"]), (&json!("unknown"), &Value::Null), "{told:#}");
}
