//! Klap's file server. Every byte of a file follows from its export's id and its position, so a clip that was put together
//! wrongly is found out without keeping it.

use super::World;
use super::network::plain;
use crate::faults::Fault as F;
use bytes::Bytes;
use futures_util::stream;
use reqwest::header::RANGE;
use reqwest::{Body, Request, Response};
use std::io;
use std::sync::OnceLock;

const PERIOD: usize = 1_000_003;
/// The largest piece sent at once.
const PIECE: u64 = 1 << 20;
/// The first piece: the head of an MP4.
pub const HEAD: u64 = 64;

/// A pattern, and once more its beginning, so that any piece of a file is a slice of it.
fn pattern() -> &'static Bytes {
    static PATTERN: OnceLock<Bytes> = OnceLock::new();
    PATTERN.get_or_init(|| {
        let mut rng = fastrand::Rng::with_seed(7);
        let period: Vec<u8> = std::iter::repeat_with(|| rng.u8(..)).take(PERIOD).collect();
        let more = usize::try_from(PIECE).expect("a piece fits");
        let bytes: Vec<u8> = period.iter().cycle().take(PERIOD + more).copied().collect();
        bytes.into()
    })
}

/// The first bytes of a file: its kind, an index, and the box that holds all the rest.
fn head(number: usize, size: u64) -> Vec<u8> {
    let mut head = vec![0; usize::try_from(HEAD).expect("a head fits")];
    let rest = u32::try_from(size - (HEAD - 8)).expect("files are small");
    for (at, length, kind) in [(0, 24, b"ftyp"), (24, 32, b"moov"), (56, rest, b"mdat")] {
        head[at..at + 4].copy_from_slice(&length.to_be_bytes());
        head[at + 4..at + 8].copy_from_slice(kind);
    }
    head[40] = u8::try_from(number % 251).unwrap_or(0);
    head
}

/// The bytes of a file of that size from `from` on, at most a piece.
pub fn piece(export: &str, size: u64, from: u64, end: u64) -> Bytes {
    let number: usize = export.strip_prefix("export").and_then(|number| number.parse().ok()).unwrap_or(0);
    if from < HEAD {
        let until = usize::try_from(HEAD.min(end)).expect("a head fits");
        return Bytes::from(head(number, size)).slice(usize::try_from(from).expect("within the head")..until);
    }
    let at = (usize::try_from(from).expect("files fit") + number * 7_919) % PERIOD;
    let length = usize::try_from((end - from).min(PIECE)).expect("a piece fits");
    pattern().slice(at..at + length)
}

pub fn answer(world: &World, request: &Request, fault: Option<F>) -> Response {
    let name = request.url().path().trim_start_matches('/').trim_end_matches(".mp4").to_owned();
    let Some(size) = world.state().klap.file(&name) else { return plain(404, "no such file") };
    let gone = {
        let mut state = world.state();
        state.files_gone |= fault == Some(F::FilesGone);
        state.files_gone && !state.plan.calm
    };
    match fault {
        _ if gone => return plain(404, "no such file"),
        Some(F::FileHtml) => {
            let page = "<html>Just a moment, your video is on its way</html>";
            let answer = axum::http::Response::builder().status(200).header("content-type", "video/mp4");
            let answer = answer.header("content-length", page.len()).body(Body::from(page));
            return Response::from(answer.expect("a good answer"));
        }
        Some(F::FileExpired) => return plain(403, "this address has run out"),
        _ => {}
    }
    let whole = size;
    // Cut short, and served as if that were all of it.
    let size = if fault == Some(F::FileCut) { size / 2 } else { size };
    let range = request.headers().get(RANGE).and_then(|range| range.to_str().ok());
    let from = range.and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok()).unwrap_or(0);
    let answer = axum::http::Response::builder().header("content-type", "video/mp4");
    let answer = if range.is_some() && from < size {
        let span = format!("bytes {from}-{}/{size}", size - 1);
        answer.status(206).header("content-range", span).header("content-length", size - from)
    } else if range.is_some() {
        return Response::from(
            answer
                .status(416)
                .header("content-range", format!("bytes */{size}"))
                .body(Body::from(""))
                .expect("an answer"),
        );
    } else {
        answer.status(200).header("content-length", size)
    };
    let ends = match fault {
        Some(F::FileTruncated) => from + (size - from) / 2,
        Some(F::FileLonger) => size + 10_000,
        _ => size,
    };
    let breaks = fault == Some(F::FileTruncated);
    let pieces = stream::unfold(from, move |at| {
        let name = name.clone();
        async move {
            if at < ends {
                let until = if at < HEAD { HEAD.min(ends) } else { ends };
                let piece = piece(&name, whole, at, until);
                let next = at + piece.len() as u64;
                return Some((Ok(piece), next));
            }
            (breaks && at == ends).then(|| (Err(io::Error::from(io::ErrorKind::ConnectionReset)), at + 1))
        }
    });
    Response::from(answer.body(Body::wrap_stream(pieces)).expect("a good answer"))
}
