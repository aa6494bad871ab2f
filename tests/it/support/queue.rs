//! A QStash that does as a test tells it: it takes publishes, remembers them and delivers nothing by itself. It refuses,
//! loses answers or forgets on request, and knows which messages are waiting, withdrawn or dead.

use super::time::Hand;
use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use cliprelay::job::wire::Message;
use cliprelay::services::qstash::wire::{Cancelled, DeadLetter, DeadLetters, Deleted, Keys, Published};
use cliprelay::services::qstash::{self, signature::SigningKeys};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};
use url::Url;

pub const TOKEN: &str = "qstash-token-of-the-test";
pub const CURRENT: &str = "sig_current_of_the_test";
pub const NEXT: &str = "sig_next_of_the_test";

/// What becomes of a publish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// Refused with this status; nothing is accepted.
    Refuse(u16),
    /// Accepted, but the answer is a 502 from somewhere between.
    LoseAnswer,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    Waiting,
    Delivered,
    Cancelled,
    /// Its redeliveries are used up, or it was refused for good.
    Dead,
}

/// One accepted message.
#[derive(Debug, Clone)]
pub struct Sent {
    pub id: String,
    pub destination: String,
    pub headers: HeaderMap,
    pub body: Bytes,
    pub deduplication: String,
    /// Seconds.
    pub delay: u64,
    /// When it is due, by the test's clock.
    pub due: u64,
    pub fate: Fate,
    /// Deliveries so far.
    pub attempts: u32,
}

impl Sent {
    pub fn message(&self) -> Message {
        Message::decode(&self.body).unwrap()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }

    pub fn dlq_id(&self) -> String {
        format!("dlq-{}", self.id)
    }
}

#[derive(Default)]
pub struct Inner {
    pub sent: Vec<Sent>,
    /// Every publish asked for, refused and repeated ones included: its deduplication id.
    pub asked: Vec<String>,
    pub trouble: VecDeque<Trouble>,
    pub refuse_all: bool,
    /// The keys it tells, if others than it signs with.
    pub keys: Option<[String; 2]>,
    /// How often it was asked for them.
    pub keys_asked: usize,
    /// Dead letters of its own, beside those of dead messages.
    pub letters: Vec<DeadLetter>,
    pub letters_deleted: Vec<String>,
    /// How often a list of dead letters was asked for, and how long each takes it.
    pub letters_asked: usize,
    pub letters_take: std::time::Duration,
    /// Requests that a client of ours would not make.
    pub stray: Vec<String>,
}

#[derive(Clone)]
pub struct Queue {
    inner: Arc<Mutex<Inner>>,
    clock: Hand,
    pub url: Url,
}

impl Queue {
    pub async fn start(clock: Hand) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
        let queue = Self { inner: Arc::default(), clock, url };
        let router = Router::new().fallback(answer).with_state(queue.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        queue
    }

    pub fn client(&self, http: reqwest::Client) -> qstash::QStash {
        let timeout = std::time::Duration::from_secs(5);
        qstash::QStash::new(http, qstash::Options { url: self.url.clone(), token: TOKEN.into(), timeout }).unwrap()
    }

    pub fn keys_asked(&self) -> usize {
        self.inner().keys_asked
    }

    pub fn keys() -> SigningKeys {
        SigningKeys { current: CURRENT.into(), next: NEXT.into() }
    }

    pub fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap()
    }

    /// What happens to the next publishes, in this order.
    pub fn next_publishes(&self, trouble: &[Trouble]) {
        self.inner().trouble.extend(trouble);
    }

    /// Everything is refused with 503 until told otherwise.
    pub fn is_away(&self, away: bool) {
        self.inner().refuse_all = away;
    }

    pub fn all(&self) -> Vec<Sent> {
        self.inner().sent.clone()
    }

    /// Messages that may still be delivered, the one due first in front.
    pub fn waiting(&self) -> Vec<Sent> {
        let mut waiting: Vec<Sent> =
            self.inner().sent.iter().filter(|sent| sent.fate == Fate::Waiting).cloned().collect();
        waiting.sort_by_key(|sent| sent.due);
        waiting
    }

    /// The one message that may still be delivered.
    pub fn only(&self) -> Sent {
        let waiting = self.waiting();
        assert_eq!(waiting.len(), 1, "one live message: {waiting:#?}");
        waiting.into_iter().next().unwrap()
    }

    pub fn set_fate(&self, id: &str, fate: Fate) {
        self.change(id, |sent| sent.fate = fate);
    }

    pub fn change(&self, id: &str, change: impl FnOnce(&mut Sent)) {
        change(self.inner().sent.iter_mut().find(|sent| sent.id == id).unwrap());
    }

    pub fn fate(&self, id: &str) -> Fate {
        self.inner().sent.iter().find(|sent| sent.id == id).unwrap().fate
    }
}

