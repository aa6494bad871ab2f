//! What the broker does for tests: fast time, faults, hosts elsewhere, waiting, rate limits.

use super::{Destination, call, http, options, root, status, until};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cliprelay::embedded::broker::faults::{Fate, Rates};
use cliprelay::embedded::broker::{self, Broker, DEV_USERS, Data, Tuning, limits};
use reqwest::Method;
use serde_json::json;
use std::collections::BTreeMap;

async fn tuned(tuning: Tuning) -> Broker {
    let options = broker::Options { tuning, ..options(Data::Memory).await };
    broker::start(options).await.expect("starts")
}

async fn publish(broker: &Broker, destination: &str, headers: &[(&str, &str)]) -> String {
    let (status, answer) = call(broker, Method::POST, &format!("v2/publish/{destination}"), headers, "hi").await;
    assert_eq!(status, 201, "{answer}");
    answer["messageId"].as_str().expect("an id").to_owned()
}

async fn idle(broker: &Broker) {
    assert_eq!(call(broker, Method::GET, "_broker/idle", &[], "").await, (200, json!({"pending": 0})));
}

#[tokio::test]
async fn hours_of_retries_pass_in_no_time() {
    // 12 s, 2 m 28 s, 30 m, 6 h and a day, by the service's own ladder.
    for tuning in [Tuning { speed: 100_000, ..Tuning::default() }, Tuning { leap: true, ..Tuning::default() }] {
        let mut destination = Destination::start(std::iter::repeat_n(status(500), 5)).await;
        let broker = tuned(tuning).await;
        let target = destination.at("w").to_string();
        let id = publish(&broker, &target, &[("upstash-retries", "5")]).await;
        idle(&broker).await;
        for retried in ["0", "1", "2", "3", "4", "5"] {
            let push = destination.next().await;
            assert_eq!((push.header("upstash-message-id"), push.header("upstash-retried")), (id.as_str(), retried));
            push.key(&target);
            let payload = push.header("upstash-signature").split('.').nth(1).expect("a token");
            let claims = URL_SAFE_NO_PAD.decode(payload).expect("base64");
            let claims: serde_json::Value = serde_json::from_slice(&claims).expect("JSON");
            let ahead = claims["iat"].as_i64().expect("a time") - jiff::Timestamp::now().as_second();
            assert!(ahead <= 0, "signed by the wall's clock: its readers have no other");
        }
        let (_, log) =
            call(&broker, Method::GET, &format!("v2/logs?messageId={id}&order=earliestFirst"), &[], "").await;
        let events = log["logs"].as_array().expect("a list");
        let took = events.last().expect("some")["time"].as_i64().expect("a time")
            - events[0]["time"].as_i64().expect("a time");
        assert!(took > 30 * 3_600_000, "{took} ms by the broker's clock");
    }
}

#[tokio::test]
async fn waiting_for_idleness_ends_with_the_last_message_or_its_limit() {
    let mut destination = Destination::start([]).await;
    let broker = tuned(Tuning::default()).await;
    idle(&broker).await;
    publish(&broker, destination.at("w").as_str(), &[("upstash-delay", "1h")]).await;
    assert_eq!(call(&broker, Method::GET, "_broker/idle?timeout=0s", &[], "").await, (504, json!({"pending": 1})));
    let (waited, (_, advanced)) = tokio::join!(idle(&broker), call(&broker, Method::POST, "_broker/advance", &[], ""));
    let () = waited;
    assert!(advanced["advanced"].as_i64().is_some_and(|by| (3_590_000..=3_600_000).contains(&by)), "{advanced}");
    destination.next().await;
    assert_eq!(call(&broker, Method::POST, "_broker/advance?by=soon", &[], "").await.0, 400);
    let unknown = http().get(format!("{}_broker/idle", root(&broker))).send().await.expect("answered");
    assert_eq!(unknown.status(), 401);
}

