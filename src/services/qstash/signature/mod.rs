//! QStash's signature on a push: an HS256 token over the destination, the body's hash and the times. Pure: no clock, no
//! I/O, the time is given. It never reads anything but the token, the raw body and the destination we are configured
//! with; the request's own headers and `Host` prove nothing.
//!
//! Real tokens carry `aud: ""`, a padded body hash and `nbf` far below zero. Each of the three breaks a common JWT
//! set-up, so the library checks shape, algorithm and MAC only, and the claims are read here.

mod provider;
mod rolling;

pub use provider::install_provider;
pub use rolling::{Rolling, rolling};

use base64::Engine;
use base64::engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD};
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use subtle::ConstantTimeEq;

/// How far apart the two clocks may be, in seconds.
pub const LEEWAY: i64 = 30;
/// How long a signature lives, in seconds.
const LIFE: i64 = 300;
const ISSUER: &str = "Upstash";
/// Go's zero time, which the service sends as `nbf`.
const ZERO_TIME: i64 = -62_135_596_800;

/// The two keys of an account: pushes are signed with `current`; after a rotation `next` has become `current`.
#[derive(Debug, Clone)]
pub struct SigningKeys {
    pub current: SecretString,
    pub next: SecretString,
}

/// Which key a push was signed with. `Next` says that the keys were rotated and the configuration should follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    Current,
    Next,
}

/// A push that is what it claims to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    pub key: Key,
    /// The token's own id; new with every attempt, as far as is known.
    pub jti: Option<String>,
}

/// A push of the account for this destination and this time, whose body was not seen yet.
#[derive(Debug)]
pub struct Announced {
    key: Key,
    claims: Claims,
}

impl Announced {
    /// It is what it claims to be, if this is the body that was signed.
    pub fn with(self, body: &[u8]) -> Result<Verified, Rejected> {
        let claimed = self.claims.body.as_deref().unwrap_or_default().trim_end_matches('=');
        let actual = URL_SAFE_NO_PAD.encode(Sha256::digest(body));
        if !bool::from(claimed.as_bytes().ct_eq(actual.as_bytes())) {
            return Err(Rejected::BodyHash);
        }
        Ok(Verified { key: self.key, jti: self.claims.jti })
    }
}

/// Why a push is not believed. The text is for logs and metrics, never for the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.name())]
pub enum Rejected {
    Missing,
    Malformed,
    WrongAlgorithm,
    BadMac,
    Issuer,
    Destination,
    Expired,
    NotYet,
    BodyHash,
    UnknownRegion,
}

impl Rejected {
    pub const ALL: [Self; 10] = [
        Self::Missing,
        Self::Malformed,
        Self::WrongAlgorithm,
        Self::BadMac,
        Self::Issuer,
        Self::Destination,
        Self::Expired,
        Self::NotYet,
        Self::BodyHash,
        Self::UnknownRegion,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Malformed => "malformed",
            Self::WrongAlgorithm => "wrong_algorithm",
            Self::BadMac => "bad_mac",
            Self::Issuer => "issuer",
            Self::Destination => "destination",
            Self::Expired => "expired",
            Self::NotYet => "not_yet",
            Self::BodyHash => "body_hash",
            Self::UnknownRegion => "unknown_region",
        }
    }
}

/// Checks pushes of one account, or of one account in several regions.
pub struct Verifier {
    default: Option<Pair>,
    regions: BTreeMap<String, Pair>,
    mac_only: Validation,
}

struct Pair {
    current: DecodingKey,
    next: DecodingKey,
    keys: SigningKeys,
}

impl std::fmt::Debug for Verifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let regions: Vec<_> = self.regions.keys().collect();
        f.debug_struct("Verifier")
            .field("default", &self.default.is_some())
            .field("regions", &regions)
            .finish_non_exhaustive()
    }
}

impl Verifier {
    /// `regions` are named as on deliveries (`EU-CENTRAL-1`); the spelling of the environment (`EU_CENTRAL_1`) is the same.
    pub fn new(default: Option<SigningKeys>, regions: BTreeMap<String, SigningKeys>) -> Self {
        install_provider();
        let mut mac_only = Validation::new(Algorithm::HS256);
        mac_only.required_spec_claims.clear();
        mac_only.validate_exp = false;
        mac_only.validate_nbf = false;
        mac_only.validate_aud = false;
        Self {
            default: default.map(Pair::new),
            regions: regions.into_iter().map(|(name, keys)| (region_name(&name), Pair::new(keys))).collect(),
            mac_only,
        }
    }

    /// A whole push; see [`Self::announced`].
    pub fn verify(
        &self,
        token: &str,
        region: Option<&str>,
        body: &[u8],
        destination: &str,
        now: i64,
    ) -> Result<Verified, Rejected> {
        self.announced(token, region, destination, now)?.with(body)
    }

