//! Deduplication: how long an id stays taken, and what it outlives.

use super::{Destination, call, in_memory, status, until};
use cliprelay::embedded::broker::Broker;
use reqwest::Method;
use serde_json::{Value, json};

async fn publish(broker: &Broker, target: &str, headers: &[(&str, &str)]) -> (u16, Value) {
    call(broker, Method::POST, &format!("v2/publish/{target}"), headers, "hi").await
}

#[tokio::test]
async fn an_id_is_taken_for_ten_minutes_whatever_becomes_of_its_message() {
    let destination = Destination::start([status(500)]).await;
    let broker = in_memory().await;
    let target = destination.at("w").to_string();
    let (_, failed) = publish(&broker, &target, &[("upstash-deduplication-id", "a"), ("upstash-retries", "0")]).await;
    until(|| async { call(&broker, Method::GET, "v2/dlq", &[], "").await.1["messages"].get(0).cloned() }).await;
    let (_, cancelled) = publish(&broker, &target, &[("upstash-deduplication-id", "b"), ("upstash-delay", "1h")]).await;
    let message = format!("v2/messages/{}", cancelled["messageId"].as_str().expect("an id"));
    assert_eq!(call(&broker, Method::DELETE, &message, &[], "").await, (200, json!({"cancelled": 1})));
    call(&broker, Method::POST, "_broker/advance?by=9m", &[], "").await;
    for (id, first) in [("a", &failed), ("b", &cancelled)] {
        let again = publish(&broker, &target, &[("upstash-deduplication-id", id)]).await;
        assert_eq!(again, (202, json!({"messageId": first["messageId"], "deduplicated": true})), "{id}");
    }
    call(&broker, Method::POST, "_broker/advance?by=61s", &[], "").await;
    for id in ["a", "b"] {
        assert_eq!(publish(&broker, &target, &[("upstash-deduplication-id", id)]).await.0, 201, "{id}");
    }
}

#[tokio::test]
async fn content_is_the_destination_the_body_its_type_and_what_is_forwarded() {
    let broker = in_memory().await;
    let (by_content, later) = (("upstash-content-based-deduplication", "true"), ("upstash-delay", "1h"));
    let a = "http://127.0.0.1:9/a";
    let of = |more: &'static [(&'static str, &'static str)], target: &'static str| {
        let headers = [&[by_content, later], more].concat();
        let broker = &broker;
        async move { publish(broker, target, &headers).await.0 }
    };
    assert_eq!(of(&[("content-type", "text/plain")], a).await, 201);
    assert_eq!(of(&[("content-type", "text/plain")], a).await, 202);
    assert_eq!(of(&[("content-type", "text/html")], a).await, 201);
    assert_eq!(of(&[("content-type", "text/plain"), ("upstash-forward-x", "1")], a).await, 201);
    assert_eq!(of(&[("content-type", "text/plain")], "http://127.0.0.1:9/b").await, 201);
    assert_eq!(of(&[("content-type", "text/plain"), ("upstash-retries", "1")], a).await, 202, "settings do not count");
    assert_eq!(publish(&broker, a, &[later, ("content-type", "text/plain")]).await.0, 201, "nobody asked");
}
