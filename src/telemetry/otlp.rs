//! Traces on their way to a collector: a bounded queue, a thread of its own, and a client that gives up soon. A collector that
//! is away costs spans and one line in the log, never a job's time.

use super::Traces;
use crate::services::outbound;
use async_trait::async_trait;
use opentelemetry::trace::{Link, SpanKind, TraceContextExt, TraceId, TraceState, TracerProvider};
use opentelemetry::{Context, KeyValue};
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{Protocol, RetryPolicy, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, Sampler, SamplingDecision, SamplingResult, SdkTracerProvider, ShouldSample,
};
use reqwest::Client;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use secrecy::ExposeSecret;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::time::{Instant, timeout};
use tracing::{Level, Metadata};
use tracing_subscriber::filter::{LevelFilter, filter_fn};
use tracing_subscriber::layer::Layer;
use tracing_subscriber::registry::LookupSpan;
use url::Url;

/// Spans that wait for the collector; further ones are dropped.
const QUEUE_MAX: usize = 4_096;
/// For one request to the collector.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long sending may hold up an answer, or the end of the process.
const BEFORE_ANSWER: Duration = Duration::from_millis(800);
const BEFORE_END: Duration = Duration::from_secs(4);
/// After a collector took nothing it is left alone for so long.
const REST: Duration = Duration::from_secs(10);
/// Spans of this name are for log lines alone: every request has one, also those that only look.
const FOR_LINES: &str = "request";

struct Exported {
    provider: SdkTracerProvider,
    before_answers: bool,
}

/// There is one subscriber in a process, so there is one of these.
static EXPORTED: OnceLock<Exported> = OnceLock::new();
static ENDING: AtomicBool = AtomicBool::new(false);

pub(super) fn layer<S>(traces: &Traces) -> Option<Box<dyn Layer<S> + Send + Sync>>
where
    S: tracing::Subscriber + for<'a> LookupSpan<'a> + Send + Sync,
{
    let spans = SpanExporter::builder()
        .with_http()
        .with_http_client(Collector::new(traces)?)
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(traces.endpoint.as_str())
        .with_timeout(PATIENCE)
        .with_retry_policy(RetryPolicy::disabled())
        .build()
        .ok()?;
    let queue =
        BatchConfigBuilder::default().with_max_queue_size(QUEUE_MAX).with_scheduled_delay(Duration::from_secs(2));
    let processor = BatchSpanProcessor::builder(spans).with_batch_config(queue.build()).build();
    let resource = Resource::builder()
        .with_service_name(traces.service.clone())
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .build();
    let share = Sampler::TraceIdRatioBased(traces.sampling.share);
    let sampler = OfJobs(if traces.sampling.follow_parent { Sampler::ParentBased(Box::new(share)) } else { share });
    let provider = SdkTracerProvider::builder()
        .with_span_processor(processor)
        .with_sampler(sampler)
        .with_resource(resource)
        .build();
    let layer = tracing_opentelemetry::layer()
        .with_tracer(provider.tracer("cliprelay"))
        .with_location(false)
        .with_threads(false)
        .with_target(false)
        .with_level(false)
        .with_tracked_inactivity(false);
    let exported = Exported { provider, before_answers: traces.before_answers };
    EXPORTED.set(exported).ok()?;
    Some(Box::new(layer.with_filter(filter_fn(is_told).with_max_level_hint(LevelFilter::DEBUG))))
}

/// Our own spans, and our own warnings within them.
fn is_told(of: &Metadata<'_>) -> bool {
    let ours = of.target().starts_with(concat!(env!("CARGO_CRATE_NAME"), "::"));
    ours && if of.is_span() { of.name() != FOR_LINES } else { *of.level() <= Level::WARN }
}

/// A trace begins with a request for work or with a push. What is called for anything else (a look at a job, a check of the
/// services) is not told.
#[derive(Debug, Clone)]
struct OfJobs(Sampler);

