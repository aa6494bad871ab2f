//! What a ten-clip job of ten minutes costs, counted.

use crate::support::app::TestApp;
use cliprelay::embedded::klap::{Pace, Wait};
use serde_json::json;
use std::time::Duration;

const MESSAGES_MAX: usize = 22;
const TRIPS_MAX: u64 = 120;
const COMMANDS_MAX: u64 = 420;

/// So many looks at the production pace take ten minutes: the first after half of that, closer ones towards the end.
const TEN_MINUTES: Pace = Pace { task: Wait::Looks(8), empty_folder: Wait::Looks(0), export: Wait::Looks(1) };

async fn enqueue(app: &TestApp) -> String {
    let options = json!({"targetClipCount": 10, "targetDuration": 6});
    let body = json!({"projectId": "p1", "videoUrl": app.sandbox.sample, "options": options});
    let answer = app.post("/api/process-klap", &body).await.expect(202);
    answer.body["jobId"].as_str().unwrap().to_owned()
}

/// Commands the server ran, those inside scripts included, but not what clients say at connecting or we ask here.
fn commands(app: &TestApp) -> (u64, String) {
    let info: String =
        redis::cmd("INFO").arg("commandstats").query(&mut app.redis.as_ref().unwrap().connection()).unwrap();
    let mut told = String::new();
    let mut sum = 0;
    for line in info.lines() {
        let Some((name, rest)) = line.strip_prefix("cmdstat_").and_then(|line| line.split_once(":calls=")) else {
            continue;
        };
        let calls: u64 = rest.split(',').next().unwrap().parse().unwrap();
        if !["info", "config", "client", "hello", "select", "ping"].iter().any(|other| name.starts_with(other)) {
            told = format!("{told} {name}={calls}");
            sum += calls;
        }
    }
    (sum, told)
}

#[tokio::test]
async fn a_ten_minute_job_of_ten_clips_stays_within_its_messages() {
    let app = TestApp::builder().klap(TEN_MINUTES).start().await;
    let begun = app.clock.now();
    let job = enqueue(&app).await;
    app.run_to(&job, "list").await;
    let waited = Duration::from_millis(app.clock.now() - begun);
    assert!(waited >= Duration::from_mins(10), "Klap was ready too soon for this test: {waited:?}");
    app.run().await;
    let status = app.status(&job).await;
    assert_eq!((&status["status"], status["clips"].as_array().unwrap().len()), (&json!("completed"), 10));
    let messages = app.queue.all().len();
    println!("ten clips, {waited:?} at Klap: {messages} messages");
    assert!(messages <= MESSAGES_MAX, "{messages}");
    app.settled().await;
}

#[tokio::test]
async fn a_ten_minute_job_of_ten_clips_stays_within_its_redis_budget() {
    let app = TestApp::builder().on_redis().klap(TEN_MINUTES).start().await;
    redis::cmd("CONFIG").arg("RESETSTAT").exec(&mut app.redis.as_ref().unwrap().connection()).unwrap();
    let trips = app.redis_stores[0].round_trips();
    let job = enqueue(&app).await;
    let enqueued = app.redis_stores[0].round_trips() - trips;
    assert!(enqueued <= 5, "four for the enqueue, and one while Redis does not know the script yet: {enqueued}");
    while let Some(sent) = app.queue.waiting().into_iter().next() {
        let before = app.redis_stores[0].round_trips();
        let written = app.watch.commits();
        app.deliver(&sent).await.expect(200);
        let took = app.redis_stores[0].round_trips() - before;
        let inside = match sent.message().step.as_str() {
            // A receipt each, and the intents of each round of calls.
            "submit" => 2,
            "export" => 10 + 2,
            "transfer" => 10,
            _ => 0,
        };
        assert!(took <= 4 + inside, "{}: {took} trips, {} writes", sent.message().step, app.watch.commits() - written);
    }
    let trips = app.redis_stores[0].round_trips() - trips;
    let (commands, told) = commands(&app);
    let messages = app.queue.all().len();
    println!("ten clips over Redis: {messages} messages, {trips} trips, {commands} commands:{told}");
    assert_eq!(app.job(&job).await.state.public(), "completed");
    assert!(messages <= MESSAGES_MAX && trips <= TRIPS_MAX, "{messages} messages, {trips} trips");
    assert!(commands <= COMMANDS_MAX, "{commands} commands:{told}");
    // What the job is told to have cost: all of it but what the enqueue looks at before there is a job.
    let usage = app.job(&job).await.usage;
    println!("told: {usage:?}");
    assert_eq!(usize::try_from(usage.messages).unwrap(), messages);
    assert!(trips - u64::from(usage.trips) <= 5, "{trips} trips, told are {}", usage.trips);
    assert!(commands.abs_diff(u64::from(usage.commands)) <= 12, "{commands} commands, told are {}", usage.commands);
    app.settled().await;
}

#[tokio::test]
async fn a_watcher_costs_one_read_and_an_idle_system_none() {
    let app = TestApp::builder().on_redis().start().await;
    let job = app.enqueue("p1", 1).await;
    let trips = || app.redis_stores[0].round_trips();
    let before = trips();
    app.status(&job).await;
    assert_eq!(trips() - before, 1, "by job");
    app.get("/api/process-klap?projectId=p1").await.expect(200);
    assert_eq!(trips() - before, 3, "by project");
    app.run().await;
    let before = trips();
    app.cron().await;
    assert!(trips() - before <= 3, "a sweep with nothing to do: {}", trips() - before);
}
