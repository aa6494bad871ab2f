//! Hosts whose traffic goes elsewhere, so that a test answers for `https://example.com` by itself. The signature still names
//! the true destination, and the `Host` header the true host.

use std::str::FromStr;
use url::Url;

/// One host, and where its traffic goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolve {
    host: String,
    to: Url,
}

/// `example.com=127.0.0.1:9000`, in plain HTTP, or `example.com=https://127.0.0.1:9000`.
impl FromStr for Resolve {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (host, to) = text.split_once('=').ok_or("host=address is expected")?;
        let to = if to.contains("://") { to.to_owned() } else { format!("http://{to}") };
        let to: Url = to.parse().map_err(|error| format!("{to}: {error}"))?;
        let web = matches!(to.scheme(), "http" | "https");
        if host.is_empty() || !web || to.path() != "/" || to.query().is_some() {
            return Err(format!("{text}: host=address is expected"));
        }
        Ok(Self { host: host.to_ascii_lowercase(), to })
    }
}

impl Resolve {
    /// Where to really send this, and what to call the host there; none if it is not about this host.
    pub fn apply(&self, destination: &Url) -> Option<(Url, String)> {
        if destination.host_str()? != self.host {
            return None;
        }
        let mut address = self.to.clone();
        address.set_path(destination.path());
        address.set_query(destination.query());
        let host = destination.port().map_or_else(|| self.host.clone(), |port| format!("{}:{port}", self.host));
        Some((address, host))
    }
}
