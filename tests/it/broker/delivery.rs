//! From publish to push.

use super::{Destination, LIMIT, again, client, http, in_memory, message, root, status, until};
use bytes::Bytes;
use cliprelay::embedded::broker::DEV_USERS;
use cliprelay::services::qstash::signature::Key;
use serde_json::Value;
use std::time::Duration;

#[tokio::test]
async fn a_publish_becomes_a_signed_push_with_the_same_bytes() {
    let mut destination = Destination::start([]).await;
    let broker = in_memory().await;
    let qstash = client(&broker);
    let target = destination.at("a//b/?x=1&upstash=no&y=%2F");
    let mut publish = message(&target, "1");
    publish.body = Bytes::from_static(b"\xff\x00 not text");
    publish.content_type = "application/octet-stream".to_owned();
    publish.forward = vec![("X-Bypass".to_owned(), "s3cret".into())];
    let published = qstash.publish(&publish).await.expect("accepted");
    assert!(!published.deduplicated);

    let push = destination.next().await;
    assert_eq!((push.method.as_str(), push.target.as_str()), ("POST", "/a//b/?x=1&upstash=no&y=%2F"));
    assert_eq!(push.body, publish.body);
    assert_eq!(push.key(target.as_str()), Key::Current);
    assert_eq!(push.header("upstash-message-id"), published.message_id);
    assert_eq!(push.header("upstash-retried"), "0");
    assert_eq!(push.header("user-agent"), "Upstash-QStash");
    assert_eq!((push.header("upstash-caller-ip"), push.header("upstash-region")), ("127.0.0.1", "EU-CENTRAL-1"));
    assert_eq!(push.header("content-length"), publish.body.len().to_string());
    assert_eq!(push.header("content-type"), "application/octet-stream");
    assert_eq!(push.header("x-bypass"), "s3cret");
    assert_eq!(push.header("authorization"), "", "the token must not travel on");

    until(|| async { qstash.message(&published.message_id).await.expect("answered").is_none().then_some(()) }).await;
    assert_eq!(states(&broker, &published.message_id).await, ["CREATED", "ACTIVE", "DELIVERED"]);
    broker.stop().await;
}

/// The states a message went through, oldest first, as the log tells.
async fn states(broker: &cliprelay::embedded::broker::Broker, id: &str) -> Vec<String> {
    let address = format!("{}v2/logs?messageId={id}&order=earliestFirst", root(broker));
    let answer = http().get(address).bearer_auth(DEV_USERS[0].token).send().await.expect("answered");
    let log: Value = answer.json().await.expect("JSON");
    log["logs"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|event| event["state"].as_str().expect("text").to_owned())
        .collect()
}

#[tokio::test]
async fn failures_are_tried_again_when_the_destination_says_so() {
    let now_ish =
        jiff::fmt::rfc2822::to_string(&jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC)).expect("a date");
    let asks = |status, name, value: &str| super::Reply::Status(status, vec![(name, value.to_owned())], "");
    let mut destination = Destination::start([
        again(500),
        asks(503, "x-ratelimit-reset", "1ms"),
        asks(400, "retry-after", &now_ish),
        asks(489, "retry-after", "0"),
    ])
    .await;
    let broker = in_memory().await;
    let target = destination.at("worker");
    let mut publish = message(&target, "1");
    publish.retries = 5;
    let published = client(&broker).publish(&publish).await.expect("accepted");
    for retried in ["0", "1", "2", "3", "4"] {
        let push = destination.next().await;
        assert_eq!(push.header("upstash-retried"), retried);
        assert_eq!(push.header("upstash-message-id"), published.message_id, "retries keep the id");
        assert_eq!(push.key(target.as_str()), Key::Current);
    }
    until(|| async { client(&broker).message(&published.message_id).await.expect("answered").is_none().then_some(()) })
        .await;
    let states = states(&broker, &published.message_id).await;
    assert_eq!(states.iter().filter(|state| *state == "RETRY").count(), 4);
    assert_eq!(states.last().map(String::as_str), Some("DELIVERED"));
}

