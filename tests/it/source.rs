//! Fetching a clip from servers of every temper.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use crate::outbound::Fixed;
use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;
use cliprelay::services::outbound::{self, AllowList, Blocked, Guard};
use cliprelay::services::source::{Error, Opened, Options, Source};
use futures_util::{StreamExt, TryStreamExt, stream};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use url::Url;

const SIZE: usize = 300_000;
/// The pictures of a film.
const FILM: usize = 250_000;

fn clip() -> Bytes {
    let mut clip = b"\0\0\0\x20ftypisom".to_vec();
    clip.extend((0..SIZE - clip.len()).map(|at| u8::try_from(at % 251).unwrap()));
    clip.into()
}

fn pieces(bytes: &Bytes) -> Vec<Result<Bytes, std::io::Error>> {
    bytes.chunks(7_000).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect()
}

fn start_of(headers: &HeaderMap) -> Option<usize> {
    headers.get("range")?.to_str().ok()?.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok()
}

fn partial(start: usize) -> Response {
    let range = format!("bytes {start}-{}/{SIZE}", SIZE - 1);
    (StatusCode::PARTIAL_CONTENT, [("content-range", range)], clip().slice(start..)).into_response()
}

async fn ranged(headers: HeaderMap) -> Response {
    match start_of(&headers) {
        Some(start) if start >= SIZE => {
            (StatusCode::RANGE_NOT_SATISFIABLE, [("content-range", format!("bytes */{SIZE}"))]).into_response()
        }
        Some(start) => partial(start),
        None => clip().into_response(),
    }
}

/// A film of boxes, whole or cut in the middle; the latter is served as if that were all of it.
async fn film(axum::extract::Path(layout): axum::extract::Path<String>, headers: HeaderMap) -> Response {
    let atom = |kind: &[u8; 4], content: usize| {
        let length = u32::try_from(content + 8).unwrap().to_be_bytes();
        [&length[..], &kind[..], &vec![7; content]].concat()
    };
    let (ftyp, moov, mdat) = (atom(b"ftyp", 16), atom(b"moov", 1_000), atom(b"mdat", FILM));
    let mut film = if layout.starts_with("index-last") { [ftyp, mdat, moov] } else { [ftyp, moov, mdat] }.concat();
    match layout.rsplit('-').next() {
        // Within the index, or before it.
        Some("cut") => film.truncate(24 + FILM + 8 + 500),
        Some("headless") => film.truncate(24 + FILM + 8),
        _ => {}
    }
    let start = start_of(&headers).unwrap_or(0);
    let range = format!("bytes {start}-{}/{}", film.len() - 1, film.len());
    (StatusCode::PARTIAL_CONTENT, [("content-range", range)], film.split_off(start)).into_response()
}

fn cut_short() -> Response {
    let half = clip().slice(..SIZE / 2);
    ([("content-length", SIZE.to_string())], Body::from_stream(stream::iter(pieces(&half)))).into_response()
}

fn stalled() -> Response {
    let body = stream::iter(pieces(&clip().slice(..7_000))).chain(stream::pending());
    ([("content-length", SIZE.to_string())], Body::from_stream(body)).into_response()
}

fn redirect(to: &'static str) -> Response {
    (StatusCode::FOUND, [("location", to)]).into_response()
}

fn app() -> Router {
    let typed = |kind: &'static str| move || async move { ([("content-type", kind)], clip()) };
    Router::new()
        .route("/clip", get(ranged))
        .route("/film/{layout}", get(film))
        .route("/no-range", get(|| async { clip() }))
        .route(
            "/earlier",
            get(|headers: HeaderMap| async move { partial(start_of(&headers).unwrap_or(5).saturating_sub(5)) }),
        )
        .route(
            "/later",
            get(|headers: HeaderMap| async move {
                start_of(&headers).map_or_else(|| clip().into_response(), |start| partial((start + 5).min(SIZE - 1)))
            }),
        )
        .route("/html", get(typed("text/html; charset=utf-8")))
        .route("/json", get(typed("application/problem+json")))
        .route("/png", get(|| async { Bytes::from_static(b"\x89PNG\r\n\x1a\n and more") }))
        .route("/tiny", get(|| async { Bytes::from_static(b"abc") }))
        .route("/empty", get(|| async { Bytes::new() }))
        .route("/unsized", get(|| async { Body::from_stream(stream::iter(pieces(&clip()))) }))
        .route("/short", get(|| async { cut_short() }))
        .route("/stall", get(|| async { stalled() }))
        .route("/silent", get(std::future::pending::<()>))
        .route(
            "/status/{code}",
            get(|axum::extract::Path(code): axum::extract::Path<u16>| async move {
                (StatusCode::from_u16(code).unwrap(), [("retry-after", "9")], clip())
            }),
        )
        .route("/moved", get(|| async { redirect("/moved-again") }))
        .route("/moved-again", get(|| async { redirect("clip") }))
        .route("/inwards", get(|| async { redirect("http://169.254.169.254/latest") }))
        .route("/other-port", get(|| async { redirect("http://127.0.0.1:1/") }))
        .route("/round", get(|| async { redirect("/round") }))
}

