//! Queues: order, parallelism, pause.

use super::{Destination, Reply, again, call, in_memory, options, status, until};
use cliprelay::embedded::broker::{self, Broker, Data};
use reqwest::Method;
use serde_json::{Value, json};
use url::Url;

async fn enqueue(broker: &Broker, queue: &str, destination: &Url, headers: &[(&str, &str)], body: &str) -> String {
    let (status, answer) =
        call(broker, Method::POST, &format!("v2/enqueue/{queue}/{destination}"), headers, body).await;
    assert_eq!(status, 201, "{answer}");
    answer["messageId"].as_str().expect("an id").to_owned()
}

async fn set(broker: &Broker, body: Value) {
    assert_eq!(call(broker, Method::POST, "v2/queues", &[], &body.to_string()).await, (200, Value::Null));
}

async fn lag(broker: &Broker, queue: &str) -> i64 {
    call(broker, Method::GET, &format!("v2/queues/{queue}"), &[], "").await.1["lag"].as_i64().expect("a number")
}

async fn bodies(destination: &mut Destination, count: usize) -> Vec<String> {
    let mut bodies = Vec::new();
    for _ in 0..count {
        bodies.push(String::from_utf8(destination.next().await.body.to_vec()).expect("text"));
    }
    bodies
}

#[tokio::test]
async fn one_place_is_strict_order_through_retries_and_callbacks() {
    let mut destination = Destination::start([again(500), status(200), status(500)]).await;
    let mut told = Destination::start([again(503)]).await;
    let broker = in_memory().await;
    let target = destination.at("w?x=1");
    set(&broker, json!({"queueName": "q", "paused": true})).await;
    let callback = told.at("told").to_string();
    enqueue(&broker, "q", &target, &[("upstash-callback", &callback), ("upstash-retries", "1")], "first").await;
    enqueue(&broker, "q", &target, &[("upstash-retries", "0")], "second").await;
    enqueue(&broker, "q", &target, &[], "third").await;
    assert_eq!(lag(&broker, "q").await, 3);
    assert!(destination.pushes.is_empty());
    call(&broker, Method::POST, "v2/queues/q/resume", &[], "").await;

    let push = destination.next().await;
    assert_eq!((push.target.as_str(), push.body.as_ref()), ("/w?x=1", &b"first"[..]));
    assert_eq!(destination.next().await.body, "first", "its retry comes before the next message");
    // Of two attempts two callbacks, the first of them made twice; then the queue goes on.
    for _ in 0..3 {
        told.next().await;
    }
    assert_eq!(bodies(&mut destination, 2).await, ["second", "third"], "a dead message ends its turn, too");
    until(|| async { (lag(&broker, "q").await == 0).then_some(()) }).await;
}

#[tokio::test]
async fn a_callback_on_its_way_keeps_the_next_message_waiting() {
    let mut destination = Destination::start([]).await;
    let mut told = Destination::start([Reply::Hang]).await;
    let broker = in_memory().await;
    let callback = told.at("told").to_string();
    let headers = [
        ("upstash-callback", callback.as_str()),
        ("upstash-callback-timeout", "1s"),
        ("upstash-callback-retries", "0"),
    ];
    enqueue(&broker, "q", &destination.at("w"), &headers, "first").await;
    enqueue(&broker, "q", &destination.at("w"), &[], "second").await;
    assert_eq!(destination.next().await.body, "first");
    told.next().await;
    assert!(destination.pushes.try_recv().is_err());
    assert_eq!(lag(&broker, "q").await, 2);
    assert_eq!(destination.next().await.body, "second", "the callback was given up");
}

#[tokio::test]
async fn more_places_are_used_and_no_more() {
    let mut destination = Destination::start(std::iter::repeat_n(Reply::Hang, 3)).await;
    let mut other = Destination::start([]).await;
    let broker = in_memory().await;
    set(&broker, json!({"queueName": "q", "parallelism": 2})).await;
    for body in ["a", "b", "c", "d"] {
        enqueue(&broker, "q", &destination.at("w"), &[("upstash-timeout", "2s"), ("upstash-retries", "0")], body).await;
    }
    let mut first = bodies(&mut destination, 2).await;
    first.sort_unstable();
    assert_eq!(first, ["a", "b"]);
    // Another queue's message gets through: what is missing at the first is not just late.
    enqueue(&broker, "free", &other.at("w"), &[], "").await;
    other.next().await;
    assert!(destination.pushes.try_recv().is_err());
    set(&broker, json!({"queueName": "q", "parallelism": 3})).await;
    assert_eq!(bodies(&mut destination, 1).await, ["c"], "a new place is used at once");
    assert_eq!(bodies(&mut destination, 1).await, ["d"]);
}

