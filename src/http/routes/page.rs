//! The first page. It may run and look like what is written in it, ask this service, and show clips from wherever they are.

use crate::http::router::PAGE;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY};
use axum::response::{Html, IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};
use std::sync::LazyLock;

const TEXT: &str = include_str!("../page/index.html");
static POLICY: LazyLock<String> = LazyLock::new(|| {
    let [script, style] = ["script", "style"].map(hash);
    format!(
        "default-src 'none'; script-src {script}; style-src {style}; connect-src 'self'; media-src https: http:; \
         form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
});

/// A page
///
/// Shows one job in a browser.
#[utoipa::path(get, path = PAGE, operation_id = "page", tag = "Documents", responses((status = 200, body = String, content_type = "text/html", description = "The page.")))]
pub async fn first() -> Response {
    ([(CACHE_CONTROL, "no-cache"), (CONTENT_SECURITY_POLICY, POLICY.as_str())], Html(TEXT)).into_response()
}

/// What lets a browser take the page's only element of that name.
fn hash(element: &str) -> String {
    let (open, close) = (format!("<{element}>"), format!("</{element}>"));
    let within = TEXT.split_once(&open).and_then(|(_, rest)| rest.split_once(&close)).map_or("", |(within, _)| within);
    format!("'sha256-{}'", STANDARD.encode(Sha256::digest(within)))
}
