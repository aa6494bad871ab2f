//! How often, how many at once and for how much money: counted over all instances.

use crate::support::app::{ANN, BOB, TestApp};
use crate::support::driving::{Answer, read};
use axum::http::Method;
use cliprelay::embedded::klap::{Effect, Fault, Operation};
use cliprelay::flow::Protection;
use cliprelay::http::Proxies;
use serde_json::json;
use std::collections::BTreeMap;

const PATH: &str = "/api/process-klap";
/// A day on the store's clock, in milliseconds.
const DAY: u64 = 86_400_000;

fn rates(per_owner: u64, per_address: u64) -> Protection {
    Protection { per_owner: Some(per_owner), per_address: Some(per_address), ..Protection::default() }
}

async fn from(app: &TestApp, key: &str, project: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request = app.request(Method::POST, PATH).bearer_auth(key).json(&app.asking(project, 1));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    read(request).await
}

fn tally(answers: &[Answer]) -> BTreeMap<u16, usize> {
    let mut tally = BTreeMap::new();
    for answer in answers {
        *tally.entry(answer.status).or_default() += 1;
    }
    tally
}

#[tokio::test]
async fn an_owner_has_so_many_turns_and_is_told() {
    let app = TestApp::builder().protection(rates(2, 100)).start().await;
    let first = from(&app, ANN, "p1", &[]).await.expect(202);
    assert_eq!(first.header("ratelimit-policy"), "\"owner\";q=2;w=60, \"address\";q=100;w=60");
    assert_eq!(first.header("ratelimit"), "\"owner\";r=1;t=60, \"address\";r=99;t=60");
    // The same again is answered as ever, but it is a request.
    from(&app, ANN, "p1", &[]).await.expect(200);
    app.clock.advance(std::time::Duration::from_secs(20));
    let refused = from(&app, ANN, "p2", &[]).await.expect(429);
    assert_eq!((refused.code(), refused.header("retry-after")), ("rate_limited", "40"));
    assert_eq!(refused.header("ratelimit"), "\"owner\";r=0;t=40, \"address\";r=98;t=40");
    assert_eq!(refused.header("content-type"), "application/problem+json");
    // Another owner is not held up, and a refused request has used nothing of their address.
    let bobs = from(&app, BOB, "p1", &[]).await.expect(202);
    assert!(bobs.header("ratelimit").contains("\"address\";r=97;"), "{}", bobs.header("ratelimit"));
    let retry = app.request(Method::POST, "/api/process-klap/retry").bearer_auth(ANN).json(&json!({"jobId": "job_1"}));
    read(retry).await.expect(429);
    app.clock.advance(std::time::Duration::from_secs(40));
    from(&app, ANN, "p2", &[]).await.expect(202);
}

#[tokio::test]
async fn what_is_no_request_takes_no_turn() {
    let app = TestApp::builder().protection(rates(1, 1)).start().await;
    let wrong = app.post(PATH, &json!({"projectId": "a b"})).await.expect(422);
    assert_eq!(wrong.header("ratelimit"), "");
    read(app.request(Method::POST, PATH).json(&app.asking("p1", 1))).await.expect(401);
    from(&app, ANN, "p1", &[]).await.expect(202);
}

#[tokio::test]
async fn of_many_at_once_on_two_instances_no_more_get_through() {
    let app = TestApp::builder().on_redis().routers(2).protection(rates(7, 100)).start().await;
    let asked = (0..30).map(|number| {
        let url = app.bases[number % 2].join(PATH).unwrap();
        read(app.http.post(url).bearer_auth(ANN).json(&app.asking(&format!("p{number}"), 1)))
    });
    let answers = futures_util::future::join_all(asked).await;
    assert_eq!(tally(&answers), BTreeMap::from([(202, 7), (429, 23)]));
    assert_eq!(app.queue.all().len(), 7);
}

