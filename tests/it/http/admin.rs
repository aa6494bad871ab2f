//! What operators see of all owners' jobs, and do to them.

use crate::support::app::{ANN, BOB, CRON_SECRET, TestApp, WORKER_SECRET};
use crate::support::driving::{Answer, read};
use crate::support::queue::NEXT;
use crate::support::watched::Moment;
use axum::http::Method;
use cliprelay::clock::unix_seconds;
use cliprelay::embedded::klap::{Effect, Fault, Operation};
use cliprelay::http::ROUTES;
use cliprelay::services::qstash::signature::sign;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

const JOBS: &str = "/api/admin/jobs";
const HOUR: Duration = Duration::from_hours(1);

/// As an operator.
pub async fn ask(app: &TestApp, path: &str) -> Answer {
    read(app.request(Method::GET, path).bearer_auth(WORKER_SECRET)).await
}

pub async fn order(app: &TestApp, path: &str, body: Option<Value>) -> Answer {
    let request = app.request(Method::POST, path).bearer_auth(CRON_SECRET);
    read(if let Some(body) = body { request.json(&body) } else { request }).await
}

pub fn ids(answer: &Answer) -> Vec<&str> {
    answer.body["jobs"].as_array().unwrap().iter().map(|job| job["jobId"].as_str().unwrap_or("?")).collect()
}

/// A job of Ann's that fails at its first step, for a reason that a retry may mend.
pub async fn failed(app: &TestApp, project: &str) -> String {
    app.clock.advance(Duration::from_millis(5));
    let effect = Effect::Answer { status: 401, body: json!({}), retry_after: None, after_effect: false };
    app.sandbox.klap.inject(Fault { operation: Operation::CreateTask, times: 1, effect });
    let job = app.enqueue(project, 1).await;
    app.run().await;
    assert_eq!(app.status(&job).await["status"], json!("failed"));
    job
}

pub async fn audit(app: &TestApp) -> Vec<(String, String, String)> {
    let answer = ask(app, "/api/admin/audit").await.expect(200);
    let entries = answer.body["entries"].as_array().unwrap();
    let text = |entry: &Value, name: &str| entry[name].as_str().unwrap().to_owned();
    entries.iter().map(|entry| (text(entry, "action"), text(entry, "target"), text(entry, "outcome"))).collect()
}

#[tokio::test]
async fn nobody_else_is_let_in() {
    let app = TestApp::start().await;
    let job = app.enqueue("p1", 1).await;
    let before = app.record(&job).await;
    for route in ROUTES.iter().filter(|route| route.starts_with("/api/admin/")) {
        for method in [Method::GET, Method::POST] {
            let path = route.replace("{id}", &job);
            let bare = read(app.request(method.clone(), &path)).await;
            if bare.status == 405 {
                continue;
            }
            assert_eq!((bare.status, bare.code()), (401, "unauthorized"), "{method} {path}");
            for key in [ANN, "secret-of-the-worke", "secret-of-the-worker2"] {
                read(app.request(method.clone(), &path).bearer_auth(key).json(&json!({}))).await.expect(401);
            }
        }
    }
    assert_eq!(app.record(&job).await, before, "nothing has changed");
    assert_eq!(audit(&app).await, []);
}

#[tokio::test]
async fn all_owners_jobs_are_found_by_what_is_known_of_them() {
    for app in [TestApp::start().await, TestApp::builder().on_redis().start().await] {
        let first = app.enqueue("first", 1).await;
        app.cancel(&first).await.expect(200);
        // Places go by the store's time; over Redis that is not ours to move.
        let at = app.job(&first).await.created_at;
        app.clock.advance(HOUR);
        let body = app.asking("job_Second", 1);
        let second = read(app.request(Method::POST, "/api/process-klap").bearer_auth(BOB).json(&body)).await;
        let second = second.expect(202).body["jobId"].as_str().unwrap().to_owned();
        let all = ask(&app, JOBS).await.expect(200);
        assert_eq!(ids(&all), [second.as_str(), first.as_str()]);
        assert_eq!((&all.body["jobs"][0]["owner"], &all.body["nextCursor"]), (&json!("bob"), &Value::Null));
        for (query, expected) in [
            ("status=cancelled", vec![first.as_str()]),
            ("status=failed", vec![]),
            ("owner=bob", vec![&second]),
            ("owner=nobody", vec![]),
            ("project=first", vec![&first]),
            ("q=econ", vec![&second]),
            ("q=an", vec![&first]),
            (&format!("q={first}"), vec![&first]),
            (&format!("q={first}&status=queued"), vec![]),
            (&format!("q={}", first.to_uppercase()), vec![&first]),
            (&format!("q={first}&since=9999-01-01T00:00:00Z"), vec![]),
            (&format!("q={first}&since=2026-01-01T00:00:00Z"), vec![&first]),
            ("q=job_none", vec![]),
            // A project may be called like that, and in whatever case.
            ("q=job_sec", vec![&second]),
            ("q=ECON", vec![&second]),
            ("since=2026-01-01T00:00:00Z&limit=1&owner=ann", vec![&first]),
            ("since=9999-01-01T00:00:00Z", vec![]),
        ] {
            assert_eq!(ids(&ask(&app, &format!("{JOBS}?{query}")).await.expect(200)), expected, "{query}");
        }
        if app.redis.is_none() {
            assert_eq!(ids(&ask(&app, &format!("{JOBS}?since=600")).await), [second.as_str()]);
            assert!(app.job(&second).await.created_at >= at + 3_600_000);
        }
        let page = ask(&app, &format!("{JOBS}?limit=1")).await.expect(200);
        let cursor = page.body["nextCursor"].as_str().unwrap();
        assert_eq!(ids(&page), [second.as_str()]);
        assert_eq!(ids(&ask(&app, &format!("{JOBS}?limit=1&cursor={cursor}")).await), [first.as_str()]);
    }
}

