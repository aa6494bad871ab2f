//! Flow control: keys, their limits, and steering them.

use super::{Destination, Reply, call, in_memory, options, until};
use cliprelay::embedded::broker::{self, Broker, Data};
use reqwest::Method;
use serde_json::{Value, json};

async fn publish(broker: &Broker, destination: &Destination, key: &str, value: &str, more: &[(&str, &str)]) {
    let mut headers = vec![("upstash-flow-control-key", key), ("upstash-retries", "0")];
    headers.extend((!value.is_empty()).then_some(("upstash-flow-control-value", value)));
    headers.extend(more);
    let (status, answer) =
        call(broker, Method::POST, &format!("v2/publish/{}", destination.at("w")), &headers, "hi").await;
    assert_eq!(status, 201, "{answer}");
}

async fn key(broker: &Broker, key: &str) -> Value {
    let (status, answer) = call(broker, Method::GET, &format!("v2/flowControl/{key}"), &[], "").await;
    assert_eq!(status, 200, "{answer}");
    answer
}

async fn steer(broker: &Broker, key: &str, how: &str) -> u16 {
    call(broker, Method::POST, &format!("v2/flowControl/{key}/{how}"), &[], "").await.0
}

async fn waits(broker: &Broker, name: &str, waiting: i64, flying: i64) {
    until(|| async {
        let known = key(broker, name).await;
        (known["waitListSize"] == waiting && known["parallelismCount"] == flying).then_some(())
    })
    .await;
}

#[tokio::test]
async fn parallelism_counts_calls_that_await_an_answer() {
    let mut destination = Destination::start(std::iter::repeat_n(Reply::Hang, 3)).await;
    let mut free = Destination::start([]).await;
    let broker = in_memory().await;
    for _ in 0..3 {
        publish(&broker, &destination, "k", "parallelism=2", &[("upstash-timeout", "3s")]).await;
    }
    destination.next().await;
    destination.next().await;
    waits(&broker, "k", 1, 2).await;
    let (_, global) = call(&broker, Method::GET, "v2/globalParallelism", &[], "").await;
    assert_eq!(global["parallelismCount"], 2);
    assert!(global["parallelismMax"].as_u64().is_some_and(|max| max > 2));
    publish(&broker, &free, "other", "parallelism=1", &[]).await;
    free.next().await;
    assert!(destination.pushes.try_recv().is_err());
    // The newest message's value wins, for those that wait already too.
    publish(&broker, &free, "k", "parallelism=3", &[("upstash-delay", "1h")]).await;
    destination.next().await;
    assert_eq!(key(&broker, "k").await["parallelismMax"], 3);
}

#[tokio::test]
async fn a_rate_lets_so_many_begin_in_a_period() {
    let mut destination = Destination::start([]).await;
    let broker = in_memory().await;
    for _ in 0..5 {
        publish(&broker, &destination, "k", "rate=2, period=1h", &[]).await;
    }
    destination.next().await;
    destination.next().await;
    waits(&broker, "k", 3, 0).await;
    let known = key(&broker, "k").await;
    for (field, value) in
        [("flowControlKey", json!("k")), ("rateMax", json!(2)), ("rateCount", json!(2)), ("ratePeriod", json!(3_600))]
    {
        assert_eq!(known[field], value, "{field}");
    }
    assert!(destination.pushes.try_recv().is_err());
    call(&broker, Method::POST, "_broker/advance?by=1h", &[], "").await;
    destination.next().await;
    destination.next().await;
    waits(&broker, "k", 1, 0).await;
    assert_eq!(steer(&broker, "k", "resetRate").await, 200);
    destination.next().await;
    waits(&broker, "k", 0, 0).await;
}

