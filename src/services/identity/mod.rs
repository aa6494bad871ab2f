//! Who a user's token speaks for. Checks tokens of one issuer: signed by one of its published keys, or with one shared
//! secret. The algorithm is the key's, never the token's; what else a token's header offers (`jku`, `x5u`, `jwk`) is not
//! read at all. The time is given; only the issuer's keys are fetched, by [`keyset`].

mod claims;
mod fetch;
mod jwk;
mod keyset;
mod token;

pub use fetch::{Fetcher, NoKeys, Unusable};
pub use jwk::Key;
pub use keyset::KeySet;

use crate::services::outbound::AllowList;
use crate::services::qstash::signature::install_provider;
use jsonwebtoken::DecodingKey;
use secrecy::{ExposeSecret, SecretString};
use std::time::Duration;
use url::Url;

/// The longest token looked at; real ones have one or two thousand characters.
pub const TOKEN_MAX: usize = 8 * 1024;
/// Two clocks may be so far apart, in seconds.
pub const LEEWAY: u32 = 30;

/// Whose tokens are believed.
#[derive(Debug, Clone)]
pub struct Options {
    pub keys: Keys,
    /// The `iss` a token must carry, to the letter; `None` takes any.
    pub issuer: Option<String>,
    /// What must be among the token's `aud`; `None` takes any.
    pub audience: Option<String>,
}

/// What tokens are checked with.
#[derive(Debug, Clone)]
pub enum Keys {
    /// RS256 and ES256, by the keys the issuer publishes there. A private address is fetched only if `allow` has it.
    Published { url: Url, allow: AllowList },
    /// HS256 with this secret, taken as the text it is.
    Shared(SecretString),
}

/// A token's user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The token's `sub`.
    pub id: String,
}

/// Why a token opens nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It is not believed. The text is for logs.
    #[error("{0}")]
    Invalid(&'static str),
    /// It was good until its `exp`.
    #[error("expired")]
    Expired,
    /// It is genuine, but one of the project's own keys and no user's.
    #[error("a token of the role {0} is no user's")]
    NotAUser(&'static str),
    /// Whether it is genuine cannot be told now: the issuer's keys are not to be had.
    #[error("the issuer's keys are not to be had")]
    Unavailable { retry_after: Duration },
}

/// Checks tokens.
pub struct Verifier {
    source: Source,
    issuer: Option<String>,
    audience: Option<String>,
}

enum Source {
    Published(KeySet),
    Shared(Box<Key>),
}

impl Verifier {
    pub fn new(options: Options) -> Result<Self, Unusable> {
        install_provider();
        let source = match options.keys {
            Keys::Published { url, allow } => Source::Published(KeySet::new(Fetcher::new(url, allow)?)),
            Keys::Shared(secret) => {
                let key = DecodingKey::from_secret(secret.expose_secret().as_bytes());
                Source::Shared(Box::new(Key::shared(key)))
            }
        };
        Ok(Self { source, issuer: options.issuer, audience: options.audience })
    }

    /// `now` in unix seconds.
    pub async fn verify(&self, token: &str, now: i64) -> Result<User, Refused> {
        let head = token::Head::read(token)?;
        let claims = match &self.source {
            Source::Shared(key) => token::genuine(token, &head, [key.as_ref()])?,
            Source::Published(set) => {
                // Not worth a look at the issuer's: no key of a set is for any other algorithm.
                if !matches!(head.alg.as_str(), "RS256" | "ES256") {
                    return Err(Refused::Invalid("algorithm"));
                }
                let keys = set.find(head.kid.as_deref(), now).await?;
                token::genuine(token, &head, keys.iter())?
            }
        };
        claims.user(self.issuer.as_deref(), self.audience.as_deref(), now)
    }
}

/// How many keys of use the issuer publishes at this moment; asks it, once.
pub async fn published(url: &Url, allow: &AllowList) -> Result<usize, NoKeys> {
    install_provider();
    let fetcher = Fetcher::new(url.clone(), allow.clone()).map_err(|error| NoKeys::BrokeOff(error.to_string()))?;
    Ok(fetcher.fetch().await?.len())
}

impl std::fmt::Debug for Verifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Verifier")
            .field("issuer", &self.issuer)
            .field("audience", &self.audience)
            .finish_non_exhaustive()
    }
}
