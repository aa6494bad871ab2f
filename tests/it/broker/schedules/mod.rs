//! Schedules over the API, with time moved on by hand.

mod cron;

use super::{Destination, call, client, options, until, within};
use cliprelay::embedded::broker::{self, Broker, Data};
use reqwest::Method;
use serde_json::{Value, json};

const HOUR: i64 = 3_600_000;

async fn in_memory() -> Broker {
    super::in_memory().await
}

async fn create(broker: &Broker, destination: &str, headers: &[(&str, &str)], body: &str) -> (u16, Value) {
    call(broker, Method::POST, &format!("v2/schedules/{destination}"), headers, body).await
}

async fn get(broker: &Broker, id: &str) -> Value {
    let (status, schedule) = call(broker, Method::GET, &format!("v2/schedules/{id}"), &[], "").await;
    assert_eq!(status, 200, "{schedule}");
    schedule
}

/// Moves the broker's time on; the time it is then.
async fn advance(broker: &Broker, by: &str) -> i64 {
    let (status, answer) = call(broker, Method::POST, &format!("_broker/advance?by={by}"), &[], "").await;
    assert_eq!(status, 200, "{answer}");
    answer["now"].as_i64().expect("a time")
}

/// To the schedule's next time and not a second further.
async fn advance_to(broker: &Broker, time: i64) {
    let now = advance(broker, "0s").await;
    advance(broker, &format!("{}s", (time - now + 999) / 1_000)).await;
}

fn next(schedule: &Value) -> i64 {
    schedule["nextScheduleTime"].as_i64().expect("a time")
}

#[tokio::test]
async fn a_schedule_fires_and_its_messages_are_ordinary_ones() {
    let mut destination = Destination::start([]).await;
    let broker = in_memory().await;
    let target = destination.at("w?x=1").to_string();
    let headers = [
        ("upstash-cron", "0 * * * *"),
        ("upstash-schedule-id", "hourly"),
        ("upstash-method", "PUT"),
        ("upstash-forward-x-mine", "1"),
        ("upstash-retries", "1"),
        ("upstash-label", "a,b"),
        ("upstash-callback", "http://127.0.0.1:9/told"),
        ("content-type", "text/plain"),
    ];
    assert_eq!(create(&broker, &target, &headers, "hello").await, (200, json!({"scheduleId": "hourly"})));
    let schedule = get(&broker, "hourly").await;
    for (field, value) in [
        ("scheduleId", json!("hourly")),
        ("cron", json!("0 * * * *")),
        ("destination", json!(target)),
        ("method", json!("PUT")),
        ("header", json!({"Content-Type": ["text/plain"], "X-Mine": ["1"]})),
        ("body", json!("hello")),
        ("retries", json!(1)),
        ("isPaused", json!(false)),
        ("labels", json!(["a", "b"])),
        ("callback", json!("http://127.0.0.1:9/told")),
        ("lastScheduleTime", Value::Null),
    ] {
        assert_eq!(schedule[field], value, "{field}");
    }
    let first = next(&schedule);
    assert_eq!(first % HOUR, 0);

    advance_to(&broker, first).await;
    let push = destination.next().await;
    assert_eq!((push.method.as_str(), push.target.as_str(), push.body.as_ref()), ("PUT", "/w?x=1", &b"hello"[..]));
    assert_eq!((push.header("x-mine"), push.header("upstash-schedule-id")), ("1", "hourly"));
    push.key(&target);
    let id = push.header("upstash-message-id");
    let fired = until(|| async {
        let schedule = get(&broker, "hourly").await;
        (schedule["lastScheduleStates"][id] == "SUCCESS").then_some(schedule)
    })
    .await;
    assert_eq!((fired["lastScheduleTime"].as_i64(), next(&fired)), (Some(first), first + HOUR));
    let (_, log) = call(&broker, Method::GET, "v2/events?scheduleId=hourly&state=DELIVERED", &[], "").await;
    assert_eq!(
        (log["events"][0]["messageId"].as_str(), log["events"][0]["scheduleId"].as_str()),
        (Some(id), Some("hourly"))
    );

    advance_to(&broker, first + HOUR).await;
    assert_ne!(destination.next().await.header("upstash-message-id"), id, "each firing is a message of its own");
    assert!(destination.pushes.is_empty());
}