#[tokio::test]
async fn wrong_questions_are_told_all_at_once() {
    let app = TestApp::start().await;
    let answer = ask(&app, &format!("{JOBS}?status=done&since=soon&limit=0&limit=5&cursor=x&q=&colour=red")).await;
    let told: Vec<&str> =
        answer.body["errors"].as_array().unwrap().iter().map(|error| error["field"].as_str().unwrap()).collect();
    assert_eq!((answer.status, told), (422, vec!["status", "since", "limit", "limit", "cursor", "q", "colour"]));
    for (path, body) in [
        ("/api/admin/jobs/purge", json!({})),
        ("/api/admin/jobs/purge", json!({"olderThan": -1})),
        ("/api/admin/jobs/purge", json!({"olderThan": 1, "dryRun": "yes", "more": 1})),
        ("/api/admin/dead-letters/replay", json!({})),
        ("/api/admin/dead-letters/replay", json!({"ids": []})),
        ("/api/admin/dead-letters/drop", json!({"ids": ["a"], "all": true})),
        ("/api/admin/dead-letters/drop", json!({"all": false})),
        ("/api/admin/dead-letters/drop", json!({"ids": ["a"], "code": "x"})),
    ] {
        order(&app, path, Some(body)).await.expect(422);
    }
    ask(&app, "/api/admin/audit?limit=1001").await.expect(422);
    ask(&app, "/api/admin/dead-letters?cursor=!").await.expect(422);
    ask(&app, &format!("{JOBS}/job_none")).await.expect(404);
    order(&app, &format!("{JOBS}/job_none/cancel"), None).await.expect(404);
    order(&app, &format!("{JOBS}/job_none/retry"), None).await.expect(404);
    assert_eq!(audit(&app).await, [], "nothing was done to what is not there");
}

#[tokio::test]
async fn a_job_is_told_whole_with_what_happened_and_what_it_cost() {
    let app = TestApp::builder().on_redis().start().await;
    let video = format!("{}?token=secret-of-the-link", app.sandbox.sample);
    let body = json!({"projectId": "p1", "videoUrl": video, "options": {"targetClipCount": 2, "targetDuration": 10}});
    let job = app.post("/api/process-klap", &body).await.expect(202).body["jobId"].as_str().unwrap().to_owned();
    // The first push as it is after the account's keys were rolled.
    let sent = app.queue.only();
    let token = sign(&NEXT.into(), &app.worker_url, &sent.body, unix_seconds(), "jwt_rolled");
    let push = app.request(Method::POST, "/api/worker/klap").header("upstash-signature", token);
    read(push.header("x-request-id", "request-of-the-test").body(sent.body.clone())).await.expect(200);
    app.queue.set_fate(&sent.id, crate::support::queue::Fate::Delivered);
    app.run().await;
    let told = ask(&app, &format!("{JOBS}/{job}")).await.expect(200).body;
    assert!(!told.to_string().contains("secret-of-the-link"), "{told:#}");
    let timeline = told["timeline"].as_array().unwrap();
    let whats: Vec<&str> = timeline.iter().map(|entry| entry["what"].as_str().unwrap()).collect();
    assert_eq!(whats[..6], ["accepted", "published", "claimed", "intended", "paid", "ended"]);
    let claim = &timeline[2];
    assert_eq!((&claim["signedWith"], &claim["requestId"]), (&json!("next"), &json!("request-of-the-test")));
    assert_eq!(timeline[6..].iter().find(|entry| entry["what"] == "claimed").unwrap()["signedWith"], json!("current"));
    assert!(timeline[5]["durationMs"].is_u64() && timeline[5]["outcome"] == "next", "{}", timeline[5]);
    let stored = timeline.iter().filter(|entry| entry["what"] == "stored");
    let stored: Vec<&str> = stored.map(|entry| entry["effect"].as_str().unwrap()).collect();
    assert_eq!(stored.len(), told["job"]["clips"].as_array().unwrap().len());
    let last = timeline.last().unwrap();
    assert_eq!((&last["what"], &last["outcome"], &last["step"]), (&json!("ended"), &json!("done"), &json!("finalize")));
    let (cost, job) = (&told["cost"], &told["job"]);
    assert_eq!(
        (&job["status"], &job["clipsStored"], &told["timelineCut"]),
        (&json!("completed"), &json!(2), &json!(false))
    );
    assert_eq!(cost["messages"], json!(app.queue.all().len()), "each message that was published");
    assert_eq!(cost["klapCalls"], json!(3), "a task and two exports");
    assert_eq!(cost["klapUsd"], json!(2.04));
    let sizes: u64 = job["clips"].as_array().unwrap().iter().map(|clip| clip["size"].as_u64().unwrap()).sum();
    assert_eq!(cost["bytesStored"], json!(sizes));
    app.settled().await;
}

