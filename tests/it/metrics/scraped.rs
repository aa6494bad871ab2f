//! What a scrape tells, to whom, and what it costs.

use super::{Scrape, started};
use crate::support::app::{ANN, BOB, CRON_SECRET, TestApp, WORKER_SECRET};
use crate::support::driving::read;
use crate::support::queue::Fate;
use cliprelay::embedded::sandbox::{KLAP_KEY, SUPABASE_KEY};
use cliprelay::flow::Protection;
use reqwest::Method;
use serde_json::json;

#[tokio::test]
async fn strangers_are_told_nothing() {
    let app = started().await;
    read(app.request(Method::GET, "/metrics")).await.expect(401);
    for wrong in [ANN, "", "Secret-of-the-worker", "secret-of-the-worker2"] {
        let answer = read(app.request(Method::GET, "/metrics").bearer_auth(wrong)).await.expect(401);
        assert_eq!(answer.code(), "unauthorized");
    }
    for right in [WORKER_SECRET, CRON_SECRET] {
        let answer = app.request(Method::GET, "/metrics").bearer_auth(right).send().await.unwrap();
        assert_eq!(answer.status(), 200);
    }
    read(app.request(Method::POST, "/metrics").bearer_auth(WORKER_SECRET)).await.expect(405);
}

#[tokio::test]
async fn a_job_is_told_from_its_acceptance_to_its_end() {
    let app = started().await;
    let before = Scrape::of(&app).await;
    app.enqueue("p1", 3).await;
    // A copy of the first push, which is old news; and one that nobody signed.
    let first = app.queue.only();
    app.run().await;
    app.push(&first).await.expect(200);
    read(app.request(Method::POST, "/api/worker/klap").body("{}")).await.expect(401);
    app.cron().await;
    app.settled().await;
    let after = Scrape::of(&app).await;
    let since = |series: &str| after.since(&before, series);
    for (series, times) in [
        ("cliprelay_jobs_accepted_total", 1.0_f64),
        ("cliprelay_jobs_ended_total{state=\"completed\"}", 1.0),
        ("cliprelay_jobs_ended_total{state=\"failed\"}", 0.0),
        ("cliprelay_possible_duplicate_charges_total", 0.0),
        ("cliprelay_steps_total{step=\"submit\",outcome=\"next\"}", 1.0),
        ("cliprelay_steps_total{step=\"finalize\",outcome=\"done\"}", 1.0),
        ("cliprelay_step_claims_total{step=\"finalize\",attempt=\"1\"}", 1.0),
        ("cliprelay_step_seconds_count{step=\"finalize\"}", 1.0),
        ("cliprelay_deliveries_total{reply=\"old_news\"}", 1.0),
        ("cliprelay_deliveries_total{reply=\"rejected\"}", 1.0),
        ("cliprelay_push_rejections_total{reason=\"missing\"}", 1.0),
        ("cliprelay_pushes_signed_total{key=\"next\"}", 0.0),
        ("cliprelay_refusals_total{code=\"bad_signature\"}", 1.0),
        ("cliprelay_sweeps_total{outcome=\"ok\"}", 1.0),
        ("cliprelay_http_requests_total{route=\"/api/process-klap\",method=\"POST\",status=\"2xx\"}", 1.0),
        ("cliprelay_http_requests_total{route=\"/api/worker/klap\",method=\"POST\",status=\"4xx\"}", 1.0),
        ("cliprelay_calls_total{service=\"klap\",class=\"write\",outcome=\"ok\"}", 4.0),
    ] {
        assert_eq!(since(series).to_bits(), times.to_bits(), "{series}: {} and not {times}", since(series));
    }
    let claims = since("cliprelay_push_age_seconds_count");
    assert_eq!(since("cliprelay_deliveries_total{reply=\"done\"}").to_bits(), claims.to_bits());
    assert_eq!(since("cliprelay_published_total{outcome=\"published\"}").to_bits(), claims.to_bits());
    assert_eq!(since("cliprelay_pushes_signed_total{key=\"current\"}").to_bits(), (claims + 1.0).to_bits());
    let (fetched, stored) = (since("cliprelay_bytes_fetched_total"), since("cliprelay_bytes_stored_total"));
    assert!(stored > 10_000.0 && fetched >= stored, "{fetched} fetched, {stored} stored");
    for whom in ["qstash", "storage", "rows", "source"] {
        let read = since(&format!("cliprelay_calls_total{{service=\"{whom}\",class=\"read\",outcome=\"ok\"}}"));
        let write = since(&format!("cliprelay_calls_total{{service=\"{whom}\",class=\"write\",outcome=\"ok\"}}"));
        assert!(read + write > 0.0, "no call to {whom} is told");
    }
    assert!(after.text.contains("# HELP cliprelay_push_age_seconds From when"), "{}", after.text);
    assert!(after.get(&format!("cliprelay_build_info{{version=\"{}\"}}", env!("CARGO_PKG_VERSION"))) > 0.0);
    assert!(after.get("cliprelay_process_start_time_seconds") > 1.7e9);
}

