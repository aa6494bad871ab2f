//! What the API shows of messages, dead ones and the log, field by field and filter by filter.

use super::{Destination, Reply, call, in_memory, until};
use cliprelay::embedded::broker::Broker;
use reqwest::Method;
use serde_json::{Value, json};

async fn get(broker: &Broker, target: &str) -> Value {
    let (status, answer) = call(broker, Method::GET, target, &[], "").await;
    assert_eq!(status, 200, "{target}: {answer}");
    answer
}

/// A message of a queue with everything set, to an endpoint of a group.
async fn with_everything(broker: &Broker, destination: &Destination) -> String {
    let endpoints = json!({"endpoints": [{"url": destination.at("w"), "name": "one"}]}).to_string();
    call(broker, Method::POST, "v2/topics/g/endpoints", &[], &endpoints).await;
    let headers = [
        ("upstash-delay", "1h"),
        ("upstash-label", "red,round"),
        ("upstash-retry-delay", "1000"),
        ("upstash-callback", "http://127.0.0.1:9/told"),
        ("upstash-callback-forward-x-a", "1"),
        ("upstash-failure-callback", "http://127.0.0.1:9/failed"),
        ("upstash-failure-callback-forward-x-b", "2"),
        ("upstash-flow-control-key", "k"),
        ("upstash-flow-control-value", "rate=5, parallelism=3, period=1m"),
        ("content-type", "text/plain"),
    ];
    let (_, answer) = call(broker, Method::POST, "v2/enqueue/q/g", &headers, "hi").await;
    answer[0]["messageId"].as_str().expect("an id").to_owned()
}

#[tokio::test]
async fn a_message_shows_every_documented_field() {
    let destination = Destination::start([]).await;
    let broker = in_memory().await;
    let id = with_everything(&broker, &destination).await;
    let message = get(&broker, &format!("v2/messages/{id}")).await;
    for (field, value) in [
        ("messageId", json!(id)),
        ("url", json!(destination.at("w"))),
        ("topicName", json!("g")),
        ("endpointName", json!("one")),
        ("method", json!("POST")),
        ("header", json!({"Content-Type": ["text/plain"]})),
        ("callbackHeader", json!({"X-A": ["1"]})),
        ("failureCallbackHeader", json!({"X-B": ["2"]})),
        ("body", json!("hi")),
        ("maxRetries", json!(3)),
        ("retryDelayExpression", json!("1000")),
        ("callback", json!("http://127.0.0.1:9/told")),
        ("failureCallback", json!("http://127.0.0.1:9/failed")),
        ("queueName", json!("q")),
        ("callerIP", json!("127.0.0.1")),
        ("label", json!("red")),
        ("labels", json!(["red", "round"])),
        ("flowControlKey", json!("k")),
        ("rate", json!(5)),
        ("period", json!(60)),
        ("parallelism", json!(3)),
    ] {
        assert_eq!(message[field], value, "{field}");
    }
    assert_eq!(message["notBefore"].as_i64().zip(message["createdAt"].as_i64()).map(|(a, b)| a - b), Some(3_600_000));
}

#[tokio::test]
async fn bytes_that_are_no_text_are_shown_in_base64() {
    let mut destination = Destination::start([Reply::Status(500, Vec::new(), "")]).await;
    let broker = in_memory().await;
    let mut publish = super::message(&destination.at("w"), "1");
    publish.body = bytes::Bytes::from_static(b"\xff\x00");
    let id = super::client(&broker).publish(&publish).await.expect("accepted").message_id;
    destination.next().await;
    let letter = until(|| async { get(&broker, "v2/dlq").await["messages"].get(0).cloned() }).await;
    let (_, found) =
        call(&broker, Method::GET, &format!("v2/dlq/{}", letter["dlqId"].as_str().expect("an id")), &[], "").await;
    assert_eq!(found, letter, "alone as in the list");
    assert_eq!((&letter["messageId"], &letter["bodyBase64"], letter.get("body")), (&json!(id), &json!("/wA="), None));
    for missing in ["v2/dlq/1-1", "v2/dlq/nonsense", "v2/messages/msg_none"] {
        assert_eq!(call(&broker, Method::GET, missing, &[], "").await.0, 404, "{missing}");
    }
}

