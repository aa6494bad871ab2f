//! QStash: it takes messages, delivers each at least once with its retries, keeps the dead ones, and calls back about them.
//! Each message is delivered by a task of its own.

use super::World;
use super::network::{json, plain};
use super::process::{Answer, FAILED_URL, Process, WORKER_URL};
use crate::faults::{Fault as F, Hook, Step};
use crate::laws;
use axum::body::Body;
use axum::http::Request as HttpRequest;
use bytes::Bytes;
use cliprelay::job::{Millis, wire};
use cliprelay::services::qstash::signature::{SigningKeys, sign};
use cliprelay::services::qstash::wire as shapes;
use reqwest::{Method, Request, Response};
use serde_json::json as object;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{sleep, sleep_until, timeout};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    Waiting,
    Delivered,
    Cancelled,
    /// Nobody knows where it went.
    Vanished,
    Dead,
    /// Dead, and its letter was taken away.
    Settled,
}

#[derive(Debug, Clone)]
pub struct Sent {
    pub id: String,
    pub body: Bytes,
    pub deduplication: String,
    pub message: wire::Message,
    pub step: Step,
    pub fate: Fate,
    retries: u32,
    timeout: Duration,
    due: Millis,
    published: Millis,
}

#[derive(Default)]
pub struct Queue {
    pub sent: Vec<Sent>,
    /// How often the keys have been rolled.
    rolled: usize,
}

impl Queue {
    pub fn keys(&self) -> SigningKeys {
        let key = |number: usize| format!("sig_key_{number}").into();
        SigningKeys { current: key(self.rolled), next: key(self.rolled + 1) }
    }

    pub fn is_idle(&self) -> bool {
        self.sent.iter().all(|sent| sent.fate != Fate::Waiting)
    }

    fn set(&mut self, id: &str, fate: Fate) {
        if let Some(sent) = self.sent.iter_mut().find(|sent| sent.id == id) {
            sent.fate = fate;
        }
    }

    fn fate(&self, id: &str) -> Option<Fate> {
        self.sent.iter().find(|sent| sent.id == id).map(|sent| sent.fate)
    }
}