#[tokio::test]
async fn with_the_store_away_nobody_gets_through() {
    let app = TestApp::builder().protection(rates(5, 30)).start().await;
    app.watch.is_away(true);
    let answer = from(&app, ANN, "p1", &[]).await.expect(503);
    assert_eq!((answer.code(), answer.header("retry-after")), ("store_unavailable", "5"));
    app.watch.is_away(false);
    from(&app, ANN, "p1", &[]).await.expect(202);
}

#[tokio::test]
async fn a_header_anybody_can_send_changes_nothing() {
    let app = TestApp::builder().protection(rates(100, 2)).start().await;
    from(&app, ANN, "p1", &[("x-forwarded-for", "8.8.8.1")]).await.expect(202);
    from(&app, BOB, "p2", &[("x-real-ip", "8.8.8.2"), ("forwarded", "for=8.8.8.2")]).await.expect(202);
    let third = from(&app, ANN, "p3", &[("x-forwarded-for", "8.8.8.3")]).await.expect(429);
    assert!(third.header("ratelimit").contains("\"address\";r=0;"));
}

#[tokio::test]
async fn a_trusted_proxy_is_believed_as_far_as_it_wrote() {
    let app = TestApp::builder().protection(rates(100, 1)).proxies(Proxies::Trusted(1)).start().await;
    let through =
        async |project: &str, forwarded: &str| from(&app, ANN, project, &[("x-forwarded-for", forwarded)]).await.status;
    assert_eq!(through("p1", "8.8.8.8").await, 202);
    assert_eq!(through("p2", "1.1.1.1, 8.8.8.8").await, 429, "what stands before it the caller made up");
    assert_eq!(through("p3", "8.8.8.8:4711").await, 429, "with its port");
    assert_eq!(through("p4", "::ffff:8.8.8.8").await, 429, "as IPv6 writes it");
    assert_eq!(through("p5", "2606:4700:1:2::1").await, 202);
    assert_eq!(through("p6", "[2606:4700:1:2:ffff::9]:443").await, 429, "the same /64");
    assert_eq!(through("p7", "2606:4700:1:3::1").await, 202);
    assert_eq!(through("p8", "unknown").await, 202);
    assert_eq!(through("p9", "nonsense").await, 429, "those whom nobody knows are one");
}

#[tokio::test]
async fn on_the_serverless_host_its_own_word_counts() {
    let app = TestApp::builder().protection(rates(100, 1)).proxies(Proxies::Host).start().await;
    let told = |address| [("x-vercel-forwarded-for", address), ("x-forwarded-for", "8.8.4.4")];
    from(&app, ANN, "p1", &told("8.8.8.8")).await.expect(202);
    from(&app, ANN, "p2", &told("8.8.8.9")).await.expect(202);
    from(&app, ANN, "p3", &told("8.8.8.8")).await.expect(429);
}

#[tokio::test]
async fn so_many_jobs_may_be_live() {
    let protection = Protection { queue: Some(2), ..Protection::default() };
    for app in [
        TestApp::builder().protection(protection).start().await,
        TestApp::builder().protection(protection).on_redis().start().await,
    ] {
        let first = app.enqueue("p1", 1).await;
        app.enqueue("p2", 1).await;
        let full = from(&app, ANN, "p3", &[("idempotency-key", "k")]).await.expect(503);
        assert_eq!((full.code(), full.header("retry-after")), ("queue_full", "60"));
        // A running job is found all the same.
        from(&app, ANN, "p1", &[]).await.expect(200);
        app.cancel(&first).await.expect(200);
        from(&app, ANN, "p3", &[("idempotency-key", "k")]).await.expect(202);
        from(&app, ANN, "p4", &[]).await.expect(503);
        app.run().await;
        from(&app, ANN, "p4", &[]).await.expect(202);
    }
}

#[tokio::test]
async fn a_live_job_that_gets_lost_frees_its_place_at_its_deadline() {
    let app = TestApp::builder().protection(Protection { queue: Some(1), ..Protection::default() }).start().await;
    app.enqueue("p1", 1).await;
    from(&app, ANN, "p2", &[]).await.expect(503);
    // A process carries the store's time on by its own clock while it answers.
    app.clock.advance(std::time::Duration::from_millis(DAY + 60_000));
    from(&app, ANN, "p2", &[]).await.expect(202);
}

