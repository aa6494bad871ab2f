//! URL groups: one publish, many endpoints.

use super::{Destination, call, in_memory, until};
use cliprelay::embedded::broker::Broker;
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::BTreeSet;

async fn add(broker: &Broker, group: &str, endpoints: &Value) -> (u16, Value) {
    let body = json!({ "endpoints": endpoints }).to_string();
    call(broker, Method::POST, &format!("v2/topics/{group}/endpoints"), &[], &body).await
}

async fn get(broker: &Broker, group: &str) -> (u16, Value) {
    call(broker, Method::GET, &format!("v2/topics/{group}"), &[], "").await
}

#[tokio::test]
async fn a_group_grows_shrinks_and_goes_with_its_last_endpoint() {
    let broker = in_memory().await;
    let (a, b) = (json!({"url": "http://127.0.0.1:9/a", "name": "a"}), json!({"url": "http://127.0.0.1:9/b"}));
    assert_eq!(add(&broker, "g", &json!([a, b])).await, (200, Value::Null));
    let (_, group) = get(&broker, "g").await;
    assert_eq!((&group["name"], &group["endpoints"]), (&json!("g"), &json!([a, b])));
    assert!(group["createdAt"].is_i64() && group["updatedAt"].is_i64());
    // Known by its name, it moves; known by its address, it is named.
    let moved = json!({"url": "http://127.0.0.1:9/moved", "name": "a"});
    let named = json!({"url": "http://127.0.0.1:9/b", "name": "b"});
    add(&broker, "g", &json!([moved, named])).await;
    assert_eq!(get(&broker, "g").await.1["endpoints"], json!([moved, named]));

    let (_, all) = call(&broker, Method::GET, "v2/topics", &[], "").await;
    assert_eq!(all.as_array().map(Vec::len), Some(1));
    let remove = async |which: Value| {
        let body = json!({ "endpoints": [which] }).to_string();
        call(&broker, Method::DELETE, "v2/topics/g/endpoints", &[], &body).await.0
    };
    assert_eq!(remove(json!({"name": "a"})).await, 200);
    assert_eq!(get(&broker, "g").await.1["endpoints"], json!([named]));
    assert_eq!(remove(json!({"url": "http://127.0.0.1:9/b"})).await, 200);
    assert_eq!(get(&broker, "g").await.0, 404);
    assert_eq!(remove(json!({"name": "b"})).await, 404);
    assert_eq!(call(&broker, Method::DELETE, "v2/topics/g", &[], "").await.0, 200, "a missing one is no error");

    for (group, endpoints) in [
        ("a%20b", json!([a])),
        ("g", json!([])),
        ("g", json!([{"name": "only"}])),
        ("g", json!([{"url": "ftp://x"}])),
        ("g", json!("nonsense")),
    ] {
        assert_eq!(add(&broker, group, &endpoints).await.0, 400, "{group} {endpoints}");
    }
    let many: Vec<Value> = (0..101).map(|n| json!({"url": format!("http://127.0.0.1:9/{n}")})).collect();
    assert_eq!(add(&broker, "g", &json!(many)).await, (412, json!({"error": "quota maxEndpoints exceeded"})));
}

