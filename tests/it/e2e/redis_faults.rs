//! Redis goes wrong under running jobs: it forgets everything, takes no writes, has no memory left, is slow, or falls silent
//! with every connection open. Meanwhile requests are refused in so many words and nothing is paid without its intent on
//! record; when Redis is well again, every job ends right.

use crate::support::processes::{Process, until};
use crate::support::proxy::Proxy;
use crate::support::redis::{self, query};
use crate::support::system::System;
use reqwest::{Method, Response};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// How long the trouble lasts: longer than the first redelivery's delay, shorter than a lease.
const TROUBLE: Duration = Duration::from_secs(9);
/// The contract's word for an enqueue is 9 s; what a busy machine adds is not the service's.
const DEADLINE: Duration = Duration::from_secs(20);
/// Longer than the client waits for an answer.
const SILENCE: Duration = Duration::from_secs(3);
/// Shorter than that.
const SLOWNESS: Duration = Duration::from_millis(150);

fn body(system: &System, project: &str) -> Value {
    json!({"projectId": project, "videoUrl": system.sample(), "options": {"targetClipCount": 2}})
}

/// A Redis with a proxy before it, and the system that goes through the proxy.
async fn proxied() -> (System, Proxy) {
    let redis = redis::Server::start();
    let proxy = Proxy::start(redis.port()).await;
    let system = System::with_redis(redis, None, &[("REDIS_URL", proxy.url.as_str())]).await;
    (system, proxy)
}

/// Four jobs in the places that matter.
struct Jobs {
    /// Klap has taken the video and billed it, and has not answered yet.
    paying: String,
    /// Klap has refused it for now; its redelivery is due in five seconds.
    refused: String,
    /// An upload is under way.
    storing: String,
    /// Its next message is delayed.
    waiting: String,
}

impl Jobs {
    async fn begin(system: &System) -> Self {
        system.supabase_fault("put", json!({"kind": "stall", "ms": 4_000})).await;
        let storing = system.enqueue(&body(system, "storing")).await;
        system.called("supabase", "put", 1).await;
        system.klap_looks([8, 0, 0]).await;
        let waiting = system.enqueue(&body(system, "waiting")).await;
        until("it waits for Klap", async || (system.job(&waiting).await?["progress"].as_u64()? >= 10).then_some(()))
            .await;
        let away = json!({"answer": {"status": 503, "body": "away"}});
        system.klap_fault("create_task", 1, away).await;
        let refused = system.enqueue(&body(system, "refused")).await;
        // It is on record that this call was not billed.
        until("it is to be tried again", async || {
            (system.job(&refused).await?["attempts"] == 1 && system.klap().await["calls"]["create_task"] == 3)
                .then_some(())
        })
        .await;

        system.klap_fault("create_task", 1, json!({"delay": {"millis": 3_000, "afterEffect": true}})).await;
        let paying = system.enqueue(&body(system, "paying")).await;
        until("it is billed", async || (system.klap().await["tasks"] == 3).then_some(())).await;
        Self { paying, refused, storing, waiting }
    }

    /// All of them end right, and nothing was paid twice; `told` of them may have been, for all we know.
    async fn end(&self, system: &System, told: u64) {
        let mut possible = 0;
        for id in [&self.storing, &self.waiting, &self.refused, &self.paying] {
            let job = system.completed(id).await;
            possible += job["possibleDuplicateCharge"].as_u64().unwrap();
            assert_eq!((&job["clipsFailed"], job["clips"].as_array().unwrap().len()), (&json!(0), 2), "{job:#}");
        }
        let (klap, storage) = (system.klap().await, system.supabase().await);
        let jobs = storage["objectsListed"].as_u64().unwrap() / 2;
        println!(
            "{} tasks and {} exports paid for {jobs} jobs, {possible} told as possible duplicates, {} objects",
            klap["tasks"], klap["exportsTotal"], storage["objectsListed"]
        );
        assert!(jobs >= 4 && possible <= told, "{possible} told as possible duplicates");
        assert_eq!((&klap["tasks"], &klap["exportsTotal"]), (&json!(jobs), &json!(2 * jobs)));
        assert!(klap["exports"].as_object().unwrap().values().all(|paid| *paid == 1), "{klap:#}");
        system.keeps_secrets(&[], &[]);
    }
}

/// A 503 with a problem in it, in time; answers its code.
async fn refused(answer: Result<Response, reqwest::Error>, begun: Instant) -> String {
    let answer = answer.expect("an answer in time");
    let (status, kind) = (answer.status(), answer.headers()["content-type"].clone());
    assert!(answer.headers().contains_key("retry-after"));
    let problem: Value = answer.json().await.unwrap();
    assert_eq!((status.as_u16(), kind.to_str().unwrap()), (503, "application/problem+json"), "{problem:#}");
    println!("503 {} after {} ms", problem["code"], begun.elapsed().as_millis());
    problem["code"].as_str().unwrap().to_owned()
}

/// Asks for a new job with a key, so that the same request may be sent again.
async fn ask(system: &System, project: &str) -> Result<Response, reqwest::Error> {
    let request = system.ask(Method::POST, "/api/process-klap").json(&body(system, project));
    request.header("idempotency-key", project).timeout(DEADLINE).send().await
}