impl ShouldSample for OfJobs {
    fn should_sample(
        &self,
        parent: Option<&Context>,
        trace: TraceId,
        name: &str,
        kind: &SpanKind,
        attributes: &[KeyValue],
        links: &[Link],
    ) -> SamplingResult {
        let begins = !parent.is_some_and(Context::has_active_span);
        if begins && !matches!(kind, SpanKind::Server | SpanKind::Consumer) {
            let (decision, trace_state) = (SamplingDecision::Drop, TraceState::default());
            return SamplingResult { decision, attributes: Vec::new(), trace_state };
        }
        self.0.should_sample(parent, trace, name, kind, attributes, links)
    }
}

pub(super) async fn before_answer() {
    if EXPORTED.get().is_some_and(|exported| exported.before_answers) {
        within(BEFORE_ANSWER, |provider| drop(provider.force_flush())).await;
    }
}

pub(super) async fn stop() {
    ENDING.store(true, Ordering::Relaxed);
    within(BEFORE_END, |provider| drop(provider.shutdown_with_timeout(BEFORE_END))).await;
}

/// What blocks, beside the work.
async fn within(patience: Duration, send: fn(&SdkTracerProvider)) {
    let Some(exported) = EXPORTED.get() else { return };
    let provider = exported.provider.clone();
    let _ = timeout(patience, tokio::task::spawn_blocking(move || send(&provider))).await;
}

/// Posts to the collector on the runtime, whatever thread asks. Its client is made when it is first needed: no start waits for
/// it.
struct Collector {
    runtime: Handle,
    endpoint: Url,
    headers: HeaderMap,
    client: OnceLock<Client>,
    resting_until: Mutex<Option<Instant>>,
}

impl Collector {
    fn new(traces: &Traces) -> Option<Self> {
        let mut headers = HeaderMap::new();
        for (name, value) in &traces.headers {
            let mut value = HeaderValue::from_str(value.expose_secret()).ok()?;
            value.set_sensitive(true);
            headers.insert(HeaderName::try_from(name).ok()?, value);
        }
        let runtime = Handle::try_current().ok()?;
        let endpoint = traces.endpoint.clone();
        Some(Self { runtime, endpoint, headers, client: OnceLock::new(), resting_until: Mutex::default() })
    }

    fn client(&self) -> Result<Client, reqwest::Error> {
        if let Some(client) = self.client.get() {
            return Ok(client.clone());
        }
        let client = outbound::client(&outbound::Options::default())?;
        Ok(self.client.get_or_init(|| client).clone())
    }

    fn resting_until(&self) -> MutexGuard<'_, Option<Instant>> {
        self.resting_until.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn post(&self, headers: HeaderMap, body: Bytes) -> Result<Response<Bytes>, HttpError> {
        let headers = headers.into_iter().filter_map(|(name, value)| Some((name?, value)));
        let headers = headers.chain(self.headers.clone().into_iter().filter_map(|(name, value)| Some((name?, value))));
        let request = self.client()?.post(self.endpoint.clone()).headers(headers.collect()).body(body);
        let request = request.timeout(PATIENCE);
        let sending = self.runtime.spawn(async move {
            let answer = request.send().await?.error_for_status()?;
            let status = answer.status();
            // What it says of single spans concerns nobody here.
            drop(answer.bytes().await?);
            Ok::<_, reqwest::Error>(status)
        });
        let status = sending.await?.map_err(reqwest::Error::without_url)?;
        Ok(Response::builder().status(status).body(Bytes::new())?)
    }
}

impl fmt::Debug for Collector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Collector")
    }
}

#[async_trait]
impl HttpClient for Collector {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let rests = self.resting_until().is_some_and(|until| Instant::now() < until);
        // What is left at the end is offered once more.
        if rests && !ENDING.load(Ordering::Relaxed) {
            return Err("the collector is left alone for a while".into());
        }
        let (parts, body) = request.into_parts();
        let answered = self.post(parts.headers, body).await;
        let rest = answered.is_err().then(|| Instant::now() + REST);
        let rested = std::mem::replace(&mut *self.resting_until(), rest).is_some();
        match &answered {
            Err(error) if !rested => {
                tracing::warn!(%error, "traces could not be sent; they are dropped while the collector is away");
            }
            Ok(_) if rested => tracing::info!("traces are sent again"),
            Ok(_) | Err(_) => {}
        }
        answered
    }
}
