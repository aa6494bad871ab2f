//! The disk is full: of the one-machine mode with its two files, and of a broker alone. Nothing is promised that is not on
//! disk, whoever runs it is told what to do, and after a start with room everything that was promised is done.
#![cfg(target_os = "linux")]

use super::film;
use crate::support::processes::{Process, port, until};
use crate::support::system::{System, http};
use reqwest::{Client, Response};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;

/// Far more than any answer may take.
const DEADLINE: Duration = Duration::from_secs(30);
/// A record holds its video's address, and so does its message: so they grow quickly.
const PADDING: usize = 3_000;
/// More jobs than fit.
const JOBS_MAX: usize = 300;
const TAKEN: [u16; 2] = [200, 202];

/// A film of a few kilobytes, so that nothing else reaches the limit before the two files.
fn tiny(folder: &Path) -> PathBuf {
    film::make(folder, "tiny.mp4", &["color=gray:size=64x64:rate=25:duration=4"], film::CLOSED)
}

struct Machine {
    process: Process,
    base: String,
    video: String,
    stand_ins: String,
    http: Client,
    folder: TempDir,
}

impl Machine {
    async fn start() -> Self {
        let folder = TempDir::new().unwrap();
        let [at, broker, sandbox] = [port(), port(), port()].map(|port| port.to_string());
        let args = ["dev", "--data", "state", "--port", &at, "--broker-port", &broker, "--sandbox-port", &sandbox];
        let process = Process::start_fillable("dev", &args, &[], folder.path());
        let stand_ins = format!("http://127.0.0.1:{sandbox}");
        let video = format!("{stand_ins}/klap/videos/sample.mp4?{}", "x".repeat(PADDING));
        let mut machine =
            Self { process, base: format!("http://127.0.0.1:{at}"), video, stand_ins, http: http(), folder };
        machine.up().await;
        machine
    }

    async fn up(&mut self) {
        self.process.healthy(&self.http, &self.base).await;
        std::fs::copy(tiny(self.folder.path()), self.folder.path().join("state/sandbox/sample.mp4")).unwrap();
    }

    async fn ask(&self, project: &str) -> Response {
        let options = json!({"targetClipCount": 1});
        let body = json!({"projectId": project, "videoUrl": self.video, "options": options});
        let request = self.http.post(format!("{}/api/process-klap", self.base)).json(&body);
        request.header("idempotency-key", project).timeout(DEADLINE).send().await.expect("an answer in time")
    }

    async fn job(&self, id: &str) -> Option<Value> {
        let url = format!("{}/api/process-klap?jobId={id}", self.base);
        self.http.get(url).timeout(DEADLINE).send().await.ok()?.json().await.ok()
    }

    async fn klap(&self, method: reqwest::Method, path: &str, body: &Value) {
        let url = format!("{}/klap/control/{path}", self.stand_ins);
        let answer = self.http.request(method, url).json(body).send().await.unwrap();
        assert!(answer.status().is_success());
    }

    /// The longer of the two files.
    fn size(&self) -> u64 {
        let size = |file: &str| std::fs::metadata(self.folder.path().join("state").join(file)).unwrap().len();
        size("jobs.redb").max(size("broker/broker.redb"))
    }
}

