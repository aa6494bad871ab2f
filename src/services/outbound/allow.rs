//! The private addresses an operator has opened, as exact `host:port` pairs.

use std::net::Ipv6Addr;
use url::{Host, Url};

/// `host:port` pairs that may be reached although they are private. Empty by default: nothing private is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AllowList(Vec<(Host, u16)>);

/// An entry that is not `host:port`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not host:port (IPv6 in brackets, no scheme, no path, the port always given)")]
pub struct BadEntry(pub String);

impl AllowList {
    /// Reads `host:port,host:port`; blanks around entries and empty entries are ignored. The error names the first bad entry.
    pub fn parse(text: &str) -> Result<Self, BadEntry> {
        let entries = text.split(',').map(str::trim).filter(|entry| !entry.is_empty());
        entries.map(|entry| pair(entry).ok_or_else(|| BadEntry(entry.to_owned()))).collect::<Result<_, _>>().map(Self)
    }

    /// The same list with one more pair.
    #[must_use]
    pub fn with(mut self, host: &Host<&str>, port: u16) -> Self {
        self.0.push((normal(host), port));
        self
    }

    /// Whether exactly this host (as written, not as resolved) and port are listed.
    pub fn contains(&self, url: &Url) -> bool {
        let (Some(host), Some(port)) = (url.host(), url.port_or_known_default()) else { return false };
        let host = normal(&host);
        self.0.iter().any(|(listed, open)| *listed == host && *open == port)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn pair(entry: &str) -> Option<(Host, u16)> {
    let (host, port) = entry.rsplit_once(':')?;
    let port = port.parse().ok().filter(|port| *port != 0)?;
    if host.parse::<Ipv6Addr>().is_ok() {
        return None;
    }
    let host = Host::parse(host).ok()?;
    Some((normal(&as_ref(&host)), port))
}

fn as_ref(host: &Host) -> Host<&str> {
    match host {
        Host::Domain(name) => Host::Domain(name),
        Host::Ipv4(address) => Host::Ipv4(*address),
        Host::Ipv6(address) => Host::Ipv6(*address),
    }
}

/// A name's trailing dot only says that it is complete.
fn normal(host: &Host<&str>) -> Host {
    match host {
        Host::Domain(name) => Host::Domain(name.trim_end_matches('.').to_ascii_lowercase()),
        Host::Ipv4(address) => Host::Ipv4(*address),
        Host::Ipv6(address) => Host::Ipv6(*address),
    }
}
