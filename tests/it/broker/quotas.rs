//! What a plan allows: each limit at its edge, by user.

use super::{Destination, Reply, call, http, options, root};
use cliprelay::embedded::broker::quota::Plan;
use cliprelay::embedded::broker::{self, Broker, DEV_USERS, Data, Tuning};
use reqwest::Method;
use serde_json::{Value, json};

const WAITS: &str = "v2/publish/http://127.0.0.1:9/?upstash-delay=1h";

async fn on(plan: Plan) -> Broker {
    let tuning = Tuning { plan, ..Tuning::default() };
    let options = broker::Options { tuning, max_retries: plan.quota().retries, ..options(Data::Memory).await };
    broker::start(options).await.expect("starts")
}

fn exceeded(name: &str) -> (u16, Value) {
    (412, json!({ "error": format!("quota {name} exceeded") }))
}

async fn post(broker: &Broker, target: &str, headers: &[(&str, &str)], body: &str) -> (u16, Value) {
    call(broker, Method::POST, target, headers, body).await
}

async fn queue(broker: &Broker, name: &str, parallelism: u32) -> (u16, Value) {
    post(broker, "v2/queues", &[], &json!({"queueName": name, "parallelism": parallelism}).to_string()).await
}

#[tokio::test]
async fn a_message_keeps_to_its_plan() {
    for (plan, retries, days, megabytes) in [(Plan::Free, 3, 7, 1), (Plan::PayAsYouGo, 5, 365, 10)] {
        let broker = on(plan).await;
        for (header, most, more, name) in [
            ("upstash-retries", retries.to_string(), (retries + 1).to_string(), "maxRetries"),
            ("upstash-callback-retries", retries.to_string(), (retries + 1).to_string(), "maxRetries"),
            ("upstash-delay", format!("{days}d"), format!("{days}d1s"), "maxDelay"),
        ] {
            let target = "v2/publish/http://127.0.0.1:9/?upstash-not-before=0&upstash-callback=http://127.0.0.1:9/";
            let target = if header == "upstash-delay" { "v2/publish/http://127.0.0.1:9/" } else { target };
            assert_eq!(post(&broker, target, &[(header, &most)], "").await.0, 201, "{plan:?} {header}: {most}");
            assert_eq!(post(&broker, target, &[(header, &more)], "").await, exceeded(name), "{plan:?} {header}");
        }
        let fits = "x".repeat(megabytes * 1024 * 1024);
        assert_eq!(post(&broker, WAITS, &[], &fits).await.0, 201, "{plan:?}");
        assert_eq!(post(&broker, WAITS, &[], &format!("{fits}x")).await, exceeded("maxMessageSize"), "{plan:?}");
        // Of a batch each item is measured alone.
        let item = |body: &str| json!({"destination": "http://127.0.0.1:9/", "headers": {"Upstash-Delay": "1h"}, "body": body});
        let items = json!([item(&fits), item(&fits), item(&format!("{fits}x"))]).to_string();
        let (status, answers) = post(&broker, "v2/batch", &[], &items).await;
        assert_eq!(status, 200);
        assert!(answers[0]["messageId"].is_string() && answers[1]["messageId"].is_string(), "{plan:?}");
        assert_eq!(answers[2], exceeded("maxMessageSize").1, "{plan:?}");
    }
    let pro = on(Plan::Pro).await;
    assert_eq!(post(&pro, WAITS, &[("upstash-retries", "20")], "").await.0, 201);
    assert_eq!(post(&pro, "v2/publish/http://127.0.0.1:9/", &[("upstash-delay", "4000d")], "").await.0, 201);
}

#[tokio::test]
async fn a_user_has_only_so_many_of_each_and_another_has_his_own() {
    let broker = on(Plan::Free).await;
    // What another user has must not count for this one.
    let others = [
        ("v2/queues", json!({"queueName": "q"}), None),
        ("v2/topics/g/endpoints", json!({"endpoints": [{"url": "http://127.0.0.1:9/"}]}), None),
        ("v2/schedules/http://127.0.0.1:9/", json!(null), Some("@daily")),
    ];
    for (target, body, cron) in others {
        let request = http().post(format!("{}{target}", root(&broker))).bearer_auth(DEV_USERS[1].token);
        let request = request.header("upstash-cron", cron.unwrap_or_default()).body(body.to_string());
        assert_eq!(request.send().await.expect("answered").status(), 200, "{target}");
    }
    let schedule = |id: u32| {
        let broker = &broker;
        async move {
            let id = id.to_string();
            let headers = [("upstash-cron", "@daily"), ("upstash-schedule-id", id.as_str())];
            post(broker, "v2/schedules/http://127.0.0.1:9/", &headers, "").await
        }
    };
    let group = |name: &'static str| {
        let body = json!({"endpoints": [{"url": "http://127.0.0.1:9/"}]}).to_string();
        let broker = &broker;
        async move { post(broker, &format!("v2/topics/{name}/endpoints"), &[], &body).await }
    };
    for n in 0..10 {
        assert_eq!(queue(&broker, &n.to_string(), 1).await.0, 200);
        assert_eq!(schedule(n).await.0, 200);
    }
    assert_eq!(group("one").await.0, 200);
    assert_eq!(queue(&broker, "more", 1).await, exceeded("maxQueues"));
    assert_eq!(post(&broker, "v2/enqueue/more/http://127.0.0.1:9/", &[], "").await, exceeded("maxQueues"));
    assert_eq!(schedule(10).await, exceeded("maxSchedules"));
    assert_eq!(group("two").await, exceeded("maxUrlGroups"));
    // What is there may still be changed, within limits.
    assert_eq!((queue(&broker, "0", 2).await.0, schedule(9).await.0, group("one").await.0), (200, 200, 200));
    assert_eq!(queue(&broker, "0", 3).await, exceeded("maxQueueParallelism"));
    assert_eq!(call(&broker, Method::DELETE, "v2/queues/0", &[], "").await.0, 200);
    assert_eq!(queue(&broker, "more", 1).await.0, 200, "a place is free again");
}

#[tokio::test]
async fn a_timeout_shortens_the_plans_and_does_not_stretch_it() {
    let mut destination = Destination::start([Reply::Hang]).await;
    let broker = on(Plan::Free).await;
    let headers = [("upstash-timeout", "99d"), ("upstash-retries", "0")];
    post(&broker, &format!("v2/publish/{}", destination.at("w")), &headers, "").await;
    destination.next().await;
    let (_, log) = call(&broker, Method::GET, "v2/logs?state=CREATED", &[], "").await;
    assert_eq!(log["logs"][0]["timeout"], 15 * 60 * 1_000);
    assert_eq!("pro".parse::<Plan>(), Ok(Plan::Pro));
    assert!("gold".parse::<Plan>().is_err());
}
