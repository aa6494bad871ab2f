//! A collector of traces that takes OTLP over HTTP as any would, and keeps what it was told.

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use prost::Message;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// What a collector calls a span's kind.
pub const SERVER: i32 = 2;
pub const CLIENT: i32 = 3;
pub const PRODUCER: i32 = 4;
pub const CONSUMER: i32 = 5;
/// And a status that is an error.
pub const ERROR: i32 = 2;

/// One span, as it came.
#[derive(Debug, Clone)]
pub struct Seen {
    pub trace: String,
    pub id: String,
    /// Empty for the first of a trace.
    pub parent: String,
    pub name: String,
    pub kind: i32,
    pub status: i32,
    pub begun: u64,
    pub ended: u64,
    attributes: BTreeMap<String, String>,
}

impl Seen {
    /// Empty if it has none of that name.
    pub fn attribute(&self, name: &str) -> &str {
        self.attributes.get(name).map_or("", String::as_str)
    }

    /// All that its attributes say.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        self.attributes.values().map(String::as_str)
    }
}

#[derive(Default)]
struct Told {
    bodies: Vec<Bytes>,
    headers: Vec<HeaderMap>,
}

pub struct Collector {
    pub url: String,
    told: Arc<Mutex<Told>>,
}

impl Collector {
    pub async fn start() -> Self {
        let told = Arc::<Mutex<Told>>::default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().route("/v1/traces", post(take)).with_state(Arc::clone(&told));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, told }
    }

    /// What came over the wire, as it came.
    pub fn bodies(&self) -> Vec<Bytes> {
        self.told.lock().unwrap().bodies.clone()
    }

    pub fn headers(&self) -> Vec<HeaderMap> {
        self.told.lock().unwrap().headers.clone()
    }

    /// All spans, by the time they began.
    pub fn spans(&self) -> Vec<Seen> {
        let mut spans = Vec::new();
        for body in self.bodies() {
            let request = ExportTraceServiceRequest::decode(body).expect("what OTLP says");
            let resources = request.resource_spans.into_iter();
            spans.extend(resources.flat_map(|of| of.scope_spans).flat_map(|scope| scope.spans).map(|span| Seen {
                trace: hex(&span.trace_id),
                id: hex(&span.span_id),
                parent: hex(&span.parent_span_id),
                name: span.name,
                kind: span.kind,
                status: span.status.map_or(0, |status| status.code),
                begun: span.start_time_unix_nano,
                ended: span.end_time_unix_nano,
                attributes: span.attributes.into_iter().map(text).collect(),
            }));
        }
        spans.sort_by_key(|span| span.begun);
        spans
    }

    /// What the sender says of itself.
    pub fn service(&self) -> String {
        let body = self.bodies().into_iter().next().expect("something was told");
        let request = ExportTraceServiceRequest::decode(body).expect("what OTLP says");
        let resource = request.resource_spans[0].resource.clone().expect("a resource");
        let attributes: BTreeMap<_, _> = resource.attributes.into_iter().map(text).collect();
        attributes.get("service.name").cloned().unwrap_or_default()
    }
}

async fn take(State(told): State<Arc<Mutex<Told>>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let mut told = told.lock().unwrap();
    told.bodies.push(body);
    told.headers.push(headers);
    StatusCode::OK
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
}

fn text(KeyValue { key, value, .. }: KeyValue) -> (String, String) {
    let value = match value {
        Some(AnyValue { value: Some(Value::StringValue(text)) }) => text,
        Some(AnyValue { value: Some(Value::IntValue(number)) }) => number.to_string(),
        Some(AnyValue { value: Some(Value::BoolValue(is)) }) => is.to_string(),
        other => format!("{other:?}"),
    };
    (key, value)
}
