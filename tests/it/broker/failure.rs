//! What happens to messages that cannot be delivered.

use super::{Destination, Reply, again, client, client_of, http, in_memory, message, root, status, until};
use cliprelay::embedded::broker::{Broker, DEV_USERS};
use cliprelay::services::qstash::signature::Key;
use cliprelay::services::qstash::wire::{Callback, FailureCallback};
use cliprelay::services::qstash::{DeadLetter, DeadLetterFilter};
use std::time::Duration;

async fn dead_letters(broker: &Broker, filter: &DeadLetterFilter) -> Vec<DeadLetter> {
    client(broker).dead_letters(filter).await.expect("answered").messages
}

/// The dead letter of a message, once it is there.
async fn death(broker: &Broker, id: &str) -> DeadLetter {
    let filter = DeadLetterFilter { message_id: Some(id.to_owned()), ..DeadLetterFilter::default() };
    until(|| async { dead_letters(broker, &filter).await.pop() }).await
}

#[tokio::test]
async fn used_up_retries_make_a_dead_letter_and_a_failure_callback() {
    let last = Reply::Status(503, vec![("x-reason", "busy".to_owned())], "try later");
    let mut destination = Destination::start([again(503), last]).await;
    let broker = in_memory().await;
    let qstash = client(&broker);
    let mut publish = message(&destination.at("worker?x=1"), "1");
    publish.retries = 1;
    publish.label = "job-1".to_owned();
    publish.failure_callback = Some(destination.at("failed"));
    publish.forward = vec![("x-bypass".to_owned(), "s3cret".into())];
    let id = qstash.publish(&publish).await.expect("accepted").message_id;
    destination.next().await;
    destination.next().await;

    let told = destination.next().await;
    assert_eq!(told.target, "/failed");
    assert_eq!(told.key(destination.at("failed").as_str()), Key::Current);
    assert_eq!((told.header("content-type"), told.header("x-bypass")), ("application/json", "s3cret"));
    assert_ne!(told.header("upstash-message-id"), id, "a callback is a message of its own");
    let callback = FailureCallback::parse(&told.body).expect("a callback");
    assert_eq!(callback.source_message_id, id);
    assert_eq!((callback.status, callback.retried, callback.max_retries), (Some(503), Some(1), Some(1)));
    assert_eq!(callback.body.as_deref(), Some(&b"try later"[..]));
    assert_eq!(callback.header["X-Reason"], ["busy"]);
    assert_eq!(callback.source_body, Some(publish.body.clone()));
    assert_eq!(callback.url, destination.at("worker?x=1").as_str());

    let letter = death(&broker, &id).await;
    assert_eq!(Some(&letter.dlq_id), callback.dlq_id.as_ref());
    assert_eq!(letter.response_status, Some(503));
    assert_eq!(letter.response_bytes().as_deref(), Some(&b"try later"[..]));
    assert_eq!(letter.message.body_bytes(), Some(publish.body));
    let other = DeadLetterFilter { label: Some("job-2".to_owned()), ..DeadLetterFilter::default() };
    assert_eq!(dead_letters(&broker, &other).await, []);
    assert!(qstash.delete_dead_letter(&letter.dlq_id).await.expect("answered"));
    assert!(!qstash.delete_dead_letter(&letter.dlq_id).await.expect("answered"));
    assert_eq!(dead_letters(&broker, &DeadLetterFilter::default()).await, []);
}

#[tokio::test]
async fn status_489_with_its_header_ends_a_message_at_once() {
    let refusal = Reply::Status(489, vec![("upstash-nonretryable-error", "true".to_owned())], "never");
    let mut destination = Destination::start([refusal]).await;
    let broker = in_memory().await;
    let mut publish = message(&destination.at("w"), "1");
    publish.retries = 5;
    publish.failure_callback = Some(destination.at("failed"));
    let id = client(&broker).publish(&publish).await.expect("accepted").message_id;
    destination.next().await;
    let callback = FailureCallback::parse(&destination.next().await.body).expect("a callback");
    assert_eq!((callback.status, callback.retried, callback.max_retries), (Some(489), Some(0), Some(5)));
    assert_eq!(callback.dlq_id, Some(death(&broker, &id).await.dlq_id));
}

#[tokio::test]
async fn a_redirect_is_a_failure_and_is_not_followed() {
    let mut destination =
        Destination::start([Reply::Status(302, vec![("location", "/elsewhere".to_owned())], "")]).await;
    let broker = in_memory().await;
    let id = client(&broker).publish(&message(&destination.at("w"), "1")).await.expect("accepted").message_id;
    assert_eq!(death(&broker, &id).await.response_status, Some(302));
    destination.next().await;
    assert!(destination.pushes.is_empty());
}

