//! One small call: the key on the way out, a bounded reply on the way in, a timeout over both.

use super::{Error, Supabase};
use crate::services::outbound::Http;
use bytes::{Bytes, BytesMut};
use reqwest::header::HeaderMap;
use reqwest::{Method, RequestBuilder};
use serde::de::DeserializeOwned;
use tokio::time::timeout;
use url::Url;

/// Refusals are read up to here.
const REFUSAL_MAX: usize = 16 * 1024;
/// Answers with rows in them are read up to here; a longer one is refused.
const ANSWER_MAX: usize = 4 * 1024 * 1024;

/// A reply, read to its end or its limit.
pub(super) struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Reply {
    pub(super) async fn read(mut response: reqwest::Response) -> Self {
        let limit = if response.status().is_success() { ANSWER_MAX } else { REFUSAL_MAX };
        let mut body = BytesMut::new();
        // A server that refuses an upload may close the connection right behind its reply: what came is the reply.
        while let Ok(Some(piece)) = response.chunk().await {
            let room = limit.saturating_sub(body.len());
            body.extend_from_slice(&piece[..piece.len().min(room)]);
            if body.len() >= limit {
                break;
            }
        }
        let status = response.status().as_u16();
        Self { status, headers: std::mem::take(response.headers_mut()), body: body.freeze() }
    }

    pub(super) fn ok(self, sort: fn(&Self) -> Error) -> Result<Self, Error> {
        if (200..300).contains(&self.status) { Ok(self) } else { Err(sort(&self)) }
    }

    pub(super) fn json<T: DeserializeOwned>(&self) -> Result<T, Error> {
        serde_json::from_slice(&self.body).map_err(|error| Error::unreadable(&error.to_string()))
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

impl Supabase {
    /// A request that carries the key. `url` is always one of [`Supabase::at`]: on our own host.
    pub(super) fn request(&self, method: Method, url: Url) -> RequestBuilder {
        self.http.request(method, url).headers(self.key.clone())
    }

    /// Of storage.
    pub(super) async fn call(&self, request: RequestBuilder) -> Result<Reply, Error> {
        self.exchange(&self.http, request).await
    }

    /// Of the table.
    pub(super) async fn ask_rows(&self, request: RequestBuilder) -> Result<Reply, Error> {
        self.exchange(&self.rows, request).await
    }

    async fn exchange(&self, http: &Http, request: RequestBuilder) -> Result<Reply, Error> {
        let exchange = async {
            let response = http.send(request).await.map_err(|error| Error::away(error.text))?;
            Ok(Reply::read(response).await)
        };
        match timeout(self.options.timeouts.call, exchange).await {
            Ok(reply) => reply,
            Err(_) => Err(Error::away("no answer in time")),
        }
    }
}
