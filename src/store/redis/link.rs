//! The one connection to Redis: dialled when first needed, shared by all, replaced when it is lost or has gone silent.
//!
//! Not the client's own connection manager: with a server away that one holds a command for nine seconds, it never gives
//! up a half-open socket, and it cannot tell "could not connect" (nothing was sent) from "lost after sending", on which
//! everything above depends. What it must never do is repeat a command that does not bear repeating.

use super::failure::Failure;
use crate::measure;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use redis::aio::MultiplexedConnection;
use redis::io::tcp::{TcpSettings, socket2::TcpKeepalive};
use redis::{AsyncConnectionConfig, Client, Cmd, FromRedisValue, IntoConnectionInfo, Pipeline, RedisResult};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use uuid::Uuid;

/// A server that answers is slow; one silent this many times in a row is gone, though the socket does not say so.
const TIMEOUTS_BEFORE_REDIAL: u32 = 3;
/// Between the two tries of a dial, drawn at random so that many instances do not return in step.
const REDIAL_DELAY_MS: std::ops::Range<u64> = 50..250;
/// An idle connection that died is noticed after about a minute …
const KEEPALIVE_IDLE: Duration = Duration::from_secs(30);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
/// … and one with unacknowledged bytes after this.
const USER_TIMEOUT: Duration = Duration::from_secs(10);

type Dial = Shared<BoxFuture<'static, Result<MultiplexedConnection, Failure>>>;

/// What is sent in one round trip.
#[derive(Clone, Copy)]
pub(super) enum Request<'a> {
    One(&'a Cmd),
    Several(&'a Pipeline),
}

impl Request<'_> {
    fn commands(self) -> usize {
        match self {
            Self::One(_) => 1,
            Self::Several(commands) => commands.cmd_iter().count(),
        }
    }
}

/// May a request be sent again when the connection was lost and nobody knows whether it arrived?
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Repeat {
    Safe,
    Never,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Timing {
    pub connect: Duration,
    pub response: Duration,
}

pub(super) struct Link {
    client: Client,
    timing: Timing,
    current: Mutex<Current>,
    trips: AtomicU64,
}

struct Current {
    /// Which dial this is, so that a late complaint about an older one does not close a newer.
    generation: u64,
    dial: Dial,
    timeouts_in_a_row: u32,
}

impl Link {
    /// Connects to nothing yet.
    pub(super) fn new(url: &str, timing: Timing) -> RedisResult<Self> {
        let keepalive = TcpKeepalive::new().with_time(KEEPALIVE_IDLE).with_interval(KEEPALIVE_INTERVAL);
        let settings = TcpSettings::default().set_nodelay(true).set_keepalive(keepalive);
        #[cfg(target_os = "linux")]
        let settings = settings.set_user_timeout(USER_TIMEOUT);
        let client = Client::open(url.into_connection_info()?.set_tcp_settings(settings))?;
        let current = Current { generation: 0, dial: dial(client.clone(), timing), timeouts_in_a_row: 0 };
        Ok(Self { client, timing, current: Mutex::new(current), trips: AtomicU64::new(0) })
    }

    /// Requests sent so far, whatever became of them.
    pub(super) fn round_trips(&self) -> u64 {
        self.trips.load(Ordering::Relaxed)
    }

    /// Sends a request and reads its answer. A connection found dead is dialled anew, and a request that may be
    /// repeated is, once: after a pause of hours the first command always meets a closed socket.
    pub(super) async fn ask<T: FromRedisValue>(&self, request: Request<'_>, repeat: Repeat) -> Result<T, Failure> {
        let lost = match self.attempt(request).await {
            Err(lost @ Failure::Lost(_)) if repeat == Repeat::Safe => lost,
            answer => return answer,
        };
        match self.attempt(request).await {
            // The second try never left, but the first may have arrived.
            Err(Failure::NotConnected(_)) => Err(lost),
            answer => answer,
        }
    }

    async fn attempt<T: FromRedisValue>(&self, request: Request<'_>) -> Result<T, Failure> {
        let (generation, dial) = {
            let current = self.current();
            (current.generation, current.dial.clone())
        };
        let mut connection = match dial.await {
            Ok(connection) => connection,
            Err(failure) => {
                self.redial(generation);
                return Err(failure);
            }
        };
        self.trips.fetch_add(1, Ordering::Relaxed);
        measure::round_trip(request.commands());
        let answer = match request {
            Request::One(command) => command.query_async(&mut connection).await,
            Request::Several(commands) => commands.query_async(&mut connection).await,
        };
        answer.map_err(Failure::from).inspect(|_| self.heard(generation)).inspect_err(|failure| match failure {
            Failure::TimedOut => self.timed_out(generation),
            // A read-only server was a primary when we dialled; the name may lead to the new one by now.
            Failure::Lost(_) | Failure::NotConnected(_) => self.redial(generation),
            Failure::Refused { code, .. } if code == "READONLY" => self.redial(generation),
            Failure::Refused { .. } => self.heard(generation),
        })
    }

    fn heard(&self, generation: u64) {
        let mut current = self.current();
        if current.generation == generation {
            current.timeouts_in_a_row = 0;
        }
    }

    fn timed_out(&self, generation: u64) {
        let mut current = self.current();
        if current.generation != generation {
            return;
        }
        current.timeouts_in_a_row += 1;
        if current.timeouts_in_a_row >= TIMEOUTS_BEFORE_REDIAL {
            tracing::warn!(timeouts = current.timeouts_in_a_row, "Redis went silent; dialling anew");
            current.replace(dial(self.client.clone(), self.timing));
        }
    }

    fn redial(&self, generation: u64) {
        let mut current = self.current();
        if current.generation == generation {
            current.replace(dial(self.client.clone(), self.timing));
        }
    }

    /// Nothing is awaited and nothing can fail while this is held.
    fn current(&self) -> MutexGuard<'_, Current> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Current {
    fn replace(&mut self, dial: Dial) {
        *self = Self { generation: self.generation + 1, dial, timeouts_in_a_row: 0 };
    }
}

/// One dial, awaited by whoever needs the connection; it runs only while somebody does, and all share its outcome.
fn dial(client: Client, timing: Timing) -> Dial {
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(timing.connect))
        .set_response_timeout(Some(timing.response));
    async move {
        if let Ok(connection) = client.get_multiplexed_async_connection_with_config(&config).await {
            return Ok(connection);
        }
        tokio::time::sleep(redial_delay()).await;
        let connection = client.get_multiplexed_async_connection_with_config(&config).await;
        connection.map_err(|error| Failure::NotConnected(error.to_string()))
    }
    .boxed()
    .shared()
}

fn redial_delay() -> Duration {
    let span = REDIAL_DELAY_MS.end - REDIAL_DELAY_MS.start;
    let (random, _) = Uuid::new_v4().as_u64_pair();
    Duration::from_millis(REDIAL_DELAY_MS.start + random % span)
}