#[tokio::test]
async fn a_publish_to_a_group_reaches_every_endpoint_as_a_message_of_its_own() {
    let (mut first, mut second) = (Destination::start([]).await, Destination::start([]).await);
    let broker = in_memory().await;
    let endpoints = json!([{"url": first.at("w"), "name": "one"}, {"url": second.at("w")}]);
    add(&broker, "g", &endpoints).await;
    let headers = [("upstash-deduplication-id", "d")];
    let (status, answer) = call(&broker, Method::POST, "v2/publish/g", &headers, "hi").await;
    assert_eq!(status, 201);
    let mut ids = BTreeSet::new();
    for (n, destination) in [&mut first, &mut second].into_iter().enumerate() {
        let url = destination.at("w");
        assert_eq!(answer[n]["url"], url.as_str());
        let push = destination.next().await;
        assert_eq!((push.header("upstash-topic-name"), push.body.as_ref()), ("g", &b"hi"[..]));
        assert_eq!(push.header("upstash-message-id"), answer[n]["messageId"]);
        push.key(url.as_str());
        ids.insert(push.header("upstash-message-id").to_owned());
    }
    assert_eq!(ids.len(), 2);
    let (status, again) = call(&broker, Method::POST, "v2/publish/g", &headers, "hi").await;
    assert_eq!(
        (status, &again[1]["deduplicated"], &again[1]["messageId"]),
        (202, &json!(true), &answer[1]["messageId"])
    );
    let log = until(|| async {
        let (_, log) = call(&broker, Method::GET, "v2/logs?topicName=g&state=DELIVERED", &[], "").await;
        (log["logs"].as_array()?.len() == 2).then_some(log)
    })
    .await;
    let named: Vec<&Value> =
        log["logs"].as_array().expect("a list").iter().map(|event| &event["endpointName"]).collect();
    assert!(named.contains(&&json!("one")) && named.contains(&&Value::Null), "{log}");

    // A batch nests a group's answers, and an unknown group fails alone.
    let items =
        json!([{"destination": "g", "body": "x"}, {"destination": "nobody"}, {"destination": first.at("alone")}]);
    let (_, answer) = call(&broker, Method::POST, "v2/batch", &[], &items.to_string()).await;
    assert_eq!(answer[0].as_array().map(Vec::len), Some(2), "{answer}");
    assert_eq!(answer[1]["error"], "url group nobody not found");
    assert!(answer[2]["messageId"].is_string());
    assert_eq!(call(&broker, Method::POST, "v2/publish/nobody", &[], "").await.0, 404);
}

#[tokio::test]
async fn a_groups_headers_stand_in_for_those_not_given() {
    let mut destination = Destination::start([]).await;
    let broker = in_memory().await;
    add(&broker, "g", &json!([{"url": destination.at("w")}])).await;
    let set = json!({"headers": {"Upstash-Method": "PUT", "Upstash-Forward-X": ["default"]}}).to_string();
    assert_eq!(call(&broker, Method::PATCH, "v2/topics/g", &[], &set).await.0, 200);
    assert_eq!(call(&broker, Method::PATCH, "v2/topics/none", &[], &set).await.0, 404);
    call(&broker, Method::POST, "v2/publish/g", &[], "").await;
    let push = destination.next().await;
    assert_eq!((push.method.as_str(), push.header("x")), ("PUT", "default"));
    call(&broker, Method::POST, "v2/publish/g", &[("upstash-forward-x", "mine")], "").await;
    let push = destination.next().await;
    assert_eq!((push.method.as_str(), push.header("x")), ("PUT", "mine"));
}

#[tokio::test]
async fn a_schedule_looks_its_group_up_at_each_firing() {
    let mut destination = Destination::start([]).await;
    let broker = in_memory().await;
    let headers = [("upstash-cron", "* * * * *"), ("upstash-schedule-id", "s")];
    let (status, answer) = call(&broker, Method::POST, "v2/schedules/later", &headers, "hi").await;
    assert_eq!(status, 200, "{answer}");
    call(&broker, Method::POST, "_broker/advance", &[], "").await;
    until(|| async {
        let (_, schedule) = call(&broker, Method::GET, "v2/schedules/s", &[], "").await;
        (schedule["error"] == "url group later not found").then_some(())
    })
    .await;
    add(&broker, "later", &json!([{"url": destination.at("a")}, {"url": destination.at("b")}])).await;
    call(&broker, Method::POST, "_broker/advance", &[], "").await;
    let targets = BTreeSet::from([destination.next().await.target, destination.next().await.target]);
    assert_eq!(targets, BTreeSet::from(["/a".to_owned(), "/b".to_owned()]));
    let (_, schedule) = call(&broker, Method::GET, "v2/schedules/s", &[], "").await;
    assert_eq!(
        (&schedule["error"], schedule["lastScheduleStates"].as_object().map(serde_json::Map::len)),
        (&Value::Null, Some(2))
    );
}
