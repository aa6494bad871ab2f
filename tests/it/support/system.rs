//! The whole system as separate processes, set up as the README says: a real Redis, `broker` and `sandbox`, and `serve`
//! with the environment those two print, plus secrets of its own that must never show up in a log.

use super::processes::{PATIENCE, Process, port, until};
use super::redis;
use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Every secret the system is given. None is anybody's.
const SECRETS: [(&str, &str); 8] = [
    ("QSTASH_TOKEN", "planted-qstash-token-5e1f"),
    ("QSTASH_CURRENT_SIGNING_KEY", SIGNING_KEY),
    ("QSTASH_NEXT_SIGNING_KEY", "sig_planted_next_88bb"),
    ("KLAP_API_KEY", "kak_planted_klap_key_91c2"),
    ("SUPABASE_SERVICE_ROLE_KEY", "sb_secret_planted_service_key_3d4e"),
    ("WORKER_SECRET", WORKER_SECRET),
    ("CRON_SECRET", "planted-cron-secret-d4e5f6"),
    ("API_KEYS", "e2e:planted-api-key-0f9e8d"),
];

/// What callers of the API show.
pub const API_KEY: &str = "planted-api-key-0f9e8d";
pub const WORKER_SECRET: &str = "planted-worker-secret-a1b2c3";
/// What pushes are signed with.
pub const SIGNING_KEY: &str = "sig_planted_current_77aa";

pub fn http() -> Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder().no_proxy().build().expect("an HTTP client")
}

pub struct System {
    pub redis: redis::Server,
    pub broker: Process,
    pub sandbox: Process,
    pub serve: Process,
    /// Where `serve` is.
    pub base: String,
    /// Where the stand-ins are.
    pub stand_ins: String,
    pub http: Client,
    env: Vec<(String, String)>,
    // Last, so that it is there until the processes are gone.
    pub folder: TempDir,
}

impl System {
    /// Everything up. `settings` win over what is set for every test.
    pub async fn start(settings: &[(&str, &str)]) -> Self {
        let redis = redis::Server::start();
        Self::with_redis(redis, None, settings).await
    }

    /// With a broker whose disk can be made to be full.
    pub async fn start_with_fillable_broker() -> Self {
        Self::with(redis::Server::start(), None, &[], Process::start_fillable).await
    }

    /// Over a Redis that is up; `public_url` where pushes go if not to `serve` itself.
    pub async fn with_redis(redis: redis::Server, public_url: Option<&str>, settings: &[(&str, &str)]) -> Self {
        Self::with(redis, public_url, settings, Process::start).await
    }

    async fn with(
        redis: redis::Server,
        public_url: Option<&str>,
        settings: &[(&str, &str)],
        start_broker: impl FnOnce(&str, &[&str], &[(String, String)], &std::path::Path) -> Process,
    ) -> Self {
        let folder = TempDir::new().expect("a folder for the system");
        let http = http();
        let own: Vec<_> = SECRETS[..3].iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
        let level = settings.iter().find(|(name, _)| *name == "RUST_LOG").map_or("info", |(_, level)| *level);
        let logs = [("RUST_LOG".to_owned(), level.to_owned())];
        let (at_broker, at_sandbox, at_serve) = (port().to_string(), port().to_string(), port().to_string());
        let data = ["broker", "sandbox"].map(|name| folder.path().join(name).display().to_string());
        let args = ["broker", "--port", &at_broker, "--data", &data[0]];
        let mut broker = start_broker("broker", &args, &[&own[..], &logs].concat(), folder.path());
        let args = ["sandbox", "--port", &at_sandbox, "--data", &data[1]];
        let mut sandbox = Process::start("sandbox", &args, &logs, folder.path());
        let mut env = exported(&broker.says("export QSTASH_URL=").await);
        env.extend(exported(&sandbox.says("a video to try").await));
        let base = format!("http://127.0.0.1:{at_serve}");
        let common = [
            ("HOST", "127.0.0.1"),
            ("PORT", &at_serve),
            ("PUBLIC_URL", public_url.unwrap_or(&base)),
            ("REDIS_URL", &redis.url()),
            ("AUTH", "api-key"),
            // One key enqueues whole crowds here; tests of the limits set their own.
            ("RATE_LIMIT_OWNER", "off"),
            ("RATE_LIMIT_IP", "off"),
        ];
        for (name, value) in common.iter().chain(&SECRETS).chain(settings) {
            env.retain(|(known, _)| known != name);
            env.push(((*name).to_owned(), (*value).to_owned()));
        }
        let mut serve = Process::start("serve", &["serve"], &env, folder.path());
        serve.healthy(&http, &base).await;
        let stand_ins = format!("http://127.0.0.1:{at_sandbox}");
        Self { redis, broker, sandbox, serve, base, stand_ins, http, env, folder }
    }

