//! The host's edge: takes every request, hands it to the function that the rewrites name, adds the headers that are set for
//! all, and remembers what passed. Also stands before the stand-ins, to see what they are sent.

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use reqwest::Client;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;

const VERCEL: &str = include_str!("../../../vercel.json");
/// The host takes no larger one; vendors do.
const BODY_MAX: usize = 4_500_000;
/// Whom the host says a caller is.
const CALLER: &str = "203.0.113.7";

/// A request that was handed on, and how it was answered.
#[derive(Clone)]
pub struct Passed {
    pub method: Method,
    pub path: String,
    pub headers: HeaderMap,
    pub body: Bytes,
    pub service: String,
    pub status: u16,
}

pub struct Edge {
    pub base: String,
    shared: Arc<Shared>,
}

struct Shared {
    http: Client,
    host: String,
    /// Path, or its beginning before `(.*)`, and whose it is.
    rewrites: Vec<(String, String)>,
    headers: HeaderMap,
    services: BTreeMap<String, String>,
    passed: Mutex<Vec<Passed>>,
}

/// An edge that is bound: its address is known before there is anything behind it.
pub struct Bound {
    pub base: String,
    listener: TcpListener,
}

impl Bound {
    pub async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let base = format!("http://{}", listener.local_addr().expect("its address"));
        Self { base, listener }
    }

    /// As `vercel.json` says, to functions at these addresses.
    pub fn serve(self, host: &str, services: BTreeMap<String, String>) -> Edge {
        let file: Value = serde_json::from_str(VERCEL).expect("vercel.json is JSON");
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        let rewrites = file["rewrites"].as_array().expect("rewrites");
        let rewrites =
            rewrites.iter().map(|one| (text(&one["source"]), text(&one["destination"]["service"]))).collect();
        assert_eq!(file["headers"][0]["source"], "/(.*)", "headers for every path");
        let headers = file["headers"][0]["headers"].as_array().expect("headers").iter();
        let headers = headers.map(|header| {
            let name: HeaderName = text(&header["key"]).to_lowercase().parse().expect("a header's name");
            (name, text(&header["value"]).parse().expect("a header's value"))
        });
        self.up(host, rewrites, headers.collect(), services)
    }

    fn up(
        self,
        host: &str,
        rewrites: Vec<(String, String)>,
        headers: HeaderMap,
        services: BTreeMap<String, String>,
    ) -> Edge {
        let Self { base, listener } = self;
        let (http, passed) = (crate::support::system::http(), Mutex::default());
        let shared = Arc::new(Shared { http, host: host.to_owned(), rewrites, headers, services, passed });
        let router = Router::new().fallback(take).with_state(Arc::clone(&shared));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Edge { base, shared }
    }
}

impl Edge {
    /// Hands everything on to this address.
    pub async fn before(base: &str) -> Self {
        let (rewrites, to) = (vec![("/(.*)".to_owned(), "all".to_owned())], base.to_owned());
        Bound::new().await.up("", rewrites, HeaderMap::new(), BTreeMap::from([("all".to_owned(), to)]))
    }

    /// What passed so far, the first one first.
    pub fn passed(&self) -> Vec<Passed> {
        self.shared.passed.lock().unwrap().clone()
    }

    /// What passed to this path.
    pub fn passed_to(&self, path: &str) -> Vec<Passed> {
        self.passed().into_iter().filter(|passed| passed.path == path).collect()
    }
}

impl Shared {
    fn service(&self, path: &str) -> Option<(&str, &str)> {
        let is_it = |source: &str| source.strip_suffix("(.*)").map_or(source == path, |start| path.starts_with(start));
        let (_, service) = self.rewrites.iter().find(|(source, _)| is_it(source))?;
        Some((service, &self.services[service]))
    }
}

async fn take(State(edge): State<Arc<Shared>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path().to_owned();
    let Some((service, base)) = edge.service(&path) else {
        return (StatusCode::NOT_FOUND, edge.headers.clone(), "no such file or function").into_response();
    };
    let most = if edge.host.is_empty() { usize::MAX } else { BODY_MAX };
    let body = to_bytes(body, most).await.expect("a body that is not too large");
    let target = parts.uri.path_and_query().map_or(path.as_str(), |target| target.as_str());
    let mut headers = parts.headers.clone();
    for name in [header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::CONNECTION] {
        headers.remove(name);
    }
    if !edge.host.is_empty() {
        let host: HeaderValue = edge.host.parse().expect("a host");
        headers.insert(header::HOST, host.clone());
        headers.insert("x-forwarded-host", host);
        headers.insert("x-forwarded-proto", HeaderValue::from_static("https"));
        for name in ["x-forwarded-for", "x-real-ip", "x-vercel-forwarded-for"] {
            headers.insert(name, HeaderValue::from_static(CALLER));
        }
    }
    let request = edge.http.request(parts.method.clone(), format!("{base}{target}")).headers(headers);
    let answer = request.body(body.clone()).send().await;
    let status = answer.as_ref().map_or(StatusCode::BAD_GATEWAY, reqwest::Response::status);
    edge.passed.lock().unwrap().push(Passed {
        method: parts.method,
        path,
        headers: parts.headers,
        body,
        service: service.to_owned(),
        status: status.as_u16(),
    });
    let Ok(answer) = answer else { return status.into_response() };
    let mut headers = answer.headers().clone();
    for name in [header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::CONNECTION] {
        headers.remove(name);
    }
    headers.extend(edge.headers.clone());
    (status, headers, Body::from_stream(answer.bytes_stream())).into_response()
}
