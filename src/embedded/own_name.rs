//! The names under which this machine's own programs ask for it. A browser's page may have a name of its own that leads here, and
//! is then no other site to the browser: only the name it asks for tells.

use axum::http::uri::Authority;
use axum::http::{HeaderMap, header};
use std::net::IpAddr;

/// Whether a request is for an address, or for a name that no public name server can know. Programs need not say any.
pub fn is_asked_for(headers: &HeaderMap) -> bool {
    headers.get(header::HOST).is_none_or(|host| host.to_str().is_ok_and(is_of_this_machine))
}

fn is_of_this_machine(host: &str) -> bool {
    let Ok(authority) = host.parse::<Authority>() else { return false };
    let name = authority.host().trim_matches(['[', ']']).trim_end_matches('.').to_ascii_lowercase();
    let local = [".localhost", ".internal", ".local", ".test"].iter().any(|ending| name.ends_with(ending));
    name.parse::<IpAddr>().is_ok() || !name.contains('.') || local
}
