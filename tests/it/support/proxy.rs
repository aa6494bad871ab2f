//! A TCP proxy in front of Redis that fails as networks do: falls silent with every socket open, cuts the line after a
//! request has gone through, or is slow.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};

pub struct Proxy {
    pub url: String,
    state: Arc<State>,
    accepting: AbortHandle,
}

#[derive(Default)]
struct State {
    connections: AtomicUsize,
    /// Connections up to this number are silent.
    silent_up_to: AtomicUsize,
    cut_next_answer: AtomicBool,
    /// Milliseconds before each answer.
    delay: AtomicU64,
}

impl Proxy {
    pub async fn start(to: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("redis://{}", listener.local_addr().unwrap());
        let state = Arc::new(State::default());
        let shared = state.clone();
        let accepting = tokio::spawn(async move {
            let mut open = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let number = shared.connections.fetch_add(1, Ordering::SeqCst) + 1;
                let state = shared.clone();
                open.spawn(async move { pass(client, to, number, &state).await });
            }
        });
        Self { url, state, accepting: accepting.abort_handle() }
    }

    /// From now on nothing passes through the connections there are, for good; new ones work.
    pub fn silence(&self) {
        self.state.silent_up_to.store(self.connections(), Ordering::SeqCst);
    }

    /// From now on nothing passes at all, although every connection is taken and stays open.
    pub fn fall_silent(&self) {
        self.state.silent_up_to.store(usize::MAX, Ordering::SeqCst);
    }

    /// Each answer comes so much later from now on.
    pub fn slow(&self, delay: Duration) {
        self.state.delay.store(u64::try_from(delay.as_millis()).unwrap(), Ordering::SeqCst);
    }

    /// The next request goes through; instead of its answer the line is cut.
    pub fn cut_next_answer(&self) {
        self.state.cut_next_answer.store(true, Ordering::SeqCst);
    }

    pub fn connections(&self) -> usize {
        self.state.connections.load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Until one side closes or the line is cut.
async fn pass(client: TcpStream, to: u16, number: usize, state: &State) {
    let Ok(server) = TcpStream::connect(("127.0.0.1", to)).await else { return };
    let (client_read, client_write) = client.into_split();
    let (server_read, server_write) = server.into_split();
    tokio::select! {
        () = copy(client_read, server_write, || 0, || state.passes(number)) => {}
        () = copy(server_read, client_write, || state.delay.load(Ordering::SeqCst), || state.answers(number)) => {}
    }
}

enum Pass {
    On,
    Swallow,
    Cut,
}

impl State {
    fn passes(&self, number: usize) -> Pass {
        if number <= self.silent_up_to.load(Ordering::SeqCst) { Pass::Swallow } else { Pass::On }
    }

    fn answers(&self, number: usize) -> Pass {
        if self.cut_next_answer.swap(false, Ordering::SeqCst) { Pass::Cut } else { self.passes(number) }
    }
}

async fn copy(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, delay: impl Fn() -> u64, decide: impl Fn() -> Pass) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        tokio::time::sleep(Duration::from_millis(delay())).await;
        match decide() {
            Pass::On if to.write_all(&buffer[..read]).await.is_ok() => {}
            Pass::Swallow => {}
            Pass::On | Pass::Cut => return,
        }
    }
}
