//! Files over HTTP: rendered exports and lent videos, whole or by one range, streamed from disk.

use std::io::SeekFrom;
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use futures_util::StreamExt as _;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};
use tokio_util::io::ReaderStream;

use super::faults::{answer, dropped};
use super::{Effect, Klap, Operation};

/// What an oversized file promises: more than storage takes of one object.
const OVERSIZED: u64 = 500 * 1024 * 1024 * 1024 + 1;

pub(super) fn routes() -> Router<Arc<Klap>> {
    Router::new().route("/klap/files/{name}", get(render)).route("/klap/videos/{name}", get(video))
}

/// Whether a name can be part of a path here without meaning anything else.
pub(super) fn is_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    (1..=128).contains(&name.len()) && name.chars().all(plain) && !name.starts_with('.')
}

async fn video(State(klap): State<Arc<Klap>>, Path(name): Path<String>, headers: HeaderMap) -> Response {
    match klap.records.get::<PathBuf>(&format!("video/{name}")).await {
        Ok(Some(path)) => serve(&klap, &path, &headers, None).await,
        Ok(None) => StatusCode::NOT_FOUND.into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

async fn render(State(klap): State<Arc<Klap>>, Path(name): Path<String>, headers: HeaderMap) -> Response {
    klap.tally.call(Operation::File);
    if headers.contains_key(header::AUTHORIZATION) {
        klap.tally.keys_leaked.fetch_add(1, Ordering::Relaxed);
    }
    let Some(export) = name.strip_suffix(".mp4").filter(|export| is_name(export)) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    if let Some(range) = headers.get(header::RANGE).and_then(|range| range.to_str().ok()) {
        klap.tally.range(range);
    }
    let path = klap.render_file(export);
    match klap.faults.strike(Operation::File) {
        Some(Effect::Answer { status, body, retry_after, .. }) => answer(status, body, retry_after.as_deref()),
        Some(Effect::Drop { .. } | Effect::Fail { .. }) => dropped(),
        Some(Effect::Html) => answer(200, "<!doctype html><title>Sign in</title>".into(), None),
        Some(Effect::Delay { millis, .. }) => {
            tokio::time::sleep(Duration::from_millis(millis)).await;
            serve(&klap, &path, &headers, None).await
        }
        fault @ (None | Some(Effect::Truncated | Effect::Short | Effect::Oversized)) => {
            serve(&klap, &path, &headers, fault).await
        }
    }
}

async fn serve(klap: &Arc<Klap>, path: &FilePath, headers: &HeaderMap, fault: Option<Effect>) -> Response {
    let Ok(mut file) = tokio::fs::File::open(path).await else { return StatusCode::NOT_FOUND.into_response() };
    let Ok(meta) = file.metadata().await else { return StatusCode::NOT_FOUND.into_response() };
    let size = match fault {
        Some(Effect::Short) => meta.len() / 2,
        Some(Effect::Oversized) => OVERSIZED.max(meta.len()),
        _ => meta.len(),
    };
    let asked = headers.get(header::RANGE).and_then(|range| range.to_str().ok());
    let range = match asked.map(|asked| range(asked, size)) {
        None | Some(Asked::Whole) => None,
        Some(Asked::Part(from, to)) => Some((from, to)),
        Some(Asked::Impossible) => {
            let range = [(header::CONTENT_RANGE, format!("bytes */{size}"))];
            return (StatusCode::RANGE_NOT_SATISFIABLE, range).into_response();
        }
    };
    let (from, length) = range.map_or((0, size), |(from, to)| (from, to - from + 1));
    if file.seek(SeekFrom::Start(from)).await.is_err() {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    }
    let sent = match fault {
        Some(Effect::Truncated) => length / 2,
        _ => length.min(meta.len().saturating_sub(from)),
    };
    let counted = klap.clone();
    let bytes = ReaderStream::with_capacity(file.take(sent), 64 * 1024).inspect(move |chunk| {
        let length = chunk.as_ref().map_or(0, |chunk: &Bytes| chunk.len() as u64);
        counted.tally.bytes_served.fetch_add(length, Ordering::Relaxed);
    });
    let broken = (sent < length).then(|| Err(std::io::Error::other("truncated on request")));
    let body = Body::from_stream(bytes.chain(futures_util::stream::iter(broken)));
    let mut response = Response::builder()
        .header(header::CONTENT_TYPE, "video/mp4")
        .header(header::ACCEPT_RANGES, "bytes")
        .header(header::CONTENT_LENGTH, length);
    if let Some((from, to)) = range {
        let told = format!("bytes {from}-{to}/{size}");
        response = response.status(StatusCode::PARTIAL_CONTENT).header(header::CONTENT_RANGE, told);
    }
    response.body(body).unwrap_or_else(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response())
}

/// What a `Range` header asks of a file; the end is inclusive.
#[derive(Debug, PartialEq, Eq)]
enum Asked {
    Whole,
    Part(u64, u64),
    Impossible,
}

/// One range of bytes. Several, or what cannot be read, mean the whole, as RFC 9110 allows.
fn range(header: &str, size: u64) -> Asked {
    let Some((from, to)) = header.strip_prefix("bytes=").and_then(|range| range.split_once('-')) else {
        return Asked::Whole;
    };
    let last = size.checked_sub(1);
    let (from, to) = match (from.parse::<u64>(), to.parse::<u64>()) {
        (Ok(from), Ok(to)) if from <= to => (from, Some(to)),
        (Ok(from), Err(_)) if to.is_empty() => (from, last),
        (Err(_), Ok(suffix)) if from.is_empty() && suffix > 0 => (size.saturating_sub(suffix), last),
        (Err(_), Ok(0)) if from.is_empty() => return Asked::Impossible,
        _ => return Asked::Whole,
    };
    match (to, last) {
        (Some(to), Some(last)) if from <= last => Asked::Part(from, to.min(last)),
        _ => Asked::Impossible,
    }
}
