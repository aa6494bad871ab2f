//! The operator's page: its files, compiled in. They hold no job and no secret; what the page shows it asks with the secret its
//! reader gives. What jobs carry is a stranger's, so the policy lets no script run but ours, makes no markup of a text, and
//! asks nobody but this service. Clips play from wherever they are.

use crate::http::Problem;
use crate::http::router::{ASSETS, PAGE};
use axum::extract::Path;
use axum::extract::rejection::PathRejection;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use std::sync::LazyLock;

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

const INDEX: &str = include_str!("../dashboard/index.html");

macro_rules! files {
    ($($name:literal: $kind:expr;)*) => { &[$(($name, $kind, include_str!(concat!("../dashboard/", $name)))),*] };
}

const FILES: &[(&str, &str, &str)] = files![
    "base.css": CSS;
    "parts.css": CSS;
    "ask.js": SCRIPT;
    "audit.js": SCRIPT;
    "bulk.js": SCRIPT;
    "clips.js": SCRIPT;
    "dialog.js": SCRIPT;
    "door.js": SCRIPT;
    "elements.js": SCRIPT;
    "filters.js": SCRIPT;
    "icons.js": SCRIPT;
    "job.js": SCRIPT;
    "jobs.js": SCRIPT;
    "keys.js": SCRIPT;
    "letters.js": SCRIPT;
    "look.js": SCRIPT;
    "needs.js": SCRIPT;
    "overview.js": SCRIPT;
    "page.js": SCRIPT;
    "pages.js": SCRIPT;
    "rows.js": SCRIPT;
    "signing.js": SCRIPT;
    "story.js": SCRIPT;
    "timeline.js": SCRIPT;
    "times.js": SCRIPT;
    "words.js": SCRIPT;
];

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; \
                      media-src 'self' https: http:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
                      require-trusted-types-for 'script'; trusted-types 'none'";

/// One for all files: they change together.
static TAG: LazyLock<String> = LazyLock::new(|| {
    let texts = FILES.iter().map(|(_, _, text)| *text).chain([INDEX, POLICY]);
    let digest = texts.fold(Sha256::new(), Digest::chain_update).finalize();
    format!("\"{}\"", URL_SAFE_NO_PAD.encode(&digest[..12]))
});

/// The operator's page
///
/// Jobs, dead letters and what is to be done about them, in a browser; it asks for an operator's secret. With `?jobId=` or
/// `?projectId=` one job, for whoever has an API key.
#[utoipa::path(
    get, path = PAGE, operation_id = "page", tag = "Documents",
    responses(
        (status = 200, body = String, content_type = "text/html", description = "The page."),
        (status = 304, description = "Unchanged since `If-None-Match`."),
    ),
)]
pub async fn first(headers: HeaderMap) -> Response {
    answer(&headers, HTML, INDEX)
}

/// A part of the page
///
/// One of its scripts and styles.
#[utoipa::path(
    get, path = ASSETS, operation_id = "pageFile", tag = "Documents",
    params(("file" = String, Path, example = "page.js", description = "Its name.")),
    responses(
        (status = 200, body = String, content_type = "text/javascript", description = "The file, a script or a style."),
        (status = 304, description = "Unchanged since `If-None-Match`."),
    ),
)]
pub async fn file(name: Result<Path<String>, PathRejection>, headers: HeaderMap) -> Result<Response, Problem> {
    let found = name.ok().and_then(|Path(name)| FILES.iter().find(|(known, ..)| *known == name));
    let (_, kind, text) = found.ok_or_else(|| Problem::not_found("The page has no such file"))?;
    Ok(answer(&headers, kind, text))
}

fn answer(headers: &HeaderMap, kind: &'static str, text: &'static str) -> Response {
    let tag = TAG.as_str();
    let always = [
        (CACHE_CONTROL, "no-cache"),
        (ETAG, tag),
        (CONTENT_SECURITY_POLICY, POLICY),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    ];
    let known = headers.get_all(IF_NONE_MATCH).iter().filter_map(|line| line.to_str().ok());
    if known.flat_map(|line| line.split(',')).any(|given| given.trim().trim_start_matches("W/") == tag) {
        return (StatusCode::NOT_MODIFIED, always).into_response();
    }
    (always, [(CONTENT_TYPE, kind)], text).into_response()
}
