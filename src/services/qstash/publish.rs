//! A message to publish, and the headers that say how it is to be delivered.

use super::Error;
use bytes::Bytes;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use std::time::Duration;
use url::Url;

/// One message. Durations are sent in whole seconds, rounded up: the protocol knows no finer grain.
#[derive(Debug, Clone)]
pub struct Publish {
    pub destination: Url,
    pub body: Bytes,
    pub content_type: String,
    /// Zero sends at once.
    pub delay: Duration,
    /// Further attempts after the first.
    pub retries: u32,
    /// An expression in milliseconds over `retried`; none for the default backoff.
    pub retry_delay: Option<String>,
    /// When an attempt is given up; it cannot lengthen the plan's own limit.
    pub timeout: Duration,
    pub failure_callback: Option<Url>,
    /// Must not contain `:`.
    pub deduplication_id: String,
    pub label: String,
    /// Headers for the destination, passed to the failure callback too. Secret: they may let a caller past a gate.
    pub forward: Vec<(String, SecretString)>,
}

impl Publish {
    pub(super) fn headers(&self) -> Result<HeaderMap, Error> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, value("Content-Type", &self.content_type)?);
        let mut set = |name: &'static str, text: &str| -> Result<(), Error> {
            headers.insert(HeaderName::from_static(name), value(name, text)?);
            Ok(())
        };
        set("upstash-method", "POST")?;
        set("upstash-retries", &self.retries.to_string())?;
        set("upstash-timeout", &seconds(self.timeout))?;
        set("upstash-deduplication-id", &self.deduplication_id)?;
        if !self.delay.is_zero() {
            set("upstash-delay", &seconds(self.delay))?;
        }
        if let Some(expression) = &self.retry_delay {
            set("upstash-retry-delay", expression)?;
        }
        if let Some(url) = &self.failure_callback {
            set("upstash-failure-callback", url.as_str())?;
        }
        if !self.label.is_empty() {
            set("upstash-label", &self.label)?;
        }
        for (name, secret) in &self.forward {
            forward(&mut headers, "upstash-forward-", name, secret)?;
            if self.failure_callback.is_some() {
                forward(&mut headers, "upstash-failure-callback-forward-", name, secret)?;
            }
        }
        Ok(headers)
    }
}

pub(super) fn forward(headers: &mut HeaderMap, prefix: &str, name: &str, secret: &SecretString) -> Result<(), Error> {
    let prefixed = HeaderName::try_from(format!("{prefix}{name}"))
        .map_err(|_| Error::unsendable(&format!("{name:?} is not a header's name")))?;
    let mut value = value(name, secret.expose_secret())?;
    value.set_sensitive(true);
    headers.insert(prefixed, value);
    Ok(())
}

/// The text itself stays out of the error: it may be a secret.
pub(super) fn value(name: &str, text: &str) -> Result<HeaderValue, Error> {
    HeaderValue::from_str(text).map_err(|_| Error::unsendable(&format!("{name}: not a header's value")))
}

pub(super) fn seconds(duration: Duration) -> String {
    format!("{}s", duration.as_secs() + u64::from(duration.subsec_nanos() > 0))
}