#[tokio::test]
async fn no_answer_and_no_connection_are_failures() {
    let destination = Destination::start([Reply::Hang]).await;
    let broker = in_memory().await;
    let mut publish = message(&destination.at("w"), "1");
    publish.timeout = Duration::from_millis(200);
    let hung = client(&broker).publish(&publish).await.expect("accepted").message_id;
    let letter = death(&broker, &hung).await;
    assert_eq!(letter.response_status, None);
    assert!(letter.response_body.is_some_and(|text| text.contains("no answer within 1 s")), "rounded up to a second");

    let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("loopback");
    let nobody = format!("http://{}/", free.local_addr().expect("bound")).parse().expect("a URL");
    drop(free);
    let refused = client(&broker).publish(&message(&nobody, "2")).await.expect("accepted").message_id;
    assert_eq!(death(&broker, &refused).await.response_status, None);
    let raw = super::call(&broker, reqwest::Method::GET, "v2/dlq", &[], "").await.1;
    assert_eq!(raw["messages"][0]["responseStatus"], 0, "official clients read the field of every dead letter");
}

#[tokio::test]
async fn a_callback_follows_each_attempt() {
    let mut destination = Destination::start([status(200), again(500)]).await;
    let mut listener = Destination::start([]).await;
    let broker = in_memory().await;
    // The first scripted answer is for the warm-up, so that the order of the others is known.
    client(&broker).publish(&message(&destination.at("warm"), "0")).await.expect("accepted");
    destination.next().await;
    let address = format!("{}v2/publish/{}", root(&broker), destination.at("w"));
    let request = http().post(address).bearer_auth(DEV_USERS[0].token).body("hello");
    let request = request
        .header("upstash-callback", listener.at("told").as_str())
        .header("upstash-callback-method", "put")
        .header("upstash-callback-forward-x-mine", "1");
    assert_eq!(request.send().await.expect("answered").status(), 201);
    let mut told = Vec::new();
    for _ in 0..2 {
        let push = listener.next().await;
        assert_eq!((push.method.as_str(), push.header("x-mine")), ("PUT", "1"));
        let callback = Callback::parse(&push.body).expect("a callback");
        assert_eq!(callback.dlq_id, None);
        told.push((callback.status, callback.retried));
    }
    told.sort_unstable();
    assert_eq!(told, [(Some(200), Some(1)), (Some(500), Some(0))]);
}

#[tokio::test]
async fn a_dead_letter_can_be_sent_again_by_its_owner() {
    let mut destination = Destination::start([status(500)]).await;
    let broker = in_memory().await;
    let id = client(&broker).publish(&message(&destination.at("w"), "1")).await.expect("accepted").message_id;
    destination.next().await;
    let letter = death(&broker, &id).await;
    let stranger = client_of(&broker, 1);
    assert_eq!(stranger.dead_letters(&DeadLetterFilter::default()).await.expect("answered").messages, []);
    assert!(!stranger.delete_dead_letter(&letter.dlq_id).await.expect("answered"));

    let address = format!("{}v2/dlq/retry/{}", root(&broker), letter.dlq_id);
    let answer = http().post(address).bearer_auth(DEV_USERS[0].token).send().await.expect("answered");
    assert_eq!(answer.status(), 201);
    let push = destination.next().await;
    assert_ne!(push.header("upstash-message-id"), id);
    assert_eq!((push.header("upstash-retried"), push.body.as_ref()), ("0", &b"{\"v\":1}"[..]));
    assert_eq!(dead_letters(&broker, &DeadLetterFilter::default()).await, []);
}

#[tokio::test]
async fn dead_letters_come_in_pages() {
    let destination = Destination::start(std::iter::repeat_n(status(500), 5)).await;
    let broker = in_memory().await;
    let mut ids = std::collections::BTreeSet::new();
    for n in 0..5 {
        let id =
            client(&broker).publish(&message(&destination.at("w"), &n.to_string())).await.expect("accepted").message_id;
        death(&broker, &id).await;
        ids.insert(id);
    }
    let mut filter =
        DeadLetterFilter { count: Some(2), url: Some(destination.at("w").into()), ..DeadLetterFilter::default() };
    let (mut seen, mut sizes) = (std::collections::BTreeSet::new(), Vec::new());
    loop {
        let page = client(&broker).dead_letters(&filter).await.expect("answered");
        sizes.push(page.messages.len());
        seen.extend(page.messages.into_iter().map(|letter| letter.message.message_id));
        filter.cursor = page.cursor;
        if filter.cursor.is_none() {
            break;
        }
    }
    assert_eq!((sizes, seen), (vec![2, 2, 1], ids));
}
