//! Every route, and the layers around them.

use super::auth::rebinding;
use super::routes::admin::{audit as deeds, jobs as all, letters, purge, stats};
use super::routes::{
    clips, cron, deliveries, documents, events as sse, health, jobs, list as lists, metrics, page as pages,
};
use super::unbroken::unbroken;
use super::{Http, cors, hardening, measured, problem};
use crate::telemetry::trace;
use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderName, header};
use axum::middleware::{Next, from_fn, from_fn_with_state, map_request};
use axum::response::Response;
use axum::routing::{get, post};
use std::sync::Arc;
use tower::ServiceBuilder;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::request_id::{MakeRequestUuid, PropagateRequestIdLayer, SetRequestIdLayer};
use tower_http::sensitive_headers::SetSensitiveRequestHeadersLayer;
use tower_http::trace::{DefaultOnFailure, TraceLayer};

pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

pub(super) const PAGE: &str = "/";
pub(super) const ASSETS: &str = "/dashboard/{file}";
pub(super) const PROCESS: &str = "/api/process-klap";
pub(super) const RETRY: &str = "/api/process-klap/retry";
pub(super) const EVENTS: &str = "/api/process-klap/events";
pub(super) const LIST: &str = "/api/jobs";
pub(super) const CLIP: &str = "/api/clips/{id}";
pub(super) const WORKER: &str = "/api/worker/klap";
pub(super) const FAILED: &str = "/api/worker/klap/failed";
pub(super) const CRON: &str = "/api/cron/klap";
pub(super) const ADMIN_JOBS: &str = "/api/admin/jobs";
pub(super) const ADMIN_JOB: &str = "/api/admin/jobs/{id}";
pub(super) const ADMIN_CANCEL: &str = "/api/admin/jobs/{id}/cancel";
pub(super) const ADMIN_RETRY: &str = "/api/admin/jobs/{id}/retry";
pub(super) const ADMIN_PURGE: &str = "/api/admin/jobs/purge";
pub(super) const ADMIN_LETTERS: &str = "/api/admin/dead-letters";
pub(super) const ADMIN_REPLAY: &str = "/api/admin/dead-letters/replay";
pub(super) const ADMIN_DROP: &str = "/api/admin/dead-letters/drop";
pub(super) const ADMIN_AUDIT: &str = "/api/admin/audit";
pub(super) const HEALTH: &str = "/api/health";
pub(super) const READY: &str = "/api/ready";
pub(super) const METRICS: &str = "/metrics";
pub(super) const STATS: &str = "/api/admin/stats";
pub(super) const OPENAPI: &str = "/api/openapi.json";
pub(super) const DOCS: &str = "/api/docs";

/// The routes this build serves; the serverless host's file and the description are compared with them.
pub const ROUTES: &[&str] = &[
    PAGE,
    ASSETS,
    PROCESS,
    RETRY,
    EVENTS,
    LIST,
    CLIP,
    WORKER,
    FAILED,
    CRON,
    ADMIN_JOBS,
    ADMIN_JOB,
    ADMIN_CANCEL,
    ADMIN_RETRY,
    ADMIN_PURGE,
    ADMIN_LETTERS,
    ADMIN_REPLAY,
    ADMIN_DROP,
    ADMIN_AUDIT,
    STATS,
    HEALTH,
    READY,
    METRICS,
    OPENAPI,
    DOCS,
];

pub fn router(http: Http) -> Router {
    let cors = cors::layer(&http.cors_origins);
    let public_over_https = http.pushes.worker_url.starts_with("https:");
    let harden = move |request, next| hardening::harden(public_over_https, request, next);
    let own_names_only = rebinding::matters(&http);
    let http = Arc::new(http);
    let whole = from_fn_with_state(Arc::clone(&http), unbroken);
    let routes = Router::new()
        .route(PAGE, get(pages::first))
        .route(ASSETS, get(pages::file))
        .route(PROCESS, post(jobs::enqueue).delete(jobs::cancel).layer(whole.clone()).get(jobs::status))
        .route(RETRY, post(jobs::retry).layer(whole.clone()))
        .route(EVENTS, get(sse::events))
        .route(LIST, get(lists::list))
        .route(CLIP, get(clips::clip))
        .route(WORKER, post(deliveries::worker))
        .route(FAILED, post(deliveries::failed))
        .route(CRON, get(cron::sweep).post(cron::sweep).layer(whole.clone()))
        .route(ADMIN_JOBS, get(all::list))
        .route(ADMIN_JOB, get(all::show))
        .route(ADMIN_CANCEL, post(all::cancel).layer(whole.clone()))
        .route(ADMIN_RETRY, post(all::retry).layer(whole.clone()))
        .route(ADMIN_PURGE, post(purge::purge).layer(whole.clone()))
        .route(ADMIN_LETTERS, get(letters::list))
        .route(ADMIN_REPLAY, post(letters::replay).layer(whole.clone()))
        .route(ADMIN_DROP, post(letters::drop_them).layer(whole))
        .route(ADMIN_AUDIT, get(deeds::audit))
        .route(HEALTH, get(health::health))
        .route(READY, get(health::ready))
        .route(METRICS, get(metrics::metrics))
        .route(STATS, get(stats::stats))
        .route(OPENAPI, get(documents::document))
        .route(DOCS, get(documents::docs))
        .with_state(http);
    let routes = if own_names_only { routes.layer(from_fn(rebinding::refuse)) } else { routes };
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
            .layer(from_fn(told_first))
            .layer(PropagateRequestIdLayer::new(REQUEST_ID))
            .layer(from_fn(measured::request))
            .layer(from_fn(harden))
            .option_layer(cors)
            .layer(from_fn(problem::write_out))
            .layer(CatchPanicLayer::new()),
    )
}

/// Where nothing runs after an answer, what was seen goes to the collector before it.
async fn told_first(request: Request, next: Next) -> Response {
    let answer = next.run(request).await;
    trace::before_answer().await;
    answer
}

/// The path only: a query may hold what is not for logs. At the highest level, so that no line of a request, however few are
/// asked for, is without its id.
fn span(request: &Request) -> tracing::Span {
    let id = request.headers().get(REQUEST_ID).and_then(|id| id.to_str().ok()).unwrap_or_default();
    tracing::error_span!("request", request.id = id, http.method = %request.method(), http.path = request.uri().path())
}
