//! Many at once: dead letters deleted and retried, messages cancelled, the log filtered.

use super::{Destination, call, in_memory, status, until};
use cliprelay::embedded::broker::Broker;
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::BTreeSet;

const ONCE: (&str, &str) = ("upstash-retries", "0");
const LATER: (&str, &str) = ("upstash-delay", "1h");

async fn publish(broker: &Broker, destination: &str, headers: &[(&str, &str)]) -> String {
    let (status, answer) = call(broker, Method::POST, &format!("v2/publish/{destination}"), headers, "hi").await;
    assert_eq!(status, 201, "{answer}");
    answer["messageId"].as_str().expect("an id").to_owned()
}

async fn letters(broker: &Broker, query: &str) -> Vec<Value> {
    let (status, page) = call(broker, Method::GET, &format!("v2/dlq?{query}"), &[], "").await;
    assert_eq!(status, 200, "{page}");
    page["messages"].as_array().expect("a list").clone()
}

async fn idle(broker: &Broker) {
    assert_eq!(call(broker, Method::GET, "_broker/idle", &[], "").await.0, 200);
}

/// A broker with five dead letters: two labelled, one of a queue, one with a key.
async fn with_dead() -> (Broker, Destination) {
    let destination = Destination::start(std::iter::repeat_n(status(500), 5)).await;
    let broker = in_memory().await;
    let at = |path: &str| destination.at(path).to_string();
    publish(&broker, &at("a"), &[ONCE, ("upstash-label", "red,round")]).await;
    publish(&broker, &at("a"), &[ONCE, ("upstash-label", "red")]).await;
    publish(&broker, &at("b"), &[ONCE, ("upstash-flow-control-key", "k"), ("upstash-flow-control-value", "rate=5")])
        .await;
    publish(&broker, &at("b"), &[ONCE]).await;
    call(&broker, Method::POST, &format!("v2/enqueue/q/{}", at("c")), &[ONCE], "hi").await;
    idle(&broker).await;
    assert_eq!(letters(&broker, "").await.len(), 5);
    (broker, destination)
}