    /// One more `serve` with the same configuration on a port of its own, and where it is.
    pub async fn another(&self, name: &str) -> (Process, String) {
        let at = port().to_string();
        let mut env = self.env.clone();
        env.retain(|(name, _)| name != "PORT");
        env.push(("PORT".to_owned(), at.clone()));
        let mut another = Process::start(name, &["serve"], &env, self.folder.path());
        let base = format!("http://127.0.0.1:{at}");
        another.healthy(&self.http, &base).await;
        (another, base)
    }

    /// `serve` again on its port, until it answers.
    pub async fn serve_again(&mut self) {
        self.serve.again();
        self.serve.healthy(&self.http, &self.base).await;
    }

    /// `serve` told to stop, and again with these settings changed, until it answers.
    pub async fn serve_with(&mut self, settings: &[(&str, &str)]) {
        for (name, value) in settings {
            self.env.retain(|(known, _)| known != name);
            self.env.push(((*name).to_owned(), (*value).to_owned()));
        }
        self.serve.signal("TERM");
        self.serve.ended().await;
        self.serve = Process::start("serve", &["serve"], &self.env, self.folder.path());
        self.serve.healthy(&self.http, &self.base).await;
    }

    /// What `serve` was told by this variable.
    pub fn setting(&self, name: &str) -> &str {
        let (_, value) = self.env.iter().find(|(known, _)| known == name).expect("a variable of its environment");
        value
    }