struct Server {
    address: SocketAddr,
    source: Source,
}

impl Server {
    async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(axum::serve(listener, app()).into_future());
        let allow = AllowList::parse(&address.to_string()).unwrap();
        let guard = Guard::new(allow, &outbound::Options::default()).unwrap();
        let source = Source::new(guard, options());
        Self { address, source }
    }

    /// One that soon loses patience; whatever else is asked of it could fail on a busy machine.
    async fn hasty() -> Self {
        let patience = Duration::from_millis(300);
        let Self { address, .. } = Self::start().await;
        let guard = Guard::new(AllowList::parse(&address.to_string()).unwrap(), &outbound::Options::default()).unwrap();
        let options = Options { header_timeout: patience, idle_timeout: patience, ..options() };
        Self { address, source: Source::new(guard, options) }
    }

    async fn open(&self, path: &str, from: u64) -> Result<Opened, Error> {
        let url = Url::parse(&format!("http://{}{path}", self.address)).unwrap();
        self.source.open(&url, from).await
    }

    async fn refused(&self, path: &str, from: u64) -> Error {
        match self.open(path, from).await {
            Ok(_) => panic!("{path} was opened"),
            Err(error) => error,
        }
    }
}

fn options() -> Options {
    let patience = Duration::from_secs(20);
    Options { max_bytes: SIZE as u64, header_timeout: patience, idle_timeout: patience }
}

async fn bytes(opened: Opened) -> Result<Vec<u8>, Error> {
    opened
        .stream
        .try_fold(Vec::new(), async |mut all, piece| {
            all.extend_from_slice(&piece);
            Ok(all)
        })
        .await
}

#[tokio::test]
async fn a_clip_is_read_from_any_offset_whatever_the_server_makes_of_ranges() {
    let server = Server::start().await;
    for path in ["/clip", "/no-range", "/earlier", "/later", "/moved"] {
        for from in [0, 1, 7, 7_000, 123_456, SIZE - 1] {
            if path == "/earlier" && from < 7 {
                continue;
            }
            let opened = server.open(path, from as u64).await.unwrap();
            assert_eq!((opened.total, opened.offset), (SIZE as u64, from as u64), "{path} from {from}");
            assert!(bytes(opened).await.unwrap() == clip()[from..], "{path} from {from}");
        }
    }
    let end = server.open("/clip", SIZE as u64).await.unwrap();
    assert_eq!((end.total, bytes(end).await.unwrap().len()), (SIZE as u64, 0));
}

#[tokio::test]
async fn what_is_no_clip_is_refused_before_it_is_stored() {
    let server = Server::start().await;
    for path in ["/html", "/json", "/png", "/tiny", "/empty", "/unsized", "/status/418"] {
        let error = server.refused(path, 0).await;
        assert!(matches!(error, Error::NotAVideo { .. }), "{path}: {error:?}");
    }
    assert!(matches!(server.refused("/html", 5).await, Error::NotAVideo { .. }));
    assert!(
        matches!(server.refused("/clip", SIZE as u64 + 1).await, Error::NotAVideo { .. }),
        "shrunk below what we have"
    );
    let allow = AllowList::parse(&server.address.to_string()).unwrap();
    let guard = Guard::new(allow, &outbound::Options::default()).unwrap();
    let strict = Source::new(guard, Options { max_bytes: SIZE as u64 - 1, ..options() });
    let strict = Server { address: server.address, source: strict };
    assert!(matches!(strict.refused("/clip", 0).await, Error::TooLarge { .. }));
    assert!(matches!(strict.refused("/clip", 9).await, Error::TooLarge { .. }));
}

