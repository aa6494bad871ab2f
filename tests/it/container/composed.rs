//! What the compose files say, at work: each service's own command, environment and health check inside of the image's files;
//! only ports are others, since they are this machine's.

use super::Image;
use super::compose::{Compose, Service};
use crate::support::processes::{Process, port, run, until};
use crate::support::redis;
use crate::support::system::http;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use tempfile::TempDir;

const FILES: [&str; 3] = ["compose.yml", "compose.qstash.yml", "compose.try.yml"];
/// What every part of ours runs in.
const IMAGE: &str = "cliprelay:local";
const SECRETS: [(&str, &str); 4] = [
    ("QSTASH_TOKEN", "compose-token-1"),
    ("QSTASH_CURRENT_SIGNING_KEY", "compose-current-1"),
    ("QSTASH_NEXT_SIGNING_KEY", "compose-next-1"),
    ("PUBLIC_URL", "https://clips.example.com"),
];

/// What infra/.env says of Klap, Supabase and who may ask.
const STAND_INS: [(&str, &str); 10] = [
    ("KLAP_API_URL", "http://127.0.0.1:9000/klap/v2"),
    ("KLAP_API_KEY", "kak_sandbox"),
    ("SUPABASE_URL", "http://127.0.0.1:9000/supabase"),
    ("SUPABASE_SERVICE_ROLE_KEY", "sb_secret_sandbox"),
    ("ALLOW_PRIVATE_ADDRESSES", "127.0.0.1:9000"),
    ("AUTH", "api-key"),
    ("API_KEYS", "shop:compose-api-key"),
    ("WORKER_SECRET", "compose-worker-secret"),
    ("POLL_DELAY_MIN", "1"),
    ("POLL_DELAY_MAX", "1"),
];

/// Services of a file, running.
struct Containers {
    redis: redis::Server,
    /// By their number in the file: the ones here.
    ports: BTreeMap<u16, u16>,
    image: Image,
    processes: Vec<Process>,
    folder: TempDir,
}

impl Containers {
    fn new() -> Self {
        let redis = redis::Server::start();
        let folder = TempDir::new().unwrap();
        let image = Image::make(&folder.path().join("image"));
        // The names that an engine's network would know.
        let names = "127.0.0.1 localhost redis broker sandbox cliprelay\n";
        std::fs::write(image.0.join("etc/hosts"), names).unwrap();
        let ports = BTreeMap::from([(6379, redis.port()), (3000, port()), (8080, port()), (9000, port())]);
        Self { redis, ports, image, processes: Vec::new(), folder }
    }

    /// A text of the file with the ports of this machine.
    fn here(&self, text: &str) -> String {
        // In two turns: a port of ours may contain the digits of one of theirs.
        let mark = |theirs: &u16| format!("<{theirs:x}>");
        let marked = self.ports.keys().fold(text.to_owned(), |text, port| text.replace(&port.to_string(), &mark(port)));
        self.ports.iter().fold(marked, |text, (theirs, ours)| text.replace(&mark(theirs), &ours.to_string()))
    }

    /// Starts it in a container of its own and waits until its health check holds.
    async fn start(&mut self, name: &str, service: &Service, more: &[(&str, &str)]) {
        let image = self.image.again(&self.folder.path().join(name));
        if service.raw["volumes"].is_null() {
            image.take_away_folders();
        }
        let command: Vec<String> = service.command.iter().map(|word| self.here(word)).collect();
        let mut env: BTreeMap<String, String> =
            more.iter().map(|&(name, value)| (name.to_owned(), self.here(value))).collect();
        // What the file sets wins over the file of variables.
        env.extend(service.environment.iter().map(|(name, value)| (name.clone(), self.here(value))));
        let env: Vec<(String, String)> = env.into_iter().collect();
        let inside = image.inside();
        let inside: Vec<&str> = inside.iter().map(String::as_str).collect();
        let args: Vec<&str> = command.iter().map(String::as_str).collect();
        let mut process = Process::start_as(&inside, &format!("in-{name}"), &args, &env, self.folder.path());
        let check = service.health.clone().unwrap_or_else(|| vec!["/cliprelay".to_owned(), "health".to_owned()]);
        assert_eq!(check[0], "/cliprelay");
        let check: Vec<String> = check[1..].iter().map(|word| self.here(word)).collect();
        let check: Vec<&str> = check.iter().map(String::as_str).collect();
        until(&format!("{name} is healthy"), async || {
            assert!(!process.is_down(), "{name} ended: {}", process.logged());
            let ended = run(image.command(&check).envs(env.iter().cloned())).await;
            (ended.code == Some(0)).then_some(())
        })
        .await;
        self.processes.push(process);
    }

    /// A job at the service, by its clips' addresses.
    async fn completed(&self, key: &str) -> Vec<String> {
        let base = format!("http://127.0.0.1:{}", self.ports[&3000]);
        let sample = format!("http://127.0.0.1:{}/klap/videos/sample.mp4", self.ports[&9000]);
        let body = json!({"projectId": "composed", "videoUrl": sample, "options": {"targetClipCount": 1}});
        let http = http();
        let answer = http.post(format!("{base}/api/process-klap")).bearer_auth(key).json(&body).send().await.unwrap();
        assert_eq!(answer.status(), 202, "{}", answer.text().await.unwrap());
        let job = until("the job ends", async || {
            let url = format!("{base}/api/process-klap?projectId=composed&wait=20");
            let job: Value = http.get(url).bearer_auth(key).send().await.ok()?.json().await.ok()?;
            matches!(job["status"].as_str(), Some("completed" | "failed" | "cancelled")).then_some(job)
        })
        .await;
        assert_eq!(job["status"], "completed", "{job:#}");
        let clips = job["clips"].as_array().unwrap().iter();
        clips.map(|clip| clip["url"].as_str().unwrap().to_owned()).collect()
    }

