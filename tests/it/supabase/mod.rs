//! The Supabase client against the stand-in, over real HTTP.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on says where")]

mod errors;
mod keys;
mod objects;
mod restart;
mod resumable;
mod rows;
mod standin_alone;

use bytes::Bytes;
use cliprelay::embedded::supabase as standin;
use cliprelay::services::outbound;
use cliprelay::services::supabase::{Access, Columns, Options, Supabase, Timeouts};
use futures_util::{Stream, stream};
use serde_json::{Value, json};
use std::convert::Infallible;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use url::Url;

const KEY: &str = "eyJhbGciOiJIUzI1NiJ9.test.key";

/// A stand-in on loopback and a client for it.
struct Stand {
    standin: Arc<standin::Supabase>,
    url: Url,
    client: Supabase,
    http: reqwest::Client,
    _data: Option<tempfile::TempDir>,
}

impl Stand {
    async fn start() -> Self {
        let data = tempfile::tempdir().unwrap();
        let options = standin_options(data.path());
        Self::with(options, Some(data)).await
    }

    async fn with(options: standin::Options, data: Option<tempfile::TempDir>) -> Self {
        let standin = standin::open(options).await.unwrap();
        let app = axum::Router::new().nest("/supabase", standin::router(Arc::clone(&standin)));
        let url = serve(app).await.join("supabase").unwrap();
        let client = client(&url, KEY);
        let http = outbound::client(&outbound::Options::default()).unwrap();
        Self { standin, url, client, http, _data: data }
    }

    /// Plans a fault the way another process would.
    async fn order(&self, order: Value) {
        let url = format!("{}/control/faults", self.url);
        let response = self.http.post(url).json(&order).send().await.unwrap();
        assert_eq!(response.status(), 204, "{order}");
    }

    async fn fault(&self, op: &str, fault: Value) {
        self.order(json!({"op": op, "fault": fault})).await;
    }

    async fn stored(&self, path: &str) -> Bytes {
        let response = self.http.get(self.client.public_url(path).unwrap()).send().await.unwrap();
        assert_eq!(response.status(), 200);
        response.bytes().await.unwrap()
    }
}

fn standin_options(data: &Path) -> standin::Options {
    standin::Options {
        key: Some(KEY.into()),
        patience: Duration::from_millis(200),
        // Longer than any test waits: a sender that does not listen fails here.
        hold_unread: Duration::from_mins(5),
        ..standin::Options::new(data)
    }
}

async fn serve(app: axum::Router) -> Url {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    tokio::spawn(axum::serve(listener, app).into_future());
    Url::parse(&url).unwrap()
}

fn client(url: &Url, key: &str) -> Supabase {
    client_with(url, key, Duration::from_secs(30))
}

fn client_with(url: &Url, key: &str, idle: Duration) -> Supabase {
    let http = outbound::client(&outbound::Options::default()).unwrap();
    let options = Options {
        url: url.clone(),
        service_key: key.into(),
        bucket: "videos".to_owned(),
        access: Access::Public,
        table: "projects".to_owned(),
        columns: Columns::default(),
        timeouts: Timeouts { call: Duration::from_secs(10), idle, stored: Duration::from_secs(30) },
    };
    Supabase::new(http, options).unwrap()
}

/// Bytes that differ by position, so that a shifted or doubled piece shows.
fn content(from: u64, to: u64) -> impl Stream<Item = Result<Bytes, Infallible>> + Unpin + Send {
    let pieces = (from..to).step_by(50_000).map(move |start| Ok(piece(start, to.min(start + 50_000))));
    stream::iter(pieces)
}

fn piece(from: u64, to: u64) -> Bytes {
    (from..to).map(|at| at.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_le_bytes()[7]).collect()
}

/// What must end does so long before this.
async fn in_time<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_mins(1), work).await.expect("it hangs")
}
