//! A QStash that runs here: the same API, durable in one file, signing as the cloud does, so that the same client and the
//! same verifier work against it unchanged. It knows nothing of jobs. Read in this order: `target` and `instructions` (what
//! is asked), `message`, `schedules` and `groups` (what is kept), `board`, `lanes`, `queue` and `gates` (pure: what leaves
//! when), `attempt` (pure: what an attempt's end means), `ledger` and `disk` (how it is kept), `hold`, `deliver` and `post` (how
//! it is carried), `api` (how it is spoken to), `page` (how it is looked at). `clock`, `faults`, `resolve` and `limits` are for tests.

pub mod account;
mod api;
pub mod attempt;
pub mod backoff;
pub mod board;
mod clock;
mod deliver;
mod disk;
pub mod duration;
pub mod expression;
pub mod faults;
pub mod filter;
pub mod gates;
pub mod groups;
mod hold;
pub mod instructions;
pub mod lanes;
mod ledger;
pub mod limits;
pub mod message;
mod page;
mod post;
pub mod queue;
pub mod quota;
mod redact;
pub mod region;
pub mod resolve;
pub mod runs;
pub mod schedules;
pub mod target;
pub mod ticket;

pub use account::{Account, DEV_USERS, DevUser};

use crate::services::qstash::signature::SigningKeys;
use account::Users;
use board::Board;
use clock::Clock;
use deliver::Courier;
use disk::{Closed, Disk};
use faults::Faults;
use hold::Hold;
use instructions::Quota;
use ledger::pages;
use limits::Meters;
use post::{Office, Post};
use queue::Limits;
use quota::Plan;
use region::Region;
use resolve::Resolve;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Deliveries in flight, in all and to one destination's host.
const IN_FLIGHT: Limits = Limits { all: 512, host: 32 };
/// How long an orderly end may take before connections are cut.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);
const FILE: &str = "broker.redb";

/// Where messages are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Data {
    Memory,
    /// A folder, made if it is missing. One broker at a time.
    Dir(PathBuf),
}

#[derive(Debug)]
pub struct Options {
    pub listener: tokio::net::TcpListener,
    pub data: Data,
    pub account: Account,
    /// More retries than this are refused; the vendor's dev server allows 5.
    pub max_retries: u32,
    pub tuning: Tuning,
}

/// What a broker for tests does differently.
#[derive(Debug, Clone, Default)]
pub struct Tuning {
    /// How many times faster than the wall's its clock runs; 0 and 1 are the wall's.
    pub speed: u32,
    /// Time jumps to the next due thing whenever messages wait and none is on its way.
    pub leap: bool,
    /// The seed that faults follow from, and how many there are.
    pub faults: Option<(u64, faults::Rates)>,
    /// Hosts whose traffic goes elsewhere.
    pub resolve: Vec<Resolve>,
    pub limits: limits::Rates,
    /// What may be asked for, but for retries.
    pub plan: Plan,
    pub region: Region,
}