#[tokio::test]
async fn an_operator_ends_and_retries_anybodys_job_and_it_is_noted() {
    let app = TestApp::start().await;
    let job = failed(&app, "p1").await;
    let path = |action: &str| format!("{JOBS}/{job}/{action}");
    order(&app, &path("cancel"), None).await.expect(409);
    let retried = order(&app, &path("retry"), None).await.expect(202);
    assert_eq!((retried.code(), &retried.body["status"]), ("", &json!("processing")));
    assert_eq!(order(&app, &path("retry"), None).await.expect(409).code(), "not_failed");
    assert_eq!(app.queue.only().deduplication, format!("{job}.2.1.1"), "in a new epoch");
    order(&app, &path("cancel"), None).await.expect(200);
    let told = ask(&app, &format!("{JOBS}/{job}")).await.body;
    let by = |what: &str| {
        let entry = told["timeline"].as_array().unwrap().iter().find(|entry| entry["what"] == what);
        entry.map(|entry| entry["by"].clone()).unwrap_or_default()
    };
    assert_eq!((by("retried"), by("cancelled")), (json!("operator"), json!("operator")));
    let noted = |action: &str, outcome: &str| (action.to_owned(), job.clone(), outcome.to_owned());
    let expected = [
        noted("cancel", "cancelled"),
        noted("retry", "refused: not_failed"),
        noted("retry", "goes on"),
        noted("cancel", "refused: already_final"),
    ];
    assert_eq!(audit(&app).await, expected);
    let newest = ask(&app, "/api/admin/audit?limit=1").await.body;
    assert_eq!(newest["entries"].as_array().unwrap().len(), 1);
    assert!(!newest["entries"][0]["requestId"].as_str().unwrap().is_empty());
}

