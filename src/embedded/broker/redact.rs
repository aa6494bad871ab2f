//! What is shown of a message whose publisher asked for discretion: a mark with a hash, equal for equal values.

use super::message::Redaction;
use crate::services::qstash::wire;
use bytes::Bytes;
use sha2::{Digest, Sha256};
use std::fmt::Write;

impl Redaction {
    pub fn show_body(&self, body: &Bytes) -> Bytes {
        if self.body { mark(body).into() } else { body.clone() }
    }

    pub fn show_headers(&self, mut headers: wire::Headers) -> wire::Headers {
        for (name, values) in &mut headers {
            if self.header || self.headers.iter().any(|hidden| name.eq_ignore_ascii_case(hidden)) {
                for value in values {
                    *value = mark(value.as_bytes());
                }
            }
        }
        headers
    }

    /// What is hidden of a message that tells of this one: its body repeats everything.
    #[must_use]
    pub fn of_tidings(&self) -> Self {
        Self { body: !self.is_none(), ..self.clone() }
    }
}

fn mark(value: &[u8]) -> String {
    let mut text = "REDACTED:".to_owned();
    for byte in Sha256::digest(value) {
        let _infallible = write!(text, "{byte:02x}");
    }
    text
}
