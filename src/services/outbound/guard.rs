//! The gate for addresses that others gave us.

use super::{AllowList, Http, Options, builder, is_public};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use url::{Host, Url};

/// Names that only mean something inside somebody's network, whatever they resolve to.
const INTERNAL: [&str; 6] = [".internal", ".local", ".localdomain", ".lan", ".home.arpa", ".svc"];

/// Where something else than HTTP listens that a request could be smuggled into: mail, shells, directories, chat (the ports
/// browsers refuse), and the usual stores. In order.
const OTHER_PROTOCOLS: [u16; 62] = [
    0, 7, 9, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 79, 109, 110, 111, 113, 119, 123, 135, 137, 139, 143, 161,
    179, 389, 427, 445, 465, 512, 513, 514, 515, 540, 548, 554, 587, 636, 873, 989, 990, 993, 995, 1433, 1521, 1719,
    1723, 2049, 2375, 3306, 3389, 4045, 5060, 5432, 6000, 6379, 6667, 9042, 11211, 27017,
];

/// Why an address is not fetched. The texts are fit for the person who gave it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Blocked {
    #[error("only http and https addresses are fetched, not {0}")]
    Scheme(String),
    #[error("the address carries a user name or password")]
    UserInfo,
    #[error("the address names no host")]
    NoHost,
    #[error("{0} is a name of this machine")]
    Local(String),
    #[error("{0} is not a name of the public Internet")]
    Internal(String),
    #[error("port {0} is not one for fetching files")]
    Port(u16),
    #[error("{0} is not a public address")]
    Private(IpAddr),
    #[error("{0} does not resolve to a public address")]
    Resolves(String),
    #[error("more than {0} redirects")]
    Redirects(usize),
    #[error("it redirects from https to http")]
    Downgrade,
}

/// Hands out a client only for addresses it has judged. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Guard {
    allow: AllowList,
    /// Drops private addresses when a name is resolved, so that a name that changes its mind gains nothing.
    public: Http,
    /// For exactly the listed pairs, whatever they resolve to.
    listed: Http,
}

impl Guard {
    /// Resolves names as the operating system does.
    pub fn new(allow: AllowList, options: &Options) -> Result<Self, reqwest::Error> {
        Self::with_resolver(allow, options, Arc::new(System))
    }

    pub fn with_resolver(
        allow: AllowList,
        options: &Options,
        resolver: Arc<dyn Resolve>,
    ) -> Result<Self, reqwest::Error> {
        let public = builder(options).dns_resolver(Arc::new(PublicOnly(Arc::clone(&resolver)))).build()?;
        let listed = builder(options).dns_resolver(resolver).build()?;
        Ok(Self { allow, public: public.into(), listed: listed.into() })
    }

    /// Judges addresses as they are written; `http` carries the requests and answers for where names lead.
    pub fn over(allow: AllowList, http: Http) -> Self {
        Self { allow, public: http.clone(), listed: http }
    }

    /// Judges an address as it is written. A name that passes may still be refused when it is resolved, then as the source
    /// of the client's error (see [`Blocked::behind`]).
    pub fn check(&self, url: &Url) -> Result<(), Blocked> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(Blocked::Scheme(url.scheme().to_owned()));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Blocked::UserInfo);
        }
        if self.allow.contains(url) {
            return Ok(());
        }
        if let Some(port) = url.port().filter(|port| OTHER_PROTOCOLS.binary_search(port).is_ok()) {
            return Err(Blocked::Port(port));
        }
        match url.host().ok_or(Blocked::NoHost)? {
            Host::Ipv4(address) => public(address.into()),
            Host::Ipv6(address) => public(address.into()),
            Host::Domain(name) => {
                let bare = name.trim_end_matches('.').to_ascii_lowercase();
                if bare.is_empty() {
                    Err(Blocked::NoHost)
                } else if bare == "localhost" || bare.ends_with(".localhost") {
                    Err(Blocked::Local(bare))
                } else if !bare.contains('.') || INTERNAL.iter().any(|zone| bare.ends_with(zone)) {
                    Err(Blocked::Internal(bare))
                } else {
                    Ok(())
                }
            }
        }
    }

    /// The client that may fetch this address, and no other: judge each address, and each redirect, anew.
    pub fn client_for(&self, url: &Url) -> Result<&Http, Blocked> {
        self.check(url)?;
        Ok(if self.allow.contains(url) { &self.listed } else { &self.public })
    }
}

fn public(address: IpAddr) -> Result<(), Blocked> {
    if is_public(address) { Ok(()) } else { Err(Blocked::Private(address)) }
}

impl Blocked {
    /// Whether a failed request failed because the name led to a private address.
    pub fn behind(error: &reqwest::Error) -> Option<Self> {
        let mut cause = std::error::Error::source(error);
        while let Some(next) = cause {
            if let Some(blocked) = next.downcast_ref::<Self>() {
                return Some(blocked.clone());
            }
            cause = next.source();
        }
        None
    }
}

/// The operating system's resolver.
#[derive(Debug, Clone, Copy)]
pub struct System;

impl Resolve for System {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let addresses: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

/// Of the addresses that another resolver finds, the public ones; without any the name is [`Blocked`].
pub struct PublicOnly(pub Arc<dyn Resolve>);

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        let host = name.as_str().to_owned();
        let resolving = self.0.resolve(name);
        Box::pin(async move {
            let public: Vec<SocketAddr> = resolving.await?.filter(|address| is_public(address.ip())).collect();
            if public.is_empty() {
                return Err(Blocked::Resolves(host).into());
            }
            Ok(Box::new(public.into_iter()) as Addrs)
        })
    }
}
