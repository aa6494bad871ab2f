//! The composition root: from a decided configuration to a running service. The only place that knows which store and
//! whose addresses; everything below is handed what it needs.

#[cfg(feature = "local")]
pub mod broker;
pub mod doctor;
#[cfg(feature = "local")]
pub mod local;
pub mod setup;

use crate::clock;
use crate::config::{Config, StoreConfig};
use crate::flow::{Engine, Settings};
use crate::http::{self, Auth, Authenticator, Http, Pushes};
use crate::measure;
use crate::services::outbound::{self, Guard};
use crate::services::qstash::signature::{self, Verifier};
use crate::services::{Services, klap, qstash, source, supabase};
use crate::store::redis::RedisStore;
use crate::store::{Measured, Store};
use anyhow::{Context, Result};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use url::Url;

/// With the commit it is made from, or `unknown`.
pub const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), " (", env!("CLIPRELAY_BUILT_FROM"), ")");
/// How often the local loop sweeps.
const SWEEP_EVERY: Duration = Duration::from_mins(1);
const TIDY_EVERY: Duration = Duration::from_secs(10);
/// From the signal to the end: what still runs then is cut off, and delivered again.
const DRAIN: Duration = Duration::from_secs(28);

/// A service that is up.
pub struct Service {
    pub address: SocketAddr,
    pub engine: Arc<Engine>,
    stopping: CancellationToken,
    tasks: TaskTracker,
}

/// A client for addresses of our own or of the configuration.
pub fn http_client() -> Result<reqwest::Client> {
    outbound::client(&outbound::Options::default()).context("no HTTP client could be made")
}

/// What must be there before any TLS or token is made.
pub fn install_providers() {
    // A second install returns the first one: nothing to do.
    let _ = rustls::crypto::ring::default_provider().install_default();
    signature::install_provider();
}

/// Starts the service on `listener`, on the runtime it is called from.
pub fn start(config: Config, listener: TcpListener) -> Result<Service> {
    let address = listener.local_addr().context("the listener has no address")?;
    http::start_measuring();
    let stopping = CancellationToken::new();
    let tasks = TaskTracker::new();
    for name in &config.auth_unused {
        tracing::warn!("{name} is set but has no effect with this AUTH");
    }
    if matches!(&config.auth, Auth::Tokens(options) if options.audience.is_none()) {
        tracing::warn!("AUTH_AUDIENCE is not set: tokens of the issuer are taken whatever they were made for");
    }
    if matches!(config.auth, Auth::None) && !address.ip().is_loopback() {
        tracing::warn!("AUTH is none and HOST is not loopback: whoever reaches this machine can start jobs");
    }
    let serverless = config.serverless;
    let (engine, http) = compose(config, stopping.clone(), tasks.clone())?;
    tasks.spawn(http::serve(listener, http, stopping.clone()));
    if !serverless {
        tasks.spawn(sweep_on(Arc::clone(&engine)));
    }
    tasks.spawn(tidy_on(stopping.clone()));
    tracing::info!(%address, version = VERSION, "listening");
    tokio::task::spawn_blocking(|| {
        if let Err(why) = outbound::read_roots() {
            tracing::warn!(why, "no authority's certificate was found: no https address can be reached");
        }
    });
    Ok(Service { address, engine, stopping, tasks })
}

impl Service {
    /// No new claims; running steps wind up and publish their next message; then the end, within 30 s.
    pub async fn stop(self) {
        self.stopping.cancel();
        self.tasks.close();
        if tokio::time::timeout(DRAIN, self.tasks.wait()).await.is_err() {
            tracing::warn!("some work was cut off; it will be delivered again");
        }
    }
}

fn compose(config: Config, stopping: CancellationToken, tasks: TaskTracker) -> Result<(Arc<Engine>, Http)> {
    let options = outbound::Options::default();
    let http_client = outbound::client(&options).context("no HTTP client could be made")?;
    let guard = Guard::new(config.allow_private.clone(), &options).context("no HTTP client could be made")?;
    let services = Services {
        qstash: qstash::QStash::new(http_client.clone(), config.qstash.options)?,
        klap: klap::Klap::new(http_client.clone(), config.klap),
        supabase: supabase::Supabase::new(http_client, config.supabase)?,
        source: source::Source::new(guard.clone(), source::Options::default()),
        guard,
    };
    let worker_url = route(&config.public_url, "/api/worker/klap")?;
    let failed_url = route(&config.public_url, "/api/worker/klap/failed")?;
    let pushes = Pushes {
        verifier: Verifier::new(config.qstash.keys, config.qstash.regions),
        worker_url: worker_url.to_string(),
        failed_url: failed_url.to_string(),
        clock: Box::new(clock::unix_seconds),
    };
    let bypass = config.protection_bypass.map(|secret| ("x-vercel-protection-bypass".to_owned(), secret));
    let settings = Settings {
        limits: config.limits,
        protection: config.protection,
        pace: config.pace,
        steps: config.steps,
        worker_url,
        failed_url,
        forward: bypass.into_iter().collect(),
    };
    let ids = Box::new(uuid::Uuid::now_v7);
    let engine = Arc::new(Engine::new(open(config.store)?, services, settings, stopping, ids));
    let http = Http {
        engine: Arc::clone(&engine),
        authenticator: Authenticator::new(config.auth)?,
        pushes,
        operator_secrets: config.operator_secrets,
        metrics_open: config.metrics_open,
        cors_origins: config.cors_origins,
        proxies: config.proxies,
        wait_max: config.wait_max,
        watching: http::Watching::new(config.watchers_max, config.stream_max),
        tasks,
    };
    Ok((engine, http))
}

fn open(store: StoreConfig) -> Result<Arc<dyn Store>> {
    let store: Arc<dyn Store> = match store {
        StoreConfig::Redis(options) => Arc::new(RedisStore::connect(&options)?),
        #[cfg(feature = "local")]
        StoreConfig::Local(path) => Arc::new(crate::store::redb::RedbStore::open(path)?),
    };
    Ok(Arc::new(Measured(store)))
}

/// One of our routes under the public address, which may have a path of its own.
fn route(public_url: &Url, path: &str) -> Result<Url> {
    let base = public_url.as_str().trim_end_matches('/');
    Url::parse(&format!("{base}{path}")).context("PUBLIC_URL makes no address of our routes")
}

/// What was observed is put together now and then, whether anybody reads it or not.
async fn tidy_on(stopping: CancellationToken) {
    while stopping.run_until_cancelled(tokio::time::sleep(TIDY_EVERY)).await.is_some() {
        measure::tidy();
    }
}

/// The local loop: one round at once, for what the last process left, then every minute.
async fn sweep_on(engine: Arc<Engine>) {
    loop {
        match engine.sweep().await {
            Ok(swept) if swept == crate::flow::Swept::default() => {}
            Ok(swept) => tracing::info!(?swept, "swept"),
            Err(error) => tracing::warn!(%error, "the sweep could not be done"),
        }
        tokio::select! {
            () = tokio::time::sleep(SWEEP_EVERY) => {}
            () = engine.stopping().cancelled() => return,
        }
    }
}
