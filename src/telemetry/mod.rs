//! What a process tells of itself: log lines, one for each thing that happened, to stderr as JSON or for people, and, where a
//! collector is named, traces. Nothing here may hold up or fail the work: what a collector does not take in time is dropped.

mod lines;
#[cfg(feature = "otel")]
mod otlp;
pub mod trace;

use secrecy::SecretString;
use std::io::IsTerminal;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, fmt};
use url::Url;

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Json,
    Pretty,
}

/// Where traces go.
#[derive(Debug, Clone)]
pub struct Traces {
    /// What is posted to, as OTLP over HTTP.
    pub endpoint: Url,
    /// Usually a key.
    pub headers: Vec<(String, SecretString)>,
    pub service: String,
    pub sampling: Sampling,
    /// Nothing may run between requests: what a request has seen is sent before its answer.
    pub before_answers: bool,
}

/// Which traces are told.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sampling {
    /// From 0 to 1.
    pub share: f64,
    /// A trace that somebody else began is told if they tell it.
    pub follow_parent: bool,
}

/// Starts telling, for the life of the process; a second call changes nothing. `filter` is in `RUST_LOG`'s language and
/// concerns lines alone.
pub fn start(format: Format, filter: &str, color: bool, traces: Option<&Traces>) {
    let filter = EnvFilter::try_new(filter).unwrap_or_else(|_| EnvFilter::new("info"));
    let registry = tracing_subscriber::registry().with(traces.and_then(exported));
    let layer = fmt::layer().with_writer(std::io::stderr);
    let started = match format {
        Format::Json => {
            let layer = layer.fmt_fields(fmt::format::JsonFields::new()).event_format(lines::Json);
            registry.with(layer.with_filter(filter)).try_init()
        }
        Format::Pretty => {
            let color = color && std::io::stderr().is_terminal();
            let layer = layer.with_target(false).with_ansi(color).fmt_fields(lines::Plain);
            registry.with(layer.with_filter(filter)).try_init()
        }
    };
    drop(started);
}

/// Tells what is still to be told; after it nothing more is. Within a few seconds, whatever the collector does.
#[cfg_attr(not(feature = "otel"), expect(clippy::unused_async, reason = "a build with traces waits here"))]
pub async fn stop() {
    #[cfg(feature = "otel")]
    otlp::stop().await;
}

#[cfg(feature = "otel")]
fn exported<S>(traces: &Traces) -> Option<Box<dyn Layer<S> + Send + Sync>>
where
    S: tracing::Subscriber + for<'a> LookupSpan<'a> + Send + Sync,
{
    otlp::layer(traces)
}

#[cfg(not(feature = "otel"))]
fn exported<S>(_: &Traces) -> Option<Box<dyn Layer<S> + Send + Sync>>
where
    S: tracing::Subscriber + for<'a> LookupSpan<'a> + Send + Sync,
{
    None
}
