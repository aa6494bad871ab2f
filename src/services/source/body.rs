//! Reading a reply's body: every byte counted, so that a clip cut short never passes for a whole one.

use super::boxes::Walk;
use super::{Clip, Error};
use crate::measure;
use crate::services::outbound::describe;
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use reqwest::Response;
use std::time::Duration;
use tokio::time::timeout;

/// Which bytes of the clip a reply holds: from `start` to its end.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    pub start: u64,
    pub total: u64,
}

struct Reading {
    response: Response,
    /// The position in the clip of the next byte the server sends.
    at: u64,
    total: u64,
    /// Bytes before this position are dropped.
    from: u64,
    idle: Duration,
    /// Of what is read from its beginning.
    walk: Option<Walk>,
}

/// The clip's bytes from `from` on. After an error the stream has ended.
pub(super) fn from(response: Response, span: Span, from: u64, idle: Duration) -> Clip {
    let walk = (span.start == 0).then(|| Walk::new(span.total));
    let reading = Reading { response, at: span.start, total: span.total, from, idle, walk };
    stream::unfold(Some(reading), async |reading| match reading?.next().await {
        Ok(Some((piece, reading))) => Some((Ok(piece), Some(reading))),
        Ok(None) => None,
        Err(error) => Some((Err(error), None)),
    })
    .boxed()
}

impl Reading {
    async fn next(mut self) -> Result<Option<(Bytes, Self)>, Error> {
        loop {
            let truncated = Error::Truncated { got: self.at, expected: self.total };
            let mut piece = match timeout(self.idle, self.response.chunk()).await {
                Err(_) => return Err(Error::away(format!("no byte for {} s", self.idle.as_secs()))),
                Ok(Ok(Some(piece))) => piece,
                Ok(Ok(None)) if self.at == self.total => return Ok(None),
                Ok(Ok(None)) => return Err(truncated),
                // A connection that breaks inside a body is a body cut short; the reason adds nothing.
                Ok(Err(error)) if error.is_body() || error.is_decode() || error.is_request() => return Err(truncated),
                Ok(Err(error)) => return Err(Error::away(describe(error))),
            };
            measure::bytes_fetched(piece.len());
            let begin = self.at;
            self.at += piece.len() as u64;
            if self.at > self.total {
                return Err(Error::NotAVideo { why: format!("it is longer than the {} bytes announced", self.total) });
            }
            if let Some(walk) = &mut self.walk {
                walk.over(&piece).map_err(|why| Error::NotAVideo { why })?;
            }
            let skip = self.from.saturating_sub(begin).min(piece.len() as u64);
            let piece = piece.split_off(usize::try_from(skip).unwrap_or(usize::MAX).min(piece.len()));
            if !piece.is_empty() {
                return Ok(Some((piece, self)));
            }
        }
    }
}
