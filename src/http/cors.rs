//! Which pages of other origins may call us: those of the listed origins, and only the frontend's routes. Credentials of the
//! browser are never allowed: callers show a token or key, so a page that holds neither gains nothing by being listed.

use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, Method, header};
use std::time::Duration;
use tower_http::cors::{AllowOrigin, CorsLayer};

/// What pages are for. QStash's and the operator's routes are nobody's page.
const FOR_PAGES: [&str; 5] = ["/api/process-klap", "/api/jobs", "/api/clips", "/api/openapi.json", "/api/docs"];

/// None without origins: no page but our own may call.
pub(super) fn layer(origins: &[String]) -> Option<CorsLayer> {
    if origins.is_empty() {
        return None;
    }
    let origins: Vec<HeaderValue> = origins.iter().filter_map(|origin| HeaderValue::from_str(origin).ok()).collect();
    let allowed = move |origin: &HeaderValue, request: &Parts| {
        is_for_pages(request.uri.path()) && origins.iter().any(|listed| listed == origin)
    };
    let layer = CorsLayer::new()
        .allow_origin(AllowOrigin::predicate(allowed))
        .allow_methods([Method::GET, Method::POST, Method::DELETE])
        .allow_headers([
            header::AUTHORIZATION,
            header::CONTENT_TYPE,
            header::IF_NONE_MATCH,
            header::CACHE_CONTROL,
            HeaderName::from_static("idempotency-key"),
            HeaderName::from_static("last-event-id"),
            super::router::REQUEST_ID,
        ])
        .expose_headers([
            header::ETAG,
            header::LOCATION,
            header::RETRY_AFTER,
            header::WWW_AUTHENTICATE,
            HeaderName::from_static("ratelimit"),
            HeaderName::from_static("ratelimit-policy"),
            super::router::REQUEST_ID,
        ])
        .max_age(Duration::from_hours(1));
    Some(layer)
}

fn is_for_pages(path: &str) -> bool {
    let leads = |start: &&str| path.strip_prefix(*start).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    FOR_PAGES.iter().any(leads)
}
