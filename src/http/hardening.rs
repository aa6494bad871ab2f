//! What every answer says to browsers and caches, whatever it answers, and which word of a caller names a request in our logs.
//! Answers of the server below us, to what is not HTTP at all, have none of it: they have no content either.

use super::router::REQUEST_ID;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::Response;

/// The longest id taken from a caller.
const ID_MAX: usize = 128;
/// Nothing in an answer that is data is to be shown, run or framed. Pages bring their own.
const NOTHING: &str = "default-src 'none'; frame-ancestors 'none'";
const ALWAYS: [(HeaderName, &str); 6] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::CONTENT_SECURITY_POLICY, NOTHING),
    // Owners' data, unless a route says otherwise.
    (header::CACHE_CONTROL, "no-store"),
    // Listed origins read by CORS, which this does not touch; the others are not to embed.
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// A year: browsers then come over https by themselves.
const HTTPS_ONLY: HeaderValue = HeaderValue::from_static("max-age=31536000");

/// Adds what the answer does not say itself.
pub(super) async fn harden(public_over_https: bool, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in ALWAYS {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    if public_over_https {
        headers.entry(header::STRICT_TRANSPORT_SECURITY).or_insert(HTTPS_ONLY);
    }
    response
}

/// Drops an id that is no fit name for a request: it would be another one's, unreadable, or a forged line of a log.
pub(super) fn with_sane_id(mut request: Request) -> Request {
    if !is_sane(request.headers()) {
        request.headers_mut().remove(REQUEST_ID);
    }
    request
}

fn is_sane(headers: &HeaderMap) -> bool {
    let mut given = headers.get_all(REQUEST_ID).iter();
    let fits = |id: &HeaderValue| {
        let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(byte);
        (1..=ID_MAX).contains(&id.len()) && id.as_bytes().iter().all(plain)
    };
    given.next().is_some_and(fits) && given.next().is_none()
}
