//! The embedded broker and the QStash client, each against the other over real HTTP, and both against a destination that
//! answers by script.
#![expect(clippy::expect_used, reason = "a helper that cannot go on must fail its test")]

mod bulk;
mod callbacks;
mod client;
mod deduplication;
mod delivery;
mod endpoints;
mod failure;
mod flow_control;
mod groups;
mod killed;
mod lanes;
mod load;
mod logs;
mod pure;
mod queues;
mod quotas;
mod restart;
mod retention;
mod schedules;
mod table;
mod tokens;
mod tuned;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use bytes::Bytes;
use cliprelay::embedded::broker::{self, Account, Broker, DEV_USERS, Data};
use cliprelay::services::qstash::signature::{Key, SigningKeys, Verifier};
use cliprelay::services::qstash::{Options, Publish, QStash};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use url::Url;

/// Beyond this a wait has failed.
const LIMIT: Duration = Duration::from_secs(30);

async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(LIMIT, future).await.expect("nothing happened in time")
}

/// What a destination received.
#[derive(Debug)]
struct Push {
    method: String,
    target: String,
    headers: HeaderMap,
    body: Bytes,
}

impl Push {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The key it was signed with, checked against the dev user's keys.
    fn key(&self, destination: &str) -> Key {
        let user = DEV_USERS[0];
        let keys = SigningKeys { current: user.current.into(), next: user.next.into() };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
        let now = i64::try_from(now).expect("in range");
        let region = Some(self.header("upstash-region"));
        let verified = Verifier::new(Some(keys), BTreeMap::new()).verify(
            self.header("upstash-signature"),
            region,
            &self.body,
            destination,
            now,
        );
        verified.expect("a push is signed").key
    }
}

/// How a destination answers one push.
#[derive(Debug, Clone)]
enum Reply {
    Status(u16, Vec<(&'static str, String)>, &'static str),
    Hang,
}

/// An answer with a status alone.
fn status(status: u16) -> Reply {
    Reply::Status(status, Vec::new(), "")
}

/// A failure that asks to be tried again at once.
fn again(status: u16) -> Reply {
    Reply::Status(status, vec![("retry-after", "0".to_owned())], "later")
}

type Script = Arc<Mutex<VecDeque<Reply>>>;

/// A destination on loopback: answers by script, 200 when the script is over, and hands every push on.
struct Destination {
    url: Url,
    script: Script,
    pushes: mpsc::UnboundedReceiver<Push>,
}

impl Destination {
    async fn start(script: impl IntoIterator<Item = Reply>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback");
        let url = format!("http://{}/", listener.local_addr().expect("bound"));
        let (sender, pushes) = mpsc::unbounded_channel();
        let script: Script = Arc::new(Mutex::new(script.into_iter().collect()));
        let router = axum::Router::new().fallback(receive).with_state((script.clone(), sender));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url: url.parse().expect("a URL"), script, pushes }
    }

    fn at(&self, path: &str) -> Url {
        format!("{}{path}", self.url).parse().expect("a URL")
    }

    async fn next(&mut self) -> Push {
        within(self.pushes.recv()).await.expect("the destination is up")
    }
}

async fn receive(State((script, pushes)): State<(Script, mpsc::UnboundedSender<Push>)>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 32 << 20).await.expect("a body");
    let reply = script.lock().expect("unpoisoned").pop_front().unwrap_or_else(|| status(200));
    let target = head.uri.path_and_query().map(ToString::to_string).unwrap_or_default();
    let _over = pushes.send(Push { method: head.method.to_string(), target, headers: head.headers, body });
    match reply {
        Reply::Hang => std::future::pending().await,
        Reply::Status(status, headers, text) => {
            let mut response = Response::new(Body::from(text));
            *response.status_mut() = StatusCode::from_u16(status).expect("a status");
            for (name, value) in headers {
                response.headers_mut().insert(name, value.parse().expect("a value"));
            }
            response
        }
    }
}

fn provider() {
    let _ = rustls::crypto::ring::default_provider().install_default();
}

fn http() -> reqwest::Client {
    provider();
    reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().expect("a client")
}

async fn options(data: Data) -> broker::Options {
    provider();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback");
    broker::Options { listener, data, account: Account::Dev, max_retries: 5, tuning: broker::Tuning::default() }
}

async fn in_memory() -> Broker {
    broker::start(options(Data::Memory).await).await.expect("the broker starts")
}

fn root(broker: &Broker) -> Url {
    format!("http://{}", broker.address).parse().expect("a URL")
}

fn client_of(broker: &Broker, user: usize) -> QStash {
    let options = Options { url: root(broker), token: DEV_USERS[user].token.into(), timeout: Duration::from_secs(10) };
    QStash::new(http(), options).expect("a root")
}

fn client(broker: &Broker) -> QStash {
    client_of(broker, 0)
}

/// One raw call as the default dev user; the status and the body, null if there is none.
async fn call(
    broker: &Broker,
    method: reqwest::Method,
    target: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> (u16, serde_json::Value) {
    let mut request = http().request(method, format!("{}{target}", root(broker))).bearer_auth(DEV_USERS[0].token);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answer = request.body(body.to_owned()).send().await.expect("answered");
    let (status, body) = (answer.status().as_u16(), answer.bytes().await.expect("a body"));
    let json: &[u8] = if body.is_empty() { b"null" } else { &body };
    (status, serde_json::from_slice(json).expect("every answer is JSON"))
}

/// A plain message, tried once, with this deduplication id.
fn message(destination: &Url, id: &str) -> Publish {
    Publish {
        destination: destination.clone(),
        body: Bytes::from_static(b"{\"v\":1}"),
        content_type: "application/json".to_owned(),
        delay: Duration::ZERO,
        retries: 0,
        retry_delay: None,
        timeout: Duration::from_secs(20),
        failure_callback: None,
        deduplication_id: id.to_owned(),
        label: String::new(),
        forward: Vec::new(),
    }
}

/// Asks again until the answer is there. Each question is a round trip, so this does not spin.
async fn until<T, F: Future<Output = Option<T>>>(ask: impl Fn() -> F) -> T {
    within(async {
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
        }
    })
    .await
}