    /// A push whose body is still to be read: what its token alone tells. `region` is the push's `upstash-region`: it only
    /// chooses between our own keys, so it need not be trusted. `now` is in unix seconds.
    pub fn announced(
        &self,
        token: &str,
        region: Option<&str>,
        destination: &str,
        now: i64,
    ) -> Result<Announced, Rejected> {
        if token.is_empty() {
            return Err(Rejected::Missing);
        }
        require_hs256(token)?;
        let pair = self.keys(region).ok_or(Rejected::UnknownRegion)?;
        let (key, claims) = self.authentic(token, pair)?;
        claims.check(destination, now)?;
        Ok(Announced { key, claims })
    }

    /// How our keys stand to those that the account signs with; where there are several regions, the best of ours.
    pub fn rolling(&self, theirs: &SigningKeys) -> Rolling {
        let ours = self.default.iter().chain(self.regions.values());
        ours.map(|pair| rolling(&pair.keys, theirs)).min().unwrap_or(Rolling::LockedOut)
    }

    fn keys(&self, region: Option<&str>) -> Option<&Pair> {
        region.and_then(|name| self.regions.get(&region_name(name))).or(self.default.as_ref())
    }

    /// The next key is tried only if the MAC failed: any other refusal would be hidden behind its "bad MAC".
    fn authentic(&self, token: &str, pair: &Pair) -> Result<(Key, Claims), Rejected> {
        match self.decode(token, &pair.current) {
            Err(Rejected::BadMac) => Ok((Key::Next, self.decode(token, &pair.next)?)),
            other => Ok((Key::Current, other?)),
        }
    }

    fn decode(&self, token: &str, key: &DecodingKey) -> Result<Claims, Rejected> {
        match jsonwebtoken::decode::<Claims>(token, key, &self.mac_only) {
            Ok(data) => Ok(data.claims),
            Err(error) => Err(match error.kind() {
                ErrorKind::InvalidSignature => Rejected::BadMac,
                ErrorKind::InvalidAlgorithm | ErrorKind::UnsupportedAlgorithm => Rejected::WrongAlgorithm,
                _ => Rejected::Malformed,
            }),
        }
    }
}

impl Pair {
    /// The MAC's key is the text itself, `sig_` included; it is not base64 of anything.
    fn new(keys: SigningKeys) -> Self {
        let key = |secret: &SecretString| DecodingKey::from_secret(secret.expose_secret().as_bytes());
        Self { current: key(&keys.current), next: key(&keys.next), keys }
    }
}

fn region_name(name: &str) -> String {
    name.trim().to_ascii_uppercase().replace('_', "-")
}

/// Refuses every other algorithm before a key is touched; the library does not know `none` and would call it malformed.
fn require_hs256(token: &str) -> Result<(), Rejected> {
    #[derive(Deserialize)]
    struct Alg {
        alg: String,
    }
    let mut parts = token.split('.');
    let (Some(header), Some(_), Some(_), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
        return Err(Rejected::Malformed);
    };
    let header = URL_SAFE_NO_PAD.decode(header).map_err(|_| Rejected::Malformed)?;
    let header: Alg = serde_json::from_slice(&header).map_err(|_| Rejected::Malformed)?;
    if header.alg == "HS256" { Ok(()) } else { Err(Rejected::WrongAlgorithm) }
}

/// What we read of a token; `aud` is not among it.
#[derive(Debug, Deserialize)]
struct Claims {
    iss: Option<String>,
    sub: Option<String>,
    exp: i64,
    nbf: Option<i64>,
    body: Option<String>,
    jti: Option<String>,
}

impl Claims {
    fn check(&self, destination: &str, now: i64) -> Result<(), Rejected> {
        if self.iss.as_deref() != Some(ISSUER) {
            return Err(Rejected::Issuer);
        }
        if self.sub.as_deref() != Some(destination) {
            return Err(Rejected::Destination);
        }
        if self.exp.saturating_add(LEEWAY) <= now {
            return Err(Rejected::Expired);
        }
        if self.nbf.is_some_and(|nbf| nbf > now.saturating_add(LEEWAY)) {
            return Err(Rejected::NotYet);
        }
        Ok(())
    }
}

/// A token as the service makes it. `now` is in unix seconds, `jti` should be new for every attempt.
pub fn sign(key: &SecretString, destination: &str, body: &[u8], now: i64, jti: &str) -> String {
    #[derive(Serialize)]
    struct Signed<'a> {
        aud: &'a str,
        body: String,
        exp: i64,
        iat: i64,
        iss: &'a str,
        jti: &'a str,
        nbf: i64,
        sub: &'a str,
    }
    install_provider();
    let claims = Signed {
        aud: "",
        body: URL_SAFE.encode(Sha256::digest(body)),
        exp: now.saturating_add(LIFE),
        iat: now,
        iss: ISSUER,
        jti,
        nbf: ZERO_TIME,
        sub: destination,
    };
    let key = EncodingKey::from_secret(key.expose_secret().as_bytes());
    #[expect(clippy::expect_used, reason = "HMAC takes a key of any length, and strings and integers always serialize")]
    jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &key).expect("HS256 over plain claims")
}
