//! The whole system on this machine: the service with its embedded store, the broker, the stand-ins. The service is
//! configured through the same variables as anywhere else; only their values are local.

use super::{Service, start as start_service};
use crate::config::{Config, Logs};
use crate::embedded::broker::{self, Account, Broker, DEV_USERS, Data};
use crate::embedded::cutter;
use crate::embedded::sandbox::{self, Sandbox};
pub use crate::http::DEV_SECRET as OPERATOR_SECRET;
use anyhow::{Context, Result};
use secrecy::ExposeSecret;
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use tokio::net::TcpListener;

const PACE: [&str; 2] = ["POLL_DELAY_MIN", "POLL_DELAY_MAX"];
/// Requests for work per minute, unless the environment says otherwise.
const LOCAL_RATE: &str = "6000";
/// What the retries of a message may be at most, as with the vendor's local server.
pub const RETRIES_MAX: u32 = 5;

/// Where the parts listen and rest.
#[derive(Debug, Clone)]
pub struct Options {
    /// 0 takes a free port.
    pub port: u16,
    pub broker_port: u16,
    pub sandbox_port: u16,
    pub data: PathBuf,
}

/// All of it, up.
pub struct Local {
    pub service: Service,
    pub broker: Broker,
    pub sandbox: Sandbox,
}

/// Starts all parts. `get` is the environment, whose settings win where they are no addresses of ours.
pub async fn start(options: &Options, get: &dyn Fn(&str) -> Option<String>) -> Result<Local> {
    std::fs::create_dir_all(&options.data)
        .with_context(|| format!("cannot use the folder {}", options.data.display()))?;
    // Its keys are published ones, so it is for this machine only.
    let listener = bind(IpAddr::from([127, 0, 0, 1]), options.port, "--port").await?;
    let broker_listener = bind(IpAddr::from([127, 0, 0, 1]), options.broker_port, "--broker-port").await?;
    let sandbox_listener = bind(IpAddr::from([127, 0, 0, 1]), options.sandbox_port, "--sandbox-port").await?;
    let held = || format!("cannot use {}; does another one run on it?", options.data.display());
    let sandbox = sandbox::start(sandbox_listener, &options.data.join("sandbox")).await.with_context(held)?;
    let broker = broker::start(broker::Options {
        listener: broker_listener,
        data: Data::Dir(options.data.join("broker")),
        account: Account::Dev,
        max_retries: RETRIES_MAX,
        tuning: broker::Tuning::default(),
    })
    .await?;
    let own = environment(&sandbox, &broker, listener.local_addr()?, get);
    let paced = PACE.iter().any(|name| get(name).is_some());
    let lookup = |name: &str| match own.get(name) {
        // Whoever sets one of the two paces sets the pace.
        Some(_) if paced && PACE.contains(&name) => get(name),
        Some(value) => Some(value.clone()),
        value if is_theirs(name) => value.cloned(),
        value => get(name).or_else(|| value.cloned()),
    };
    let config = Config::read(&lookup, Some(options.data.join("jobs.redb")))?;
    // For this machine only, like the rest.
    let config = Config { metrics_open: true, ..config };
    let service = start_service(config, listener)?;
    Ok(Local { service, broker, sandbox })
}

/// Whether a variable is about somebody else's services: a `.env` made for them must not steer this system to them. How clips
/// are reached is nobody's address, and worth trying here.
fn is_theirs(name: &str) -> bool {
    if name == "SUPABASE_BUCKET_ACCESS" {
        return false;
    }
    let prefixes = ["VERCEL", "QSTASH_", "SUPABASE_", "KLAP_API_", "REDIS_", "UPSTASH_", "KV_"];
    prefixes.iter().any(|prefix| name.starts_with(prefix)) || name.contains("_QSTASH_")
}

fn environment(
    sandbox: &Sandbox,
    broker: &Broker,
    address: SocketAddr,
    get: &dyn Fn(&str) -> Option<String>,
) -> HashMap<&'static str, String> {
    let mut own: HashMap<_, _> = sandbox.environment().into_iter().collect();
    own.insert("PUBLIC_URL", format!("http://{address}"));
    own.insert("HOST", address.ip().to_string());
    own.insert("PORT", address.port().to_string());
    own.insert("QSTASH_URL", format!("http://{}", broker.address));
    own.insert("QSTASH_TOKEN", DEV_USERS[0].token.to_owned());
    if let Some(keys) = broker.keys(DEV_USERS[0].name) {
        own.insert("QSTASH_CURRENT_SIGNING_KEY", keys.current.expose_secret().to_owned());
        own.insert("QSTASH_NEXT_SIGNING_KEY", keys.next.expose_secret().to_owned());
    }
    // On one's own machine nobody needs to be held back.
    own.insert("RATE_LIMIT_OWNER", LOCAL_RATE.to_owned());
    own.insert("RATE_LIMIT_IP", LOCAL_RATE.to_owned());
    own.insert("AUTH", get("AUTH").unwrap_or_else(|| "none".to_owned()));
    own.insert("WORKER_SECRET", get("WORKER_SECRET").unwrap_or_else(|| OPERATOR_SECRET.to_owned()));
    if let Some(more) = get("ALLOW_PRIVATE_ADDRESSES")
        && let Some(list) = own.get_mut("ALLOW_PRIVATE_ADDRESSES")
    {
        *list = format!("{list},{more}");
    }
    own
}

/// A listener, or a clear word on which setting would help.
pub async fn bind(host: IpAddr, port: u16, flag: &str) -> Result<TcpListener> {
    TcpListener::bind((host, port))
        .await
        .with_context(|| format!("cannot listen on {host}:{port}; choose another port with {flag}"))
}

impl Local {
    /// In the order in which they depend on each other.
    pub async fn stop(self) {
        self.service.stop().await;
        self.broker.stop().await;
        self.sandbox.stop().await;
    }
}

/// Starts the stand-ins alone.
pub async fn sandbox(host: IpAddr, port: u16, data: &Path) -> Result<Sandbox> {
    let listener = bind(host, port, "--port").await?;
    Ok(sandbox::start(listener, data).await?)
}

/// A whole MP4's length in seconds, or what is wrong with the file and how to mend it.
pub async fn inspect(path: &Path) -> Result<f64> {
    let inspected = path.to_owned();
    let inspected = tokio::task::spawn_blocking(move || cutter::inspect(&inspected)).await?;
    let source = inspected.with_context(|| path.display().to_string())?;
    Ok(source.duration)
}

/// How a local system logs: as asked, otherwise at `level`.
pub fn logs(get: &dyn Fn(&str) -> Option<String>, level: &str) -> Logs {
    let mut logs = Logs::read(get);
    if get("RUST_LOG").is_none() {
        level.clone_into(&mut logs.filter);
    }
    logs
}