async fn answer(State(queue): State<Queue>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
    let known = parts.headers.get("authorization").is_some_and(|value| value == &format!("Bearer {TOKEN}"));
    if !known {
        return (StatusCode::UNAUTHORIZED, r#"{"error":"unauthorized"}"#).into_response();
    }
    let path = parts.uri.path();
    let takes = queue.inner().letters_take;
    if path == "/v2/dlq" && !takes.is_zero() {
        tokio::time::sleep(takes).await;
    }
    let mut inner = queue.inner();
    if inner.refuse_all {
        return (StatusCode::SERVICE_UNAVAILABLE, r#"{"error":"away"}"#).into_response();
    }
    match (&parts.method, path) {
        (&Method::POST, _) if path.starts_with("/v2/publish/") => {
            let destination = path["/v2/publish/".len()..].to_owned();
            inner.publish(&queue.clock, destination, parts.headers, body)
        }
        (&Method::GET, "/v2/keys") => {
            inner.keys_asked += 1;
            let [current, next] = inner.keys.clone().unwrap_or([CURRENT.to_owned(), NEXT.to_owned()]);
            let keys = Keys { current, next };
            axum::Json(keys).into_response()
        }
        (&Method::GET, "/v2/dlq") => {
            inner.letters_asked += 1;
            axum::Json(inner.dead_letters(parts.uri.query().unwrap_or_default())).into_response()
        }
        (&Method::GET, _) if path.starts_with("/v2/dlq/") => {
            let wanted = &path["/v2/dlq/".len()..];
            match inner.dead_letters("").messages.into_iter().find(|letter| letter.dlq_id == wanted) {
                Some(letter) => axum::Json(letter).into_response(),
                None => {
                    (StatusCode::NOT_FOUND, r#"{"error":"message not found in the dead letter queue"}"#).into_response()
                }
            }
        }
        (&Method::DELETE, _) if path.starts_with("/v2/dlq/") => {
            inner.letters_deleted.push(path["/v2/dlq/".len()..].to_owned());
            axum::Json(Deleted { deleted: 1, cursor: None }).into_response()
        }
        (&Method::GET, _) if path.starts_with("/v2/messages/") => {
            match inner.find(path).filter(|sent| sent.fate == Fate::Waiting) {
                Some(sent) => axum::Json(sent.as_wire()).into_response(),
                None => (StatusCode::NOT_FOUND, r#"{"error":"message not found"}"#).into_response(),
            }
        }
        (&Method::DELETE, _) if path.starts_with("/v2/messages/") => {
            match inner.find(path).filter(|sent| sent.fate == Fate::Waiting) {
                Some(sent) => {
                    sent.fate = Fate::Cancelled;
                    axum::Json(Cancelled { cancelled: 1 }).into_response()
                }
                None => (StatusCode::NOT_FOUND, r#"{"error":"message not found"}"#).into_response(),
            }
        }
        (method, path) => {
            inner.stray.push(format!("{method} {path}"));
            StatusCode::IM_A_TEAPOT.into_response()
        }
    }
}

impl Inner {
    fn publish(&mut self, clock: &Hand, destination: String, headers: HeaderMap, body: Bytes) -> Response {
        let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default();
        let deduplication = text("upstash-deduplication-id");
        if deduplication.is_empty() || deduplication.contains(':') {
            self.stray.push(format!("deduplication id {deduplication:?}"));
        }
        self.asked.push(deduplication.clone());
        let trouble = self.trouble.pop_front();
        if let Some(Trouble::Refuse(status)) = trouble {
            let status = StatusCode::from_u16(status).unwrap();
            return (status, r#"{"error":"refused on request"}"#).into_response();
        }
        let first = self.sent.iter().find(|sent| sent.deduplication == deduplication).map(|sent| sent.id.clone());
        let deduplicated = first.is_some();
        let message_id = first.unwrap_or_else(|| format!("msg_{}", self.sent.len() + 1));
        if !deduplicated {
            let delay = text("upstash-delay").trim_end_matches('s').parse().unwrap_or(0);
            self.sent.push(Sent {
                id: message_id.clone(),
                due: clock.now() + delay * 1_000,
                destination,
                body,
                deduplication,
                delay,
                headers,
                fate: Fate::Waiting,
                attempts: 0,
            });
        }
        if trouble == Some(Trouble::LoseAnswer) {
            return (StatusCode::BAD_GATEWAY, "lost on request").into_response();
        }
        let status = if deduplicated { StatusCode::ACCEPTED } else { StatusCode::CREATED };
        (status, axum::Json(Published { message_id, deduplicated })).into_response()
    }

    fn find(&mut self, path: &str) -> Option<&mut Sent> {
        let id = path.rsplit('/').next()?;
        self.sent.iter_mut().find(|sent| sent.id == id)
    }

    fn dead_letters(&self, query: &str) -> DeadLetters {
        let wanted = |name: &str| {
            url::form_urlencoded::parse(query.as_bytes())
                .find(|(key, _)| key == name)
                .map(|(_, value)| value.into_owned())
        };
        let (message_id, url, label) = (wanted("messageId"), wanted("url"), wanted("label"));
        let count = wanted("count").map_or(usize::MAX, |count| count.parse().unwrap());
        let from: usize = wanted("cursor").map_or(0, |cursor| cursor.parse().unwrap());
        let dead = self.sent.iter().filter(|sent| sent.fate == Fate::Dead).map(|sent| DeadLetter {
            dlq_id: sent.dlq_id(),
            message: sent.as_wire(),
            response_status: Some(503),
            ..DeadLetter::default()
        });
        let letters = dead.chain(self.letters.iter().cloned()).filter(|letter| {
            message_id.as_ref().is_none_or(|id| *id == letter.message.message_id)
                && url.as_ref().is_none_or(|url| *url == letter.message.url)
                && label.as_ref().is_none_or(|label| letter.message.label.as_ref() == Some(label))
                && !self.letters_deleted.contains(&letter.dlq_id)
        });
        let mut messages: Vec<DeadLetter> = letters.skip(from).collect();
        let cursor = (messages.len() > count).then(|| (from + count).to_string());
        messages.truncate(count);
        DeadLetters { messages, cursor }
    }
}

impl Sent {
    pub fn as_wire(&self) -> qstash::Message {
        qstash::Message {
            message_id: self.id.clone(),
            url: self.destination.clone(),
            label: Some(self.header("upstash-label").to_owned()).filter(|label| !label.is_empty()),
            body: Some(String::from_utf8(self.body.to_vec()).unwrap()),
            ..qstash::Message::default()
        }
    }
}
