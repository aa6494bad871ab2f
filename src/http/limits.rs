//! Who is counted as whom, and how a caller is told where they stand: `RateLimit` and `RateLimit-Policy` as the IETF draft
//! has them (draft-ietf-httpapi-ratelimit-headers-11; the form is that of 08 on).

use super::{Http, Problem};
use crate::flow::{Limit, Policy, Standing, TurnError};
use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use std::convert::Infallible;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

pub(super) const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
pub(super) const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const FORWARDED_FOR: &str = "x-forwarded-for";
/// Set by the serverless host itself, whatever the caller or a proxy before it sent.
const OF_THE_HOST: [&str; 2] = ["x-vercel-forwarded-for", "x-real-ip"];
/// Those whose address nobody knows share one window.
const UNKNOWN: &str = "unknown";
/// A network of this size is one customer's.
const V6_PREFIX: u32 = 64;
/// When a place in the queue may be free.
const QUEUE_PAUSE: Duration = Duration::from_mins(1);

/// Whose word is taken for a caller's address.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Proxies {
    /// Nobody's: the connection tells.
    #[default]
    None,
    /// So many proxies of our own stand before us, each of which adds who called it to `X-Forwarded-For`.
    Trusted(usize),
    /// The serverless host's.
    Host,
}

impl Proxies {
    /// The network a request came from, as text.
    fn network(self, headers: &HeaderMap, peer: Option<IpAddr>) -> String {
        let address = match self {
            Self::None => peer,
            Self::Host => OF_THE_HOST.iter().find_map(|name| address(headers.get(*name)?.to_str().ok()?)),
            Self::Trusted(proxies) => match forwarded(headers, proxies) {
                Some(text) => address(text),
                None => peer,
            },
        };
        address.map_or_else(|| UNKNOWN.to_owned(), network)
    }
}

/// What the outermost trusted proxy wrote: so many from the right, because whatever is left of that the caller may have made
/// up.
fn forwarded(headers: &HeaderMap, proxies: usize) -> Option<&str> {
    let lines = headers.get_all(FORWARDED_FOR).iter().map(|line| line.to_str().unwrap_or_default());
    let entries: Vec<&str> = lines.flat_map(|line| line.split(',')).collect();
    entries.get(entries.len().saturating_sub(proxies)).copied()
}

/// An address, also with a port.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    bare.parse().ok().or_else(|| text.parse().ok().map(|address: SocketAddr| address.ip()))
}

fn network(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => {
            let network = Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << (128 - V6_PREFIX)));
            format!("{network}/{V6_PREFIX}")
        }
    }
}

/// The network a request came from.
pub(super) struct Network(pub String);

impl FromRequestParts<Arc<Http>> for Network {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, http: &Arc<Http>) -> Result<Self, Infallible> {
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| peer.ip());
        Ok(Self(http.proxies.network(&parts.headers, peer)))
    }
}

/// An answer, with how the caller stands.
pub(super) fn told(standing: &Standing, answer: impl IntoResponse) -> Response {
    let mut response = answer.into_response();
    let list = |item: fn(&Policy) -> String| standing.policies.iter().map(item).collect::<Vec<_>>().join(", ");
    let policy = |policy: &Policy| format!("\"{}\";q={};w={}", policy.name, policy.quota, policy.window.as_secs());
    let now = |policy: &Policy| format!("\"{}\";r={};t={}", policy.name, policy.remaining, seconds(policy.resets_in));
    for (name, value) in [(RATE_LIMIT_POLICY, list(policy)), (RATE_LIMIT, list(now))] {
        if let Ok(value) = HeaderValue::from_str(&value)
            && !value.is_empty()
        {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

/// What a request without a turn is answered.
pub(super) fn refused(error: TurnError) -> Response {
    let standing = match error {
        TurnError::Fault(fault) => return Problem::from(fault).into_response(),
        TurnError::TooMany(standing) => standing,
    };
    let used_up = standing.policies.iter().filter(|policy| policy.remaining == 0);
    let longest = used_up.map(|policy| policy.resets_in).max().unwrap_or_default();
    let wait = seconds(longest);
    let detail = format!("Too many requests; try again in {wait} s");
    let mut problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, "rate_limited", detail);
    problem.retry_after = Some(Duration::from_secs(wait));
    told(&standing, problem)
}

impl From<Limit> for Problem {
    fn from(limit: Limit) -> Self {
        match limit {
            Limit::Queue => {
                let detail = "As many jobs are under way as this service takes; nothing was recorded, try again later";
                Self { retry_after: Some(QUEUE_PAUSE), ..Self::unavailable("queue_full", detail) }
            }
            Limit::Budget { resets_in } => {
                let detail = "With this job more would be spent than this service allows for a day (UTC); nothing was \
                              recorded, try again tomorrow or ask for fewer clips";
                let after = Duration::from_secs(resets_in.div_ceil(1_000));
                Self { retry_after: Some(after), ..Self::unavailable("budget_exhausted", detail) }
            }
        }
    }
}

/// Rounded up: who comes back then finds the window over.
fn seconds(span: Duration) -> u64 {
    u64::try_from(span.as_millis().div_ceil(1_000)).unwrap_or(u64::MAX).max(1)
}
