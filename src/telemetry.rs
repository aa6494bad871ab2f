//! Logs: one line per thing that happened, to stderr, as JSON or for people.

use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Json,
    Pretty,
}

/// Starts logging for the life of the process; a second call changes nothing. `filter` is in `RUST_LOG`'s language.
pub fn start(format: Format, filter: &str, color: bool) {
    let filter = EnvFilter::try_new(filter).unwrap_or_else(|_| EnvFilter::new("info"));
    let registry = tracing_subscriber::registry().with(filter);
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let started = match format {
        Format::Json => registry.with(layer.json().flatten_event(true)).try_init(),
        Format::Pretty => {
            let color = color && std::io::stderr().is_terminal();
            registry.with(layer.with_target(false).with_ansi(color)).try_init()
        }
    };
    drop(started);
}