#[tokio::test]
async fn traffic_for_a_host_goes_elsewhere_and_is_signed_for_the_host() {
    let mut destination = Destination::start([]).await;
    let elsewhere =
        destination.url.host_str().map(|host| format!("{host}:{}", destination.url.port().expect("a port")));
    let resolve = format!("Example.com={}", elsewhere.expect("a host")).parse().expect("readable");
    let broker = tuned(Tuning { resolve: vec![resolve], ..Tuning::default() }).await;
    publish(&broker, "https://example.com/a//b?x=%2F", &[]).await;
    let push = destination.next().await;
    assert_eq!((push.target.as_str(), push.header("host")), ("/a//b?x=%2F", "example.com"));
    push.key("https://example.com/a//b?x=%2F");
    publish(&broker, "http://example.com:8123/", &[]).await;
    assert_eq!(destination.next().await.header("host"), "example.com:8123");
    for text in ["example.com", "=127.0.0.1:9", "a=ftp://b", "a=http://b/path", "a=b c"] {
        assert!(text.parse::<broker::resolve::Resolve>().is_err(), "{text}");
    }
}

#[tokio::test]
async fn faults_follow_from_the_seed_and_lose_nothing() {
    let mut destination = Destination::start([]).await;
    let rates = Rates { duplicate: 0.3, delay: 0.1, reorder: 0.3, drop: 0.3 };
    let broker = tuned(Tuning { leap: true, faults: Some((7, rates)), ..Tuning::default() }).await;
    let mut sent = Vec::new();
    for _ in 0..60 {
        sent.push(publish(&broker, destination.at("w").as_str(), &[("upstash-retries", "5")]).await);
    }
    idle(&broker).await;
    let (mut seen, mut order) = (BTreeMap::<String, usize>::new(), Vec::new());
    while let Ok(push) = destination.pushes.try_recv() {
        let id = push.header("upstash-message-id").to_owned();
        *seen.entry(id.clone()).or_default() += 1;
        order.push(id);
    }
    assert!(sent.iter().all(|id| seen.contains_key(id)), "each arrives at least once");
    assert!(seen.values().any(|count| *count > 1), "some more than once");
    assert!(!order.is_sorted(), "and not in order");
    let (_, log) = call(&broker, Method::GET, "v2/logs?state=ERROR", &[], "").await;
    let lost = log["logs"].as_array().expect("a list").len();
    assert!(lost > 0 && log["logs"][0]["error"].as_str().is_some_and(|text| text.contains("the answer was lost")));
}

#[test]
fn a_seed_is_a_fate() {
    let fates = |seed, rates| (0..200).map(|n| Fate::of(seed, rates, n)).collect::<Vec<_>>();
    let rates = Rates::default();
    assert_eq!(fates(1, rates), fates(1, rates));
    assert_ne!(fates(1, rates), fates(2, rates));
    let never: Rates = "duplicate=0".parse().expect("readable");
    assert!(fates(1, never).iter().all(|fate| *fate == Fate::default()));
    let always: Rates = "drop=1, duplicate=1".parse().expect("readable");
    assert!(fates(1, always).iter().all(|fate| *fate == Fate { hold: None, repeat: true, lose: true }));
    let late: Rates = "delay=1".parse().expect("readable");
    assert!(fates(1, late).iter().all(|fate| fate.hold.is_some_and(|by| (1..=60_000).contains(&by))));
    for text in ["", "drop", "drop=2", "drop=-1", "drop=x", "explode=1"] {
        assert!(text.parse::<Rates>().is_err(), "{text}");
    }
}

