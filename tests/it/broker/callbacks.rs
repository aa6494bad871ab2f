//! Callbacks: their payload, their own settings, and what they keep to themselves.

use super::{Destination, Push, Reply, again, call, in_memory, status, until};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cliprelay::embedded::broker::Broker;
use reqwest::Method;
use serde_json::{Value, json};

async fn publish(broker: &Broker, target: &str, headers: &[(&str, &str)], body: &str) -> String {
    let (status, answer) = call(broker, Method::POST, &format!("v2/publish/{target}"), headers, body).await;
    assert_eq!(status, 201, "{answer}");
    let id = if answer.is_array() { &answer[0]["messageId"] } else { &answer["messageId"] };
    id.as_str().expect("an id").to_owned()
}

fn payload(push: &Push) -> Value {
    serde_json::from_slice(&push.body).expect("JSON")
}

fn encoded(text: impl AsRef<[u8]>) -> Value {
    STANDARD.encode(text).into()
}

#[tokio::test]
async fn a_payload_has_every_documented_field() {
    let reply = Reply::Status(418, vec![("x-kettle", "1".to_owned())], "short and stout");
    let destination = Destination::start([reply]).await;
    let (mut told, mut failed) = (Destination::start([]).await, Destination::start([]).await);
    let broker = in_memory().await;
    let endpoints = json!({"endpoints": [{"url": destination.at("w?x=1"), "name": "kitchen"}]}).to_string();
    call(&broker, Method::POST, "v2/topics/house/endpoints", &[], &endpoints).await;
    let (callback, failure) = (told.at("told").to_string(), failed.at("failed").to_string());
    let headers = [
        ("upstash-method", "PUT"),
        ("upstash-retries", "0"),
        ("upstash-callback", callback.as_str()),
        ("upstash-failure-callback", failure.as_str()),
        ("upstash-forward-x-main", "main"),
        ("content-type", "text/plain"),
    ];
    let id = publish(&broker, "house", &headers, "tea?").await;
    let (told, failed) = (told.next().await, failed.next().await);
    let (each, last) = (payload(&told), payload(&failed));
    for payload in [&each, &last] {
        for (field, value) in [
            ("status", json!(418)),
            ("body", encoded("short and stout")),
            ("retried", json!(0)),
            ("maxRetries", json!(0)),
            ("sourceMessageId", json!(id)),
            ("url", json!(destination.at("w?x=1"))),
            ("method", json!("PUT")),
            ("topicName", json!("house")),
            ("endpointName", json!("kitchen")),
            ("sourceHeader", json!({"Content-Type": ["text/plain"], "X-Main": ["main"]})),
            ("sourceBody", encoded("tea?")),
            ("callerIP", json!("127.0.0.1")),
        ] {
            assert_eq!(payload[field], value, "{field}");
        }
        assert_eq!(payload["header"]["X-Kettle"], json!(["1"]));
        assert!(payload["notBefore"].is_i64() && payload["createdAt"].is_i64());
    }
    assert_eq!(each.get("dlqId"), None, "only a failure callback has one");
    let letter = format!("v2/dlq/{}", last["dlqId"].as_str().expect("an id"));
    assert_eq!(call(&broker, Method::GET, &letter, &[], "").await.1["messageId"], json!(id));
    for push in [told, failed] {
        assert_eq!((push.method.as_str(), push.header("content-type")), ("POST", "application/json"));
        assert_eq!(push.header("x-main"), "", "the main message's headers are not passed on");
    }
}

#[tokio::test]
async fn a_schedules_callback_names_it() {
    let destination = Destination::start([]).await;
    let mut told = Destination::start([]).await;
    let broker = in_memory().await;
    let callback = told.at("told").to_string();
    let headers = [("upstash-cron", "0 * * * *"), ("upstash-schedule-id", "s"), ("upstash-callback", &callback)];
    call(&broker, Method::POST, &format!("v2/schedules/{}", destination.at("w")), &headers, "").await;
    call(&broker, Method::POST, "_broker/advance?by=1h", &[], "").await;
    assert_eq!(payload(&told.next().await)["scheduleId"], "s");
}

