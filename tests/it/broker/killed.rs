//! The broker as a program of its own: killed in the middle, and with its switches.

use super::{Destination, Reply, http};
use crate::support::processes::{Process, port, program, run, until};
use cliprelay::embedded::broker::DEV_USERS;
use serde_json::{Value, json};
use std::collections::BTreeSet;

const MESSAGES: usize = 1_000;
const ENQUEUED: usize = 60;

pub struct Program {
    pub process: Process,
    pub root: String,
    _folder: tempfile::TempDir,
}

impl Program {
    pub async fn start(more: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let port = port().to_string();
        let arguments = [&["broker", "--port", &port][..], more].concat();
        let process = Process::start("broker", &arguments, &[], folder.path());
        let mut program = Self { process, root: format!("http://127.0.0.1:{port}"), _folder: folder };
        program.process.says("QSTASH_NEXT_SIGNING_KEY").await;
        program
    }

    pub async fn post(&self, target: &str, headers: &[(&str, &str)], body: String) -> Value {
        let mut request = http().post(format!("{}/{target}", self.root)).bearer_auth(DEV_USERS[0].token).body(body);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = request.send().await.expect("answered");
        assert!(answer.status().is_success(), "{answer:?}");
        answer.json().await.expect("JSON")
    }

    /// `kill -9`, and up again when this returns.
    pub async fn again(&mut self) {
        self.process.kill();
        self.process.again();
        until("the broker answers", async || http().get(&self.root).send().await.ok()).await;
    }

    /// The ids of delivered messages, as the log has them.
    async fn delivered(&self) -> BTreeSet<String> {
        let (mut ids, mut cursor) = (BTreeSet::new(), String::new());
        loop {
            let target = format!("{}/v2/logs?state=DELIVERED&count=100{cursor}", self.root);
            let page = http().get(target).bearer_auth(DEV_USERS[0].token).send().await.expect("answered");
            let page: Value = page.json().await.expect("JSON");
            let logs = page["logs"].as_array().expect("a list");
            ids.extend(logs.iter().map(|event| event["messageId"].as_str().expect("an id").to_owned()));
            let Some(next) = page["cursor"].as_str().filter(|next| !next.is_empty()) else { return ids };
            cursor = format!("&cursor={next}");
        }
    }

    async fn idle(&self) -> u16 {
        let request = http().get(format!("{}/_broker/idle?timeout=25s", self.root)).bearer_auth(DEV_USERS[0].token);
        request.send().await.expect("answered").status().as_u16()
    }
}

#[tokio::test]
async fn killed_in_the_middle_of_a_thousand_deliveries_it_loses_none_and_keeps_a_queues_order() {
    let (mut destination, mut ordered) = (Destination::start([]).await, Destination::start([]).await);
    let mut broker = Program::start(&[]).await;
    let mut accepted = BTreeSet::new();
    for _ in 0..MESSAGES / 100 {
        let items: Vec<Value> =
            (0..100).map(|n| json!({"destination": destination.at("w"), "body": n.to_string()})).collect();
        let answers = broker.post("v2/batch", &[], json!(items).to_string()).await;
        accepted.extend(
            answers.as_array().expect("a list").iter().map(|one| one["messageId"].as_str().expect("an id").to_owned()),
        );
    }
    let items: Vec<Value> = (0..ENQUEUED)
        .map(|n| json!({"destination": ordered.at("q"), "queue": "q", "body": format!("{n:03}")}))
        .collect();
    broker.post("v2/batch", &[], json!(items).to_string()).await;
    assert_eq!(accepted.len(), MESSAGES);
    let mut arrived = BTreeSet::new();
    let mut order = Vec::new();
    while order.len() < ENQUEUED / 3 {
        order.push(String::from_utf8(ordered.next().await.body.to_vec()).expect("text"));
    }
    broker.again().await;
    // And twice more, each time with some hundred more delivered and as many still to go.
    for more in [300, 600] {
        while arrived.len() < more {
            arrived.insert(destination.next().await.header("upstash-message-id").to_owned());
        }
        let before = broker.delivered().await;
        broker.again().await;
        assert!(broker.delivered().await.is_superset(&before), "what the log has told stays told");
    }
    assert_eq!(broker.idle().await, 200);
    while let Ok(push) = destination.pushes.try_recv() {
        arrived.insert(push.header("upstash-message-id").to_owned());
    }
    assert_eq!(arrived, accepted);
    assert!(broker.delivered().await.is_superset(&accepted), "each is in the log as delivered");
    while let Ok(push) = ordered.pushes.try_recv() {
        order.push(String::from_utf8(push.body.to_vec()).expect("text"));
    }
    assert!(order.is_sorted(), "an attempt may be repeated, but nothing overtakes: {order:?}");
    order.dedup();
    assert_eq!(order.len(), ENQUEUED);
}

#[tokio::test]
async fn its_switches_are_the_command_lines() {
    let mut destination = Destination::start(std::iter::repeat_n(Reply::Status(500, Vec::new(), ""), 3)).await;
    let elsewhere = format!("far.example=127.0.0.1:{}", destination.url.port().expect("a port"));
    let broker =
        Program::start(&["--memory", "--speed", "next", "--resolve", &elsewhere, "--daily", "1", "--quota", "free"])
            .await;
    let far = |retries: &str| {
        let target = format!("{}/v2/publish/https://far.example/w", broker.root);
        http().post(target).bearer_auth(DEV_USERS[0].token).header("upstash-retries", retries)
    };
    assert_eq!(far("4").send().await.expect("answered").status(), 412, "beyond the free plan");
    let hours = [("upstash-retries", "3"), ("upstash-retry-delay", "3600000")];
    let answer = broker.post("v2/publish/https://far.example/w", &hours, String::new()).await;
    assert_eq!(broker.idle().await, 200);
    for _ in 0..4 {
        let push = destination.next().await;
        assert_eq!(push.header("upstash-message-id"), answer["messageId"]);
    }
    assert_eq!(far("3").send().await.expect("answered").status(), 429);

    for arguments in [
        &["--speed", "0"][..],
        &["--speed", "fast"],
        &["--faults", "drop=0.1"],
        &["--seed", "1", "--faults", "drop=2"],
        &["--resolve", "nowhere"],
        &["--quota", "gold"],
        &["--region", "mars"],
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        let ended = run(program().arg("broker").args(arguments).current_dir(folder.path())).await;
        assert_eq!(ended.code, Some(2), "{arguments:?}: {}", ended.stderr);
    }
}
