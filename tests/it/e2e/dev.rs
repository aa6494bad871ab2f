//! `dev`: the whole system in one process, and the commands that talk to it.

use super::film;
use crate::support::processes::{PROGRAM, Process, port, program, run, until};
use crate::support::system::http;
use reqwest::Client;
use serde_json::Value;
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;

struct Dev {
    process: Process,
    base: String,
    broker: String,
    http: Client,
    folder: TempDir,
}

impl Dev {
    async fn start() -> Self {
        let folder = TempDir::new().unwrap();
        let [at, broker, sandbox] = [port(), port(), port()].map(|port| port.to_string());
        let args = ["dev", "--data", "state", "--port", &at, "--broker-port", &broker, "--sandbox-port", &sandbox];
        let process = Process::start("dev", &args, &[], folder.path());
        let [base, broker] = [at, broker].map(|port| format!("http://127.0.0.1:{port}"));
        let mut dev = Self { process, base, broker, http: http(), folder };
        dev.process.healthy(&dev.http, &dev.base).await;
        dev
    }

    async fn again(&mut self) {
        self.process.again();
        self.process.healthy(&self.http, &self.base).await;
    }

    /// The command it prints for a first try, both its lines.
    async fn curl(&mut self) -> String {
        let printed = self.process.says("curl 'http").await;
        let from = printed.find("curl -X POST").expect("a command to try");
        printed[from..].lines().take(2).collect::<Vec<_>>().join("\n")
    }

    /// A command of ours that talks to it.
    async fn client(&self, args: &[&str]) -> crate::support::processes::Ended {
        run(program().args(args).args(["--server", &self.base]).current_dir(self.folder.path())).await
    }

    async fn job(&self, id: &str) -> Option<Value> {
        let answer = self.http.get(format!("{}/api/process-klap?jobId={id}", self.base)).send().await.ok()?;
        answer.json().await.ok()
    }

    /// Waits for a job to be in the middle: Klap has it, and it has no clips yet.
    async fn in_the_middle(&self, id: &str) {
        until("Klap has the video", async || {
            let job = self.job(id).await?;
            assert_ne!(job["status"], "completed", "{job:#}");
            (job["progress"].as_u64()? >= 10).then_some(())
        })
        .await;
    }

    async fn completed(&self, id: &str) -> Value {
        let job = until("the job ends", async || {
            let job = self.job(id).await?;
            ["completed", "failed"].contains(&job["status"].as_str()?).then_some(job)
        })
        .await;
        assert_eq!((&job["status"], &job["possibleDuplicateCharge"]), (&"completed".into(), &0.into()), "{job:#}");
        for clip in job["clips"].as_array().unwrap() {
            let bytes = self.http.get(clip["url"].as_str().unwrap()).send().await.unwrap().bytes().await.unwrap();
            let file = self.folder.path().join("clip.mp4");
            std::fs::write(&file, bytes).unwrap();
            film::decodes(&file);
        }
        job
    }
}

