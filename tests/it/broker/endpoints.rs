//! The API itself: who may call, what is refused and how it says so.

use super::{Destination, call, client, client_of, http, in_memory, message, options, provider, root};
use cliprelay::embedded::broker::{self, Account, DEV_USERS, Data};
use cliprelay::services::qstash::signature::Key;
use reqwest::Method;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use std::time::Duration;

/// Target, headers, and the status and text of the refusal.
type Refused<'a> = (&'a str, &'a [(&'a str, &'a str)], u16, &'a str);

#[tokio::test]
async fn refusals_say_why_in_the_services_words() {
    let broker = in_memory().await;
    let publish = "v2/publish/http://127.0.0.1:9/w";
    let cases: [Refused<'_>; 18] = [
        (publish, &[("upstash-deduplication-id", "a:b")], 400, "DeduplicationId cannot contain ':'"),
        (publish, &[("upstash-retries", "6")], 412, "quota maxRetries exceeded"),
        (publish, &[("upstash-retries", "-1")], 400, "invalid upstash-retries: a whole number"),
        (publish, &[("upstash-delay", "1.5s")], 400, "invalid Upstash-Delay: a duration"),
        (publish, &[("upstash-delay", "366d")], 412, "quota maxDelay exceeded"),
        (publish, &[("upstash-not-before", "soon")], 400, "invalid Upstash-Not-Before: unix seconds"),
        (publish, &[("upstash-retry-delay", "retried +")], 400, "invalid upstash-retry-delay: "),
        (publish, &[("upstash-method", "BREW")], 400, "invalid upstash-method"),
        (publish, &[("upstash-callback", "nowhere")], 400, "invalid destination url: endpoint has invalid scheme"),
        ("v2/publish/https%3A%2F%2Fexample.com", &[], 400, "invalid destination url: endpoint has invalid scheme"),
        (
            "v2/schedules/https%3A%2F%2Fa.example",
            &[("upstash-cron", "@daily")],
            400,
            "invalid destination url: endpoint",
        ),
        ("v2/enqueue/a:b/http://127.0.0.1:9/w", &[], 400, "invalid queue name"),
        ("v3/publish/x", &[], 404, "no such endpoint"),
        // A root that holds a path, as a wrong QSTASH_URL does.
        ("v2/publish/v2/publish/https://a.example", &[], 400, "invalid destination url: endpoint has invalid scheme"),
        ("v2/publish/api/llm", &[], 400, "invalid destination url: api/ targets"),
        ("v2/enqueue/q/api/email", &[], 400, "invalid destination url: api/ targets"),
        ("v2/schedules/api/llm", &[("upstash-cron", "@daily")], 400, "invalid destination url: api/ targets"),
        (
            publish,
            &[("upstash-flow-control-key", "k"), ("upstash-flow-control-value", "fast")],
            400,
            "Upstash-Flow-Control-Value should be either rate=X or parallelism=Y, or both as comma-separated values",
        ),
    ];
    for (target, headers, status, text) in cases {
        let (got, answer) = call(&broker, Method::POST, target, headers, "x").await;
        let error = answer["error"].as_str().unwrap_or_default();
        assert!(got == status && error.starts_with(text), "{target} {headers:?}: {got} {answer}");
    }
    for (method, target) in [
        (Method::PUT, "v2/keys"),
        (Method::GET, publish),
        (Method::GET, "v2/batch"),
        (Method::POST, "v2/logs"),
        (Method::PUT, "v2/messages"),
        (Method::GET, "v2/keys/rotate"),
        (Method::PATCH, "v2/queues/q/pause"),
    ] {
        let answer = call(&broker, method.clone(), target, &[], "").await;
        assert_eq!(answer, (405, json!({"error": "method not allowed"})), "{method} {target}");
    }
    let large = "x".repeat(10 * 1024 * 1024 + 1);
    let (status, answer) = call(&broker, Method::POST, publish, &[], &large).await;
    assert_eq!((status, &answer["error"]), (412, &json!("quota maxMessageSize exceeded")));
    assert_eq!(call(&broker, Method::DELETE, "v2/messages", &[], "").await, (200, json!({"cancelled": 0})));
}

#[tokio::test]
async fn a_token_is_needed_and_users_do_not_see_each_other() {
    let broker = in_memory().await;
    let nobody = http().get(format!("{}v2/keys", root(&broker)));
    for request in [nobody.try_clone().expect("no body"), nobody.bearer_auth("eyJ")] {
        let answer = request.send().await.expect("answered");
        assert_eq!(answer.status(), 401);
        let body: Value = answer.json().await.expect("JSON");
        assert_eq!(body, json!({"error": "unable to authenticate: invalid token"}));
    }
    let in_query = http().get(format!("{}v2/keys?qstash_token={}", root(&broker), DEV_USERS[2].token));
    let keys: Value = in_query.send().await.expect("answered").json().await.expect("JSON");
    assert_eq!(keys, json!({"current": DEV_USERS[2].current, "next": DEV_USERS[2].next}));

    let mut publish = message(&"http://127.0.0.1:9/".parse().expect("a URL"), "1");
    publish.delay = Duration::from_mins(10);
    let id = client(&broker).publish(&publish).await.expect("accepted").message_id;
    assert_eq!(client_of(&broker, 1).message(&id).await.expect("answered"), None);
    assert!(!client_of(&broker, 1).cancel(&id).await.expect("answered"));
    assert!(client(&broker).message(&id).await.expect("answered").is_some());
}

