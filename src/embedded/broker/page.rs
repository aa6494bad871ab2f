//! The page on the broker: its files, compiled in, and which published users it may offer. It holds no message and no
//! token; what it shows it asks with the token its reader gives. Everything a message carries is a stranger's, so the
//! policy lets no script run but ours, and nothing be asked elsewhere.

use super::account::Users;
use axum::http::request::Parts;
use axum::http::{HeaderName, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};

const ROOT: &str = "/_broker/";

macro_rules! files {
    ($($name:literal: $kind:expr;)*) => { &[$(($name, $kind, include_str!(concat!("page/", $name)))),*] };
}

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

const FILES: &[(&str, &str, &str)] = files![
    "index.html": HTML;
    "page.css": CSS;
    "page.js": SCRIPT;
    "ask.js": SCRIPT;
    "elements.js": SCRIPT;
    "times.js": SCRIPT;
    "messages.js": SCRIPT;
    "message.js": SCRIPT;
    "letters.js": SCRIPT;
    "schedules.js": SCRIPT;
    "settings.js": SCRIPT;
];

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
                      require-trusted-types-for 'script'; trusted-types 'none'";

const HEADERS: [(HeaderName, &str); 7] = [
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::CACHE_CONTROL, "no-cache"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// The answer where the page is asked for, which needs no token.
pub fn answer(head: &Parts, users: &Users) -> Option<Response> {
    let path = head.uri.path();
    if !matches!(head.method, Method::GET | Method::HEAD) {
        return None;
    }
    if path == "/" || path == ROOT.trim_end_matches('/') {
        return Some((StatusCode::FOUND, HEADERS, [(header::LOCATION, ROOT)]).into_response());
    }
    let name = match path.strip_prefix(ROOT)? {
        "" => "index.html",
        "users" => {
            return Some((HEADERS, [(header::CONTENT_TYPE, "application/json")], offered(users)).into_response());
        }
        name => name,
    };
    let (_, kind, text) = FILES.iter().find(|(known, ..)| *known == name)?;
    Some((HEADERS, [(header::CONTENT_TYPE, *kind)], *text).into_response())
}

/// The users whose tokens are published anyway.
fn offered(users: &Users) -> String {
    let users = users.dev().iter().map(|user| serde_json::json!({ "name": user.name, "token": user.token }));
    users.collect::<serde_json::Value>().to_string()
}
