//! `serve`: the service as the environment configures it, until it is told to stop.

use super::End;
use super::environment;
use crate::app;
use crate::config::Config;
use crate::telemetry;
use anyhow::{Context, anyhow};
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};

pub(super) async fn serve() -> Result<(), End> {
    let config = Config::read(&environment, None)?;
    let (logs, color) = (config.logs.clone(), environment("NO_COLOR").is_none());
    telemetry::start(logs.format, &logs.filter, color, logs.traces.as_ref());
    let address = (config.host, config.port);
    let listener = TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {}:{}; set HOST and PORT", address.0, address.1))?;
    let service = app::start(config, listener)?;
    let mut signals = Signals::watch()?;
    signals.next().await;
    tracing::info!("stopping");
    let stopped = signals.unless_again(service.stop()).await;
    telemetry::stop().await;
    stopped
}

/// Ctrl-C and SIGTERM, none of which is missed from here on.
pub(super) struct Signals {
    interrupted: Signal,
    terminated: Signal,
}

impl Signals {
    pub fn watch() -> Result<Self, End> {
        let watched = |kind| signal(kind).context("signals cannot be watched");
        Ok(Self { interrupted: watched(SignalKind::interrupt())?, terminated: watched(SignalKind::terminate())? })
    }

    /// Resolves at the next.
    pub async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupted.recv() => {}
            _ = self.terminated.recv() => {}
        }
    }

    /// Winds up, but ends at once if told to stop again.
    pub async fn unless_again(&mut self, stopping: impl Future<Output = ()>) -> Result<(), End> {
        tokio::select! {
            () = stopping => Ok(()),
            () = self.next() => Err(End::failed(anyhow!("told to stop again: what was under way is cut off"))),
        }
    }
}