#[tokio::test]
async fn parameters_work_as_headers_and_the_rest_belongs_to_the_destination() {
    let mut destination = Destination::start([]).await;
    let broker = in_memory().await;
    let target = destination.at("hook?a=1%20&upstash-method=PATCH&upstash-header-forward=true&b=%2F");
    let sent = [("x-github-event", "push"), ("content-type", "text/plain")];
    let (status, answer) = call(&broker, Method::POST, &format!("v2/publish/{target}"), &sent, "hi").await;
    assert_eq!(status, 201, "{answer}");
    let push = destination.next().await;
    assert_eq!((push.method.as_str(), push.target.as_str()), ("PATCH", "/hook?a=1%20&b=%2F"));
    assert_eq!((push.header("x-github-event"), push.header("content-type")), ("push", "text/plain"));
    assert_eq!((push.header("authorization"), push.header("user-agent")), ("", "Upstash-QStash"));
    assert_eq!(push.key(destination.at("hook?a=1%20&b=%2F").as_str()), Key::Current);

    // A scheme is no less one in capitals, and a content type may be forwarded like any header.
    let target = destination.at("caps").as_str().replace("http:", "HTTP:");
    let sent = [("upstash-forward-content-type", "text/csv"), ("content-type", "text/plain")];
    let (status, answer) = call(&broker, Method::POST, &format!("v2/publish/{target}"), &sent, "hi").await;
    assert_eq!(status, 201, "{answer}");
    let push = destination.next().await;
    assert_eq!((push.target.as_str(), push.header("content-type")), ("/caps", "text/csv"));
    assert_eq!(push.key(&target), Key::Current);
}

#[tokio::test]
async fn deduplication_by_content_looks_at_all_of_it() {
    let broker = in_memory().await;
    let publish = |body: &'static str, value: &'static str| {
        let headers =
            [("upstash-content-based-deduplication", "True"), ("upstash-forward-x", value), ("upstash-delay", "1h")];
        let broker = &broker;
        async move { call(broker, Method::POST, "v2/publish/http://127.0.0.1:9/", &headers, body).await.0 }
    };
    assert_eq!(publish("a", "1").await, 201);
    assert_eq!(publish("a", "1").await, 202);
    assert_eq!(publish("b", "1").await, 201);
    assert_eq!(publish("a", "2").await, 201);
    let (_, all) = call(&broker, Method::DELETE, "v2/messages?url=http://127.0.0.1:9/", &[], "").await;
    assert_eq!(all, json!({"cancelled": 3}));
}

#[tokio::test]
async fn a_batch_takes_what_it_can() {
    let mut destination = Destination::start([]).await;
    let broker = in_memory().await;
    let items = json!([
        {"destination": destination.at("a"), "headers": {"Upstash-Forward-X": "1"}, "body": "one", "queue": null},
        {"destination": "no/name", "body": null},
        {"body": "nowhere"},
    ]);
    let (status, answer) = call(&broker, Method::POST, "v2/batch", &[], &items.to_string()).await;
    assert_eq!(status, 200);
    let push = destination.next().await;
    assert_eq!((push.header("x"), push.body.as_ref()), ("1", &b"one"[..]));
    assert_eq!(answer[0]["messageId"], push.header("upstash-message-id"));
    for refused in [1, 2] {
        assert!(answer[refused]["error"].as_str().is_some_and(|text| text.contains("invalid scheme")), "{answer}");
    }
}

#[tokio::test]
async fn rotated_keys_sign_from_then_on_and_survive_a_restart() {
    let mut destination = Destination::start([]).await;
    let folder = tempfile::tempdir().expect("a folder");
    let data = Data::Dir(folder.path().join("made/on/demand"));
    let broker = broker::start(options(data.clone()).await).await.expect("starts");
    let before = client(&broker).keys().await.expect("answered");
    assert_eq!(before.current.expose_secret(), DEV_USERS[0].current);
    let (status, rotated) = call(&broker, Method::POST, "v2/keys/rotate", &[], "").await;
    assert_eq!((status, rotated["current"].as_str()), (200, Some(DEV_USERS[0].next)));
    broker.stop().await;

    let broker = broker::start(options(data).await).await.expect("starts again at once");
    let after = client(&broker).keys().await.expect("answered");
    assert_eq!(Some(after.next.expose_secret()), rotated["next"].as_str());
    client(&broker).publish(&message(&destination.at("w"), "1")).await.expect("accepted");
    assert_eq!(destination.next().await.key(destination.at("w").as_str()), Key::Next);
}

#[tokio::test]
async fn published_keys_are_refused_beyond_loopback() {
    provider();
    let own = |token: &str, current: &str| Account::Own {
        token: token.into(),
        read_only: None,
        current: current.into(),
        next: "n".into(),
    };
    for (account, allowed) in
        [(Account::Dev, false), (own("mine", DEV_USERS[3].current), false), (own("mine", "sig_mine"), true)]
    {
        let listener = tokio::net::TcpListener::bind("0.0.0.0:0").await.expect("a port");
        let options = broker::Options {
            listener,
            data: Data::Memory,
            account,
            max_retries: 3,
            tuning: broker::Tuning::default(),
        };
        match broker::start(options).await {
            Ok(_) => assert!(allowed),
            Err(error) => assert!(!allowed && error.to_string().contains("QSTASH_TOKEN"), "{error}"),
        }
    }
}
