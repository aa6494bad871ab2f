//! What is written of jobs: whole lives of them at the most talkative level there is, with a secret planted wherever one can be,
//! and no output that tells it; and lines that say which job, step, attempt, message and request they are about.

use crate::support::collector::Collector;
use crate::support::redis;
use crate::support::system::System;
use reqwest::Method;
use serde_json::{Value, json};

const PASSWORD: &str = "planted-redis-password-8e41";
/// In the addresses that callers and vendors hand over, in every place an address has for it.
const SIGNATURE: &str = "planted-signature-2c90";
const TOKEN: &str = "planted-query-token-b3f7";
const COLLECTORS_KEY: &str = "planted-collector-key-9a3d";
const BYPASS: &str = "planted-bypass-secret-41dd";
const PLANTED: [&str; 5] = [PASSWORD, SIGNATURE, TOKEN, COLLECTORS_KEY, BYPASS];

/// Everything up, with secrets of every sort, and all answers it gave.
struct Watched {
    system: System,
    collector: Collector,
    answers: Vec<String>,
}

impl Watched {
    async fn start(format: &str, level: &str) -> Self {
        let collector = Collector::start().await;
        let redis = redis::Server::start();
        let _: () = redis::query(&redis, &["CONFIG", "SET", "requirepass", PASSWORD]);
        let url = format!("redis://:{PASSWORD}@127.0.0.1:{}", redis.port());
        let header = format!("x-key={COLLECTORS_KEY}");
        let settings = [
            ("LOG_FORMAT", format),
            ("RUST_LOG", level),
            ("REDIS_URL", url.as_str()),
            ("SUPABASE_BUCKET_ACCESS", "private"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url.as_str()),
            ("OTEL_EXPORTER_OTLP_HEADERS", header.as_str()),
            ("VERCEL_AUTOMATION_BYPASS_SECRET", BYPASS),
        ];
        let system = System::with_redis(redis, None, &settings).await;
        Self { system, collector, answers: Vec::new() }
    }

    /// An address with a signature and a token in it.
    fn signed(&self, name: &str) -> String {
        format!("{}/klap/videos/{name}?X-Amz-Signature={SIGNATURE}&token={TOKEN}", self.system.stand_ins)
    }

    async fn ask(&mut self, method: Method, path: &str, body: Option<Value>) -> Value {
        let mut request = self.system.ask(method, path);
        if let Some(body) = &body {
            request = request.json(body);
        }
        let text = request.send().await.unwrap().text().await.unwrap();
        let answer = serde_json::from_str(&text).unwrap_or_default();
        self.answers.push(text);
        answer
    }

    async fn enqueue(&mut self, project: &str, video: &str) -> String {
        let body = json!({"projectId": project, "videoUrl": video, "options": {"targetClipCount": 1}});
        let answer = self.ask(Method::POST, "/api/process-klap", Some(body)).await;
        answer["jobId"].as_str().unwrap_or_else(|| panic!("{answer:#}")).to_owned()
    }

    async fn ended(&mut self, job: &str, status: &str) {
        let ended = self.system.ended(job).await;
        assert_eq!(ended["status"], status, "{ended:#}");
        self.answers.push(ended.to_string());
    }

    /// Lives: one that succeeds at the second attempt, one that fails and is tried anew in vain, one that is cancelled.
    async fn live(&mut self) -> [String; 3] {
        self.system.klap_fault("create_task", 1, json!({"answer": {"status": 503, "body": "later"}})).await;
        let good = self.enqueue("good", &self.signed("sample.mp4")).await;
        self.ended(&good, "completed").await;
        self.system.klap_fault("create_task", 2, json!({"answer": {"status": 401, "body": "no"}})).await;
        let lost = self.enqueue("lost", &self.signed("nothing.mp4")).await;
        self.ended(&lost, "failed").await;
        let again = self.ask(Method::POST, "/api/process-klap/retry", Some(json!({"jobId": lost}))).await;
        assert_eq!(again["success"], true, "{again:#}");
        self.ended(&lost, "failed").await;
        self.system.klap_fault("task", 20, json!({"answer": {"status": 500, "body": SIGNATURE}})).await;
        let idle = self.enqueue("idle", &self.signed("sample.mp4")).await;
        let ended = self.ask(Method::DELETE, &format!("/api/process-klap?jobId={idle}"), None).await;
        assert_eq!(ended["status"], "cancelled", "{ended:#}");
        [good, lost, idle]
    }