/// Why the broker did not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(
        "the published dev token and keys are known to everybody and are only accepted on a loopback address, \
         not on {0}; set QSTASH_TOKEN, QSTASH_CURRENT_SIGNING_KEY and QSTASH_NEXT_SIGNING_KEY to your own"
    )]
    PublishedKeys(SocketAddr),
    #[error("another process has {0} open")]
    Held(PathBuf),
    #[error("cannot use {path}: {source}")]
    Folder { path: PathBuf, source: std::io::Error },
    #[error("cannot open the broker's log: {0}")]
    Log(String),
    #[error("cannot listen: {0}")]
    Listener(#[source] std::io::Error),
    #[error("cannot build the HTTP client: {0}")]
    Client(#[source] reqwest::Error),
}

/// A running broker. Dropping it stops it without waiting.
pub struct Broker {
    pub address: SocketAddr,
    stop: CancellationToken,
    tasks: Vec<JoinHandle<()>>,
    closed: Option<Closed>,
    /// The tasks alone keep it: with them it ends, and its file closes.
    post: Weak<Post>,
}

/// Opens the data, takes up what was left, and serves. A rustls provider must be installed.
pub async fn start(options: Options) -> Result<Broker, Error> {
    let address = options.listener.local_addr().map_err(Error::Listener)?;
    if options.account.is_published() && !address.ip().is_loopback() {
        return Err(Error::PublishedKeys(address));
    }
    let (disk, closed) = open(&options.data)?;
    disk.write(ledger::prepare).await.map_err(|error| Error::Log(error.to_string()))?;
    let rotated = disk.read(pages::rotated).await.map_err(|error| Error::Log(error.to_string()))?;
    let rotated = rotated
        .into_iter()
        .map(|(user, current, next)| (user, SigningKeys { current: current.into(), next: next.into() }));
    let users = Users::new(options.account, rotated.collect());
    let seen = disk.read(ledger::events::newest).await.map_err(|error| Error::Log(error.to_string()))?;
    let tuning = options.tuning;
    let quota = Quota { retries: options.max_retries, ..tuning.plan.quota() };
    let office = Office {
        disk,
        users,
        quota,
        clock: Clock::new(tuning.speed, seen),
        meters: Meters::new(tuning.limits),
        hold: Hold::new(),
        courier: Courier::new(Duration::from_secs(quota.timeout_s), tuning.resolve, tuning.region)
            .map_err(Error::Client)?,
        faults: Faults::new(tuning.faults),
        leap: tuning.leap,
        board: Board::new(IN_FLIGHT),
    };
    let post = Arc::new(Post::open(office).await.map_err(|error| Error::Log(error.to_string()))?);
    let stop = CancellationToken::new();
    let known = Arc::downgrade(&post);
    let tasks =
        vec![tokio::spawn(post.clone().run(stop.clone())), tokio::spawn(serve(options.listener, post, stop.clone()))];
    Ok(Broker { address, stop, tasks, closed: Some(closed), post: known })
}

impl std::fmt::Debug for Broker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Broker").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Broker {
    /// The keys a user's messages are signed with now: those given, or those of the last rotation.
    pub fn keys(&self, user: &str) -> Option<SigningKeys> {
        self.post.upgrade()?.users.keys(user)
    }

    /// Ends in order: no new requests, those under way are answered, attempts under way are left to the next start, which
    /// may follow at once.
    pub async fn stop(mut self) {
        self.stop.cancel();
        for mut task in std::mem::take(&mut self.tasks) {
            if tokio::time::timeout(STOP_TIMEOUT, &mut task).await.is_err() {
                task.abort();
            }
        }
        if let Some(closed) = self.closed.take() {
            // Late only if a read hangs; the next start would then say that the file is held.
            if tokio::time::timeout(STOP_TIMEOUT, closed).await.is_err() {
                tracing::warn!("The broker ends with its file still open");
            }
        }
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn serve(listener: tokio::net::TcpListener, post: Arc<Post>, stop: CancellationToken) {
    let service = api::router(post).into_make_service_with_connect_info::<SocketAddr>();
    let served = axum::serve(listener, service).with_graceful_shutdown(stop.cancelled_owned()).await;
    if let Err(error) = served {
        tracing::error!(%error, "The broker's listener failed");
    }
}

fn open(data: &Data) -> Result<(Disk, Closed), Error> {
    let Data::Dir(folder) = data else {
        return Disk::open(None).map_err(|error| Error::Log(error.to_string()));
    };
    std::fs::create_dir_all(folder).map_err(|source| Error::Folder { path: folder.clone(), source })?;
    let file: &Path = &folder.join(FILE);
    Disk::open(Some(file)).map_err(|error| match error {
        redb::Error::DatabaseAlreadyOpen => Error::Held(file.to_owned()),
        redb::Error::Io(source) => Error::Folder { path: file.to_owned(), source },
        other => Error::Log(other.to_string()),
    })
}