#[tokio::test]
async fn what_fails_is_told() {
    let app = started().await;
    let before = Scrape::of(&app).await;
    let job = app.enqueue("p1", 1).await;
    app.cancel(&job).await.expect(200);
    app.cancel(&job).await.expect(409);
    app.queue.is_away(true);
    app.enqueue("p2", 1).await;
    app.queue.is_away(false);
    let limits = Scrape::of(&app).await;
    for (series, times) in [
        ("cliprelay_jobs_ended_total{state=\"cancelled\"}", 1.0_f64),
        ("cliprelay_refusals_total{code=\"already_final\"}", 1.0),
        ("cliprelay_published_total{outcome=\"failed\"}", 1.0),
        ("cliprelay_calls_total{service=\"qstash\",class=\"write\",outcome=\"failed\"}", 1.0),
    ] {
        assert_eq!(limits.since(&before, series).to_bits(), times.to_bits(), "{series}");
    }
}

#[tokio::test]
async fn what_the_store_knows_is_told_over_all_processes() {
    cliprelay::http::start_measuring();
    let protection = Protection { queue: Some(40), spend_day: Some(10_000), ..Protection::default() };
    let app = TestApp::builder().protection(protection).routers(2).start().await;
    app.enqueue("p1", 1).await;
    app.run().await;
    let job = app.enqueue("p2", 1).await;
    app.run_to(&job, "await_task").await;
    app.enqueue("p3", 1).await;
    app.enqueue("p4", 1).await;
    let dead = app.queue.waiting().pop().unwrap();
    app.queue.set_fate(&dead.id, Fate::Dead);
    app.cron().await;
    app.clock.advance(std::time::Duration::from_mins(10));
    // The second process, which has done nothing, tells the same.
    let url = app.bases[1].join("metrics").unwrap();
    let answer = app.http.get(url).bearer_auth(WORKER_SECRET).send().await.unwrap();
    let told = Scrape::read(answer.text().await.unwrap());
    for (series, value) in [
        ("cliprelay_store_up", 1.0_f64),
        ("cliprelay_qstash_up", 1.0),
        ("cliprelay_jobs_live", 3.0),
        ("cliprelay_jobs_looked_at", 3.0),
        ("cliprelay_jobs{state=\"waiting\",step=\"await_task\"}", 1.0),
        ("cliprelay_jobs{state=\"queued\",step=\"submit\"}", 2.0),
        ("cliprelay_jobs{state=\"running\",step=\"submit\"}", 0.0),
        ("cliprelay_queue_limit", 40.0),
        ("cliprelay_spend_limit_usd", 100.0),
        ("cliprelay_last_sweep_seconds", 600.0),
    ] {
        assert!(told.series.contains_key(series), "{series} is not told:\n{}", told.text);
        assert_eq!(told.get(series).to_bits(), value.to_bits(), "{series}: {}", told.get(series));
    }
    assert!(told.get("cliprelay_oldest_waiting_seconds") >= 600.0, "{}", told.text);
    assert!(told.get("cliprelay_jobs_due") >= 1.0 && told.get("cliprelay_oldest_due_seconds") > 0.0, "{}", told.text);
    assert!(told.get("cliprelay_spend_today_usd") > 0.4, "{}", told.text);
    assert!(told.series.contains_key("cliprelay_dead_letters"), "{}", told.text);
}

#[tokio::test]
async fn a_scrape_is_answered_with_everybody_away() {
    let app = started().await;
    app.watch.is_away(true);
    app.queue.is_away(true);
    let told = Scrape::of(&app).await;
    assert_eq!(told.series.get("cliprelay_store_up"), Some(&0.0));
    assert_eq!(told.series.get("cliprelay_qstash_up"), Some(&0.0));
    assert!(!told.series.contains_key("cliprelay_jobs_live"), "{}", told.text);
    assert!(!told.series.contains_key("cliprelay_dead_letters"), "{}", told.text);
    assert!(told.series.contains_key("cliprelay_jobs_accepted_total"), "{}", told.text);
    app.watch.is_away(false);
    read(app.request(Method::GET, "/api/admin/stats").bearer_auth(WORKER_SECRET)).await.expect(503);
}

#[tokio::test]
async fn a_scrape_costs_three_round_trips_and_the_next_none() {
    let app = TestApp::builder().on_redis().start().await;
    for project in 0..5 {
        app.enqueue(&format!("p{project}"), 1).await;
    }
    // Redis knows the script after the first.
    app.store.survey(1).await.unwrap();
    let trips = || app.redis_stores[0].round_trips();
    let before = trips();
    Scrape::of(&app).await;
    assert_eq!(trips() - before, 3);
    Scrape::of(&app).await;
    read(app.request(Method::GET, "/api/health")).await.expect(200);
    assert_eq!(trips() - before, 3);
}

#[tokio::test]
async fn no_secret_and_no_address_is_told() {
    let app = started().await;
    let planted = "planted-token-77f1";
    let video = format!("{}?token={planted}", app.sandbox.sample);
    let body = json!({"projectId": "planted-project", "videoUrl": video});
    let job = app.post("/api/process-klap", &body).await.expect(202).body["jobId"].as_str().unwrap().to_owned();
    app.run().await;
    for path in ["/planted-path", "/api/clips/planted-clip", "/api/process-klap?jobId=planted-job"] {
        app.get(path).await;
    }
    let told = Scrape::of(&app).await.text;
    let secrets = [ANN, BOB, WORKER_SECRET, CRON_SECRET, KLAP_KEY, SUPABASE_KEY, &job, "planted", "token=", "http://"];
    for secret in secrets {
        assert!(!told.contains(secret), "{secret} is told:\n{told}");
    }
}