/// What everybody is told while Redis takes no writes, for as long as the trouble is to last.
async fn told_of_the_trouble(system: &System, jobs: &Jobs, reads_too: bool) {
    let begun = Instant::now();
    let paid = system.klap().await["calls"]["create_task"].clone();
    while begun.elapsed() < TROUBLE {
        let asked = Instant::now();
        let health = system.http.get(format!("{}/api/health", system.base)).timeout(DEADLINE).send().await.unwrap();
        assert_eq!(health.status(), 200);
        let ready = system.http.get(format!("{}/api/ready", system.base)).timeout(DEADLINE).send().await.unwrap();
        assert_eq!(ready.status(), 503);
        let ready: Value = ready.json().await.unwrap();
        assert_eq!(ready["checks"], json!({"store": "down", "qstash": "up"}));
        let asked_again = Instant::now();
        let code = refused(ask(system, "later").await, asked_again).await;
        assert!(["store_unavailable", "outcome_unknown"].contains(&code.as_str()), "{code}");
        let path = format!("/api/process-klap?jobId={}", jobs.waiting);
        if reads_too {
            refused(system.ask(Method::GET, &path).timeout(DEADLINE).send().await, asked).await;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let klap = system.klap().await;
    assert_eq!(klap["calls"]["create_task"], paid, "nothing is paid that is not on record");
}

/// The request that was refused all the time is taken now, as one job.
async fn taken_now(system: &System) -> String {
    let job = until("the same request is taken", async || {
        let answer = ask(system, "later").await.ok()?;
        [200, 202].contains(&answer.status().as_u16()).then_some(answer)
    });
    let job: Value = job.await.json().await.unwrap();
    job["jobId"].as_str().unwrap().to_owned()
}

fn is_up(serve: &mut Process) {
    assert!(!serve.is_down(), "{}", serve.logged());
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_comes_back_empty() {
    let mut system = System::start(&[]).await;
    let jobs = Jobs::begin(&system).await;
    let _: () = query(&system.redis, &["FLUSHALL"]);
    system.redis.restart_empty();
    // The one whose call was refused is rebuilt without knowing that, and says so.
    jobs.end(&system, 1).await;
    let logged = system.serve.logged();
    for how in ["put back from its message", "put back by its holder"] {
        assert!(logged.contains(how), "{how}");
    }
    is_up(&mut system.serve);
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_has_become_a_replica_of_nobody() {
    let system = System::start(&[]).await;
    let jobs = Jobs::begin(&system).await;
    let _: () = query(&system.redis, &["REPLICAOF", "127.0.0.1", "1"]);
    told_of_the_trouble(&system, &jobs, false).await;
    let _: () = query(&system.redis, &["REPLICAOF", "NO", "ONE"]);
    system.completed(&taken_now(&system).await).await;
    jobs.end(&system, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "to the service the same as a replica of nobody"]
async fn redis_takes_no_writes_without_replicas() {
    let system = System::start(&[]).await;
    let jobs = Jobs::begin(&system).await;
    let _: () = query(&system.redis, &["CONFIG", "SET", "min-replicas-to-write", "1"]);
    told_of_the_trouble(&system, &jobs, false).await;
    let _: () = query(&system.redis, &["CONFIG", "SET", "min-replicas-to-write", "0"]);
    system.completed(&taken_now(&system).await).await;
    jobs.end(&system, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_has_no_memory_left() {
    let system = System::start(&[]).await;
    let jobs = Jobs::begin(&system).await;
    let _: () = query(&system.redis, &["CONFIG", "SET", "maxmemory-policy", "noeviction"]);
    let _: () = query(&system.redis, &["CONFIG", "SET", "maxmemory", "1"]);
    told_of_the_trouble(&system, &jobs, false).await;
    let _: () = query(&system.redis, &["CONFIG", "SET", "maxmemory", "0"]);
    system.completed(&taken_now(&system).await).await;
    jobs.end(&system, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_is_slow() {
    let (system, proxy) = proxied().await;
    let jobs = Jobs::begin(&system).await;
    proxy.slow(SLOWNESS);
    let one_more = system.enqueue(&body(&system, "slow")).await;
    let ready = system.http.get(format!("{}/api/ready", system.base)).send().await.unwrap();
    assert_eq!(ready.status(), 200, "slow is not away");
    system.completed(&one_more).await;
    jobs.end(&system, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_answers_too_late() {
    let (system, proxy) = proxied().await;
    let jobs = Jobs::begin(&system).await;
    // What is asked is done; only nobody learns of it in time.
    proxy.slow(SILENCE);
    told_of_the_trouble(&system, &jobs, true).await;
    proxy.slow(Duration::ZERO);
    system.completed(&taken_now(&system).await).await;
    jobs.end(&system, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_is_cut_half_open() {
    let (system, proxy) = proxied().await;
    let jobs = Jobs::begin(&system).await;
    proxy.fall_silent();
    told_of_the_trouble(&system, &jobs, true).await;
    // The connections there are stay silent for good.
    proxy.silence();
    system.completed(&taken_now(&system).await).await;
    jobs.end(&system, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_falls_silent_between_claim_and_intent() {
    let (system, proxy) = proxied().await;
    let first = system.enqueue(&body(&system, "first")).await;
    system.completed(&first).await;
    // Now every answer takes so long that the one to the intent can be caught on its way.
    proxy.slow(Duration::from_secs(1));
    let job = system.enqueue(&body(&system, "caught")).await;
    until("the step is claimed", async || {
        let logged = system.serve.logged();
        logged.lines().any(|line| line.contains("step begins") && line.contains(&job)).then_some(())
    })
    .await;
    proxy.fall_silent();
    let begun = Instant::now();
    while begun.elapsed() < SILENCE * 2 {
        assert_eq!(
            system.klap().await["calls"]["create_task"],
            1,
            "nothing is paid before its intent is known to be written"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    proxy.slow(Duration::ZERO);
    proxy.silence();
    let ended = system.completed(&job).await;
    let klap = system.klap().await;
    println!(
        "{} tasks paid for 2 jobs, {} told as possible duplicates",
        klap["tasks"], ended["possibleDuplicateCharge"]
    );
    assert_eq!((&klap["tasks"], &ended["possibleDuplicateCharge"]), (&json!(2), &json!(0)));
}
