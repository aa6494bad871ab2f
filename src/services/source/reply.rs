//! Reading a reply's head: is it the clip, how long is it, and where does it start.

use super::body::{self, Span};
use super::{Error, Opened, Options};
use crate::services::outbound::retry_after;
use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt, stream};
use reqwest::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, HeaderMap, HeaderName};
use reqwest::{Response, StatusCode};

/// The reply to a request with a range. `None`: the server cannot serve that range as asked; fetch the whole.
pub(super) async fn resumed(response: Response, from: u64, options: &Options) -> Result<Option<Opened>, Error> {
    let span = match response.status() {
        StatusCode::PARTIAL_CONTENT => match partial(response.headers()) {
            Some(span) if span.start <= from && span.total >= from => span,
            _ => return Ok(None),
        },
        StatusCode::OK => return whole(response, from, options).await.map(Some),
        StatusCode::RANGE_NOT_SATISFIABLE => {
            let total = text(response.headers(), &CONTENT_RANGE).and_then(|range| range.strip_prefix("bytes */"));
            if total.and_then(|total| total.trim().parse::<u64>().ok()) != Some(from) {
                return Ok(None);
            }
            return Ok(Some(Opened { total: from, content_type: None, offset: from, stream: stream::empty().boxed() }));
        }
        _ => return Err(refusal(&response)),
    };
    let content_type = judge(response.headers(), span.total, options)?;
    let stream = body::from(response, span, from, options.idle_timeout);
    Ok(Some(Opened { total: span.total, content_type, offset: from, stream }))
}

/// The reply to a request without a range, its part before `from` dropped.
pub(super) async fn whole(response: Response, from: u64, options: &Options) -> Result<Opened, Error> {
    if response.status() != StatusCode::OK {
        return Err(refusal(&response));
    }
    let total = announced(response.headers())?;
    if from > total {
        return Err(Error::NotAVideo { why: format!("it has {total} bytes, of which {from} were stored already") });
    }
    let content_type = judge(response.headers(), total, options)?;
    let mut stream = body::from(response, Span { start: 0, total }, from, options.idle_timeout);
    if from == 0 {
        let head = mp4_head(&mut stream).await?;
        stream = stream::iter([Ok(head)]).chain(stream).boxed();
    }
    Ok(Opened { total, content_type, offset: from, stream })
}

/// An MP4 begins with its `ftyp` box: four bytes of length, then the name.
async fn mp4_head(stream: &mut super::Clip) -> Result<Bytes, Error> {
    let mut head = BytesMut::new();
    while head.len() < 8 {
        match stream.next().await {
            Some(piece) => head.extend_from_slice(&piece?),
            None => break,
        }
    }
    if head.get(4..8) == Some(b"ftyp") {
        Ok(head.freeze())
    } else {
        Err(Error::NotAVideo { why: "it does not begin like an MP4 file".to_owned() })
    }
}

fn refusal(response: &Response) -> Error {
    let status = response.status();
    match status.as_u16() {
        401 | 403 | 404 | 410 => Error::Expired { status: status.as_u16() },
        408 | 425 | 429 | 500.. => {
            Error::Away { after: retry_after(response.headers()), detail: format!("HTTP {status}") }
        }
        _ => Error::NotAVideo { why: format!("the server answers HTTP {status}") },
    }
}

/// Checks size and type; answers the content type.
fn judge(headers: &HeaderMap, total: u64, options: &Options) -> Result<Option<String>, Error> {
    if total == 0 {
        return Err(Error::NotAVideo { why: "it is empty".to_owned() });
    }
    if total > options.max_bytes {
        return Err(Error::TooLarge { size: total, limit: options.max_bytes });
    }
    if let Some(encoding) = text(headers, &CONTENT_ENCODING).filter(|encoding| *encoding != "identity") {
        return Err(Error::NotAVideo { why: format!("it is sent with the encoding {encoding}") });
    }
    let content_type = text(headers, &CONTENT_TYPE).map(str::to_owned);
    let bare =
        content_type.as_deref().and_then(|kind| kind.split(';').next()).map(|kind| kind.trim().to_ascii_lowercase());
    match bare {
        Some(kind) if is_document(&kind) => Err(Error::NotAVideo { why: format!("the server calls it {kind}") }),
        _ => Ok(content_type),
    }
}

fn is_document(kind: &str) -> bool {
    kind.starts_with("text/")
        || ["json", "xml"].iter().any(|end| kind.ends_with(&format!("/{end}")) || kind.ends_with(&format!("+{end}")))
}

fn announced(headers: &HeaderMap) -> Result<u64, Error> {
    text(headers, &CONTENT_LENGTH)
        .and_then(|length| length.parse().ok())
        .ok_or_else(|| Error::NotAVideo { why: "the server does not say how long it is".to_owned() })
}

/// `bytes START-END/TOTAL` of a 206 that reaches to the clip's end.
fn partial(headers: &HeaderMap) -> Option<Span> {
    let range = text(headers, &CONTENT_RANGE)?.strip_prefix("bytes ")?;
    let (span, total) = range.split_once('/')?;
    let (start, end) = span.split_once('-')?;
    let (start, end, total) = (start.trim().parse().ok()?, end.trim().parse::<u64>().ok()?, total.trim().parse().ok()?);
    (start <= end && end.checked_add(1) == Some(total)).then_some(Span { start, total })
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}
