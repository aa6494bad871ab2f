//! Connections, over real sockets where it can be, in a time that passes only while everybody waits.

use super::{FILES_KEPT, READ_TIMEOUT, hold, within};
use axum::Router;
use axum::body::Body;
use axum::routing::get;
use bytes::Bytes;
use futures_util::stream;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinHandle;
use tokio::time::{Instant, advance};
use tokio_util::sync::CancellationToken;

/// No connection here is to end because it is old.
const LIFE: Duration = Duration::from_hours(24);
const ASKED: &[u8] = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n";

/// A caller who has asked, and the connection that holds the answer.
async fn asked(router: Router) -> (TcpStream, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut caller = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    caller.write_all(ASKED).await.unwrap();
    let (stream, peer) = listener.accept().await.unwrap();
    (caller, tokio::spawn(hold(stream, peer, router, LIFE, CancellationToken::new())))
}

/// Answers without end, and counts the pieces that were taken from it.
fn endless() -> (Router, Arc<AtomicUsize>) {
    let taken = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&taken);
    let answer = async move || {
        let pieces = stream::repeat_with(move || {
            counted.fetch_add(1, Ordering::SeqCst);
            Ok::<_, Infallible>(Bytes::from_static(&[b'x'; 64 * 1024]))
        });
        Body::from_stream(pieces)
    };
    (Router::new().route("/", get(answer)), taken)
}

#[tokio::test(start_paused = true)]
async fn who_does_not_read_is_not_waited_for() {
    let (router, taken) = endless();
    let begun = Instant::now();
    let (mut caller, held) = asked(router).await;
    held.await.unwrap();
    let took = begun.elapsed();
    assert!((READ_TIMEOUT..READ_TIMEOUT * 2).contains(&took), "{took:?}");
    let taken = taken.load(Ordering::SeqCst) * 64 * 1024;
    let mut told = Vec::new();
    // A reset is an end as well.
    let _ = caller.read_to_end(&mut told).await;
    assert!(told.len() < taken, "of {taken} bytes the last were sent nowhere, not {} read", told.len());
}

/// Without a socket, whose own buffers decide when there is room again.
#[tokio::test(start_paused = true)]
async fn who_reads_slowly_is_waited_for() {
    let (router, _) = endless();
    let (mut caller, stream) = duplex(64 * 1024);
    caller.write_all(ASKED).await.unwrap();
    let peer = SocketAddr::from(([127, 0, 0, 1], 1));
    let held = tokio::spawn(hold(stream, peer, router, LIFE, CancellationToken::new()));
    let mut piece = vec![0; 1024];
    let begun = Instant::now();
    while begun.elapsed() < READ_TIMEOUT * 4 {
        caller.read_exact(&mut piece).await.unwrap();
        advance(READ_TIMEOUT / 2).await;
        assert!(!held.is_finished());
    }
    held.await.unwrap();
    assert!(begun.elapsed() < READ_TIMEOUT * 6, "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn who_is_sent_nothing_is_waited_for() {
    let (sender, receiver) = mpsc::channel::<Bytes>(1);
    let receiver = Arc::new(Mutex::new(receiver));
    let answer = async move || {
        let pieces = stream::unfold(receiver, async |receiver| {
            let piece = receiver.lock().await.recv().await?;
            Some((Ok::<_, Infallible>(piece), receiver))
        });
        Body::from_stream(pieces)
    };
    let (mut caller, held) = asked(Router::new().route("/", get(answer))).await;
    for piece in ["first", "second", "third"] {
        sender.send(piece.into()).await.unwrap();
        let mut told = String::new();
        while !told.contains(piece) {
            let mut bytes = [0; 512];
            let read = caller.read(&mut bytes).await.unwrap();
            assert_ne!(read, 0, "it ended after {told}");
            told.push_str(std::str::from_utf8(&bytes[..read]).unwrap());
        }
        advance(READ_TIMEOUT * 10).await;
    }
    assert!(!held.is_finished());
    drop(sender);
    let mut rest = Vec::new();
    caller.read_to_end(&mut rest).await.unwrap();
    assert!(rest.ends_with(b"0\r\n\r\n"), "{rest:?}");
    held.await.unwrap();
}

#[test]
fn connections_leave_files_to_everything_else() {
    assert_eq!(within(12_048, 1_000_000), 12_048);
    assert_eq!(within(12_048, 12_048), 12_048 - FILES_KEPT);
    assert_eq!(within(12_048, 1_024), 1_024 - FILES_KEPT);
    assert_eq!(within(12_048, 100), 50);
    assert_eq!(within(12_048, 0), 1);
}
