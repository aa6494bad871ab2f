//! Reads a publish: the destination, the `Upstash-*` headers and the body become a message, or a refusal in the service's
//! own words. Pure: the time is given.

mod amend;
mod run;

pub use super::quota::Quota;
pub use amend::Amendment;

use super::duration::whole_seconds;
use super::expression::Expression;
use super::message::{CallbackSpec, Flow, FlowLimits, Headers, Millis, New, Redaction, Spec, new_id};
use super::target::is_name;
use bytes::Bytes;
use sha2::{Digest, Sha256};
use std::fmt::Write;

/// Why a request is not accepted: an HTTP status and the text of its `error`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{status}: {text}")]
pub struct Refusal {
    pub status: u16,
    pub text: String,
}

impl Refusal {
    pub fn new(status: u16, text: impl Into<String>) -> Self {
        Self { status, text: text.into() }
    }

    pub fn bad(text: impl Into<String>) -> Self {
        Self::new(400, text)
    }

    pub fn quota(name: &str) -> Self {
        Self::new(412, format!("quota {name} exceeded"))
    }
}

/// One publish as it came in; header names in lower case.
pub struct Publishing<'a> {
    pub user: &'a str,
    pub destination: &'a str,
    pub headers: &'a Headers,
    pub body: Bytes,
    pub caller_ip: Option<String>,
}

const METHODS: [&str; 5] = ["GET", "POST", "PUT", "PATCH", "DELETE"];
/// Headers of the request or its connection itself, never handed on.
const OWN: [&str; 13] = [
    "host",
    "authorization",
    "content-length",
    "content-type",
    "connection",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "expect",
];

/// These of them may be asked for by name.
const OF_BODY_OR_USER: [&str; 2] = ["authorization", "content-type"];

