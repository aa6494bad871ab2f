//! How we reach out. Owns the HTTP clients: one sort for the vendors we configured ourselves, and a guarded sort for every
//! address that a user or a vendor's reply handed to us.
//!
//! A guarded address must never lead into the network we run in: it is judged as written ([`Guard::check`]), because a literal
//! IP never reaches a resolver, and again as resolved, because a name may change its mind between the two. No client here
//! follows redirects (each hop is a new address to judge), uses a proxy from the environment (it would resolve names for us),
//! or repeats a request by itself (some of them cost money).

mod address;
mod allow;
mod call;
mod guard;
mod roots;
mod transport;

pub use address::is_public;
pub use allow::{AllowList, BadEntry};
pub use guard::{Blocked, Guard, PublicOnly, System};
pub use roots::read_roots;
pub use transport::{Http, Transport, Unanswered};

use reqwest::header::{DATE, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::{Client, ClientBuilder, redirect, retry};
use std::time::Duration;

/// The longest pause a vendor may ask for; a larger one is cut to it.
pub const RETRY_AFTER_MAX: Duration = Duration::from_hours(1);

/// What all outgoing clients have in common.
#[derive(Debug, Clone)]
pub struct Options {
    /// Our own name: Supabase refuses secret keys from anything that looks like a browser.
    pub user_agent: String,
    /// Name lookup, connection and TLS together.
    pub connect_timeout: Duration,
    /// How long an unused connection is kept for the next call.
    pub pool_idle: Duration,
    /// How long sent bytes may stay unacknowledged, a closed window included, before the connection is given up. It frees
    /// the connections of peers that have stopped reading. Linux only.
    pub unacknowledged: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            user_agent: concat!("cliprelay/", env!("CARGO_PKG_VERSION")).to_owned(),
            connect_timeout: Duration::from_secs(5),
            pool_idle: Duration::from_secs(30),
            unacknowledged: Duration::from_secs(45),
        }
    }
}

/// A client for hosts that our own configuration names. It sets no overall timeout: every call brings its own.
pub fn client(options: &Options) -> Result<Client, reqwest::Error> {
    builder(options).build()
}

fn builder(options: &Options) -> ClientBuilder {
    // A client cannot be built without a process-wide provider; the second and later calls change nothing.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let builder = Client::builder()
        .user_agent(&options.user_agent)
        .redirect(redirect::Policy::none())
        .referer(false)
        .retry(retry::never())
        .no_proxy()
        .connect_timeout(options.connect_timeout)
        .pool_idle_timeout(options.pool_idle)
        .tcp_nodelay(true)
        .tcp_keepalive(Duration::from_secs(30));
    // Without it reqwest reads the machine's certificates for each client that is made.
    let builder = match roots::tls() {
        Ok(tls) => builder.tls_backend_preconfigured(tls),
        Err(_) => builder,
    };
    #[cfg(target_os = "linux")]
    let builder = builder.tcp_user_timeout(options.unacknowledged);
    builder
}

/// `Retry-After` as seconds or as a date, the latter measured against the reply's own `Date` so that clocks need not agree.
/// At most [`RETRY_AFTER_MAX`]; `None` if absent or unreadable.
pub fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let asked = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let pause = if let Ok(seconds) = asked.parse::<u64>() {
        Duration::from_secs(seconds)
    } else {
        let until = http_date(headers.get(RETRY_AFTER))?;
        let now = http_date(headers.get(DATE))?;
        Duration::try_from(until.duration_since(now)).unwrap_or_default()
    };
    Some(pause.min(RETRY_AFTER_MAX))
}

fn http_date(value: Option<&HeaderValue>) -> Option<jiff::Timestamp> {
    jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(value?.as_bytes()).ok()
}

/// An error with its causes on one line, without the address it was about (an address may carry a token), at most 300
/// characters.
pub fn describe(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(next) = cause {
        let part = next.to_string();
        if !text.contains(&part) {
            text.push_str(": ");
            text.push_str(&part);
        }
        cause = next.source();
    }
    text.chars().take(300).collect()
}