#[tokio::test]
async fn keys_are_paused_pinned_and_found() {
    let mut destination = Destination::start([]).await;
    let folder = tempfile::tempdir().expect("a folder");
    let data = Data::Dir(folder.path().to_owned());
    let broker = broker::start(options(data.clone()).await).await.expect("starts");
    assert_eq!(call(&broker, Method::GET, "v2/flowControl/a=b&c", &[], "").await.0, 404);
    assert_eq!(steer(&broker, "a=b&c", "pin?parallelism=7&rate=4&period=60").await, 200);
    assert_eq!(steer(&broker, "a=b&c", "pause").await, 200);
    publish(&broker, &destination, "a=b&c", "parallelism=1,rate=1,period=2s", &[]).await;
    publish(&broker, &destination, "plain", "rate=10", &[]).await;
    destination.next().await;
    let known = key(&broker, "a=b&c").await;
    for (field, value) in [
        ("parallelismMax", json!(7)),
        ("rateMax", json!(4)),
        ("ratePeriod", json!(60)),
        ("isPaused", json!(true)),
        ("isPinnedParallelism", json!(true)),
        ("isPinnedRate", json!(true)),
    ] {
        assert_eq!(known[field], value, "{field}");
    }
    let (_, all) = call(&broker, Method::GET, "v2/flowControl", &[], "").await;
    assert_eq!(all.as_array().map(Vec::len), Some(2));
    let (_, found) = call(&broker, Method::GET, "v2/flowControl?search=lai", &[], "").await;
    assert_eq!(
        (found.as_array().map(Vec::len), &found[0]["flowControlKey"], &found[0]["ratePeriod"]),
        (Some(1), &json!("plain"), &json!(1))
    );
    broker.stop().await;

    let broker = broker::start(options(data).await).await.expect("starts again");
    waits(&broker, "a=b&c", 1, 0).await;
    assert!(destination.pushes.try_recv().is_err(), "a pause outlives the process");
    assert_eq!(steer(&broker, "a=b&c", "unpin?rate=true").await, 200);
    publish(&broker, &destination, "a=b&c", "parallelism=1,rate=1,period=2s", &[("upstash-delay", "1h")]).await;
    let known = key(&broker, "a=b&c").await;
    assert_eq!(
        (&known["parallelismMax"], &known["rateMax"], &known["isPinnedRate"]),
        (&json!(7), &json!(1), &json!(false))
    );
    assert_eq!(steer(&broker, "a=b&c", "resume").await, 200);
    destination.next().await;
    for how in ["pin", "pin?rate=0", "pin?parallelism=x", "pin?rate=1&period=0"] {
        assert_eq!(steer(&broker, "k", how).await, 400, "{how}");
    }
}

#[tokio::test]
async fn a_message_says_its_key_and_nonsense_is_refused() {
    let destination = Destination::start([]).await;
    let broker = in_memory().await;
    publish(&broker, &destination, "k", "parallelism=2, rate=3, period=1h30m", &[("upstash-delay", "1h")]).await;
    let (_, log) = call(&broker, Method::GET, "v2/logs?flowControlKey=k", &[], "").await;
    let id = log["logs"][0]["messageId"].as_str().expect("an id");
    let (_, message) = call(&broker, Method::GET, &format!("v2/messages/{id}"), &[], "").await;
    for (field, value) in
        [("flowControlKey", json!("k")), ("parallelism", json!(2)), ("rate", json!(3)), ("period", json!(5_400))]
    {
        assert_eq!(message[field], value, "{field}");
    }
    for (name, value) in [
        ("k", "parallelism=0"),
        ("k", "rate=-1"),
        ("k", "period=1h"),
        ("k", "rate=1,period=8d"),
        ("k", "speed=1"),
        ("", "rate=1"),
    ] {
        let headers = [("upstash-flow-control-key", name), ("upstash-flow-control-value", value)];
        let (status, answer) = call(&broker, Method::POST, "v2/publish/http://127.0.0.1:9/", &headers, "").await;
        assert_eq!(status, 400, "{value}: {answer}");
    }
}
