//! Fetching a vendor's finished clip. Owns one thing: an address becomes a stream of exactly the announced bytes of an MP4,
//! from any offset, or an error that says whether to wait, to ask for a fresh address, or to give the clip up.
//!
//! The address came from outside, so every hop passes the guard. Nothing is sent but the request: no key of ours belongs to
//! these hosts. Nothing is kept: a clip may be larger than our memory.

mod body;
mod boxes;
mod reply;

use crate::services::outbound::{Blocked, Guard, Unanswered};
use boxes::{LONGEST_HEADER, Walk};
use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use reqwest::header::{ACCEPT, ACCEPT_ENCODING, LOCATION, RANGE};
use reqwest::{Method, StatusCode};
use std::pin::Pin;
use std::time::Duration;
use tokio::time::timeout;
use url::Url;

/// How many redirects are followed, each judged like the first address.
pub const REDIRECTS_MAX: usize = 5;

/// How many boxes of a file are looked at when it is gone on with.
const BOXES_MAX: usize = 32;

/// The bytes of a clip, in order; ends cleanly only after the announced number.
pub type Clip = Pin<Box<dyn Stream<Item = Result<Bytes, Error>> + Send>>;

#[derive(Debug, Clone)]
pub struct Options {
    /// Larger clips are refused before their first byte.
    pub max_bytes: u64,
    /// From the request to the reply's head, for each hop.
    pub header_timeout: Duration,
    /// Between two pieces of the body.
    pub idle_timeout: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            max_bytes: 5 * 1024 * 1024 * 1024,
            header_timeout: Duration::from_secs(20),
            idle_timeout: Duration::from_secs(30),
        }
    }
}

/// A clip whose first bytes are on their way.
pub struct Opened {
    /// The whole clip's size in bytes, not what is left of it.
    pub total: u64,
    pub content_type: Option<String>,
    /// Where `stream` begins; what was asked for.
    pub offset: u64,
    /// The bytes from `offset` to `total`.
    pub stream: Clip,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address is not one we fetch; trying again changes nothing.
    #[error("the clip's address is refused: {0}")]
    Blocked(#[from] Blocked),
    /// No connection, a timeout, 408, 425, 429 or 5xx: later, and not before `after` if it is given.
    #[error("the clip's server is away: {detail}")]
    Away { after: Option<Duration>, detail: String },
    /// 401, 403, 404 or 410: the signed address has run out; ask the vendor for a fresh one.
    #[error("the clip's address no longer works (HTTP {status})")]
    Expired { status: u16 },
    /// What the server holds there is no MP4 we could store.
    #[error("not a video: {why}")]
    NotAVideo { why: String },
    /// The connection ended early; what came before is good and the rest may be asked for by offset.
    #[error("the clip ended after {got} of {expected} bytes")]
    Truncated { got: u64, expected: u64 },
    #[error("the clip has {size} bytes, more than {limit}")]
    TooLarge { size: u64, limit: u64 },
}

impl Error {
    pub(super) fn away(detail: impl Into<String>) -> Self {
        Self::Away { after: None, detail: detail.into() }
    }
}

/// The fetcher: a guard and its limits.
#[derive(Debug, Clone)]
pub struct Source {
    guard: Guard,
    options: Options,
}

impl Source {
    pub fn new(guard: Guard, options: Options) -> Self {
        Self { guard, options }
    }

    /// Opens the clip at byte `from`. A server that cannot start there is read from its beginning and the part before `from`
    /// dropped. With `from` 0 the first bytes are awaited and must be those of an MP4. `from` at the clip's very end gives an
    /// empty stream.
    pub async fn open(&self, url: &Url, from: u64) -> Result<Opened, Error> {
        if from > 0 {
            let response = self.request(url, Some(from)).await?;
            if let Some(opened) = reply::resumed(response, from, &self.options).await? {
                self.inspect(url, opened.total).await?;
                return Ok(opened);
            }
        }
        let response = self.request(url, None).await?;
        reply::whole(response, from, &self.options).await
    }

    /// Looks at a file's boxes by their headers alone: who goes on in the middle has not seen them pass by.
    async fn inspect(&self, url: &Url, total: u64) -> Result<(), Error> {
        let not_a_video = |why| Error::NotAVideo { why };
        let mut walk = Walk::new(total);
        for _ in 0..BOXES_MAX {
            let Some(at) = walk.stands_at() else { return walk.ended().map_err(not_a_video) };
            let response = self.request(url, Some(at)).await?;
            if response.status() != StatusCode::PARTIAL_CONTENT {
                return Ok(());
            }
            let Some(opened) = reply::resumed(response, at, &self.options).await? else { return Ok(()) };
            let mut stream = opened.stream;
            let mut header = Vec::new();
            while header.len() < LONGEST_HEADER {
                let Some(piece) = stream.next().await else { break };
                header.extend_from_slice(&piece?);
            }
            header.truncate(LONGEST_HEADER);
            walk.skips_to(at);
            walk.over(&header).map_err(not_a_video)?;
        }
        Ok(())
    }

    /// The first reply that is not a redirect.
    async fn request(&self, url: &Url, from: Option<u64>) -> Result<reqwest::Response, Error> {
        let mut url = url.clone();
        for _ in 0..=REDIRECTS_MAX {
            let http = self.guard.client_for(&url)?;
            let request = http.request(Method::GET, url.clone()).header(ACCEPT, "video/mp4, video/*, */*;q=0.1");
            let mut request = request.header(ACCEPT_ENCODING, "identity");
            if let Some(from) = from {
                request = request.header(RANGE, format!("bytes={from}-"));
            }
            let response = match timeout(self.options.header_timeout, http.send(request)).await {
                Ok(Ok(response)) => response,
                Ok(Err(error)) => return Err(failed(error)),
                Err(_) => return Err(Error::away("no answer in time")),
            };
            match next_hop(&url, &response)? {
                Some(next) => url = next,
                None => return Ok(response),
            }
        }
        Err(Blocked::Redirects(REDIRECTS_MAX).into())
    }
}

fn failed(error: Unanswered) -> Error {
    error.blocked.map_or_else(|| Error::away(error.text), Error::Blocked)
}

fn next_hop(url: &Url, response: &reqwest::Response) -> Result<Option<Url>, Error> {
    use StatusCode as S;
    let status = response.status();
    let redirects = [S::MOVED_PERMANENTLY, S::FOUND, S::SEE_OTHER, S::TEMPORARY_REDIRECT, S::PERMANENT_REDIRECT];
    if !redirects.contains(&status) {
        return Ok(None);
    }
    let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
    let next = location
        .and_then(|location| url.join(location).ok())
        .ok_or_else(|| Error::NotAVideo { why: format!("HTTP {status} without a usable Location") })?;
    if url.scheme() == "https" && next.scheme() == "http" {
        return Err(Blocked::Downgrade.into());
    }
    Ok(Some(next))
}