#[tokio::test]
async fn limits_are_told_of_and_kept_for_each_user() {
    let broker = tuned(Tuning { limits: limits::Rates { burst: Some(3), daily: Some(2) }, ..Tuning::default() }).await;
    let ask = |user: usize, method: Method, target: &str| {
        let request = http().request(method, format!("{}{target}", root(&broker))).bearer_auth(DEV_USERS[user].token);
        async move { request.send().await.expect("answered") }
    };
    let number = |answer: &reqwest::Response, name: &str| {
        answer.headers().get(name).and_then(|value| value.to_str().ok()?.parse::<i64>().ok())
    };
    // Within one second or the next there are more than three.
    let refused = until(|| async {
        let answer = ask(0, Method::GET, "v2/keys").await;
        assert_eq!(number(&answer, "burst-ratelimit-limit"), Some(3));
        (answer.status() == 429).then_some(answer)
    })
    .await;
    assert_eq!(number(&refused, "burst-ratelimit-remaining"), Some(0));
    assert!(number(&refused, "burst-ratelimit-reset").is_some_and(|reset| reset > 1_700_000_000));
    assert_eq!(number(&refused, "ratelimit-limit"), None);
    let waits = "v2/publish/http://127.0.0.1:9/?upstash-delay=1h";
    for (status, remaining) in [(201, 2), (201, 1), (429, 0)] {
        let answer = ask(0, Method::POST, waits).await;
        assert_eq!((answer.status().as_u16(), number(&answer, "ratelimit-remaining")), (status, Some(remaining)));
        assert_eq!((number(&answer, "ratelimit-limit"), number(&answer, "burst-ratelimit-limit")), (Some(2), None));
    }
    assert_eq!(ask(1, Method::POST, waits).await.status(), 201, "another user has his own");
    let free = tuned(Tuning::default()).await;
    let answer =
        http().get(format!("{}v2/keys", root(&free))).bearer_auth(DEV_USERS[0].token).send().await.expect("answered");
    assert_eq!(number(&answer, "burst-ratelimit-limit"), None);
}

#[tokio::test]
async fn users_share_nothing() {
    let mut destination = Destination::start([]).await;
    let broker = tuned(Tuning::default()).await;
    let body = json!({"endpoints": [{"url": destination.at("mine")}]}).to_string();
    call(&broker, Method::POST, "v2/topics/g/endpoints", &[], &body).await;
    call(&broker, Method::POST, "v2/queues", &[], r#"{"queueName":"q","paused":true}"#).await;
    call(&broker, Method::POST, "v2/flowControl/k/pause", &[], "").await;
    call(
        &broker,
        Method::POST,
        "v2/schedules/http://127.0.0.1:9/",
        &[("upstash-cron", "@daily"), ("upstash-schedule-id", "s")],
        "",
    )
    .await;
    let ask = |method: Method, target: String, headers: &'static [(&'static str, &'static str)]| {
        let mut request = http().request(method, format!("{}{target}", root(&broker))).bearer_auth(DEV_USERS[1].token);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        async move { request.send().await.expect("answered") }
    };
    for list in ["topics", "queues", "flowControl", "schedules"] {
        let answer: serde_json::Value = ask(Method::GET, format!("v2/{list}"), &[]).await.json().await.expect("JSON");
        assert_eq!(answer, json!([]), "{list}");
    }
    for one in ["topics/g", "queues/q", "flowControl/k", "schedules/s"] {
        assert_eq!(ask(Method::GET, format!("v2/{one}"), &[]).await.status(), 404, "{one}");
    }
    assert_eq!(ask(Method::POST, "v2/publish/g".to_owned(), &[]).await.status(), 404);
    assert_eq!(ask(Method::DELETE, "v2/schedules/s".to_owned(), &[]).await.status(), 404);
    // Neither the pause of a queue nor that of a key is another user's.
    let target = destination.at("theirs");
    ask(Method::POST, format!("v2/enqueue/q/{target}"), &[]).await;
    assert_eq!(destination.next().await.target, "/theirs");
    ask(Method::POST, format!("v2/publish/{target}"), &[("upstash-flow-control-key", "k")]).await;
    assert_eq!(destination.next().await.target, "/theirs");
}