#[tokio::test]
async fn the_log_is_filtered_by_every_field_and_both_its_names_say_the_same() {
    let destination = Destination::start([]).await;
    let broker = in_memory().await;
    let id = with_everything(&broker, &destination).await;
    call(&broker, Method::POST, "v2/publish/http://127.0.0.1:9/?upstash-delay=1h", &[], "").await;
    let events = get(&broker, "v2/events?order=earliestFirst").await["events"].clone();
    assert_eq!(get(&broker, "v2/logs?order=earliestFirst").await["logs"], events);
    assert_eq!(events.as_array().map(Vec::len), Some(2));
    let line = &events[0];
    for (field, value) in [
        ("queueName", json!("q")),
        ("topicName", json!("g")),
        ("endpointName", json!("one")),
        ("body", json!("aGk=")),
        ("retryDelayExpression", json!("1000")),
        ("retryDelayExpr", json!("1000")),
        ("callbackHeaders", json!({"X-A": ["1"]})),
        ("failureCallbackHeaders", json!({"X-B": ["2"]})),
        ("labels", json!(["red", "round"])),
    ] {
        assert_eq!(line[field], value, "{field}");
    }
    let time = line["time"].as_i64().expect("a time");
    for (query, count) in [
        (format!("messageId={id}"), 1),
        (format!("messageIds={id},msg_none"), 1),
        ("state=CREATED".to_owned(), 2),
        ("state=DELIVERED".to_owned(), 0),
        (format!("url={}", destination.at("w")), 1),
        ("topicName=g".to_owned(), 1),
        ("queueName=q".to_owned(), 1),
        ("scheduleId=s".to_owned(), 0),
        ("label=round".to_owned(), 1),
        ("flowControlKey=k".to_owned(), 1),
        ("callerIp=127.0.0.1".to_owned(), 2),
        ("callerIp=10.0.0.1".to_owned(), 0),
        (format!("host=127.0.0.1:{}", destination.url.port().expect("a port")), 1),
        ("host=127.0.0.1".to_owned(), 2),
        ("host=127.0.0.1&path=/w".to_owned(), 1),
        ("path=/other".to_owned(), 0),
        ("api=llm".to_owned(), 2),
        (format!("fromDate={time}"), 2),
        (format!("toDate={}", time - 1), 0),
    ] {
        let found = get(&broker, &format!("v2/events?{query}")).await;
        assert_eq!(found["events"].as_array().map(Vec::len), Some(count), "{query}");
        assert_eq!(found.get("cursor"), None, "at the end it is absent");
    }
}

#[tokio::test]
async fn messages_are_cancelled_by_every_field() {
    let destination = Destination::start([]).await;
    let broker = in_memory().await;
    let url = destination.at("w");
    for (hit, miss) in [
        ("topicName=g".to_owned(), "topicName=h"),
        ("queueName=q".to_owned(), "queueName=r"),
        (format!("url={url}"), "url=http://127.0.0.1:9/"),
        (format!("host=127.0.0.1:{}", url.port().expect("a port")), "host=localhost"),
        ("path=/w".to_owned(), "path=/"),
        ("label=round,square".to_owned(), "label=square"),
        ("flowControlKey=k".to_owned(), "flowControlKey=kk"),
        ("fromDate=1".to_owned(), "fromDate=99999999999999"),
        ("toDate=99999999999999".to_owned(), "toDate=1"),
        ("callerIp=127.0.0.1".to_owned(), "scheduleId=s"),
    ] {
        let id = with_everything(&broker, &destination).await;
        for (query, cancelled) in [(miss, 0), (hit.as_str(), 1)] {
            let answer = call(&broker, Method::DELETE, &format!("v2/messages?{query}"), &[], "").await;
            assert_eq!(answer, (200, json!({ "cancelled": cancelled })), "{query}");
        }
        assert_eq!(call(&broker, Method::GET, &format!("v2/messages/{id}"), &[], "").await.0, 404);
    }
    let id = with_everything(&broker, &destination).await;
    for (slip, body) in
        [("?colour=red", ""), ("?api=llm", ""), ("", r#"{"messageids": ["msg_none"]}"#), ("", "msg_none")]
    {
        let (status, answer) = call(&broker, Method::DELETE, &format!("v2/messages{slip}"), &[], body).await;
        assert_eq!(status, 400, "a slip cancels nothing: {slip} {body} {answer}");
    }
    assert_eq!(call(&broker, Method::GET, &format!("v2/messages/{id}"), &[], "").await.0, 200);
}
