//! `serve`: the service as the environment configures it, until it is told to stop.

use super::End;
use super::environment;
use crate::app;
use crate::config::Config;
use crate::telemetry;
use anyhow::Context;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

pub(super) async fn serve() -> Result<(), End> {
    let config = Config::read(&environment, None)?;
    telemetry::start(config.logs.format, &config.logs.filter, environment("NO_COLOR").is_none());
    let address = (config.host, config.port);
    let listener = TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {}:{}; set HOST and PORT", address.0, address.1))?;
    let service = app::start(config, listener)?;
    stop_signal().await?;
    tracing::info!("stopping");
    service.stop().await;
    Ok(())
}

/// Resolves at Ctrl-C or SIGTERM.
pub(super) async fn stop_signal() -> Result<(), End> {
    let mut terminated = signal(SignalKind::terminate()).context("signals cannot be watched")?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted.context("signals cannot be watched")?,
        _ = terminated.recv() => {}
    }
    Ok(())
}