#[tokio::test]
async fn a_day_has_so_much_money() {
    // A job of one clip is 0.44 + 0.32 + 0.48 dollars; three of them, and not a fourth.
    let protection = Protection { spend_day: Some(124 * 3 + 123), ..Protection::default() };
    for redis in [false, true] {
        let builder = TestApp::builder().protection(protection).routers(2);
        let app = if redis { builder.on_redis().start().await } else { builder.start().await };
        let body = |project: &str| {
            let options = json!({"maxClipCount": 1, "targetClipCount": 1});
            json!({"projectId": project, "videoUrl": app.sandbox.sample, "options": options})
        };
        let asked = (0..12).map(|number| {
            let url = app.bases[number % 2].join(PATH).unwrap();
            read(app.http.post(url).bearer_auth(ANN).json(&body(&format!("p{number}"))))
        });
        let answers = futures_util::future::join_all(asked).await;
        assert_eq!(tally(&answers), BTreeMap::from([(202, 3), (503, 9)]), "redis: {redis}");
        let refused = answers.iter().find(|answer| answer.status == 503).unwrap();
        assert_eq!(refused.code(), "budget_exhausted");
        let wait: u64 = refused.header("retry-after").parse().unwrap();
        assert!((1..=86_400).contains(&wait), "{wait}");
        // What runs, ends; a repeat costs nothing.
        let job = answers.iter().find(|answer| answer.status == 202).unwrap().body["projectId"].as_str().unwrap();
        app.post(PATH, &body(job)).await.expect(200);
        app.run().await;
        app.settled().await;
        // All of it was spent.
        app.post(PATH, &body("more")).await.expect(503);
        if !redis {
            app.clock.advance(std::time::Duration::from_secs(wait));
            app.post(PATH, &body("more")).await.expect(202);
        }
    }
}

#[tokio::test]
async fn what_a_job_did_not_cost_is_free_again() {
    let app = TestApp::builder().protection(Protection { spend_day: Some(900), ..Protection::default() }).start().await;
    // Ten clips may come of it.
    let job = app.post(PATH, &json!({"projectId": "p1", "videoUrl": app.sandbox.sample})).await.expect(202);
    let job = job.body["jobId"].as_str().unwrap().to_owned();
    assert_eq!(app.job(&job).await.charge.unwrap().cents, 844);
    from(&app, ANN, "p2", &[]).await.expect(503);
    app.cancel(&job).await.expect(200);
    assert_eq!(app.job(&job).await.charge.unwrap().cents, 0);
    let done = app.enqueue("p2", 1).await;
    app.run().await;
    let ended = app.job(&done).await;
    let clips = app.status(&done).await["clips"].as_array().unwrap().len() as u64;
    assert_eq!(ended.charge.unwrap().cents, 44 + clips * (32 + 48));
}

#[tokio::test]
async fn trying_again_costs_what_is_still_to_be_paid() {
    let app = TestApp::builder().protection(Protection { spend_day: Some(900), ..Protection::default() }).start().await;
    let effect = Effect::Answer { status: 401, body: json!({}), retry_after: None, after_effect: false };
    app.sandbox.klap.inject(Fault { operation: Operation::CreateTask, times: 1, effect });
    let job = app.post(PATH, &json!({"projectId": "p1", "videoUrl": app.sandbox.sample})).await.expect(202);
    let job = job.body["jobId"].as_str().unwrap().to_owned();
    app.run().await;
    assert_eq!(app.status(&job).await["status"], json!("failed"));
    assert_eq!(app.job(&job).await.charge.unwrap().cents, 0);
    let other = app.post(PATH, &json!({"projectId": "p2", "videoUrl": app.sandbox.sample})).await.expect(202);
    assert_eq!(app.retry(&job).await.expect(503).code(), "budget_exhausted");
    app.cancel(other.body["jobId"].as_str().unwrap()).await.expect(200);
    app.retry(&job).await.expect(202);
    assert_eq!(app.job(&job).await.charge.unwrap().cents, 844);
}