impl Publishing<'_> {
    pub fn read(self, quota: Quota, now: Millis) -> Result<New, Refusal> {
        let topic = topic(self.destination)?;
        if self.body.len() > quota.body_bytes {
            return Err(Refusal::quota("maxMessageSize"));
        }
        let not_before = self.not_before(quota, now)?;
        let part = self.part("upstash-workflow-")?;
        let mut headers = self.delivered();
        headers.extend(self.run_headers("upstash-workflow-", part.as_ref()));
        let deduplication = self.deduplication(&headers)?;
        let callback = self.callback("upstash-callback", quota)?;
        let failure_callback = self.callback("upstash-failure-callback", quota)?;
        let spec = Spec {
            user: self.user.to_owned(),
            destination: self.destination.to_owned(),
            method: self.method("upstash-method")?,
            headers,
            timeout_s: self.timeout("upstash-timeout", quota)?,
            retries: self.retries("upstash-retries", quota)?.unwrap_or(3.min(quota.retries)),
            retry_delay: self.retry_delay("upstash-retry-delay")?,
            callback,
            failure_callback,
            labels: self.labels(),
            caller_ip: self.caller_ip.clone(),
            topic,
            flow: self.flow()?,
            redaction: self.redaction()?,
            part,
            ..Spec::default()
        };
        Ok(New { id: new_id("msg_"), spec, body: self.body, created_at: now, not_before, deduplication })
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        let value = self.headers.iter().find(|(given, _)| given == name).map(|(_, value)| value.trim())?;
        (!value.is_empty()).then_some(value)
    }

    fn flag(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }

    fn not_before(&self, quota: Quota, now: Millis) -> Result<Millis, Refusal> {
        let latest = now.saturating_add_unsigned(quota.delay_s.saturating_mul(1_000));
        let at = if let Some(text) = self.get("upstash-not-before") {
            let seconds: i64 = text.parse().map_err(|_| Refusal::bad("invalid Upstash-Not-Before: unix seconds"))?;
            seconds.saturating_mul(1_000).max(now)
        } else {
            now.saturating_add(self.delay(quota)?)
        };
        if at > latest { Err(Refusal::quota("maxDelay")) } else { Ok(at) }
    }

    /// `Upstash-Delay` in milliseconds.
    pub fn delay(&self, quota: Quota) -> Result<Millis, Refusal> {
        let Some(text) = self.get("upstash-delay") else { return Ok(0) };
        let seconds = whole_seconds(text).ok_or_else(|| Refusal::bad("invalid Upstash-Delay: a duration"))?;
        if seconds > quota.delay_s {
            return Err(Refusal::quota("maxDelay"));
        }
        Ok(Millis::try_from(seconds.saturating_mul(1_000)).unwrap_or(Millis::MAX))
    }

    fn flow(&self) -> Result<Option<Flow>, Refusal> {
        let value = self.get("upstash-flow-control-value");
        match (self.get("upstash-flow-control-key"), value) {
            (None, None) => Ok(None),
            (None, Some(_)) => Err(Refusal::bad("Upstash-Flow-Control-Value needs an Upstash-Flow-Control-Key")),
            (Some(key), value) => {
                let limits = value.map(FlowLimits::read).transpose()?.unwrap_or_default();
                Ok(Some(Flow { key: key.to_owned(), limits, revision: 0 }))
            }
        }
    }

    /// A comma list of `body`, `header` and `header[Name]`.
    fn redaction(&self) -> Result<Redaction, Refusal> {
        let mut redaction = Redaction::default();
        let text = self.get("upstash-redact-fields").unwrap_or_default();
        for field in text.split(',').map(str::trim).filter(|field| !field.is_empty()) {
            let name = field.strip_prefix("headers").or_else(|| field.strip_prefix("header"));
            match (field, name) {
                ("body", _) => redaction.body = true,
                (_, Some("")) => redaction.header = true,
                _ => {
                    let name = name.and_then(|name| name.strip_prefix('[')?.strip_suffix(']'));
                    let bad = || Refusal::bad(format!("invalid Upstash-Redact-Fields: {field}"));
                    redaction.headers.push(name.filter(|name| !name.is_empty()).ok_or_else(bad)?.to_ascii_lowercase());
                }
            }
        }
        Ok(redaction)
    }

    fn method(&self, name: &str) -> Result<String, Refusal> {
        let method = self.get(name).unwrap_or("POST").to_ascii_uppercase();
        if METHODS.contains(&method.as_str()) { Ok(method) } else { Err(Refusal::bad(format!("invalid {name}"))) }
    }

    fn timeout(&self, name: &str, quota: Quota) -> Result<Option<u64>, Refusal> {
        let Some(text) = self.get(name) else { return Ok(None) };
        match whole_seconds(text) {
            Some(seconds) if seconds > 0 => Ok(Some(seconds.min(quota.timeout_s))),
            _ => Err(Refusal::bad(format!("invalid {name}: a duration"))),
        }
    }

    fn retries(&self, name: &str, quota: Quota) -> Result<Option<u32>, Refusal> {
        let Some(text) = self.get(name) else { return Ok(None) };
        let retries: u32 = text.parse().map_err(|_| Refusal::bad(format!("invalid {name}: a whole number")))?;
        if retries > quota.retries { Err(Refusal::quota("maxRetries")) } else { Ok(Some(retries)) }
    }

    fn retry_delay(&self, name: &str) -> Result<Option<String>, Refusal> {
        let Some(text) = self.get(name) else { return Ok(None) };
        text.parse::<Expression>().map_err(|error| Refusal::bad(format!("invalid {name}: {error}")))?;
        Ok(Some(text.to_owned()))
    }

    fn labels(&self) -> Vec<String> {
        let text = self.get("upstash-label").unwrap_or_default();
        text.split(',').map(str::trim).filter(|label| !label.is_empty()).map(str::to_owned).collect()
    }

    /// What the destination is to see: what was asked to be forwarded, the content type, and with `Header-Forward` all.
    fn delivered(&self) -> Headers {
        let mut headers = self.forwarded("upstash-forward-");
        if !headers.iter().any(|(name, _)| name == "content-type") {
            headers.extend(self.get("content-type").map(|value| ("content-type".to_owned(), value.to_owned())));
        }
        if self.flag("upstash-header-forward") {
            let free = |name: &str| !name.starts_with("upstash-") && !OWN.contains(&name);
            headers.extend(self.headers.iter().filter(|(name, _)| free(name)).cloned());
        }
        headers
    }

    fn forwarded(&self, prefix: &str) -> Headers {
        let given = self.headers.iter().filter_map(|(name, value)| Some((name.strip_prefix(prefix)?, value)));
        given
            .filter(|(name, _)| !name.is_empty() && (OF_BODY_OR_USER.contains(name) || !OWN.contains(name)))
            .map(|(name, value)| (name.to_owned(), value.clone()))
            .collect()
    }

    fn callback(&self, name: &str, quota: Quota) -> Result<Option<CallbackSpec>, Refusal> {
        let Some(url) = self.get(name) else { return Ok(None) };
        web_address(url)?;
        if self.get(&format!("{name}-delay")).is_some() {
            return Err(Refusal::bad("delayed callbacks are not supported"));
        }
        let run = format!("{name}-workflow-");
        let part = self.part(&run)?;
        let mut headers = self.forwarded(&format!("{name}-forward-"));
        headers.extend(self.run_headers(&run, part.as_ref()));
        Ok(Some(CallbackSpec {
            url: url.to_owned(),
            method: self.method(&format!("{name}-method"))?,
            headers,
            timeout_s: self.timeout(&format!("{name}-timeout"), quota)?,
            retries: self.retries(&format!("{name}-retries"), quota)?,
            retry_delay: self.retry_delay(&format!("{name}-retry-delay"))?,
            part,
        }))
    }

    /// A key under which the message is accepted once, by the given id or by content: destination, body, content type
    /// and forwarded headers.
    fn deduplication(&self, delivered: &Headers) -> Result<Option<String>, Refusal> {
        if let Some(id) = self.get("upstash-deduplication-id") {
            if id.contains(':') {
                return Err(Refusal::bad("DeduplicationId cannot contain ':'"));
            }
            return Ok(Some(format!("id:{id}")));
        }
        if !self.flag("upstash-content-based-deduplication") {
            return Ok(None);
        }
        let mut sorted: Vec<_> = delivered.iter().collect();
        sorted.sort();
        // As JSON, lengths and boundaries are unambiguous.
        let identity = serde_json::json!([self.destination, sorted]).to_string();
        let hash = Sha256::new().chain_update(Sha256::digest(identity)).chain_update(&self.body).finalize();
        let mut key = "content:".to_owned();
        for byte in hash {
            let _infallible = write!(key, "{byte:02x}");
        }
        Ok(Some(key))
    }
}

/// The group's name if the destination is no address; what is neither is told as the service does.
fn topic(destination: &str) -> Result<Option<String>, Refusal> {
    if destination.starts_with("api/") {
        let text = "invalid destination url: api/ targets (LLM, e-mail) are services of Upstash; this broker delivers to \
                    http:// and https:// addresses and URL groups only";
        return Err(Refusal::bad(text));
    }
    if is_name(destination) {
        return Ok(Some(destination.to_owned()));
    }
    web_address(destination).map(|()| None)
}

/// Loopback is welcome here, unlike at the service: developing is what this is for. A host is not looked up either.
pub fn web_address(destination: &str) -> Result<(), Refusal> {
    let scheme = destination.split_once("://").map_or("", |(scheme, _)| scheme);
    if !["http", "https"].iter().any(|known| scheme.eq_ignore_ascii_case(known)) {
        let text = "invalid destination url: endpoint has invalid scheme, add http:// or https://";
        return Err(Refusal::bad(text));
    }
    match url::Url::parse(destination) {
        Ok(url) if url.has_host() => Ok(()),
        Ok(_) => Err(Refusal::bad("invalid destination url: no host")),
        Err(error) => Err(Refusal::bad(format!("invalid destination url: {error}"))),
    }
}