async fn id(answer: Response) -> String {
    answer.json::<Value>().await.unwrap()["jobId"].as_str().expect("a job").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_one_machine_mode_on_a_full_disk() {
    let mut machine = Machine::start().await;
    // One job is in the middle, and of the others none gets to Klap before the disk is full.
    machine
        .klap(
            reqwest::Method::PUT,
            "pace",
            &json!({"task": {"seconds": 600.0}, "emptyFolder": {"looks": 0}, "export": {"looks": 0}}),
        )
        .await;
    let mut promised = vec![id(machine.ask("early").await).await];
    until("Klap has the first video", async || {
        (machine.job(&promised[0]).await?["progress"].as_u64()? >= 10).then_some(())
    })
    .await;
    let busy = json!({"answer": {"status": 429, "body": "busy", "retryAfter": "20"}});
    machine
        .klap(reqwest::Method::POST, "faults", &json!({"operation": "create_task", "times": 9_999, "effect": busy}))
        .await;

    machine.process.fill_disk(machine.size());
    let mut refused = None;
    for number in 0..JOBS_MAX {
        let project = format!("filling-{number}");
        let answer = machine.ask(&project).await;
        if TAKEN.contains(&answer.status().as_u16()) {
            promised.push(id(answer).await);
        } else {
            refused = Some((project, answer));
            break;
        }
    }
    let (project, answer) = refused.expect("the disk is full in the end");
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["content-type"]),
        (503, &"application/problem+json".parse().unwrap())
    );
    let problem: Value = answer.json().await.unwrap();
    println!("full after {} jobs: {}", promised.len(), problem["code"]);
    let ready = machine.http.get(format!("{}/api/ready", machine.base)).timeout(DEADLINE).send().await.unwrap();
    assert_eq!(ready.status(), 503);
    assert_eq!(ready.json::<Value>().await.unwrap()["checks"]["store"], "down");
    let health = machine.http.get(format!("{}/api/health", machine.base)).timeout(DEADLINE).send().await.unwrap();
    assert_eq!(health.status(), 200);
    let advice = "the job store's file could not be written: make room on its disk and start this process again";
    assert_eq!(machine.process.logged().matches(advice).count(), 1, "whoever runs it is told, and once");
    machine.process.signal("TERM");
    let ended = machine.process.ended().await;
    assert_eq!(ended.code(), Some(0), "it still ends in order");

    machine.process.again();
    machine.up().await;
    for job in &promised {
        assert_eq!(machine.job(job).await.unwrap()["jobId"], *job, "what was promised is on disk");
    }
    promised.push(id(machine.ask(&project).await).await);
    for job in &promised {
        let ended = until(&format!("{job} ends"), async || {
            let told = machine.job(job).await?;
            ["completed", "failed"].contains(&told["status"].as_str()?).then_some(told)
        })
        .await;
        assert_eq!(ended["status"], "completed", "{ended:#}");
    }
    // Of a call that was refused when that could not be written down any more, nobody knows that: it is told as a possible
    // duplicate, and is none.
    let counts = machine.http.get(format!("{}/klap/control/counts", machine.stand_ins)).send().await.unwrap();
    assert_eq!(counts.json::<Value>().await.unwrap()["tasks"], promised.len(), "each is paid once");
    println!("{} jobs promised, all completed", promised.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_on_a_full_disk() {
    let mut system = System::start_with_fillable_broker().await;
    let video = format!("{}?{}", system.sample(), "x".repeat(PADDING));
    system.klap_looks([5, 0, 0]).await;
    let file = system.folder.path().join("broker/broker.redb");
    let mut promised = vec![system.enqueue(&json!({"projectId": "early", "videoUrl": video})).await];
    system.called("klap", "task", 1).await;
    system.broker.fill_disk(std::fs::metadata(&file).unwrap().len());
    let advice = "The broker's log could not be written: make room on its disk and start the broker again";
    for number in 0..JOBS_MAX {
        let options = json!({"targetClipCount": 1});
        let body = json!({"projectId": format!("filling-{number}"), "videoUrl": video, "options": options});
        // The job is on record whatever its broker says: its message goes out later.
        promised.push(system.enqueue(&body).await);
        if system.broker.logged().contains(advice) {
            break;
        }
    }
    system.broker.logs(advice, 1).await;
    assert_eq!(system.broker.logged().matches(advice).count(), 1);
    system.broker.kill();
    system.broker.again();
    until("a round of the sweep", async || system.sweep().await.then_some(())).await;
    for job in &promised {
        let ended = system.completed(job).await;
        assert_eq!(ended["possibleDuplicateCharge"], 0, "{ended:#}");
    }
    let klap = system.klap().await;
    assert_eq!(klap["tasks"], promised.len(), "each is paid once");
    println!("{} jobs promised, all completed", promised.len());
}
