//! Where the Redis is and what kind it is; decided by the configuration, never guessed later.

use crate::store::keys::Names;
use secrecy::{ExposeSecret, SecretString};
use std::time::Duration;
use url::Url;

const RESPONSE_TIMEOUT: Duration = Duration::from_secs(2);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

#[derive(Debug, Clone)]
pub struct Options {
    /// `redis://` or `rediss://`, with its password.
    pub url: SecretString,
    /// Before every key, as in `cliprelay:`.
    pub prefix: String,
    /// `None`: told by the URL's host.
    pub dialect: Option<Dialect>,
    /// How long an answer may take. 2 s by default.
    pub response_timeout: Duration,
    /// How long one try to connect may take; there are two. 1 s by default.
    pub connect_timeout: Duration,
}

/// Upstash locks the whole database for a script unless told otherwise, in words that a stock Redis rejects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    Stock,
    Upstash,
}

/// Why no store can be made of some [`Options`]. None of the texts holds the URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidOptions {
    #[error("the Redis URL is not a redis:// or rediss:// URL")]
    Url,
    #[error("the Redis prefix must not be empty nor hold braces")]
    Prefix,
}

impl Options {
    pub fn new(url: impl Into<SecretString>, prefix: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            prefix: prefix.into(),
            dialect: None,
            response_timeout: RESPONSE_TIMEOUT,
            connect_timeout: CONNECT_TIMEOUT,
        }
    }

    /// The dialect said, or else the one of the URL's host.
    pub fn dialect(&self) -> Dialect {
        let of_host = || match Url::parse(self.url.expose_secret()) {
            Ok(url) if url.host_str().is_some_and(|host| host.to_lowercase().ends_with(".upstash.io")) => {
                Dialect::Upstash
            }
            _ => Dialect::Stock,
        };
        self.dialect.unwrap_or_else(of_host)
    }

    /// Everything that can be known to be wrong without connecting.
    pub fn check(&self) -> Result<(), InvalidOptions> {
        let url = Url::parse(self.url.expose_secret()).map_err(|_| InvalidOptions::Url)?;
        if !matches!(url.scheme(), "redis" | "rediss") || url.host_str().is_none_or(str::is_empty) {
            return Err(InvalidOptions::Url);
        }
        Names::new(&self.prefix).map(|_| ()).ok_or(InvalidOptions::Prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_tells_the_dialect_unless_it_is_said() {
        let dialect = |url: &str| Options::new(url, "p:").dialect();
        assert_eq!(dialect("rediss://default:x@eu1-good-1.upstash.io:6379"), Dialect::Upstash);
        assert_eq!(dialect("redis://upstash.io.example:6379"), Dialect::Stock);
        assert_eq!(dialect("redis://127.0.0.1"), Dialect::Stock);
        let said = Options { dialect: Some(Dialect::Stock), ..Options::new("rediss://x.upstash.io", "p:") };
        assert_eq!(said.dialect(), Dialect::Stock);
    }

    #[test]
    fn what_cannot_work_is_said_without_the_secret() {
        let check = |url: &str, prefix: &str| Options::new(url, prefix).check();
        assert_eq!(check("rediss://default:secret@host:6379", "cliprelay:"), Ok(()));
        assert_eq!(check("https://default:secret@host", "p:"), Err(InvalidOptions::Url));
        assert_eq!(check("secret", "p:"), Err(InvalidOptions::Url));
        assert_eq!(check("redis://host", ""), Err(InvalidOptions::Prefix));
        assert!(!format!("{:?}", Options::new("redis://:secret@host", "p:")).contains("secret@"));
    }
}