#[tokio::test]
async fn each_kind_of_callback_has_settings_of_its_own() {
    let destination = Destination::start([status(500)]).await;
    let mut told = Destination::start([again(503)]).await;
    let mut failed = Destination::start([status(503)]).await;
    let broker = in_memory().await;
    let (callback, failure) = (told.at("told").to_string(), failed.at("failed").to_string());
    let headers = [
        ("upstash-retries", "0"),
        ("upstash-callback", callback.as_str()),
        ("upstash-callback-method", "PATCH"),
        ("upstash-callback-retries", "1"),
        ("upstash-callback-timeout", "11s"),
        ("upstash-callback-forward-x-which", "each"),
        ("upstash-failure-callback", failure.as_str()),
        ("upstash-failure-callback-method", "PUT"),
        ("upstash-failure-callback-retries", "2"),
        ("upstash-failure-callback-retry-delay", "3600000 * (1 + retried)"),
        ("upstash-failure-callback-timeout", "22s"),
        ("upstash-failure-callback-forward-x-which", "last"),
    ];
    publish(&broker, destination.at("w").as_str(), &headers, "x").await;
    for retried in ["0", "1"] {
        let push = told.next().await;
        assert_eq!((push.method.as_str(), push.header("x-which")), ("PATCH", "each"));
        assert_eq!(push.header("upstash-retried"), retried);
    }
    let push = failed.next().await;
    assert_eq!((push.method.as_str(), push.header("x-which")), ("PUT", "last"));
    let message = format!("v2/messages/{}", push.header("upstash-message-id"));
    let (_, waiting) = call(&broker, Method::GET, &message, &[], "").await;
    assert_eq!((&waiting["maxRetries"], &waiting["method"]), (&json!(2), &json!("PUT")));
    assert_eq!(waiting["retryDelayExpression"], "3600000 * (1 + retried)");
    for (url, timeout) in [(&callback, 11_000), (&failure, 22_000)] {
        let (_, log) = call(&broker, Method::GET, &format!("v2/logs?url={url}&state=CREATED"), &[], "").await;
        assert_eq!(log["logs"][0]["timeout"], timeout, "{url}");
    }
}

#[tokio::test]
async fn a_callback_that_is_to_wait_or_to_go_nowhere_is_refused() {
    let broker = in_memory().await;
    for kind in ["upstash-callback", "upstash-failure-callback"] {
        let own = |name: &str| format!("{kind}-{name}");
        for (name, value) in [
            (kind.to_owned(), "ftp://127.0.0.1/"),
            (own("delay"), "10s"),
            (own("method"), "BREW"),
            (own("retries"), "many"),
            (own("timeout"), "long"),
            (own("retry-delay"), "1 +"),
        ] {
            let url = (kind, if name == kind { value } else { "http://127.0.0.1:9/" });
            let headers = [url, (name.as_str(), value)];
            let (status, answer) = call(&broker, Method::POST, "v2/publish/http://127.0.0.1:9/", &headers, "").await;
            assert_eq!(status, 400, "{name}: {answer}");
        }
    }
}

#[tokio::test]
async fn what_was_hidden_of_a_message_is_hidden_of_its_callbacks() {
    let destination = Destination::start([]).await;
    let mut told = Destination::start([status(500)]).await;
    let broker = in_memory().await;
    let callback = told.at("told").to_string();
    let headers = [
        ("upstash-redact-fields", "header[X-Bypass]"),
        ("upstash-forward-x-bypass", "hush"),
        ("upstash-callback-forward-x-bypass", "hush"),
        ("upstash-callback", callback.as_str()),
        ("upstash-retries", "1"),
        ("upstash-callback-retry-delay", "3600000"),
    ];
    publish(&broker, destination.at("w").as_str(), &headers, "tea?").await;
    let push = told.next().await;
    assert_eq!(push.header("x-bypass"), "hush", "the callback itself carries all of it");
    assert_eq!(payload(&push)["sourceBody"], encoded("tea?"));
    let hidden = |mark: &Value| mark.as_str().is_some_and(|text| text.starts_with("REDACTED:"));
    let target = format!("v2/messages/{}", push.header("upstash-message-id"));
    let (_, shown) = call(&broker, Method::GET, &target, &[], "").await;
    assert!(hidden(&shown["body"]) && hidden(&shown["header"]["X-Bypass"][0]), "{shown}");
    let (_, log) = call(&broker, Method::GET, "v2/logs?state=CREATED&order=earliestFirst", &[], "").await;
    assert!(hidden(&log["logs"][0]["callbackHeaders"]["X-Bypass"][0]), "{log}");
    assert!(!log.to_string().contains("hush"));
}

#[tokio::test]
async fn a_callback_carries_more_of_a_long_answer_than_a_dead_letter_keeps() {
    let long: &'static str = "x".repeat(3 * 1024 * 1024).leak();
    let destination = Destination::start([Reply::Status(500, Vec::new(), long)]).await;
    let mut failed = Destination::start([]).await;
    let broker = in_memory().await;
    let failure = failed.at("failed").to_string();
    let headers = [("upstash-retries", "0"), ("upstash-failure-callback", failure.as_str())];
    publish(&broker, destination.at("w").as_str(), &headers, "").await;
    let told = STANDARD.decode(payload(&failed.next().await)["body"].as_str().expect("text")).expect("base64");
    assert_eq!(told.len(), 1024 * 1024);
    let letter = until(|| async { call(&broker, Method::GET, "v2/dlq", &[], "").await.1["messages"].get(0).cloned() });
    assert_eq!(letter.await["responseBody"].as_str().map(str::len), Some(256 * 1024));
}