pub fn answer(world: &Arc<World>, request: &Request) -> Response {
    let path = request.url().path();
    let unknown = || plain(404, r#"{"error":"not found"}"#);
    if *request.method() == Method::POST && path.starts_with("/v2/publish/") {
        return publish(world, request);
    }
    let mut state = world.state();
    let queue = &mut state.queue;
    let last = path.rsplit('/').next().unwrap_or_default();
    match (request.method(), path) {
        (&Method::GET, "/v2/dlq") => json(200, &queue.dead_letters(request)),
        (&Method::DELETE, _) if path.starts_with("/v2/dlq/") => {
            queue.set(last.trim_start_matches("dlq-"), Fate::Settled);
            json(200, &object!({"deleted": 1}))
        }
        (method, _) if path.starts_with("/v2/messages/") && queue.fate(last) == Some(Fate::Waiting) => {
            if *method == Method::DELETE {
                queue.set(last, Fate::Cancelled);
                return json(200, &object!({"cancelled": 1}));
            }
            json(200, &object!({"messageId": last}))
        }
        _ => unknown(),
    }
}

impl Queue {
    fn dead_letters(&self, request: &Request) -> shapes::DeadLetters {
        let wanted = request.url().query_pairs().find(|(name, _)| name == "messageId").map(|(_, id)| id.into_owned());
        let dead = self.sent.iter().filter(|sent| sent.fate == Fate::Dead);
        let letters = dead.filter(|sent| wanted.as_ref().is_none_or(|id| *id == sent.id)).map(|sent| {
            let body = Some(String::from_utf8_lossy(&sent.body).into_owned());
            let message =
                shapes::Message { message_id: sent.id.clone(), url: WORKER_URL.to_owned(), body, ..Default::default() };
            let dlq_id = format!("dlq-{}", sent.id);
            shapes::DeadLetter { dlq_id, message, response_status: Some(503), ..Default::default() }
        });
        shapes::DeadLetters { messages: letters.collect(), cursor: None }
    }
}

fn publish(world: &Arc<World>, request: &Request) -> Response {
    let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let seconds = |name: &str| header(name).trim_end_matches('s').parse::<u64>().unwrap_or(0);
    let body = Bytes::copy_from_slice(request.body().and_then(|body| body.as_bytes()).expect("a body"));
    let message = wire::Message::decode(&body).expect("a message of ours");
    let deduplication = header("upstash-deduplication-id").to_owned();
    assert!(!deduplication.is_empty() && !deduplication.contains(':'), "{deduplication:?}");
    laws::published(world, &message, &deduplication);
    let now = world.now();
    let mut state = world.state();
    let window = u64::try_from(state.setting.deduplicates_for.as_millis()).unwrap_or(u64::MAX);
    let same = |sent: &&Sent| sent.deduplication == deduplication && now < sent.published + window;
    if let Some(first) = state.queue.sent.iter().find(same) {
        return json(202, &object!({"messageId": first.id, "deduplicated": true}));
    }
    let id = format!("msg{}", state.queue.sent.len() + 1);
    let sent = Sent {
        id: id.clone(),
        step: Step::named(&message.step),
        body,
        deduplication,
        message,
        fate: Fate::Waiting,
        retries: header("upstash-retries").parse().expect("a number"),
        timeout: Duration::from_secs(seconds("upstash-timeout")),
        due: now + 1_000 * seconds("upstash-delay"),
        published: now,
    };
    state.queue.sent.push(sent.clone());
    drop(state);
    tokio::spawn(deliver(Arc::clone(world), sent));
    json(201, &object!({"messageId": id}))
}

/// One message's deliveries, until it is taken, given up or withdrawn.
async fn deliver(world: Arc<World>, sent: Sent) {
    let mut due = sent.due;
    let mut attempt = 0;
    loop {
        sleep_until(world.instant(due)).await;
        let jitter = world.state().rng.u64(0..900);
        sleep(Duration::from_millis(jitter)).await;
        if world.state().queue.fate(&sent.id) != Some(Fate::Waiting) {
            return;
        }
        let is_first = world.state().queue.sent.first().is_some_and(|first| first.id == sent.id);
        let hooks: &[Hook] = if is_first { &[Hook::Push] } else { &[Hook::Push, Hook::LaterPush] };
        let fault = world.strike_at(hooks, sent.step);
        let answer = match fault {
            Some(F::MessageVanishes) => return world.state().queue.set(&sent.id, Fate::Vanished),
            Some(F::MessageDies) => return dies(&world, &sent).await,
            Some(F::PushDropped) => None,
            fault => {
                beside(&world, &sent, fault).await;
                let answer = push(&world, &sent, true).await;
                answer.filter(|_| world.strike_at(&[Hook::Answer], sent.step).is_none())
            }
        };
        attempt += 1;
        match &answer {
            Some(answer) if (200..300).contains(&answer.status) => {
                let mut state = world.state();
                if state.queue.fate(&sent.id) == Some(Fate::Waiting) {
                    state.queue.set(&sent.id, Fate::Delivered);
                }
                drop(state);
                world.changed.notify_waiters();
                return;
            }
            Some(answer) if answer.status == 489 => return dies(&world, &sent).await,
            _ if attempt > sent.retries => return dies(&world, &sent).await,
            _ => {}
        }
        let backoff = 5 * 3_u64.pow(attempt.min(4) - 1);
        let after = answer.and_then(|answer| answer.retry_after).unwrap_or(backoff.min(60));
        due = world.now() + 1_000 * after;
    }
}

/// What else happens when a push sets out.
async fn beside(world: &Arc<World>, sent: &Sent, fault: Option<F>) {
    match fault {
        Some(F::PushLate) => {
            let seconds = world.state().rng.u64(1..900);
            sleep(Duration::from_secs(seconds)).await;
        }
        Some(F::PushDuplicated) => {
            let (world, sent) = (Arc::clone(world), sent.clone());
            tokio::spawn(async move { push(&world, &sent, false).await });
        }
        Some(F::PushStale) => {
            let older = {
                let mut state = world.state();
                let at = state.queue.sent.iter().position(|other| other.id == sent.id).unwrap_or(0);
                (at > 0).then(|| state.rng.usize(..at)).map(|index| state.queue.sent[index].clone())
            };
            if let Some(older) = older {
                let world = Arc::clone(world);
                tokio::spawn(async move { push(&world, &older, false).await });
            }
        }
        // Rolled twice, nobody could follow without being told the new ones.
        Some(F::KeysRolled) => world.state().queue.rolled = 1,
        Some(F::PushForged) => forge(world, sent).await,
        _ => {}
    }
}

/// One push and its answer. `live`: QStash acts on the answer.
pub async fn push(world: &Arc<World>, sent: &Sent, live: bool) -> Option<Answer> {
    let process = world.any_process();
    world.tell(|| {
        let envelope = &sent.message.envelope;
        format!("{process} <- {} {}/{} {:?}", sent.id, envelope.at, envelope.send, sent.step)
    });
    {
        let mut state = world.state();
        state.laws.pushes += 1;
        state.pushing += 1;
    }
    let keys = world.state().queue.keys();
    let now = i64::try_from(world.now() / 1_000).unwrap_or(0);
    let token = sign(&keys.current, WORKER_URL, &sent.body, now, &sent.id);
    let began = tokio::time::Instant::now();
    let answer = post(&process, WORKER_URL, &token, sent.body.clone(), sent.timeout).await;
    world.state().pushing -= 1;
    world.tell(|| match &answer {
        Some(answer) => format!("{process} -> {} {} {}", sent.id, answer.status, answer.body),
        None => format!("{process} -> {} no answer", sent.id),
    });
    if let Some(answer) = &answer {
        laws::answered(world, sent, answer, began, live);
    }
    answer
}

async fn post(process: &Process, url: &str, token: &str, body: Bytes, within: Duration) -> Option<Answer> {
    let request = HttpRequest::post(url).header("upstash-signature", token).body(Body::from(body)).expect("a push");
    timeout(within, process.answer(request)).await.ok().flatten()
}

/// Pushes that QStash never made: none may be believed.
async fn forge(world: &Arc<World>, sent: &Sent) {
    let keys = world.state().queue.keys();
    let now = i64::try_from(world.now() / 1_000).unwrap_or(0);
    let good = sign(&keys.current, WORKER_URL, &sent.body, now, "jwt");
    let mut other = sent.body.to_vec();
    other.push(b' ');
    let forged = [
        (String::new(), sent.body.clone()),
        (sign(&"sig_of_somebody".into(), WORKER_URL, &sent.body, now, "jwt"), sent.body.clone()),
        (sign(&keys.current, FAILED_URL, &sent.body, now, "jwt"), sent.body.clone()),
        (sign(&keys.current, WORKER_URL, &sent.body, now - 1_200, "jwt"), sent.body.clone()),
        (good, Bytes::from(other)),
    ];
    for (index, (token, body)) in forged.into_iter().enumerate() {
        let process = world.any_process();
        let answer = post(&process, WORKER_URL, &token, body, Duration::from_secs(30)).await;
        if answer.as_ref().is_some_and(|answer| answer.status != 401) {
            world.violate("7 nothing happens for a forged push", || format!("number {index} was answered {answer:?}"));
        }
    }
}

/// Its redeliveries are used up: it rests among the dead letters, and the failure callback is made.
async fn dies(world: &Arc<World>, sent: &Sent) {
    world.state().queue.set(&sent.id, Fate::Dead);
    world.tell(|| format!("{} is dead", sent.id));
    if world.strike_at(&[Hook::Callback], sent.step).is_some() {
        return;
    }
    let callback = shapes::Callback {
        source_message_id: sent.id.clone(),
        status: Some(503),
        url: WORKER_URL.to_owned(),
        source_body: Some(sent.body.clone()),
        dlq_id: Some(format!("dlq-{}", sent.id)),
        ..Default::default()
    };
    let body = Bytes::from(serde_json::to_vec(&callback).expect("our own shapes"));
    for attempt in 0..4 {
        let process = world.any_process();
        let keys = world.state().queue.keys();
        let now = i64::try_from(world.now() / 1_000).unwrap_or(0);
        let token = sign(&keys.current, FAILED_URL, &body, now, &sent.id);
        world.tell(|| format!("{process} <- failure callback of {}", sent.id));
        let answer = post(&process, FAILED_URL, &token, body.clone(), Duration::from_mins(1)).await;
        world.tell(|| format!("{process} -> failure callback of {}: {:?}", sent.id, answer.as_ref().map(|a| a.status)));
        if answer.is_some_and(|answer| (200..300).contains(&answer.status) || answer.status == 489) {
            return;
        }
        sleep(Duration::from_secs(12 << attempt)).await;
    }
}
