//! What a trace tells of a request: to which host, and what for. Never its address: that may carry a key in its query and
//! somebody's names in its path. Of the path there remain the words that vendors' interfaces are made of.

use super::Unanswered;
use reqwest::{Request, Response};
use tracing::Span;
use tracing::field::Empty;
use url::Url;

/// What may be told of a path. Everything else in it is somebody's id, name or address.
const WORDS: [&str; 24] = [
    "auth",
    "bucket",
    "dlq",
    "exports",
    "info",
    "jwks.json",
    "keys",
    "messages",
    "object",
    "projects",
    "public",
    "publish",
    "rest",
    "resumable",
    "rpc",
    "sign",
    "storage",
    "tasks",
    "upload",
    "v1",
    "v2",
    "v3",
    "video-to-shorts",
    ".well-known",
];

pub(super) fn span(request: &Request) -> Span {
    let (method, url) = (request.method(), request.url());
    let operation = operation(url);
    tracing::debug_span!(
        "call",
        otel.name = format!("{method} {operation}"),
        otel.kind = "client",
        otel.status_code = Empty,
        http.request.method = method.as_str(),
        server.address = url.host_str(),
        server.port = url.port_or_known_default(),
        url.template = operation,
        http.response.status_code = Empty,
        "error.type" = Empty,
    )
}

pub(super) fn answered(span: &Span, answer: &Result<Response, Unanswered>) {
    let code = match answer {
        Ok(response) => {
            let status = response.status();
            span.record("http.response.status_code", status.as_u16());
            (status.is_client_error() || status.is_server_error()).then(|| status.as_str().to_owned())
        }
        Err(unanswered) if unanswered.blocked.is_some() => Some("blocked".to_owned()),
        Err(unanswered) if unanswered.unsent => Some("unsent".to_owned()),
        Err(_) => Some("unanswered".to_owned()),
    };
    if let Some(code) = code {
        span.record("otel.status_code", "error").record("error.type", code);
    }
}

/// The path with a star for whatever is no word of an interface; many in a row are one.
fn operation(url: &Url) -> String {
    let mut operation = String::new();
    for segment in url.path_segments().into_iter().flatten() {
        let known = WORDS.contains(&segment);
        if known || !operation.ends_with("/*") {
            operation.push('/');
            operation.push_str(if known { segment } else { "*" });
        }
    }
    operation
}

#[cfg(test)]
mod tests {
    use super::operation;

    #[test]
    fn of_an_address_only_the_interfaces_words_are_told() {
        for (address, told) in [
            ("https://api.klap.app/v2/tasks/video-to-shorts", "/v2/tasks/video-to-shorts"),
            ("https://api.klap.app/v2/projects/folder_1/klap_2/exports/e3", "/v2/projects/*/exports/*"),
            ("https://q.example/v2/publish/https://clips.example.com/api/worker/klap?x=1", "/v2/publish/*"),
            (
                "https://ref.supabase.co/storage/v1/object/sign/videos/p1/clips/a.mp4?token=t",
                "/storage/v1/object/sign/*",
            ),
            ("https://cdn.example.com/a/b/c.mp4?X-Amz-Signature=s", "/*"),
            ("https://cdn.example.com", "/*"),
        ] {
            assert_eq!(operation(&address.parse().unwrap()), told);
        }
    }
}