#[tokio::test]
async fn a_clip_cut_short_or_stalled_is_no_whole_clip() {
    let server = Server::start().await;
    let error = bytes(server.open("/short", 0).await.unwrap()).await.unwrap_err();
    let Error::Truncated { got, expected } = error else { panic!("{error:?}") };
    assert!(got <= SIZE as u64 / 2 && expected == SIZE as u64);
    let error = match Server::hasty().await.open("/stall", 0).await {
        Ok(opened) => bytes(opened).await.unwrap_err(),
        Err(error) => error,
    };
    assert!(matches!(error, Error::Away { .. }), "{error:?}");
}

#[tokio::test]
async fn a_server_that_is_away_is_told_from_an_address_that_has_run_out() {
    let server = Server::start().await;
    for status in [401, 403, 404, 410] {
        let error = server.refused(&format!("/status/{status}"), 0).await;
        assert!(matches!(error, Error::Expired { status: seen } if seen == status), "{error:?}");
    }
    for status in [408, 429, 500, 503] {
        let error = server.refused(&format!("/status/{status}"), 3).await;
        assert!(matches!(error, Error::Away { after: Some(after), .. } if after.as_secs() == 9), "{error:?}");
    }
    assert!(matches!(Server::hasty().await.refused("/silent", 0).await, Error::Away { .. }));
    let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let guard = Guard::new(AllowList::parse(&free.to_string()).unwrap(), &outbound::Options::default()).unwrap();
    let gone = Server { address: free, source: Source::new(guard, options()) };
    assert!(matches!(gone.refused("/clip", 0).await, Error::Away { .. }));
}

#[tokio::test]
async fn redirects_lead_nowhere_an_address_may_not() {
    let server = Server::start().await;
    for path in ["/inwards", "/other-port"] {
        let error = server.refused(path, 0).await;
        assert!(matches!(error, Error::Blocked(Blocked::Private(_))), "{path}: {error:?}");
    }
    assert!(matches!(server.refused("/round", 0).await, Error::Blocked(Blocked::Redirects(_))));
}

#[tokio::test]
async fn a_name_for_a_private_address_is_fetched_only_if_it_is_listed() {
    let server = Server::start().await;
    let resolver = Arc::new(Fixed(server.address));
    let url = Url::parse(&format!("http://clips.example:{}/clip", server.address.port())).unwrap();
    let guard = |allow: &AllowList| {
        Guard::with_resolver(allow.clone(), &outbound::Options::default(), Arc::clone(&resolver) as Arc<_>).unwrap()
    };
    let closed = Source::new(guard(&AllowList::default()), options());
    let error = closed.open(&url, 0).await.err().unwrap();
    assert!(matches!(error, Error::Blocked(Blocked::Resolves(_))), "{error:?}");
    let listed = AllowList::parse(&format!("clips.example:{}", server.address.port())).unwrap();
    let opened = Source::new(guard(&listed), options()).open(&url, 0).await.unwrap();
    assert_eq!(bytes(opened).await.unwrap().len(), SIZE);
}

#[tokio::test]
async fn who_goes_on_in_the_middle_of_a_file_that_was_cut_short_finds_out() {
    let server = Server::start().await;
    for whole in ["index-first", "index-last"] {
        let opened = server.open(&format!("/film/{whole}"), 200_000).await.unwrap();
        assert_eq!((opened.offset, opened.total), (200_000, 24 + 1_008 + 8 + FILM as u64), "{whole}");
    }
    for (part, why) in [("index-last-cut", "moov would end at"), ("index-last-headless", "no index")] {
        let refused = server.open(&format!("/film/{part}"), 200_000).await.err().unwrap().to_string();
        assert!(refused.contains(why), "{part}: {refused}");
    }
    let refused = server.open("/film/index-first-headless", 200_000).await.err().unwrap().to_string();
    assert!(refused.contains("mdat would end at"), "{refused}");
}
