//! What a job depends on goes away in the middle, and comes back: Redis, the broker, the service itself.

use super::{SAMPLE, fetched, film};
use crate::support::processes::PATIENCE;
use crate::support::system::System;
use reqwest::Method;
use serde_json::{Value, json};
use std::io::Read as _;
use std::net::TcpStream;
use std::path::Path;
use std::time::{Duration, Instant};

/// How long Redis is away: longer than any retry inside a request, shorter than a step's lease.
const OUTAGE: Duration = Duration::from_secs(10);
/// How long a watcher asks to be kept waiting; the service ends within 30 s whatever happens.
const WATCH: Duration = Duration::from_secs(25);

/// In the log whenever a request comes in.
const REQUEST: &str = "started processing request";

async fn enqueue(system: &System, project: &str) -> String {
    let options = json!({"targetClipCount": 3});
    system.enqueue(&json!({"projectId": project, "videoUrl": system.sample(), "options": options})).await
}

/// Nothing was paid, stored or sent more than once, and the clips play.
async fn whole(system: &System, job: &Value) {
    let (klap, storage) = (system.klap().await, system.supabase().await);
    assert_eq!((&klap["tasks"], &klap["exportsTotal"]), (&json!(1), &json!(3)));
    assert_eq!((&storage["objectsListed"], &job["possibleDuplicateCharge"]), (&json!(3), &json!(0)));
    fetched(system, job, Path::new(SAMPLE)).await;
    system.keeps_secrets(&[], &[]);
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_is_away_while_a_step_holds_its_lease() {
    let mut system = System::start(&[("STEP_TIMEOUT", "25")]).await;
    system.supabase_fault("put", json!({"kind": "stall", "ms": 4_000})).await;
    let job = enqueue(&system, "redis").await;
    system.called("supabase", "put", 1).await;
    system.redis.stop();
    let stopped = Instant::now();
    let mut refused = 0;
    while stopped.elapsed() < OUTAGE {
        let health = system.http.get(format!("{}/api/health", system.base)).send().await.unwrap();
        assert_eq!(health.status(), 200, "health touches nothing");
        let answer = system.ask(Method::GET, &format!("/api/process-klap?jobId={job}")).send().await.unwrap();
        assert_eq!(answer.status(), 503);
        assert_eq!(answer.headers()["content-type"], "application/problem+json");
        refused += 1;
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert!(refused > 1);
    system.redis.restart();
    let ended = system.completed(&job).await;
    whole(&system, &ended).await;
    let begun = system.serve.logged().matches("step begins").count();
    println!("{refused} answers 503 in {} s without Redis, {begun} steps begun in all", OUTAGE.as_secs());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_broker_is_killed_in_the_middle() {
    let mut system = System::start(&[]).await;
    system.klap_fault("folder", 1, json!({"delay": {"millis": 3_000}})).await;
    let job = enqueue(&system, "broker").await;
    system.called("klap", "folder", 1).await;
    system.broker.kill();
    // The step ends, and its next message cannot be published: it is recorded.
    let ended = system.serve.logged().matches("step ends").count();
    system.serve.logs("step ends", ended + 1).await;
    let refused = system.ask(Method::GET, "/api/ready").send().await.unwrap();
    assert_eq!(refused.status(), 503);
    let checks: Value = refused.json().await.unwrap();
    assert_eq!(checks["checks"], json!({"store": "up", "qstash": "down"}));
    system.broker.again();
    let ended = system.completed(&job).await;
    whole(&system, &ended).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_service_is_told_to_stop_in_the_middle_of_a_transfer() {
    let mut system = System::start(&[("RUST_LOG", "info,tower_http=debug")]).await;
    let source = film::noise(system.folder.path());
    let video = system.video(&source);
    system.klap_fault("file", 3, json!({"delay": {"millis": 15_000}})).await;
    let options = json!({"targetClipCount": 3, "targetDuration": 8});
    let job = system.enqueue(&json!({"projectId": "stop", "videoUrl": video, "options": options})).await;
    system.called("klap", "file", 1).await;
    // Somebody watches a job that nothing happens to, and somebody has connected and says nothing.
    let busy = json!({"answer": {"status": 429, "body": "busy", "retryAfter": "300"}});
    system.klap_fault("create_task", 1, busy).await;
    let idle = enqueue(&system, "idle").await;
    system.serve.logs("outcome=\"away\"", 1).await;
    let mut silent = TcpStream::connect(system.base.trim_start_matches("http://")).unwrap();
    let path = format!("/api/process-klap?jobId={idle}");
    let seen = system.ask(Method::GET, &path).send().await.unwrap();
    let path = format!("{path}&wait={}", WATCH.as_secs());
    let requests = system.serve.logged().matches(REQUEST).count();
    let watching = system.ask(Method::GET, &path).header("if-none-match", &seen.headers()["etag"]).send();
    let watching = tokio::spawn(watching);
    system.serve.logs(REQUEST, requests + 1).await;
    let events = system.ask(Method::GET, &format!("/api/process-klap/events?jobId={idle}")).send().await.unwrap();
    assert_eq!(events.status(), 200);

    let told = Instant::now();
    system.serve.signal("TERM");
    let ended = system.serve.ended().await;
    let took = told.elapsed();
    assert_eq!(ended.code(), Some(0), "{ended}");
    assert!(took < WATCH, "nobody waits for those who only watch: {took:?}");
    let watched = watching.await.unwrap().expect("an answer, although it ends");
    assert!(watched.status() == 304 || watched.status() == 200);
    let told_last = events.text().await.expect("the stream is ended, not cut off");
    assert!(told_last.contains("\"status\":\"processing\""), "{told_last}");
    silent.set_read_timeout(Some(PATIENCE)).unwrap();
    let closed = silent.read(&mut [0; 1]);
    assert!(matches!(closed, Ok(0)) || closed.is_err_and(|e| e.kind() == std::io::ErrorKind::ConnectionReset));
    println!("ended {} ms after SIGTERM", took.as_millis());
    let logged = system.serve.logged();
    let last = logged.lines().rev().find(|line| line.contains("published")).unwrap_or_default();
    assert!(last.contains("transfer"), "its next message is out before it ends: {last}");

    system.serve_again().await;
    let ended = system.completed(&job).await;
    let (klap, storage) = (system.klap().await, system.supabase().await);
    assert_eq!((&klap["tasks"], &klap["exportsTotal"], &storage["objectsListed"]), (&json!(1), &json!(3), &json!(3)));
    fetched(&system, &ended, &source).await;
    assert!(!system.serve.logged().contains("job.attempt=2"), "winding up costs no attempt");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_ends_it_at_once() {
    let mut system = System::start(&[]).await;
    // A paid call is not given up because of a first one.
    system.klap_fault("create_task", 1, json!({"delay": {"millis": 60_000}})).await;
    enqueue(&system, "twice").await;
    system.called("klap", "create_task", 1).await;
    system.serve.signal("TERM");
    system.serve.logs("stopping", 1).await;
    system.serve.signal("INT");
    let ended = system.serve.ended().await;
    assert_eq!(ended.code(), Some(1), "{ended}");
    assert!(system.serve.logged().contains("told to stop again: what was under way is cut off"));
    assert!(!system.serve.logged().contains("step ends"), "nobody waited for the call");
    system.serve_again().await;
}
