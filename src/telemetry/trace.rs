//! Where a span stands in a trace, as the text that travels: a `traceparent` of W3C's Trace Context. Whoever carries it need
//! not understand it. Without a collector, or in a build without traces, there is none.

#[cfg(feature = "otel")]
use opentelemetry::trace::{TraceContextExt, TraceId};
use tracing::Span;
#[cfg(feature = "otel")]
use tracing_opentelemetry::OpenTelemetrySpanExt;

/// The longest that is taken from anybody: version 00 has 55 characters, later ones may have more.
#[cfg(feature = "otel")]
const LENGTH_MAX: usize = 256;

/// What makes other spans children of this one, wherever they are.
#[cfg(feature = "otel")]
pub fn parent(span: &Span) -> Option<String> {
    let context = span.context();
    let span = context.span();
    let at = span.span_context();
    let told = at.trace_id() != TraceId::INVALID;
    told.then(|| format!("00-{}-{}-{:02x}", at.trace_id(), at.span_id(), at.trace_flags().to_u8()))
}

#[cfg(not(feature = "otel"))]
pub fn parent(_: &Span) -> Option<String> {
    None
}

/// Makes a span that has not been entered yet a child of that one. What is no `traceparent` changes nothing.
#[cfg(feature = "otel")]
pub fn follow(span: &Span, parent: Option<&str>) {
    use opentelemetry::propagation::TextMapPropagator;
    use opentelemetry_sdk::propagation::TraceContextPropagator;
    let Some(parent) = parent.filter(|parent| parent.len() <= LENGTH_MAX) else { return };
    let carried = std::collections::HashMap::from([("traceparent".to_owned(), parent.to_owned())]);
    let context = TraceContextPropagator::new().extract_with_context(&opentelemetry::Context::new(), &carried);
    if context.has_active_span() {
        // Without a collector there is nobody to mind.
        let _ = span.set_parent(context);
    }
}

#[cfg(not(feature = "otel"))]
pub fn follow(_: &Span, _: Option<&str>) {}

/// On a host that runs nothing between requests: what was seen goes out now. Elsewhere it does nothing.
#[cfg_attr(not(feature = "otel"), expect(clippy::unused_async, reason = "a build with traces waits here"))]
pub async fn before_answer() {
    #[cfg(feature = "otel")]
    super::otlp::before_answer().await;
}
