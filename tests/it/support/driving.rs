//! Driving the service: its callers' requests, QStash's pushes in whatever order a test likes, and what must hold at rest.

use super::app::{ANN, TestApp};
use super::described;
use super::queue::{CURRENT, Fate, Sent};
use super::watched::Moment;
use axum::http::{HeaderMap, Method};
use bytes::Bytes;
use cliprelay::clock::unix_seconds;
use cliprelay::flow::{Delivery, Reply};
use cliprelay::job::{Job, JobId, wire};
use cliprelay::services::qstash::signature::sign;
use cliprelay::services::qstash::wire::Callback;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

/// More pushes than any job of a test needs.
const PUSHES_MAX: usize = 200;

/// What a Redis loses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// A failover to an empty one.
    Everything,
    /// Evicted, each key by itself.
    Records,
}

fn lose(url: &str, loss: Loss) {
    let mut connection = redis::Client::open(url).unwrap().get_connection().unwrap();
    match loss {
        Loss::Everything => redis::cmd("FLUSHALL").exec(&mut connection).unwrap(),
        Loss::Records => {
            let keys: Vec<String> = redis::cmd("KEYS").arg("{test:}job:*").query(&mut connection).unwrap();
            for key in keys {
                redis::cmd("DEL").arg(key).exec(&mut connection).unwrap();
            }
        }
    }
}

/// An answer, read whole.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    /// `Null` if it is no JSON.
    pub body: Value,
}

impl Answer {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }

    /// The code of a problem, or of an answer to QStash.
    pub fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or_default()
    }

    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{:#}", self.body);
        self
    }
}

/// Sends a request; what our service answers must be what the description says.
pub async fn read(request: reqwest::RequestBuilder) -> Answer {
    let (client, request) = request.build_split();
    let request = request.unwrap();
    let (method, path) = (request.method().clone(), request.url().path().to_owned());
    let response = client.execute(request).await.unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let bytes = response.bytes().await.unwrap();
    let answer = Answer { status, headers, body: serde_json::from_slice(&bytes).unwrap_or_default() };
    if let Err(why) = described::check(&method, &path, &answer) {
        panic!("{method} {path} answers {status}, which its description does not say: {why}\n{:#}", answer.body);
    }
    answer
}

