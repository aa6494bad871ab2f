//! Pages of strangers, where a route is open or its secret is published: whoever has a name can let it lead to this machine once his page is loaded in a
//! browser here. To the browser we are then that page's own server, and no rule on other origins holds. Only the name it asks
//! for tells.

use super::super::{Http, Problem};
use axum::extract::Request;
use axum::http::header::HOST;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use url::Host;

/// Names in which nobody can have one of his own.
const NOBODYS: [&str; 6] = [".localhost", ".local", ".internal", ".lan", ".home.arpa", ".test"];

/// Whether a page could do anything with what this service asks of its callers.
pub fn matters(http: &Http) -> bool {
    http.authenticator.lets_everybody_in() || http.metrics_open || super::is_published(&http.operator_secrets)
}

/// Around every route: which of them ask for something, and for what, changes.
pub async fn refuse(request: Request, next: Next) -> Response {
    if !is_possible(request.headers()) {
        return next.run(request).await;
    }
    let detail = "What lets everybody in (AUTH=none, `dev`, its published secret) answers only to a host's own name or \
                  address; for others set AUTH and a WORKER_SECRET of your own, and run `serve`";
    Problem::new(StatusCode::FORBIDDEN, "foreign_host", detail).into_response()
}

/// Whether the name a request is for can be a stranger's.
fn is_possible(headers: &HeaderMap) -> bool {
    // Browsers always say it, once.
    let mut given = headers.get_all(HOST).iter();
    let Some(host) = given.next() else { return false };
    if given.next().is_some() {
        return true;
    }
    let host = host.to_str().ok().and_then(|host| host.parse::<Authority>().ok());
    match host.and_then(|host| Host::parse(host.host()).ok()) {
        Some(Host::Domain(name)) => {
            let name = name.trim_end_matches('.');
            name.contains('.') && !NOBODYS.iter().any(|zone| name.ends_with(zone))
        }
        Some(Host::Ipv4(_) | Host::Ipv6(_)) => false,
        None => true,
    }
}

#[cfg(test)]
mod tests {
    use super::is_possible;
    use axum::http::header::HOST;
    use axum::http::{HeaderMap, HeaderValue};

    fn asked(host: &str) -> bool {
        is_possible(&HeaderMap::from_iter([(HOST, HeaderValue::from_str(host).unwrap())]))
    }

    #[test]
    fn a_name_that_can_be_had_is_told_from_those_that_cannot() {
        for own in [
            "localhost",
            "LocalHost:3000",
            "127.0.0.1:3000",
            "[::1]:3000",
            "192.168.1.5",
            "app.localhost",
            "cliprelay:3000",
            "desk.local",
            "host.docker.internal:3000",
            "localhost.:3000",
        ] {
            assert!(!asked(own), "{own}");
        }
        for strangers in
            ["evil.example.com", "127.0.0.1.nip.io:3000", "localhost.evil.com", "evil.com.", "", "a b", "user@evil.com"]
        {
            assert!(asked(strangers), "{strangers}");
        }
        assert!(!is_possible(&HeaderMap::new()));
    }
}
