//! The QStash client against scripted answers: what it sends, and how it sorts what comes back.

use super::{Destination, Reply, http, message};
use cliprelay::services::qstash::wire::{Callback, DeadLetter, Message};
use cliprelay::services::qstash::{DeadLetterFilter, Error, Options, QStash};
use serde_json::json;
use std::time::Duration;
use url::Url;

fn client_at(url: &Url) -> Result<QStash, Error> {
    let options = Options { url: url.clone(), token: "t0ken".into(), timeout: Duration::from_millis(500) };
    QStash::new(http(), options)
}

fn answer(status: u16, text: &'static str) -> Reply {
    Reply::Status(status, Vec::new(), text)
}

#[tokio::test]
async fn a_publish_says_everything_in_its_headers() {
    let mut service = Destination::start([answer(201, r#"{"messageId":"msg_1"}"#)]).await;
    let qstash = client_at(&service.at("v2/publish/")).expect("the usual mistake is repaired");
    let mut publish = message(&"http://127.0.0.1:3000/a//b?x=1&y=%2F#part".parse().expect("a URL"), "j.1.2.3");
    publish.delay = Duration::from_millis(1_001);
    publish.timeout = Duration::from_secs(40);
    publish.retries = 3;
    publish.retry_delay = Some("min(60000, 5000 * pow(3, retried))".to_owned());
    publish.failure_callback = Some("https://app.example/failed".parse().expect("a URL"));
    publish.label = "job".to_owned();
    publish.forward = vec![("x-vercel-protection-bypass".to_owned(), "s".into())];
    let published = qstash.publish(&publish).await.expect("accepted");
    assert_eq!((published.message_id.as_str(), published.deduplicated), ("msg_1", false));
    let sent = service.next().await;
    assert_eq!(sent.target, "/v2/publish/http://127.0.0.1:3000/a//b?x=1&y=%2F");
    assert_eq!(sent.body, publish.body);
    let expected = [
        ("authorization", "Bearer t0ken"),
        ("content-type", "application/json"),
        ("upstash-method", "POST"),
        ("upstash-delay", "2s"),
        ("upstash-timeout", "40s"),
        ("upstash-retries", "3"),
        ("upstash-retry-delay", "min(60000, 5000 * pow(3, retried))"),
        ("upstash-failure-callback", "https://app.example/failed"),
        ("upstash-deduplication-id", "j.1.2.3"),
        ("upstash-label", "job"),
        ("upstash-forward-x-vercel-protection-bypass", "s"),
        ("upstash-failure-callback-forward-x-vercel-protection-bypass", "s"),
    ];
    for (name, value) in expected {
        assert_eq!(sent.header(name), value, "{name}");
    }
}

#[tokio::test]
async fn answers_are_sorted_by_what_can_be_done() {
    let region = r#"{"error":"user (u) not found in this region (eu-central-1). Check that you are using the correct endpoint."}"#;
    let wait = |name, value: &str| {
        let date = ("date", "Mon, 23 Nov 2026 12:00:00 GMT".to_owned());
        Reply::Status(429, vec![(name, value.to_owned()), date], "slow down")
    };
    let away = |after: Option<u64>, detail: &str| Error::Away {
        after: after.map(Duration::from_secs),
        detail: detail.to_owned(),
    };
    let cases = [
        (answer(401, r#"{"error":"unable to authenticate: invalid token"}"#), Error::Unauthorized),
        (answer(404, region), Error::WrongRegion),
        (answer(400, r#"{"error":"bad"}"#), Error::Refused { status: 400, message: "bad".to_owned() }),
        (wait("retry-after", "7"), away(Some(7), "429 Too Many Requests: slow down")),
        (wait("burst-ratelimit-reset", "1795435209"), away(Some(9), "429 Too Many Requests: slow down")),
        (answer(502, "<html>"), away(None, "502 Bad Gateway: <html>")),
    ];
    for (reply, expected) in cases {
        let service = Destination::start([reply]).await;
        let qstash = client_at(&service.url).expect("a root");
        assert_eq!(qstash.publish(&message(&service.url, "1")).await, Err(expected));
    }
    for reply in [Reply::Hang, answer(201, "<html>")] {
        let service = Destination::start([reply]).await;
        let outcome = client_at(&service.url).expect("a root").publish(&message(&service.url, "1")).await;
        assert!(matches!(outcome, Err(Error::Away { after: None, .. })), "{outcome:?}");
    }
}

#[tokio::test]
async fn deletions_may_answer_without_a_body() {
    let mut service =
        Destination::start([answer(200, ""), answer(200, r#"{"cancelled":0}"#), answer(404, "gone")]).await;
    let qstash = client_at(&service.url).expect("a root");
    assert_eq!(qstash.cancel("msg_a/b").await, Ok(true));
    assert_eq!(service.next().await.target, "/v2/messages/msg_a%2Fb");
    assert_eq!(qstash.cancel("msg_1").await, Ok(false));
    assert_eq!(qstash.delete_dead_letter("1-0").await, Ok(false));
}

#[tokio::test]
async fn filters_become_parameters_and_an_empty_cursor_is_the_end() {
    let mut service = Destination::start([answer(200, r#"{"messages":[],"cursor":""}"#)]).await;
    let filter = DeadLetterFilter {
        url: Some("https://a.example/w?x=1&y".to_owned()),
        count: Some(50),
        ..DeadLetterFilter::default()
    };
    let page = client_at(&service.url).expect("a root").dead_letters(&filter).await.expect("answered");
    assert_eq!(page.cursor, None);
    let target = service.next().await.target;
    let sent = service.at("").join(&target).expect("a URL");
    let pairs: Vec<(String, String)> = sent.query_pairs().into_owned().collect();
    assert_eq!(pairs, [("url".into(), "https://a.example/w?x=1&y".into()), ("count".into(), "50".into())]);
}

#[test]
fn other_addresses_and_unsendable_headers_are_refused_without_telling_secrets() {
    for url in ["https://qstash.example/api", "https://qstash.example/?x=1", "ftp://qstash.example/"] {
        let refused = client_at(&url.parse().expect("a URL"));
        assert!(matches!(refused, Err(Error::Refused { status: 400, .. })), "{url}");
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let qstash = client_at(&"http://127.0.0.1:9".parse().expect("a URL")).expect("a root");
    let mut publish = message(&"http://127.0.0.1:9".parse().expect("a URL"), "1");
    publish.forward = vec![("x".to_owned(), "two\nlines".into())];
    let refused = runtime.block_on(qstash.publish(&publish)).expect_err("not a header");
    assert!(
        matches!(refused, Error::Refused { status: 400, .. }) && !format!("{refused:?}").contains("two"),
        "{refused}"
    );
    assert!(!format!("{qstash:?}").contains("t0ken"));
}

#[test]
fn times_bodies_and_headers_are_read_in_every_known_spelling() {
    let message: Message = serde_json::from_value(json!({
        "messageId": "msg_1", "url": "https://a.example", "notBefore": "1700000000000", "createdAt": 1_700_000_000_001.0,
        "maxRetries": null, "header": {"A": "1", "B": ["2", "3"]}, "bodyBase64": "/w==", "labels": null, "newField": {},
    }))
    .expect("readable");
    assert_eq!((message.not_before, message.created_at), (Some(1_700_000_000_000), Some(1_700_000_000_001)));
    assert_eq!((message.header["A"].len(), message.header["B"].len()), (1, 2));
    assert_eq!(message.body_bytes().as_deref(), Some(&b"\xff"[..]));

    let letter: DeadLetter = serde_json::from_value(
        json!({"dlqId": "1-0", "messageId": "msg_1", "responseStatus": "500", "createdAt": "5"}),
    )
    .expect("readable");
    assert_eq!((letter.response_status, letter.message.created_at), (Some(500), Some(5)));

    let callback = Callback::parse(
        br#"{"sourceMessageId":"msg_1","status":500,"sourceHeader":{"A":"1"},"sourceBody":"e30=","body":"e3","retried":"3"}"#,
    )
    .expect("readable");
    assert_eq!((callback.source_body.as_deref(), callback.body, callback.dlq_id), (Some(&b"{}"[..]), None, None));
    assert_eq!((callback.retried, callback.source_header["A"].as_slice()), (Some(3), &["1".to_owned()][..]));
    assert!(Callback::parse(b"[]").is_err());
}