/// Whoever asks goes away once the job is written, and before the answer.
#[tokio::test]
async fn a_caller_who_hangs_up_cuts_nothing_off() {
    let app = TestApp::start().await;
    let job = app.enqueue("p1", 1).await;
    let (reached, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (there, on) = (reached.clone(), go.clone());
    app.watch.trap(0, Moment::After, move || {
        Box::pin(async move {
            there.notify_one();
            on.notified().await;
        })
    });
    let cancel = app.request(Method::POST, &format!("{JOBS}/{job}/cancel")).bearer_auth(WORKER_SECRET);
    let asking = tokio::spawn(cancel.send());
    reached.notified().await;
    asking.abort();
    let _ = asking.await;
    // By then the service has heard of it.
    for _ in 0..20 {
        app.get("/api/health").await.expect(200);
    }
    go.notify_one();
    while audit(&app).await.is_empty() {}
    assert_eq!(audit(&app).await, [("cancel".to_owned(), job.clone(), "cancelled".to_owned())]);
}

#[tokio::test]
async fn of_many_each_is_named_and_what_a_broken_off_purge_did_is_told() {
    let app = TestApp::start().await;
    let mut jobs = Vec::new();
    for n in 0..3 {
        let job = app.enqueue(&format!("p{n}"), 1).await;
        app.cancel(&job).await.expect(200);
        jobs.insert(0, job);
    }
    app.clock.advance(HOUR);
    *app.watch.deletes.lock().unwrap() = Some(2);
    let body = json!({"olderThan": 60});
    let first = order(&app, "/api/admin/jobs/purge", Some(body)).await.expect(200).body;
    assert_eq!((&first["jobs"], &first["more"]), (&json!(jobs[..2]), &json!(true)));
    let on = json!({"olderThan": 60, "cursor": first["nextCursor"]});
    order(&app, "/api/admin/jobs/purge", Some(on.clone())).await.expect(503);
    *app.watch.deletes.lock().unwrap() = None;
    let last = order(&app, "/api/admin/jobs/purge", Some(on)).await.expect(200).body;
    assert_eq!((&last["jobs"], &last["more"]), (&json!(jobs[2..]), &json!(false)));
    let told = ask(&app, "/api/admin/audit").await.body;
    let entry = |at: usize| (told["entries"][at]["target"].clone(), told["entries"][at]["ids"].clone());
    assert_eq!([entry(0), entry(1)], [(json!(jobs[2]), json!([])), (json!("2 jobs"), json!(jobs[..2]))]);
}

#[tokio::test]
async fn an_action_is_done_although_it_cannot_be_noted_and_nothing_is_without_the_store() {
    let app = TestApp::start().await;
    let job = app.enqueue("p1", 1).await;
    app.watch.is_away(true);
    for path in [JOBS.to_owned(), format!("{JOBS}/{job}"), "/api/admin/audit".into(), "/api/admin/dead-letters".into()]
    {
        assert_eq!(ask(&app, &path).await.expect(503).code(), "store_unavailable", "{path}");
    }
    order(&app, &format!("{JOBS}/{job}/cancel"), None).await.expect(503);
    app.watch.is_away(false);
    assert_eq!(app.status(&job).await["status"], json!("queued"));
}

#[tokio::test]
async fn what_ended_long_ago_is_purged_and_nothing_else() {
    let app = TestApp::start().await;
    let done = app.enqueue("done", 1).await;
    app.run().await;
    let broken = failed(&app, "broken").await;
    let live = app.enqueue("live", 1).await;
    app.clock.advance(2 * HOUR);
    let fresh = app.enqueue("fresh", 1).await;
    app.cancel(&fresh).await.expect(200);
    let purge = async |body: Value| order(&app, "/api/admin/jobs/purge", Some(body)).await.expect(200).body;
    let dry = purge(json!({"olderThan": 3_600, "dryRun": true})).await;
    assert_eq!((&dry["purged"], &dry["jobs"], &dry["more"]), (&json!(2), &json!([broken, done]), &json!(false)));
    assert_eq!(audit(&app).await.len(), 0, "a dry run does nothing that were to be noted");
    assert!(app.record(&done).await.is_some());
    assert_eq!(purge(json!({"olderThan": 3_600})).await["purged"], json!(2));
    assert_eq!(purge(json!({"olderThan": 3_600})).await["purged"], json!(0));
    assert!(app.record(&done).await.is_none() && app.record(&broken).await.is_none());
    assert!(app.record(&live).await.is_some() && app.record(&fresh).await.is_some());
    assert_eq!(ids(&ask(&app, JOBS).await), [fresh.as_str(), live.as_str()]);
    assert_eq!(audit(&app).await, [("purge".into(), "2 jobs".into(), "ended more than 3600 s ago".into())]);
    // Late pushes of what was purged meet its tombstone.
    for sent in app.queue.all().iter().filter(|sent| sent.message().envelope.job_id.as_str() == done) {
        app.push(sent).await.expect(200);
    }
    assert!(app.record(&done).await.is_none());
    app.cancel(&live).await.expect(200);
    app.settled().await;
}

#[tokio::test]
async fn more_than_a_request_purges_goes_on_where_it_stopped() {
    let app = TestApp::start().await;
    for n in 0..130 {
        let job = app.enqueue(&format!("p{n}"), 1).await;
        app.cancel(&job).await.expect(200);
    }
    app.clock.advance(HOUR);
    let mut body = json!({"olderThan": 60, "dryRun": true});
    let mut seen = std::collections::BTreeSet::new();
    for (purged, more) in [(100, true), (30, false)] {
        let page = order(&app, "/api/admin/jobs/purge", Some(body.clone())).await.expect(200).body;
        assert_eq!((&page["purged"], &page["more"]), (&json!(purged), &json!(more)));
        seen.extend(page["jobs"].as_array().unwrap().iter().map(Value::to_string));
        body["cursor"] = page["nextCursor"].clone();
    }
    assert_eq!(seen.len(), 130);
}
