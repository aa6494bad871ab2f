//! What the broker holds, as a program of its own with its file on disk: messages published and delivered a second, memory
//! with many waiting, the time to drain many due at once. `cargo bench --bench broker`; figures are the machine's.
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot go on must stop")]

use axum::extract::State;
use cliprelay::embedded::broker::DEV_USERS;
use serde_json::{Value, json};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

const BODY: usize = 256;
const BATCH: usize = 500;

struct Program {
    child: Child,
    root: String,
    http: reqwest::Client,
    _folder: tempfile::TempDir,
}

impl Drop for Program {
    fn drop(&mut self) {
        let _gone = self.child.kill().and_then(|()| self.child.wait());
    }
}

impl Program {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let child = Command::new(env!("CARGO_BIN_EXE_cliprelay"))
            .args(["broker", "--port", &port.to_string()])
            .current_dir(&folder)
            .env("RUST_LOG", "warn")
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let program = Self { child, root: format!("http://127.0.0.1:{port}"), http, _folder: folder };
        while program.http.get(&program.root).send().await.is_err() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        program
    }

    async fn post(&self, target: &str, headers: &[(&str, &str)], body: String) {
        let mut request = self.http.post(format!("{}/{target}", self.root)).bearer_auth(DEV_USERS[0].token).body(body);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        assert!(request.send().await.unwrap().error_for_status().unwrap().bytes().await.is_ok());
    }

    async fn batch(&self, destination: &str, count: usize, delay: &str) {
        let headers = json!({"Upstash-Delay": delay});
        let item = json!({"destination": destination, "headers": headers, "body": "x".repeat(BODY)});
        self.post("v2/batch", &[], Value::from(vec![item; count]).to_string()).await;
    }

    /// In MiB; 0 where the system does not tell.
    fn memory(&self, what: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix(what));
        line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()).unwrap_or(0) / 1_024
    }
}

/// A destination that counts.
async fn destination() -> (String, Arc<AtomicUsize>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let count = Arc::new(AtomicUsize::new(0));
    let hit = async |State(count): State<Arc<AtomicUsize>>| {
        count.fetch_add(1, Ordering::Relaxed);
    };
    let router = axum::Router::new().fallback(hit).with_state(count.clone());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (url, count)
}

async fn reach(count: &AtomicUsize, wanted: usize) {
    while count.load(Ordering::Relaxed) < wanted {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn rate(count: usize, begun: Instant) -> u128 {
    count as u128 * 1_000 / begun.elapsed().as_millis().max(1)
}

/// So many messages, each a request of its own, from so many publishers.
async fn publish_alone(broker: &Arc<Program>, url: &str, count: usize, publishers: usize) -> u128 {
    let begun = Instant::now();
    let mut all = JoinSet::new();
    for _ in 0..publishers {
        let (broker, target) = (broker.clone(), format!("v2/publish/{url}"));
        all.spawn(async move {
            for _ in 0..count / publishers {
                broker.post(&target, &[("upstash-delay", "1d")], "x".repeat(BODY)).await;
            }
        });
    }
    all.join_all().await;
    rate(count, begun)
}

#[tokio::main]
async fn main() {
    if !std::env::args().any(|argument| argument == "--bench") {
        // `cargo test --benches` only wants to know that it builds.
        return;
    }
    rustls::crypto::ring::default_provider().install_default().unwrap();
    let (url, count) = destination().await;

    let broker = Arc::new(Program::start().await);
    println!("idle: {} MiB", broker.memory("VmRSS:"));
    for (publishers, messages) in [(1, 500), (16, 4_000), (64, 8_000), (256, 16_000)] {
        let rate = publish_alone(&broker, &url, messages, publishers).await;
        println!("published one by one, {publishers} at a time: {rate} messages/s");
    }
    drop(broker);

    let broker = Program::start().await;
    let begun = Instant::now();
    for _ in 0..100_000 / BATCH {
        broker.batch(&url, BATCH, "1d").await;
    }
    println!("published in batches of {BATCH}: {} messages/s", rate(100_000, begun));
    let (now, peak) = (broker.memory("VmRSS:"), broker.memory("VmHWM:"));
    println!("with 100,000 waiting: {now} MiB, at most {peak} MiB");
    drop(broker);

    let broker = Program::start().await;
    let begun = Instant::now();
    for _ in 0..10_000 / BATCH {
        broker.batch(&url, BATCH, "10s").await;
    }
    println!("10,000 accepted for the same moment in {} ms", begun.elapsed().as_millis());
    reach(&count, 1).await;
    let begun = Instant::now();
    reach(&count, 10_000).await;
    let (took, delivered) = (begun.elapsed().as_millis(), rate(10_000, begun));
    println!("10,000 due at once, to one host: {took} ms, {delivered} delivered/s");
    let (mut urls, mut counts) = (Vec::new(), Vec::new());
    for _ in 0..8 {
        let (url, count) = destination().await;
        urls.push(url);
        counts.push(count);
    }
    let begun = Instant::now();
    for _ in 0..20 {
        for url in &urls {
            broker.batch(url, 62, "0s").await;
        }
    }
    for count in &counts {
        reach(count, 20 * 62).await;
    }
    println!("published and delivered at the same time, to 8 hosts: {} messages/s", rate(8 * 20 * 62, begun));
}
