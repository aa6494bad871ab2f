//! Sorting QStash's answers into what a caller can do about them. Answers are read up to a limit, never without end.

use super::wire::Failure;
use crate::services::outbound::Unanswered;
use futures_util::StreamExt;
use reqwest::header::{DATE, HeaderMap};
use reqwest::{Response, StatusCode};
use serde::de::DeserializeOwned;
use std::time::Duration;

/// A page of dead letters carries bodies; beyond this, ask for smaller pages.
const ANSWER_BYTES_MAX: usize = 32 * 1024 * 1024;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// No connection, no answer in time, 429, 5xx, or an answer that cannot be read. Whether a publish was accepted is
    /// then unknown: repeat it under the same deduplication id.
    #[error("QStash is away: {detail}")]
    Away {
        /// How long QStash asked us to stay away.
        after: Option<Duration>,
        detail: String,
    },
    #[error("QStash refused the token")]
    Unauthorized,
    #[error("the QStash token belongs to another region than the address")]
    WrongRegion,
    /// QStash, or our own check before sending (status 400), refuses the request as it is.
    #[error("QStash refused the request ({status}): {message}")]
    Refused { status: u16, message: String },
}

impl Error {
    pub(super) fn unsendable(message: &str) -> Self {
        Self::Refused { status: 400, message: message.to_owned() }
    }

    /// A request that got no answer. The address stays out of the text: it may hold a destination's secret query.
    pub(super) fn unanswered(error: impl Into<Unanswered>) -> Self {
        Self::Away { after: None, detail: error.into().text }
    }

    fn unreadable(detail: String) -> Self {
        Self::Away { after: None, detail }
    }
}

/// The answer's body if it is a success; none if the object does not exist. An empty success reads as `null`: some
/// deletions answer without a body.
pub(super) async fn read<T: DeserializeOwned>(response: Response) -> Result<Option<T>, Error> {
    let status = response.status();
    let after = retry_after(response.headers());
    let body = body(response).await?;
    if status.is_success() {
        let json: &[u8] = if body.is_empty() { b"null" } else { &body };
        return serde_json::from_slice(json)
            .map(Some)
            .map_err(|error| Error::unreadable(format!("answered {status} with something unexpected: {error}")));
    }
    let message = message(&body);
    match status {
        StatusCode::NOT_FOUND if message.contains("not found in this region") => Err(Error::WrongRegion),
        StatusCode::NOT_FOUND => Ok(None),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(Error::Unauthorized),
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => {
            Err(Error::Away { after, detail: format!("{status}: {message}") })
        }
        _ if status.is_server_error() => Err(Error::Away { after, detail: format!("{status}: {message}") }),
        _ => Err(Error::Refused { status: status.as_u16(), message }),
    }
}

async fn body(response: Response) -> Result<Vec<u8>, Error> {
    let mut body = Vec::new();
    let mut chunks = response.bytes_stream();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(Error::unanswered)?;
        if body.len() + chunk.len() > ANSWER_BYTES_MAX {
            return Err(Error::unreadable(format!("the answer is longer than {ANSWER_BYTES_MAX} bytes")));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// The error's own text, or the beginning of whatever a proxy answered instead.
fn message(body: &[u8]) -> String {
    match serde_json::from_slice::<Failure>(body) {
        Ok(failure) => failure.error,
        Err(_) => String::from_utf8_lossy(body).trim().chars().take(200).collect(),
    }
}

/// `Retry-After` in seconds, else the rate limit's reset, which is a unix time and is read against the answer's own date.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let number = |name: &str| headers.get(name)?.to_str().ok()?.trim().parse::<i64>().ok();
    if let Some(seconds) = number("retry-after") {
        return u64::try_from(seconds).ok().map(Duration::from_secs);
    }
    let reset = number("burst-ratelimit-reset").or_else(|| number("ratelimit-reset"))?;
    let date = jiff::fmt::rfc2822::parse(headers.get(DATE)?.to_str().ok()?).ok()?;
    u64::try_from(reset.saturating_sub(date.timestamp().as_second())).ok().map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn asked(headers: &[(&'static str, &str)]) -> Option<Duration> {
        let headers = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
        retry_after(&headers.collect())
    }

    /// 2026-11-23 12:00:00 UTC.
    const NOW: (&str, i64) = ("Mon, 23 Nov 2026 12:00:00 GMT", 1_795_435_200);

    proptest! {
        #[test]
        fn seconds_win_over_a_reset(seconds in any::<u64>(), reset in any::<i64>()) {
            let told = [("retry-after", &*seconds.to_string()), ("ratelimit-reset", &reset.to_string()), ("date", NOW.0)];
            prop_assert_eq!(asked(&told), i64::try_from(seconds).ok().map_or_else(|| asked(&told[1..]), |_| Some(Duration::from_secs(seconds))));
        }

        /// Whatever number it is; what has passed asks for nothing.
        #[test]
        fn a_reset_is_read_against_the_answers_date(reset in prop_oneof![any::<i64>(), NOW.1 - 100..NOW.1 + 10_000, Just(i64::MIN)], burst in any::<bool>()) {
            let name = if burst { "burst-ratelimit-reset" } else { "ratelimit-reset" };
            let expected = u64::try_from(i128::from(reset) - i128::from(NOW.1)).ok().map(Duration::from_secs);
            prop_assert_eq!(asked(&[(name, &reset.to_string()), ("date", NOW.0)]), expected);
            prop_assert_eq!(asked(&[(name, &reset.to_string())]), None);
        }

        #[test]
        fn anything_else_is_nothing_or_a_time(one in "[ -~]{0,30}", other in "[ -~]{0,30}", date in "[ -~]{0,30}") {
            let _ = asked(&[("retry-after", &one), ("burst-ratelimit-reset", &other), ("date", &date)]);
            let _ = asked(&[("ratelimit-reset", &other), ("date", NOW.0)]);
        }
    }
}