#[tokio::test]
async fn a_failed_message_is_told_of_and_the_delay_counts_from_the_firing() {
    let mut destination = Destination::start([super::status(500)]).await;
    let broker = in_memory().await;
    let headers =
        [("upstash-cron", "@hourly"), ("upstash-delay", "10m"), ("upstash-retries", "0"), ("upstash-schedule-id", "s")];
    create(&broker, destination.at("w").as_str(), &headers, "").await;
    let schedule = get(&broker, "s").await;
    assert_eq!(schedule["delay"], 600);
    advance_to(&broker, next(&schedule)).await;
    let id = until(|| async {
        let states = get(&broker, "s").await["lastScheduleStates"].clone();
        states.as_object()?.iter().next().map(|(id, state)| (id.clone(), state.clone()))
    })
    .await;
    assert_eq!(id.1, "IN_PROGRESS");
    let waiting = client(&broker).message(&id.0).await.expect("answered").expect("it waits");
    assert_eq!(waiting.not_before.expect("a time") - waiting.created_at.expect("a time"), 600_000);
    let (_, shown) = call(&broker, Method::GET, &format!("v2/messages/{}", id.0), &[], "").await;
    assert_eq!(shown["scheduleId"], "s");
    advance(&broker, "10m").await;
    destination.next().await;
    until(|| async { (get(&broker, "s").await["lastScheduleStates"][&id.0] == "FAIL").then_some(()) }).await;
}

#[tokio::test]
async fn schedules_are_listed_overwritten_paused_and_deleted() {
    let mut destination = Destination::start([]).await;
    let broker = in_memory().await;
    let target = destination.at("w").to_string();
    let (_, made) = create(&broker, &target, &[("upstash-cron", "0 * * * *")], "one").await;
    let id = made["scheduleId"].as_str().expect("an id").to_owned();
    assert!(id.starts_with("scd_"));
    // Whole: the body given before is gone with everything else.
    let again = [("upstash-cron", "CRON_TZ=Asia/Kolkata 30 * * * *"), ("upstash-schedule-id", id.as_str())];
    create(&broker, &target, &again, "").await;
    let (_, all) = call(&broker, Method::GET, "v2/schedules", &[], "").await;
    assert_eq!(all.as_array().map(Vec::len), Some(1));
    assert_eq!((&all[0]["body"], &all[0]["cron"]), (&json!(""), &json!("CRON_TZ=Asia/Kolkata 30 * * * *")));
    assert_eq!(next(&all[0]) % HOUR, 0, "half past there is a full hour in UTC");

    // Both methods are in use.
    for (method, verb, paused) in
        [(Method::PATCH, "pause", true), (Method::POST, "resume", false), (Method::POST, "pause", true)]
    {
        assert_eq!(call(&broker, method, &format!("v2/schedules/{id}/{verb}"), &[], "").await.0, 200);
        assert_eq!(get(&broker, &id).await["isPaused"], paused);
    }
    advance(&broker, "5h").await;
    call(&broker, Method::PATCH, &format!("v2/schedules/{id}/resume"), &[], "").await;
    let resumed = get(&broker, &id).await;
    assert!(next(&resumed) > advance(&broker, "0s").await, "what passed in a pause stays passed");
    assert_eq!(resumed["lastScheduleTime"], Value::Null);

    let path = format!("v2/schedules/{id}");
    assert_eq!(call(&broker, Method::DELETE, &path, &[], "").await.0, 200);
    assert_eq!(call(&broker, Method::DELETE, &path, &[], "").await.0, 404);
    assert_eq!(call(&broker, Method::GET, &path, &[], "").await.0, 404);
    advance(&broker, "2h").await;
    assert_eq!(call(&broker, Method::GET, "_broker/idle", &[], "").await, (200, json!({"pending": 0})));
    assert!(destination.pushes.try_recv().is_err(), "nothing fired");
}

