//! Every route, and the layers around them.

use super::routes::{clips, cron, deliveries, events as sse, health, jobs, list as lists, page as pages};
use super::{Http, cors, hardening, problem};
use axum::Router;
use axum::http::{HeaderName, header};
use axum::middleware::{from_fn, map_request};
use axum::routing::{get, post};
use std::sync::Arc;
use tower::ServiceBuilder;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::request_id::{MakeRequestUuid, PropagateRequestIdLayer, SetRequestIdLayer};
use tower_http::sensitive_headers::SetSensitiveRequestHeadersLayer;
use tower_http::trace::{DefaultOnFailure, TraceLayer};

pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The routes this build serves; the serverless host's file is compared with them.
pub const ROUTES: [&str; 11] = [
    "/",
    "/api/process-klap",
    "/api/process-klap/retry",
    "/api/process-klap/events",
    "/api/jobs",
    "/api/clips/{id}",
    "/api/worker/klap",
    "/api/worker/klap/failed",
    "/api/cron/klap",
    "/api/health",
    "/api/ready",
];

pub fn router(http: Http) -> Router {
    let cors = cors::layer(&http.cors_origins);
    let public_over_https = http.pushes.worker_url.starts_with("https:");
    let harden = move |request, next| hardening::harden(public_over_https, request, next);
    let http = Arc::new(http);
    let [page, process, retry, events, list, clip, worker, failed, cron, health, ready] = ROUTES;
    let routes = Router::new()
        .route(page, get(pages::first))
        .route(process, post(jobs::enqueue).get(jobs::status).delete(jobs::cancel))
        .route(retry, post(jobs::retry))
        .route(events, get(sse::events))
        .route(list, get(lists::list))
        .route(clip, get(clips::clip))
        .route(worker, post(deliveries::worker))
        .route(failed, post(deliveries::failed))
        .route(cron, get(cron::sweep).post(cron::sweep))
        .route(health, get(health::health))
        .route(ready, get(health::ready))
        .with_state(http);
    routes.layer(
        ServiceBuilder::new()
            .layer(SetSensitiveRequestHeadersLayer::new([
                header::AUTHORIZATION,
                HeaderName::from_static("upstash-signature"),
                HeaderName::from_static("x-vercel-protection-bypass"),
            ]))
            .layer(map_request(async |request| hardening::with_sane_id(request)))
            .layer(SetRequestIdLayer::new(REQUEST_ID, MakeRequestUuid))
            .layer(TraceLayer::new_for_http().make_span_with(span).on_failure(DefaultOnFailure::new()))
            .layer(PropagateRequestIdLayer::new(REQUEST_ID))
            .layer(from_fn(harden))
            .option_layer(cors)
            .layer(from_fn(problem::write_out))
            .layer(CatchPanicLayer::new()),
    )
}

/// The path only: a query may hold what is not for logs. At the highest level, so that no line of a request, however few are
/// asked for, is without its id.
fn span(request: &axum::extract::Request) -> tracing::Span {
    let id = request.headers().get(REQUEST_ID).and_then(|id| id.to_str().ok()).unwrap_or_default();
    tracing::error_span!("request", request.id = id, http.method = %request.method(), http.path = request.uri().path())
}