    /// Wrong and odd requests, each with a secret in it.
    async fn misbehave(&mut self, job: &str) {
        let typo = json!({"projectId": "p", "videoUrl": self.signed("sample.mp4"), "optoins": {}});
        let private = json!({"projectId": "p", "videoUrl": format!("http://10.0.0.1/a.mp4?token={TOKEN}")});
        let user = json!({"projectId": "p", "videoUrl": format!("https://me:{TOKEN}@example.com/a.mp4")});
        for body in [typo, private, user] {
            self.ask(Method::POST, "/api/process-klap", Some(body)).await;
        }
        for path in ["/api/process-klap/events?jobId=x&token=", "/nothing?token=", "/api/jobs?cursor="] {
            self.ask(Method::GET, &format!("{path}{TOKEN}"), None).await;
        }
        let base = &self.system.base;
        for path in ["/metrics", "/api/cron/klap", "/api/ready", "/api/health"] {
            for key in [TOKEN, crate::support::system::WORKER_SECRET] {
                let answer = self.system.http.get(format!("{base}{path}")).bearer_auth(key).send().await.unwrap();
                self.answers.push(answer.text().await.unwrap());
            }
        }
        let forged = self.system.http.post(format!("{base}/api/worker/klap")).header("upstash-signature", TOKEN);
        self.answers.push(forged.send().await.unwrap().text().await.unwrap());
        // The clip's owner is sent on to a signed address, which is for the owner alone.
        let clip = self.system.job(job).await.unwrap()["clips"][0]["url"].as_str().unwrap().to_owned();
        let file = self.system.ask(Method::GET, &clip).send().await.unwrap();
        assert_eq!(file.status(), 200);
        let token = file.url().query_pairs().find(|(name, _)| name == "token").expect("a signed address").1;
        self.keeps(&[&token]);
    }

    fn keeps(&self, more: &[&str]) {
        let planted = [&PLANTED[..], more].concat();
        self.system.keeps_secrets(&[], &planted);
        let all: Vec<&str> = System::secrets().into_iter().chain(planted).collect();
        let bodies = self.collector.bodies();
        let told = bodies.iter().map(|body| String::from_utf8_lossy(body).into_owned());
        for text in told.chain(self.answers.iter().cloned()) {
            let told = all.iter().find(|secret| text.contains(**secret));
            assert!(told.is_none(), "{told:?} is told: {text}");
        }
    }
}

async fn nothing_tells(format: &str) {
    let mut watched = Watched::start(format, "trace").await;
    let [good, ..] = watched.live().await;
    watched.misbehave(&good).await;
    watched.system.serve.signal("TERM");
    assert_eq!(watched.system.serve.ended().await.code(), Some(0));
    assert!(watched.system.serve.logged().contains("TRACE"), "it is as talkative as it was asked to be");
    assert!(!watched.collector.bodies().is_empty());
    watched.keeps(&[]);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_output_for_machines_tells_a_secret() {
    nothing_tells("json").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_output_for_people_tells_a_secret() {
    nothing_tells("pretty").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_line_of_a_job_says_what_it_is_about() {
    let mut watched = Watched::start("json", "info").await;
    let jobs = watched.live().await;
    watched.system.serve.signal("TERM");
    assert_eq!(watched.system.serve.ended().await.code(), Some(0));
    let logged = watched.system.serve.logged();
    let lines: Vec<Value> = logged.lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect();
    for line in &lines {
        assert!(line["timestamp"].is_string() && line["level"].is_string() && line["message"].is_string(), "{line}");
        assert!(line.as_object().unwrap().keys().all(|name| !name.starts_with("otel.")), "{line}");
    }
    let about = |job: &str| lines.iter().filter(|line| line["job.id"] == job).cloned().collect::<Vec<_>>();
    for job in &jobs {
        for line in about(job) {
            // The local sweep is nobody's request.
            let by_sweep = line["request.id"].is_null() && line["message"] == "published";
            assert!(by_sweep || line["request.id"].is_string(), "{line}");
            assert!(line["job.step"].is_string() && line["job.attempt"].is_u64(), "{line}");
            let of_push = line["message"].as_str().is_some_and(|what| what.starts_with("step "));
            assert!(!of_push || line["message.id"].as_str().is_some_and(|id| id.starts_with("msg_")), "{line}");
        }
    }
    let said = |job: &str, what: &str| about(job).iter().filter(|line| line["message"] == what).count();
    let [good, lost, idle] = &jobs;
    let (begun, ended) = (said(good, "step begins"), said(good, "step ends"));
    assert!(begun >= 7 && begun == ended, "each step once, submit twice: {begun} begun, {ended} ended");
    assert_eq!((said(good, "job accepted"), said(good, "clip stored"), said(good, "job ended")), (1, 1, 1));
    assert_eq!((said(lost, "job accepted"), said(lost, "job tried anew"), said(lost, "job ended")), (1, 1, 2));
    assert_eq!((said(idle, "job accepted"), said(idle, "job ended")), (1, 1));
    let retried = about(good).into_iter().find(|line| line["outcome"] == "retry").expect("an attempt that failed");
    assert_eq!((&retried["job.step"], &retried["job.attempt"]), (&json!("submit"), &json!(1)));
    let second = about(good).into_iter().find(|line| line["job.attempt"] == 2).expect("the second attempt");
    assert_eq!(second["job.step"], "submit");
}