#[tokio::test]
async fn the_publishers_expression_sets_the_delay() {
    let mut destination = Destination::start([status(500), status(500)]).await;
    let broker = in_memory().await;
    let mut publish = message(&destination.at("w"), "1");
    publish.retries = 2;
    publish.retry_delay = Some("pow(2, retried) - 1".to_owned());
    client(&broker).publish(&publish).await.expect("accepted");
    for retried in ["0", "1", "2"] {
        assert_eq!(destination.next().await.header("upstash-retried"), retried);
    }
}

#[tokio::test]
async fn one_deduplication_id_is_one_message() {
    let mut destination = Destination::start([]).await;
    let broker = in_memory().await;
    let qstash = client(&broker);
    let target = destination.at("w");
    let first = qstash.publish(&message(&target, "job.1.1.1")).await.expect("accepted");
    let pushed = destination.next().await;
    assert_eq!(pushed.header("upstash-message-id"), first.message_id);
    let again = qstash.publish(&message(&target, "job.1.1.1")).await.expect("accepted");
    assert_eq!((again.message_id, again.deduplicated), (first.message_id, true));
    let other = qstash.publish(&message(&target, "job.1.2.1")).await.expect("accepted");
    assert_eq!(destination.next().await.header("upstash-message-id"), other.message_id, "only the other one was new");
}

#[tokio::test]
async fn a_waiting_message_can_be_looked_at_and_withdrawn() {
    let mut destination = Destination::start([]).await;
    let broker = in_memory().await;
    let qstash = client(&broker);
    let target = destination.at("w");
    let mut publish = message(&target, "1");
    publish.delay = Duration::from_hours(1);
    publish.label = "job-7, klap".to_owned();
    publish.failure_callback = Some(destination.at("failed"));
    let id = qstash.publish(&publish).await.expect("accepted").message_id;

    let found = qstash.message(&id).await.expect("answered").expect("it waits");
    assert_eq!((found.url.as_str(), found.method.as_deref()), (target.as_str(), Some("POST")));
    assert_eq!(found.body_bytes(), Some(publish.body.clone()));
    assert_eq!((found.max_retries, found.labels), (Some(0), vec!["job-7".to_owned(), "klap".to_owned()]));
    assert_eq!(found.header["Content-Type"], ["application/json"]);
    assert_eq!(found.not_before.expect("a time") - found.created_at.expect("a time"), 3_600_000);

    assert!(qstash.cancel(&id).await.expect("answered"));
    assert!(!qstash.cancel(&id).await.expect("answered"));
    assert_eq!(qstash.message(&id).await.expect("answered"), None);
    let sentinel = qstash.publish(&message(&target, "2")).await.expect("accepted");
    assert_eq!(destination.next().await.header("upstash-message-id"), sentinel.message_id);
}

#[tokio::test]
async fn many_messages_all_arrive_while_one_destination_hangs() {
    let hanging = Destination::start(std::iter::repeat_n(super::Reply::Hang, 200)).await;
    let mut destination = Destination::start([]).await;
    let broker = in_memory().await;
    let qstash = client(&broker);
    for n in 0..100 {
        qstash.publish(&message(&hanging.at("w"), &format!("h{n}"))).await.expect("accepted");
    }
    let mut sent = std::collections::BTreeSet::new();
    for n in 0..100 {
        sent.insert(
            qstash.publish(&message(&destination.at("w"), &format!("{n}"))).await.expect("accepted").message_id,
        );
    }
    let mut arrived = std::collections::BTreeSet::new();
    for _ in 0..100 {
        arrived.insert(destination.next().await.header("upstash-message-id").to_owned());
    }
    assert_eq!(arrived, sent);
    assert!(hanging.pushes.len() < 100, "a host may not hold every place");
    let stopping = tokio::time::timeout(LIMIT, broker.stop());
    stopping.await.expect("a hanging destination does not hold up the end");
}