#[tokio::test]
async fn queues_are_listed_changed_and_deleted_and_keep_what_was_accepted() {
    let mut destination = Destination::start([]).await;
    let broker = in_memory().await;
    set(&broker, json!({"queueName": "q", "parallelism": 5, "paused": true})).await;
    let (_, queue) = call(&broker, Method::GET, "v2/queues/q", &[], "").await;
    for (field, value) in [("name", json!("q")), ("parallelism", json!(5)), ("paused", json!(true)), ("lag", json!(0))]
    {
        assert_eq!(queue[field], value, "{field}");
    }
    assert!(queue["createdAt"].is_i64() && queue["updatedAt"].is_i64());
    let id = enqueue(&broker, "q", &destination.at("w"), &[], "one").await;
    let gone = enqueue(&broker, "q", &destination.at("w"), &[], "two").await;
    enqueue(&broker, "q", &destination.at("w"), &[], "three").await;
    let (_, message) = call(&broker, Method::GET, &format!("v2/messages/{id}"), &[], "").await;
    assert_eq!(message["queueName"], "q");
    assert_eq!(call(&broker, Method::DELETE, &format!("v2/messages/{gone}"), &[], "").await.0, 200);
    let (_, cancelled) = call(&broker, Method::DELETE, "v2/messages?queueName=other", &[], "").await;
    assert_eq!(cancelled, json!({"cancelled": 0}));
    assert_eq!(call(&broker, Method::GET, "v2/queues", &[], "").await.1.as_array().map(Vec::len), Some(1));
    assert_eq!(call(&broker, Method::DELETE, "v2/queues/q", &[], "").await.0, 200);
    assert_eq!(call(&broker, Method::GET, "v2/queues/q", &[], "").await.0, 404);
    // No queue any more, and so no order.
    let mut kept = bodies(&mut destination, 2).await;
    kept.sort_unstable();
    assert_eq!(kept, ["one", "three"]);

    for body in [json!({"queueName": "a b"}), json!({"queueName": "q", "parallelism": 0}), json!({})] {
        assert_eq!(call(&broker, Method::POST, "v2/queues", &[], &body.to_string()).await.0, 400, "{body}");
    }
    let items = json!([{"destination": destination.at("b"), "queue": "batch", "body": "x"}]).to_string();
    let (_, answer) = call(&broker, Method::POST, "v2/batch", &[], &items).await;
    assert!(answer[0]["messageId"].is_string());
    destination.next().await;
    assert_eq!(call(&broker, Method::GET, "v2/queues/batch", &[], "").await.0, 200, "a missing queue is made");
    for n in 0..99 {
        set(&broker, json!({"queueName": n.to_string()})).await;
    }
    let (status, answer) = call(&broker, Method::POST, "v2/queues", &[], r#"{"queueName":"more"}"#).await;
    assert_eq!((status, answer), (412, json!({"error": "quota maxQueues exceeded"})));
}

#[tokio::test]
async fn a_restart_keeps_the_order_and_the_settings() {
    let mut destination = Destination::start([status(503)]).await;
    let folder = tempfile::tempdir().expect("a folder");
    let data = Data::Dir(folder.path().to_owned());
    let broker = broker::start(options(data.clone()).await).await.expect("starts");
    let delay = [("upstash-retry-delay", "3600000")];
    enqueue(&broker, "q", &destination.at("w"), &delay, "first").await;
    for body in ["second", "third"] {
        enqueue(&broker, "q", &destination.at("w"), &[], body).await;
    }
    destination.next().await;
    until(|| async {
        let (_, log) = call(&broker, Method::GET, "v2/logs?state=RETRY", &[], "").await;
        (!log["logs"].as_array()?.is_empty()).then_some(())
    })
    .await;
    broker.stop().await;

    let broker = broker::start(options(data.clone()).await).await.expect("starts again");
    assert_eq!(lag(&broker, "q").await, 3);
    set(&broker, json!({"queueName": "q", "paused": true})).await;
    broker.stop().await;
    let broker = broker::start(options(data).await).await.expect("starts again");
    call(&broker, Method::POST, "_broker/advance?by=2h", &[], "").await;
    let sentinel = format!("v2/publish/{}", destination.at("sentinel"));
    call(&broker, Method::POST, &sentinel, &[], "").await;
    assert_eq!(destination.next().await.target, "/sentinel", "the queue is still paused");
    assert_eq!(lag(&broker, "q").await, 3);
    call(&broker, Method::POST, "v2/queues/q/resume", &[], "").await;
    assert_eq!(bodies(&mut destination, 3).await, ["first", "second", "third"]);
}
