//! Headers that change a message which exists already: a dead letter that is sent again. What is not given stays.

use super::{Publishing, Quota, Refusal};
use crate::embedded::broker::message::{CallbackSpec, Flow, Headers, Millis, Spec};

/// What a request changes.
#[derive(Debug, Clone, Default)]
pub struct Amendment {
    method: Option<String>,
    timeout_s: Option<u64>,
    retries: Option<u32>,
    retry_delay: Option<String>,
    callback: Option<CallbackSpec>,
    failure_callback: Option<CallbackSpec>,
    labels: Vec<String>,
    flow: Option<Flow>,
    headers: Headers,
    pub not_before: Millis,
}

impl Publishing<'_> {
    pub fn amendment(&self, quota: Quota, now: Millis) -> Result<Amendment, Refusal> {
        Ok(Amendment {
            method: self.get("upstash-method").map(|_| self.method("upstash-method")).transpose()?,
            timeout_s: self.timeout("upstash-timeout", quota)?,
            retries: self.retries("upstash-retries", quota)?,
            retry_delay: self.retry_delay("upstash-retry-delay")?,
            callback: self.callback("upstash-callback", quota)?,
            failure_callback: self.callback("upstash-failure-callback", quota)?,
            labels: self.labels(),
            flow: self.flow()?,
            headers: self.forwarded("upstash-forward-"),
            not_before: self.not_before(quota, now)?,
        })
    }
}

impl Amendment {
    pub fn apply(&self, spec: &mut Spec) {
        let amended = self.clone();
        if let Some(method) = amended.method {
            spec.method = method;
        }
        if let Some(retries) = amended.retries {
            spec.retries = retries;
        }
        if !amended.labels.is_empty() {
            spec.labels = amended.labels;
        }
        spec.timeout_s = amended.timeout_s.or(spec.timeout_s);
        spec.retry_delay = amended.retry_delay.or(spec.retry_delay.take());
        spec.callback = amended.callback.or(spec.callback.take());
        spec.failure_callback = amended.failure_callback.or(spec.failure_callback.take());
        spec.flow = amended.flow.or(spec.flow.take());
        spec.headers.retain(|(name, _)| !amended.headers.iter().any(|(given, _)| given.eq_ignore_ascii_case(name)));
        spec.headers.extend(amended.headers);
    }
}