    /// A request of a caller with the API key.
    pub fn ask(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.base)).bearer_auth(API_KEY)
    }

    /// Enqueues a job that must be taken, and answers its id.
    pub async fn enqueue(&self, body: &Value) -> String {
        let answer = self.ask(Method::POST, "/api/process-klap").json(body).send().await.expect("an answer");
        let status = answer.status();
        let body: Value = answer.json().await.expect("JSON");
        assert_eq!(status, 202, "{body:#}");
        body["jobId"].as_str().expect("a job id").to_owned()
    }

    /// The job as the API shows it; none while the service cannot tell.
    pub async fn job(&self, id: &str) -> Option<Value> {
        let answer = self.ask(Method::GET, &format!("/api/process-klap?jobId={id}")).send().await.ok()?;
        if answer.status() != 200 {
            return None;
        }
        answer.json().await.ok()
    }

    /// The job once it has ended.
    pub async fn ended(&self, id: &str) -> Value {
        until(&format!("{id} ends"), async || {
            let job = self.job(id).await?;
            matches!(job["status"].as_str(), Some("completed" | "failed" | "cancelled")).then_some(job)
        })
        .await
    }

    /// One round of the sweep, as a schedule would wake it; whether it could be done.
    pub async fn sweep(&self) -> bool {
        let url = format!("{}/api/cron/klap", self.base);
        let answer = self.http.post(url).bearer_auth(WORKER_SECRET).timeout(PATIENCE).send().await;
        answer.is_ok_and(|answer| answer.status() == 200)
    }

    /// The job, which must complete.
    pub async fn completed(&self, id: &str) -> Value {
        let job = self.ended(id).await;
        assert_eq!(job["status"], "completed", "{job:#}");
        job
    }

    /// What the Klap stand-in was asked.
    pub async fn klap(&self) -> Value {
        self.stand_in(Method::GET, "/klap/control/counts", None).await
    }

    /// What the Supabase stand-in was asked.
    pub async fn supabase(&self) -> Value {
        self.stand_in(Method::GET, "/supabase/control/counts", None).await
    }

    /// The next calls of an operation at Klap go wrong.
    pub async fn klap_fault(&self, operation: &str, times: u32, effect: Value) {
        let fault = json!({"operation": operation, "times": times, "effect": effect});
        self.stand_in(Method::POST, "/klap/control/faults", Some(fault)).await;
    }

    /// The next call of an operation at Supabase goes wrong.
    pub async fn supabase_fault(&self, operation: &str, fault: Value) {
        let fault = json!({"op": operation, "times": 1, "fault": fault});
        self.stand_in(Method::POST, "/supabase/control/faults", Some(fault)).await;
    }

    /// How often Klap's task, its folder and each of its exports are looked at in vain.
    pub async fn klap_looks(&self, [task, folder, export]: [u32; 3]) {
        let pace = json!({"task": {"looks": task}, "emptyFolder": {"looks": folder}, "export": {"looks": export}});
        self.stand_in(Method::PUT, "/klap/control/pace", Some(pace)).await;
    }

    /// Waits for the stand-ins to have been called so often: `("klap", "task", 2)`.
    pub async fn called(&self, whom: &str, operation: &str, times: u64) {
        until(&format!("{times} calls of {operation}"), async || {
            let counts = if whom == "klap" { self.klap().await } else { self.supabase().await };
            (counts["calls"][operation].as_u64().unwrap_or(0) >= times).then_some(())
        })
        .await;
    }

    /// Lends the Klap stand-in a file and answers its address there.
    pub fn video(&self, path: &std::path::Path) -> String {
        // The stand-in serves what is below its own folder under the name it knows: the sample, replaced.
        let sample = self.folder.path().join("sandbox/sample.mp4");
        std::fs::remove_file(&sample).expect("the sample is there");
        // A film may have a gigabyte.
        if std::fs::hard_link(path, &sample).is_err() {
            std::fs::copy(path, sample).expect("the sample can be replaced");
        }
        self.sample()
    }

    /// The address of the video that comes with the program.
    pub fn sample(&self) -> String {
        format!("{}/klap/videos/sample.mp4", self.stand_ins)
    }

    /// Every secret it was given.
    pub fn secrets() -> Vec<&'static str> {
        SECRETS.iter().map(|(_, secret)| secret.rsplit(':').next().unwrap_or(secret)).collect()
    }

    /// No secret of ours in anything these processes wrote.
    pub fn keeps_secrets(&self, more: &[&Process], planted: &[&str]) {
        let secrets: Vec<&str> = Self::secrets().into_iter().chain(planted.iter().copied()).collect();
        let all = [&self.broker, &self.sandbox, &self.serve];
        for process in all.iter().chain(more) {
            for said in [process.printed(), process.logged()] {
                for line in said.lines() {
                    let told = secrets.iter().find(|secret| line.contains(**secret));
                    assert!(told.is_none(), "{told:?} is told: {line}");
                }
            }
        }
    }

    async fn stand_in(&self, method: Method, path: &str, body: Option<Value>) -> Value {
        let mut request = self.http.request(method, format!("{}{path}", self.stand_ins)).timeout(PATIENCE);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await.expect("the stand-ins answer");
        let status = answer.status();
        let text = answer.text().await.expect("a body");
        assert!(status.is_success(), "{path}: {status} {text}");
        serde_json::from_str(&text).unwrap_or_default()
    }
}

/// The variables that `broker` and `sandbox` tell their user to set.
fn exported(printed: &str) -> Vec<(String, String)> {
    let lines = printed.lines().filter_map(|line| line.strip_prefix("export ")?.split_once('='));
    lines.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}
