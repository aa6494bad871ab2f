//! The connections: accepted up to a number, each with limits on how long it may take to say what it wants and on how much it
//! may say before that, so that those who say nothing, or say it slowly, leave room for the others; and so do those who do not
//! read what they asked for. HTTP/1.1 only: whatever stands before us speaks it, and one request per connection at a time is
//! what the numbers here are reckoned by.

use super::REQUEST_MAX;
use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use tokio_io_timeout::TimeoutStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

/// How many connections there may be besides those of watchers.
const CONNECTIONS_MAX: usize = 2_048;
/// From the first moment, or from the last answer, to the end of a request's headers: ends slow and idle connections alike.
const HEAD_TIMEOUT: Duration = Duration::from_secs(15);
/// A reader who makes no room for another byte for so long is gone. Who is sent nothing meanwhile has nothing to read.
const READ_TIMEOUT: Duration = Duration::from_secs(30);
/// The most that is kept of a request before it is understood.
const HEAD_MAX: usize = 32 * 1024;
const HEADERS_MAX: usize = 64;
/// Files that connections leave to everything else: the store, vendors, the disk.
const FILES_KEPT: usize = 256;
/// When files for connections may be free again.
const PAUSE: Duration = Duration::from_millis(200);

pub(super) struct Connections {
    pub watchers_max: usize,
    /// The longest a stream is kept open; a connection is ended a while after that, whoever reads what it is sent.
    pub stream_max: Duration,
}

impl Connections {
    /// Accepts until `stopping`, then ends when the last request is answered.
    pub async fn serve(self, listener: TcpListener, router: Router, stopping: CancellationToken) {
        let places = Arc::new(Semaphore::new(room(self.watchers_max)));
        let life = self.stream_max.saturating_add(REQUEST_MAX);
        let open = TaskTracker::new();
        while let Some(Ok(place)) = stopping.run_until_cancelled(Arc::clone(&places).acquire_owned()).await {
            let Some(accepted) = stopping.run_until_cancelled(listener.accept()).await else { break };
            let (stream, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    refused(&error).await;
                    continue;
                }
            };
            let (router, stopping) = (router.clone(), stopping.clone());
            open.spawn(async move {
                let _place = place;
                hold(stream, peer, router, life, stopping).await;
            });
        }
        drop(listener);
        open.close();
        open.wait().await;
    }
}

/// As many as are wanted, or as the system has files for: at its limit nothing else could be connected either.
fn room(watchers_max: usize) -> usize {
    let wanted = watchers_max.saturating_add(CONNECTIONS_MAX).min(Semaphore::MAX_PERMITS);
    let room = files(wanted.saturating_add(FILES_KEPT)).map_or(wanted, |files| within(wanted, files));
    if room < wanted {
        tracing::info!(
            room,
            wanted,
            "the limit of open files leaves room for fewer connections than WATCHERS_MAX asks for"
        );
    }
    room
}

fn within(wanted: usize, files: usize) -> usize {
    wanted.min(files - FILES_KEPT.min(files / 2)).max(1)
}

/// How many files may be open: more than before if fewer than `wanted`, as far as the system lets us. `None` without a limit.
#[cfg(unix)]
fn files(wanted: usize) -> Option<usize> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let current = current?;
    let more = u64::try_from(wanted).unwrap_or(u64::MAX).min(maximum.unwrap_or(u64::MAX));
    let raised = more > current && setrlimit(Resource::Nofile, Rlimit { current: Some(more), maximum }).is_ok();
    usize::try_from(if raised { more } else { current }).ok()
}

#[cfg(not(unix))]
fn files(_: usize) -> Option<usize> {
    None
}

/// One that was gone before it was accepted is no trouble; without files for more, those that are open must end first.
async fn refused(error: &io::Error) {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    if !matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset) {
        tracing::warn!(%error, "no connection can be accepted");
        sleep(PAUSE).await;
    }
}

/// One connection from its first byte to its end.
async fn hold(
    stream: impl AsyncRead + AsyncWrite,
    peer: SocketAddr,
    router: Router,
    life: Duration,
    stopping: CancellationToken,
) {
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(ConnectInfo(peer));
        router.clone().oneshot(request)
    });
    let mut server = http1::Builder::new();
    server.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT);
    server.max_buf_size(HEAD_MAX).max_headers(HEADERS_MAX);
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(READ_TIMEOUT));
    let mut connection = pin!(server.serve_connection(TokioIo::new(Box::pin(stream)), service));
    let ended = tokio::select! {
        ended = connection.as_mut() => Some(ended),
        () = stopping.cancelled() => None,
        () = sleep(life) => None,
    };
    let ended = if let Some(ended) = ended {
        ended
    } else {
        connection.as_mut().graceful_shutdown();
        timeout(REQUEST_MAX, connection).await.unwrap_or(Ok(()))
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection broke off");
    }
}

#[cfg(test)]
mod tests;
