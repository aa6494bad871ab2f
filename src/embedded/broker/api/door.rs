//! Whom a browser may speak for where the token is a published one. Then it keeps nobody out, and any website open on
//! this machine could act here: by a plain cross-site request, or by a name of its own that resolves to this machine.
//! Programs send neither header wrongly. With an own token nothing is checked here: a website does not know it.

use super::super::instructions::Refusal;
use crate::embedded::own_name;
use axum::http::{HeaderMap, HeaderName, header};

pub fn check(headers: &HeaderMap) -> Result<(), Refusal> {
    let text = |name: HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let Some(host) = text(header::HOST) else { return Ok(()) };
    if !own_name::is_asked_for(headers) {
        let advice = "the published tokens are for this machine; use 127.0.0.1, or set a token and keys of your own";
        return Err(Refusal::new(403, format!("unknown host: {advice}")));
    }
    match text(header::ORIGIN) {
        Some(origin) if origin.split_once("://").is_none_or(|(_, from)| !from.eq_ignore_ascii_case(host)) => {
            Err(Refusal::new(403, "another website may not use the published tokens"))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::{HeaderMap, check, header};

    #[test]
    fn websites_are_kept_out_and_programs_let_in() {
        let cases = [
            (Some("127.0.0.1:8080"), None, true),
            (Some("[::1]:8080"), None, true),
            (Some("localhost:8080"), Some("http://localhost:8080"), true),
            (Some("host.docker.internal:8080"), None, true),
            (Some("broker:8080"), None, true),
            (None, None, true),
            (Some("evil.example:8080"), None, false),
            (Some("evil.example:8080"), Some("http://evil.example:8080"), false),
            (Some("127.0.0.1.evil.example"), None, false),
            (Some("127.0.0.1:8080"), Some("http://evil.example"), false),
            (Some("127.0.0.1:8080"), Some("http://127.0.0.1:3000"), false),
            (Some("127.0.0.1:8080"), Some("null"), false),
        ];
        for (host, origin, welcome) in cases {
            let mut headers = HeaderMap::new();
            for (name, value) in [(header::HOST, host), (header::ORIGIN, origin)] {
                headers.extend(value.map(|value| (name, value.parse().expect("a value"))));
            }
            assert_eq!(check(&headers).is_ok(), welcome, "{host:?} {origin:?}");
        }
    }
}
