//! What this interface is, for programs and for people.

use crate::http::openapi;
use crate::http::router::{DOCS, OPENAPI};
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};

/// A deploy may change it.
const BRIEFLY: (axum::http::HeaderName, &str) = (CACHE_CONTROL, "public, max-age=300");

/// This document
#[utoipa::path(get, path = OPENAPI, operation_id = "openapi", tag = "Documents", responses((status = 200, body = serde_json::Value, description = "OpenAPI 3.1.")))]
pub async fn document() -> Response {
    ([(CONTENT_TYPE, "application/json"), BRIEFLY], openapi::text()).into_response()
}

/// This document, to read
#[utoipa::path(get, path = DOCS, operation_id = "docs", tag = "Documents", responses((status = 200, body = String, content_type = "text/html", description = "A page.")))]
pub async fn docs() -> Response {
    let headers =
        [(CONTENT_TYPE, "text/html; charset=utf-8"), BRIEFLY, (CONTENT_SECURITY_POLICY, openapi::page::policy())];
    (headers, openapi::page::text()).into_response()
}