#[tokio::test]
async fn what_is_no_schedule_is_refused_with_the_reason() {
    let broker = in_memory().await;
    let target = "http://127.0.0.1:9/w";
    for (headers, text) in [
        (&[][..], "invalid cron expression: it is missing"),
        (&[("upstash-cron", "* * * *")], "invalid cron expression: five fields"),
        (&[("upstash-cron", "* * * * * *")], "invalid cron expression: five fields"),
        (&[("upstash-cron", "61 * * * *")], "invalid cron expression: "),
        (&[("upstash-cron", "0 0 31 2 *")], "invalid cron expression: it never comes"),
        (&[("upstash-cron", "CRON_TZ=Europe/Atlantis * * * * *")], "invalid cron expression: unknown time zone"),
        (&[("upstash-cron", "* * * * *"), ("upstash-schedule-id", "a b")], "invalid upstash-schedule-id"),
        (&[("upstash-cron", "* * * * *"), ("upstash-queue-name", "a/b")], "invalid upstash-queue-name"),
    ] {
        let (status, answer) = create(&broker, target, headers, "").await;
        assert!(status == 400 && answer["error"].as_str().is_some_and(|error| error.starts_with(text)), "{answer}");
    }
    assert_eq!(create(&broker, "no/scheme", &[("upstash-cron", "* * * * *")], "").await.0, 400);
}

#[tokio::test]
async fn a_restart_fires_nothing_twice() {
    let mut destination = Destination::start([]).await;
    let folder = tempfile::tempdir().expect("a folder");
    let data = Data::Dir(folder.path().to_owned());
    let fast = |data: Data| async {
        let mut options = options(data).await;
        // Any faster than the wall goes on from the latest time in the log.
        options.tuning.speed = 2;
        broker::start(options).await.expect("starts")
    };
    let broker = fast(data.clone()).await;
    let headers = [("upstash-cron", "0 * * * *"), ("upstash-schedule-id", "s")];
    create(&broker, destination.at("w").as_str(), &headers, "").await;
    let first = next(&get(&broker, "s").await);
    advance_to(&broker, first).await;
    destination.next().await;
    until(|| async { (next(&get(&broker, "s").await) > first).then_some(()) }).await;
    broker.stop().await;

    let broker = fast(data).await;
    assert_eq!(next(&get(&broker, "s").await), first + HOUR);
    assert!(advance(&broker, "0s").await >= first);
    let second = first + HOUR;
    advance_to(&broker, second).await;
    within(async { destination.next().await }).await;
    assert!(destination.pushes.is_empty());
}

#[tokio::test]
async fn time_moved_on_fires_what_lies_between() {
    let mut destination = Destination::start([]).await;
    let broker = in_memory().await;
    create(&broker, destination.at("w").as_str(), &[("upstash-cron", "*/10 * * * *")], "").await;
    advance(&broker, "1h").await;
    assert_eq!(call(&broker, Method::GET, "_broker/idle", &[], "").await.0, 200);
    for _ in 0..6 {
        destination.next().await;
    }
    assert!(destination.pushes.is_empty());
}

#[tokio::test]
async fn many_schedules_of_one_minute_all_fire() {
    let mut destination = Destination::start([]).await;
    let broker = in_memory().await;
    for n in 0..100 {
        let id = n.to_string();
        let headers = [("upstash-cron", "0 * * * *"), ("upstash-schedule-id", id.as_str())];
        create(&broker, destination.at(&id).as_str(), &headers, "").await;
    }
    advance(&broker, "1h").await;
    assert_eq!(call(&broker, Method::GET, "_broker/idle", &[], "").await.0, 200);
    let mut fired = std::collections::BTreeSet::new();
    for _ in 0..100 {
        fired.insert(destination.next().await.target);
    }
    assert!(destination.pushes.is_empty() && fired.len() == 100, "{}", fired.len());
}