fn told(stdout: &str) -> Value {
    serde_json::from_str(stdout).unwrap_or_else(|error| panic!("{error}: {stdout}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn dev_survives_its_end_and_its_death() {
    let mut dev = Dev::start().await;
    let curl = dev.curl().await;
    let tried = run(Command::new("sh").args(["-c", &curl])).await;
    assert_eq!(tried.code, Some(0), "{curl}\n{}", tried.stderr);
    let answer = told(&tried.stdout);
    let first = answer["jobId"].as_str().unwrap_or_else(|| panic!("{answer:#}")).to_owned();
    dev.in_the_middle(&first).await;
    dev.process.kill();
    dev.again().await;
    let clips = dev.completed(&first).await["clips"].as_array().unwrap().len();

    let second = dev.client(&["enqueue", "second", "--video-url", &video(&curl), "--json"]).await;
    assert_eq!(second.code, Some(0), "{}", second.stderr);
    let second = told(&second.stdout)["jobId"].as_str().unwrap().to_owned();
    dev.in_the_middle(&second).await;
    dev.process.signal("INT");
    let ended = dev.process.ended().await;
    assert_eq!(ended.code(), Some(0), "Ctrl-C is no failure");
    let logged = dev.process.logged();
    assert!(!logged.contains("still open") && !logged.contains("cut off"), "it ends in order: {logged}");
    dev.again().await;
    assert_eq!(dev.completed(&second).await["clips"].as_array().unwrap().len(), clips);
    assert_eq!(dev.completed(&first).await["status"], "completed", "what has ended is still there");
}

/// The address in the printed command.
fn video(curl: &str) -> String {
    let from = curl.rfind("http://").expect("an address");
    curl[from..].split('"').next().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_that_talk_to_it() {
    let mut dev = Dev::start().await;
    let url = video(&dev.curl().await);
    let waited = dev.client(&["enqueue", "waited", "--video-url", &url, "--wait"]).await;
    assert_eq!(waited.code, Some(0), "{}", waited.stderr);
    assert!(waited.stdout.contains("completed (10 clips)"), "{}", waited.stdout);
    assert!(waited.stderr.contains("%  ") && !waited.stderr.contains(['\x1b', '\r']), "{}", waited.stderr);
    let again = dev.client(&["enqueue", "waited", "--video-url", &format!("{url}.missing"), "--wait", "--json"]).await;
    assert_eq!(again.code, Some(1), "a job that fails is work that failed: {}", again.stderr);
    assert_eq!(
        (&told(&again.stdout)["status"], again.stderr.lines().count()),
        (&"failed".into(), 1),
        "{}",
        again.stderr
    );

    let swept = dev.client(&["sweep"]).await;
    assert_eq!(swept.code, Some(0), "{}", swept.stderr);
    for what in ["republished", "revived", "failed", "purged"] {
        assert!(swept.stdout.lines().any(|line| line.starts_with(what)), "{}", swept.stdout);
    }
    assert_eq!(told(&dev.client(&["sweep", "--json"]).await.stdout)["success"], true);
    dev.process.signal("TERM");
    assert_eq!(dev.process.ended().await.code(), Some(0));
    assert!(Path::new(PROGRAM).is_file());
}

/// A page's own name, made to lead here after it was loaded: it could say the published secret, or say nothing at all.
#[tokio::test(flavor = "multi_thread")]
async fn a_strangers_page_reaches_no_part_of_it() {
    let mut dev = Dev::start().await;
    let stand_ins = video(&dev.curl().await);
    let http = dev.http.clone();
    let ask = async |url: &str, host: Option<&str>| {
        let request = http.get(url).bearer_auth("cliprelay-dev");
        let request = host.into_iter().fold(request, |request, host| request.header("host", host));
        request.send().await.unwrap().status().as_u16()
    };
    for url in [
        format!("{}/api/admin/jobs", dev.base),
        format!("{}/metrics", dev.base),
        format!("{}/api/health", dev.base),
        format!("{}/_broker/", dev.broker),
        stand_ins,
    ] {
        assert_eq!(ask(&url, None).await, 200, "{url}");
        assert_eq!(ask(&url, Some("evil.example.com:3000")).await, 403, "{url}");
    }
    dev.process.signal("TERM");
    assert_eq!(dev.process.ended().await.code(), Some(0));
}

/// The real broker's dead letters and the service's failed jobs, joined, dropped and replayed from a shell.
#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_of_the_broker_and_failed_jobs_are_seen_to() {
    const TOKEN: &str = "eyJVc2VySUQiOiJkZWZhdWx0VXNlciIsIlBhc3N3b3JkIjoiZGVmYXVsdFBhc3N3b3JkIn0=";
    let mut dev = Dev::start().await;
    let missing = format!("{}.missing", video(&dev.curl().await));
    let failed = dev.client(&["enqueue", "broken", "--video-url", &missing, "--wait", "--json"]).await;
    assert_eq!(failed.code, Some(1), "{}", failed.stderr);
    let job = told(&failed.stdout)["jobId"].as_str().unwrap().to_owned();
    // Something that no version of ours wrote: refused for good, and nobody is called back.
    let publish = format!("{}/v2/publish/{}/api/worker/klap", dev.broker, dev.base);
    let request = dev.http.post(publish).bearer_auth(TOKEN).header("upstash-label", "job_unknown").body("no message");
    assert_eq!(request.send().await.unwrap().status(), 201);
    let letters = until("both are told", async || {
        let listed = dev.client(&["dlq", "ls", "--json"]).await;
        let letters = told(&listed.stdout)["letters"].as_array().unwrap().clone();
        (letters.len() == 2).then_some(letters)
    })
    .await;
    assert_eq!(letters[0]["id"], job.as_str());
    let (orphan, why) = (letters[1]["id"].as_str().unwrap(), letters[1]["why"].as_str().unwrap());
    assert_eq!((&letters[1]["side"], why), (&"qstash".into(), "no version of this service wrote it"));
    assert_eq!((&letters[1]["jobId"], &letters[1]["responseStatus"]), (&"job_unknown".into(), &489.into()));
    let dropped = dev.client(&["dlq", "drop", orphan]).await;
    assert!(dropped.code == Some(0) && dropped.stdout.contains("dropped"), "{}", dropped.stdout);
    let replayed = dev.client(&["dlq", "replay", &job]).await;
    assert!(replayed.code == Some(0) && replayed.stdout.contains("replayed"), "{}{}", replayed.stdout, replayed.stderr);
    let left = told(&dev.client(&["dlq", "ls", "--json"]).await.stdout);
    assert!(left["letters"].as_array().unwrap().iter().all(|letter| letter["id"] != orphan), "{left:#}");
    let shown = dev.client(&["jobs", "show", &job]).await;
    assert!(shown.stdout.contains("retried") && shown.stdout.contains("by operator"), "{}", shown.stdout);
    dev.process.signal("TERM");
    assert_eq!(dev.process.ended().await.code(), Some(0));
}