impl TestApp {
    pub fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.http.request(method, self.bases[0].join(path).unwrap()).timeout(Duration::from_secs(30))
    }

    /// As Ann.
    pub async fn get(&self, path: &str) -> Answer {
        read(self.request(Method::GET, path).bearer_auth(ANN)).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        read(self.request(Method::POST, path).bearer_auth(ANN).json(body)).await
    }

    pub async fn cancel(&self, job: &str) -> Answer {
        read(self.request(Method::DELETE, &format!("/api/process-klap?jobId={job}")).bearer_auth(ANN)).await
    }

    pub async fn retry(&self, job: &str) -> Answer {
        self.post("/api/process-klap/retry", &json!({"jobId": job})).await
    }

    pub async fn cron(&self) -> Value {
        let request = self.request(Method::POST, "/api/cron/klap").bearer_auth(super::app::WORKER_SECRET);
        read(request).await.expect(200).body
    }

    /// A request for so many clips of the sample.
    pub fn asking(&self, project: &str, clips: u32) -> Value {
        let options = json!({"targetClipCount": clips, "targetDuration": 10});
        json!({"projectId": project, "videoUrl": self.sandbox.sample, "options": options})
    }

    /// A new job of so many clips; its id.
    pub async fn enqueue(&self, project: &str, clips: u32) -> String {
        let answer = self.post("/api/process-klap", &self.asking(project, clips)).await.expect(202);
        answer.body["jobId"].as_str().unwrap().to_owned()
    }

    pub async fn status(&self, job: &str) -> Value {
        self.get(&format!("/api/process-klap?jobId={job}")).await.expect(200).body
    }

    /// The record as it is in the store.
    pub async fn record(&self, job: &str) -> Option<Bytes> {
        self.store.get(&JobId::new(job)).await.unwrap().record.map(|record| record.body)
    }

    pub async fn job(&self, job: &str) -> Job {
        wire::decode_record(&self.record(job).await.expect("a record")).unwrap()
    }

    /// A push as QStash makes it; whatever it answers, the message stays as it is.
    pub async fn push_to(&self, router: usize, body: &Bytes) -> Answer {
        let token = sign(&CURRENT.into(), &self.worker_url, body, unix_seconds(), "jwt_1");
        let url = self.bases[router].join("api/worker/klap").unwrap();
        let request = self.http.post(url).header("Upstash-Signature", token).timeout(Duration::from_secs(30));
        read(request.body(body.clone())).await
    }

    pub async fn push(&self, sent: &Sent) -> Answer {
        self.push_to(0, &sent.body).await
    }

    /// Delivers the one waiting message when it is due, and does with it what QStash does after such an answer.
    pub async fn next(&self) -> Answer {
        let sent = self.queue.only();
        self.deliver(&sent).await
    }

    pub async fn deliver(&self, sent: &Sent) -> Answer {
        self.clock.reach(sent.due);
        let answer = self.push(sent).await;
        self.after(sent, &answer).await;
        answer
    }

    async fn after(&self, sent: &Sent, answer: &Answer) {
        let retries: u32 = sent.header("upstash-retries").parse().unwrap();
        let attempts = sent.attempts + 1;
        let after = answer.header("retry-after").parse().unwrap_or(5);
        let due = self.clock.now() + 1_000 * after;
        self.queue.change(&sent.id, |sent| sent.attempts = attempts);
        match answer.status {
            200..=299 => self.queue.set_fate(&sent.id, Fate::Delivered),
            489 => {
                assert_eq!(answer.header("upstash-nonretryable-error"), "true");
                self.dies(sent).await;
            }
            _ if attempts > retries => self.dies(sent).await,
            _ => self.queue.change(&sent.id, |sent| sent.due = due),
        }
    }

    /// The message goes to the dead letters, and its failure callback is made.
    pub async fn dies(&self, sent: &Sent) {
        self.queue.set_fate(&sent.id, Fate::Dead);
        self.call_back(sent).await.expect(200);
    }

    pub async fn call_back(&self, sent: &Sent) -> Answer {
        self.call_back_with(&sent.body, &sent.id).await
    }

    pub async fn call_back_with(&self, source: &Bytes, id: &str) -> Answer {
        let callback = Callback {
            source_message_id: id.to_owned(),
            status: Some(503),
            url: self.worker_url.clone(),
            source_body: Some(source.clone()),
            dlq_id: Some(format!("dlq-{id}")),
            ..Callback::default()
        };
        let body = serde_json::to_vec(&callback).unwrap();
        let token = sign(&CURRENT.into(), &self.failed_url, &body, unix_seconds(), "jwt_2");
        let request = self.request(Method::POST, "/api/worker/klap/failed").header("Upstash-Signature", token);
        read(request.body(body)).await
    }

    /// Delivers until nothing waits.
    pub async fn run(&self) {
        for _ in 0..PUSHES_MAX {
            let Some(sent) = self.queue.waiting().into_iter().next() else { return };
            self.deliver(&sent).await;
        }
        panic!("after {PUSHES_MAX} pushes there are still messages: {:#?}", self.queue.waiting());
    }

    /// Delivers until the job's live message asks for that step.
    pub async fn run_to(&self, job: &str, step: &str) {
        for _ in 0..PUSHES_MAX {
            if self.job(job).await.step == step {
                return;
            }
            self.next().await.expect(200);
        }
        panic!("the step {step} never comes");
    }

    /// A push to a process that is cut off at its `nth` write from now: `None`, or its reply if it ended before. What the
    /// process sent to others by then has happened.
    pub async fn cut_off(&self, sent: &Sent, nth: usize, moment: Moment) -> Option<Reply> {
        self.clock.reach(sent.due);
        let there = Arc::new(Notify::new());
        let reached = there.clone();
        self.watch.trap(nth, moment, move || {
            Box::pin(async move {
                reached.notify_one();
                std::future::pending::<()>().await;
            })
        });
        let (engine, delivery) = (self.engines[0].clone(), Delivery::new(sent.body.clone()));
        let mut process = tokio::spawn(async move { Box::pin(engine.deliver(&delivery)).await });
        tokio::select! {
            reply = &mut process => {
                self.watch.disarm();
                Some(reply.unwrap())
            }
            () = there.notified() => {
                process.abort();
                let _ = process.await;
                // What it had sent arrives long before its lease ends, which a test's clock passes over at once.
                for _ in 0..20 {
                    self.get("/api/health").await.expect(200);
                }
                None
            }
        }
    }

    /// Makes the store lose that at the `nth` write from now.
    pub fn forget_at(&self, nth: usize, moment: Moment, loss: Loss) {
        let url = self.redis.as_ref().expect("only Redis forgets").url();
        self.watch.trap(nth, moment, move || Box::pin(async move { lose(&url, loss) }));
    }

    pub fn lose(&self, loss: Loss) {
        lose(&self.redis.as_ref().expect("only Redis forgets").url(), loss);
    }

    pub fn forget(&self) {
        self.lose(Loss::Everything);
    }

    /// What must hold when nothing is under way: every job is final, nothing is left to publish or to deliver, and nobody
    /// was asked anything stray.
    pub async fn settled(&self) {
        let jobs = self.watch.jobs.lock().unwrap().clone();
        for id in jobs {
            if let Some(record) = self.record(id.as_str()).await {
                let job = wire::decode_record(&record).unwrap();
                assert!(job.is_final(), "{id} is live: {job:#?}");
            }
        }
        assert!(self.queue.waiting().is_empty(), "messages wait: {:#?}", self.queue.waiting());
        assert_eq!(self.queue.inner().stray, Vec::<String>::new());
        assert_eq!(self.sandbox.klap.counts().await.unwrap().keys_leaked, 0, "our key was shown to a file server");
    }
}