#[tokio::test]
async fn dead_letters_are_filtered_by_every_field() {
    let (broker, destination) = with_dead().await;
    let (a, one) = (destination.at("a"), letters(&broker, "queueName=q").await.remove(0));
    let of_one = format!("messageId={}", one["messageId"].as_str().expect("an id"));
    let by_id = format!("dlqIds={}", one["dlqId"].as_str().expect("an id"));
    let died =
        one["dlqId"].as_str().and_then(|id| id.split_once('-')).map(|(time, _)| time.to_owned()).expect("a time");
    for (query, count) in [
        ("label=red".to_owned(), 2),
        ("label=round,square".to_owned(), 1),
        ("label=round&label=square".to_owned(), 1),
        (format!("url={a}"), 2),
        (format!("label=red&url={}", destination.at("b")), 0),
        ("flowControlKey=k".to_owned(), 1),
        ("responseStatus=500".to_owned(), 5),
        ("responseStatus=404,500&queueName=q".to_owned(), 1),
        ("topicName=none".to_owned(), 0),
        ("scheduleId=none".to_owned(), 0),
        ("callerIp=127.0.0.1".to_owned(), 5),
        (format!("toDate={died}"), 5),
        (format!("fromDate={}", died.parse::<i64>().expect("a time") + 60_000), 0),
        ("api=llm".to_owned(), 5),
        (of_one, 1),
        (by_id, 1),
    ] {
        assert_eq!(letters(&broker, &query).await.len(), count, "{query}");
    }
    let first = letters(&broker, "order=earliestFirst&count=1").await.remove(0);
    assert_eq!(first["labels"], json!(["red", "round"]));
    let slips = [("?api=llm", ""), ("", r#"{"dlqids": ["1-1"]}"#)];
    for ((slip, body), (method, target)) in slips
        .into_iter()
        .flat_map(|slip| [(Method::DELETE, "v2/dlq"), (Method::POST, "v2/dlq/retry")].map(|call| (slip, call)))
    {
        assert_eq!(call(&broker, method, &format!("{target}{slip}"), &[], body).await.0, 400, "{target} {slip} {body}");
    }
    assert_eq!(letters(&broker, "").await.len(), 5, "a slip changes nothing");
    for query in ["host=127.0.0.1", "path=/a", "fromDate=soon", "cursor=x", "count=x", "colour=red"] {
        assert_eq!(call(&broker, Method::GET, &format!("v2/dlq?{query}"), &[], "").await.0, 400, "{query}");
    }
}

#[tokio::test]
async fn dead_letters_are_deleted_and_retried_by_filter_and_by_id() {
    let (broker, mut destination) = with_dead().await;
    for _ in 0..5 {
        destination.next().await;
    }
    let deleted = call(&broker, Method::DELETE, "v2/dlq?label=red&count=1", &[], "").await;
    assert_eq!((deleted.0, &deleted.1["deleted"]), (200, &json!(1)));
    let cursor = deleted.1["cursor"].as_str().expect("one is left").to_owned();
    let (_, rest) = call(&broker, Method::DELETE, &format!("v2/dlq?label=red&cursor={cursor}"), &[], "").await;
    assert_eq!(rest, json!({"deleted": 1}));
    let before: BTreeSet<String> = letters(&broker, "")
        .await
        .iter()
        .map(|letter| letter["messageId"].as_str().expect("an id").to_owned())
        .collect();
    let ids: Vec<Value> =
        letters(&broker, &format!("url={}", destination.at("b"))).await.iter().map(|l| l["dlqId"].clone()).collect();
    let (_, gone) = call(&broker, Method::DELETE, "v2/dlq", &[], &json!({ "dlqIds": [ids[0]] }).to_string()).await;
    assert_eq!(gone, json!({"deleted": 1}));

    // What is given with a retry wins over what was stored.
    let headers = [("upstash-method", "PUT"), ("upstash-forward-x", "new"), ("upstash-label", "again")];
    let (status, retried) = call(&broker, Method::POST, "v2/dlq/retry?responseStatus=500", &headers, "").await;
    assert_eq!((status, &retried["cursor"]), (200, &Value::Null));
    let mut new: BTreeSet<String> = BTreeSet::new();
    for _ in 0..2 {
        let push = destination.next().await;
        assert_eq!((push.method.as_str(), push.header("x"), push.body.as_ref()), ("PUT", "new", &b"hi"[..]));
        new.insert(push.header("upstash-message-id").to_owned());
    }
    let answered: BTreeSet<String> = retried["responses"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|one| one["messageId"].as_str().expect("an id").to_owned())
        .collect();
    assert_eq!(answered, new);
    assert!(new.is_disjoint(&before), "a retry has an id of its own");
    assert_eq!(letters(&broker, "").await, [Value::Null; 0]);
    let (_, again) = call(&broker, Method::POST, "v2/dlq/retry", &[], "").await;
    assert_eq!(again["responses"], json!([]));
    let delivered = until(|| async {
        let (_, log) = call(&broker, Method::GET, "v2/events?label=again&state=DELIVERED", &[], "").await;
        Some(log["events"].as_array()?.len()).filter(|count| *count == 2)
    });
    delivered.await;
}

#[tokio::test]
async fn messages_are_cancelled_by_filter_by_id_and_all() {
    let broker = in_memory().await;
    let mut ids = Vec::new();
    for (target, label) in [
        ("http://127.0.0.1:9/a?x=1", "red"),
        ("http://127.0.0.1:9/a", "red"),
        ("http://127.0.0.1:9/b", "blue"),
        ("http://localhost:9/b", "blue"),
        ("http://localhost:9/c", "green"),
        ("http://localhost:9/c", "green"),
    ] {
        ids.push(publish(&broker, target, &[LATER, ("upstash-label", label)]).await);
    }
    let cancel = async |query: &str, body: Value| {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let (status, answer) = call(&broker, Method::DELETE, &format!("v2/messages{query}"), &[], &body).await;
        assert_eq!(status, 200, "{answer}");
        answer["cancelled"].as_u64().expect("a number")
    };
    assert_eq!(cancel("?path=/a&label=blue", Value::Null).await, 0);
    assert_eq!(cancel("?path=/a&count=1", Value::Null).await, 1);
    assert_eq!(cancel("?path=/a", Value::Null).await, 1);
    assert_eq!(cancel("?host=127.0.0.1", Value::Null).await, 1);
    assert_eq!(cancel("", json!({ "messageIds": [ids[3], ids[0], "msg_none"] })).await, 1);
    assert_eq!(cancel(&format!("?messageIds={}&messageIds={}", ids[4], ids[0]), Value::Null).await, 1);
    let states = |id: &str| {
        let query = format!("v2/logs?messageId={id}&order=earliestFirst");
        let broker = &broker;
        async move {
            let (_, log) = call(broker, Method::GET, &query, &[], "").await;
            log["logs"].as_array().expect("a list").iter().map(|event| event["state"].clone()).collect::<Vec<_>>()
        }
    };
    assert_eq!(states(&ids[4]).await, ["CREATED", "CANCEL_REQUESTED", "CANCELED"]);
    for state in ["CANCELED", "CANCELLED"] {
        let (_, log) = call(&broker, Method::GET, &format!("v2/logs?state={state}"), &[], "").await;
        assert_eq!(log["logs"].as_array().map(Vec::len), Some(5), "{state}");
    }
    assert_eq!(cancel("", Value::Null).await, 1, "nothing given means all");
    let (_, page) = call(&broker, Method::GET, "v2/logs?state=CREATED&count=4", &[], "").await;
    let cursor = page["cursor"].as_str().expect("there is more");
    let (_, rest) =
        call(&broker, Method::GET, &format!("v2/logs?state=CREATED&count=4&cursor={cursor}"), &[], "").await;
    assert_eq!((rest["logs"].as_array().map(Vec::len), &rest["cursor"]), (Some(2), &Value::Null));
}

#[tokio::test]
async fn a_line_of_the_log_tells_everything_but_what_was_redacted() {
    let mut destination =
        Destination::start([super::Reply::Status(418, vec![("x-kettle", "1".to_owned())], "short and stout")]).await;
    let broker = in_memory().await;
    let headers = [
        ("upstash-retries", "1"),
        ("upstash-retry-delay", "3600000"),
        ("upstash-timeout", "20s"),
        ("upstash-redact-fields", "body, header[X-Secret]"),
        ("upstash-forward-x-secret", "hush"),
        ("upstash-forward-x-plain", "1"),
        ("upstash-failure-callback", "http://127.0.0.1:9/failed"),
    ];
    let id = publish(&broker, destination.at("w").as_str(), &headers).await;
    let push = destination.next().await;
    assert_eq!((push.header("x-secret"), push.body.as_ref()), ("hush", &b"hi"[..]), "deliveries carry all of it");
    let event = until(|| async {
        let (_, log) =
            call(&broker, Method::GET, &format!("v2/events?messageId={id}&state=IN_PROGRESS"), &[], "").await;
        log["events"].as_array()?.iter().find(|event| event["state"] == "ERROR").cloned()
    })
    .await;
    let hash = |mark: &Value| mark.as_str().is_some_and(|mark| mark.starts_with("REDACTED:") && mark.len() == 9 + 64);
    for (field, value) in [
        ("responseStatus", json!(418)),
        ("responseBody", json!("c2hvcnQgYW5kIHN0b3V0")),
        ("method", json!("POST")),
        ("timeout", json!(20_000)),
        ("maxRetries", json!(1)),
        ("retryDelayExpression", json!("3600000")),
        ("failureCallback", json!("http://127.0.0.1:9/failed")),
    ] {
        assert_eq!(event[field], value, "{field}");
    }
    assert_eq!(event["responseHeader"]["X-Kettle"], json!(["1"]));
    assert_eq!(event["header"]["X-Plain"], json!(["1"]));
    assert!(hash(&event["header"]["X-Secret"][0]), "{event}");
    let (_, message) = call(&broker, Method::GET, &format!("v2/messages/{id}"), &[], "").await;
    assert!(hash(&message["body"]) && hash(&message["header"]["X-Secret"][0]), "{message}");

    let all = [ONCE, ("upstash-redact-fields", "header"), ("upstash-forward-x-secret", "hush"), LATER];
    let id = publish(&broker, destination.at("w").as_str(), &all).await;
    let (_, message) = call(&broker, Method::GET, &format!("v2/messages/{id}"), &[], "").await;
    assert!(hash(&message["header"]["X-Secret"][0]) && message["body"] == "hi", "{message}");
    let bad = [("upstash-redact-fields", "everything")];
    assert_eq!(call(&broker, Method::POST, "v2/publish/http://127.0.0.1:9/", &bad, "").await.0, 400);
}