    /// Told to stop, all end well: the service first.
    async fn stop(self) {
        for mut process in self.processes.into_iter().rev() {
            process.signal("TERM");
            assert_eq!(process.ended().await.code(), Some(0), "{}", process.logged());
        }
        drop(self.redis);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_one_to_try_needs_nothing_set() {
    let compose = Compose::read("compose.try.yml", &[]);
    let mut containers = Containers::new();
    for name in ["broker", "sandbox", "cliprelay"] {
        containers.start(name, &compose.services[name], &[]).await;
    }
    // Whoever asked fetches the clips by the same addresses.
    for url in containers.completed("").await {
        assert_eq!(http().get(url).send().await.unwrap().status(), 200);
    }
    containers.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_our_broker_the_parts_find_each_other_by_name() {
    let compose = Compose::read("compose.yml", &SECRETS);
    let mut containers = Containers::new();
    // Klap's and Supabase's part is taken by the stand-ins, as infra/.env says here.
    let sandbox = Compose::read("compose.try.yml", &[]).services["sandbox"].clone();
    containers.start("broker", &compose.services["broker"], &[]).await;
    containers.start("sandbox", &sandbox, &[]).await;
    let variables = [&SECRETS[..3], &STAND_INS].concat();
    containers.start("cliprelay", &compose.services["cliprelay"], &variables).await;
    assert_eq!(containers.completed("compose-api-key").await.len(), 1);
    containers.stop().await;
}

/// The file of variables is the sample, with what `compose.qstash.yml` needs filled in; QStash's part is taken by our broker.
#[tokio::test(flavor = "multi_thread")]
async fn with_qstash_the_sample_file_filled_in_is_enough() {
    let sample = include_str!("../../../infra/env.example");
    let lines = sample.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once('='));
    let mut variables: BTreeMap<&str, &str> = lines.collect();
    variables.extend(SECRETS);
    variables.extend(STAND_INS);
    variables.extend([("PUBLIC_URL", "http://cliprelay:3000"), ("QSTASH_URL", "http://broker:8080")]);
    let variables: Vec<(&str, &str)> = variables.into_iter().collect();
    // Compose fills in from the same file.
    let compose = Compose::read("compose.qstash.yml", &variables);
    let service = &compose.services["cliprelay"];
    assert_eq!(service.environment["REDIS_URL"], "redis://redis:6379", "the Redis of the file, not of this machine");
    let mut containers = Containers::new();
    let broker = Compose::read("compose.yml", &SECRETS).services["broker"].clone();
    let sandbox = Compose::read("compose.try.yml", &[]).services["sandbox"].clone();
    containers.start("broker", &broker, &[]).await;
    containers.start("sandbox", &sandbox, &[]).await;
    containers.start("cliprelay", service, &variables).await;
    assert_eq!(containers.completed("compose-api-key").await.len(), 1);
    containers.stop().await;
}

/// Services that build one image build it at the same time, and only one of them can have it.
#[test]
fn the_image_is_built_by_one_service_and_there_for_the_others() {
    for file in FILES {
        let compose = Compose::read(file, &SECRETS);
        let ours = compose.services.iter().filter(|(_, service)| service.raw["image"] == IMAGE);
        let (builds, takes): (Vec<_>, Vec<_>) = ours.partition(|(_, service)| service.raw["build"].is_object());
        let [(builder, service)] = builds[..] else { panic!("{file}: built by {} services", builds.len()) };
        let dockerfile = service.raw["build"]["dockerfile"].as_str().expect("a path");
        assert!(Path::new(env!("CARGO_MANIFEST_DIR")).join(dockerfile).is_file());
        for (name, service) in takes {
            assert!(service.raw["depends_on"][builder].is_object(), "{file}: {name} may come before its image");
            assert_eq!(service.raw["pull_policy"], "never", "{file}: nobody else's image for {name}");
        }
    }
}

#[test]
fn every_part_is_held_to_little() {
    for file in FILES {
        let compose = Compose::read(file, &SECRETS);
        for (name, service) in &compose.services {
            let raw = &service.raw;
            assert_eq!(raw["read_only"], true, "{file}: {name} can write where it pleases");
            assert_eq!(raw["cap_drop"], json!(["ALL"]), "{file}: {name}");
            assert_eq!(raw["restart"], "unless-stopped", "{file}: {name}");
            assert!(raw["mem_limit"].is_string() && raw["pids_limit"].is_u64(), "{file}: {name} has no limits");
            for published in raw["ports"].as_array().into_iter().flatten() {
                let published = published.as_str().expect("a text");
                assert!(published.starts_with("127.0.0.1:"), "{file}: {name} is open to everybody: {published}");
            }
            let waits = raw["depends_on"].as_object().into_iter().flatten();
            for (other, how) in waits {
                assert_eq!(how["condition"], "service_healthy", "{file}: {name} does not wait for {other}");
                assert!(compose.services[other].health.is_some(), "{file}: {other} has no health check");
            }
            if raw["image"] == IMAGE {
                let grace: u64 = raw["stop_grace_period"]
                    .as_str()
                    .and_then(|text| text.strip_suffix('s')?.parse().ok())
                    .expect("seconds");
                assert!(grace > 30, "{file}: {name} is killed while it still hands over");
            }
        }
    }
}
