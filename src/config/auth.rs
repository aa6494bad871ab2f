//! Who may call the frontend's routes. The mode is chosen, never guessed from what else is set.

use super::is_loopback;
use super::problems::Reader;
use crate::http::{ApiKey, Auth};
use crate::services::identity::{Keys, Options};
use crate::services::outbound::{AllowList, is_public};
use secrecy::ExposeSecret;
use std::net::{IpAddr, Ipv4Addr};
use url::{Host, Url};

const KEY_LENGTH_MIN: usize = 8;
/// A name is an owner, as a token's `sub` is.
const NAME_LENGTH_MAX: usize = 255;
/// What HS256 asks for: as long as its hash.
const SECRET_LENGTH_MIN: usize = 32;
/// Secrets that come with self-hosted installations; anyone can sign with them.
const PUBLISHED_SECRETS: [&str; 2] = [
    "super-secret-jwt-token-with-at-least-32-characters-long",
    "your-super-secret-jwt-token-with-at-least-32-characters-long",
];
const MODES: &str = "jwks, hs256, api-key or none";

/// Which modes a variable is for.
const VARIABLES: [(&str, &[&str]); 5] = [
    ("AUTH_JWKS_URL", &["jwks"]),
    ("AUTH_ISSUER", &["jwks", "hs256"]),
    ("AUTH_AUDIENCE", &["jwks", "hs256"]),
    ("AUTH_HS256_SECRET", &["hs256"]),
    ("API_KEYS", &["api-key"]),
];

pub(super) fn read(reader: &mut Reader<'_>, exposed: bool, allow: &AllowList) -> Option<Auth> {
    let mode = reader.required("AUTH", MODES)?;
    match mode.as_str() {
        "none" if exposed => {
            reader.problem("AUTH", "must not be none where others can reach the service");
            None
        }
        "none" => Some(Auth::None),
        "api-key" => api_keys(reader).map(Auth::ApiKeys),
        "jwks" => jwks(reader, exposed, allow).map(Auth::Tokens),
        "hs256" => hs256(reader, exposed).map(Auth::Tokens),
        _ => {
            reader.problem("AUTH", format!("must be {MODES}"));
            if reader.text("API_KEYS").is_some() {
                api_keys(reader);
            }
            None
        }
    }
}

/// Where `serve` listens if nothing is said: with everybody let in, for this machine only.
pub(super) fn host(reader: &Reader<'_>) -> IpAddr {
    match reader.text("AUTH").as_deref() {
        Some("none") => Ipv4Addr::LOCALHOST.into(),
        _ => Ipv4Addr::UNSPECIFIED.into(),
    }
}

/// What is set for another mode than the chosen one.
pub(super) fn unused(reader: &Reader<'_>) -> Vec<&'static str> {
    let mode = reader.text("AUTH").unwrap_or_default();
    let foreign = |(name, modes): &(&str, &[&str])| !modes.contains(&mode.as_str()) && reader.text(name).is_some();
    VARIABLES.iter().filter(|variable| foreign(variable)).map(|(name, _)| *name).collect()
}

fn jwks(reader: &mut Reader<'_>, exposed: bool, allow: &AllowList) -> Option<Options> {
    let what = "where the issuer publishes its keys, https://<ref>.supabase.co/auth/v1/.well-known/jwks.json";
    let url = reader.required("AUTH_JWKS_URL", what);
    let url = url.and_then(|text| reader.url("AUTH_JWKS_URL", &text));
    let allow = url.as_ref().and_then(|url| reachable(reader, url, exposed, allow));
    let issuer = match reader.required("AUTH_ISSUER", "the tokens' iss, to the letter") {
        Some(issuer) => reader.url("AUTH_ISSUER", &issuer).map(|_| issuer),
        None => None,
    };
    let keys = Keys::Published { url: url?, allow: allow? };
    Some(Options { keys, issuer: Some(issuer?), audience: reader.text("AUTH_AUDIENCE") })
}

/// Whoever can answer in the issuer's stead lets in whom they like: TLS, except on this machine or where it is opened by
/// name. Answers the private addresses the keys may be fetched from.
fn reachable(reader: &mut Reader<'_>, url: &Url, exposed: bool, allow: &AllowList) -> Option<AllowList> {
    const NAME: &str = "AUTH_JWKS_URL";
    let host = url.host()?;
    if !url.username().is_empty() || url.password().is_some() {
        reader.problem(NAME, "must not carry a user name or password");
        return None;
    }
    if allow.contains(url) {
        return Some(allow.clone());
    }
    if is_loopback(url) && !exposed {
        return Some(allow.clone().with(&host, url.port_or_known_default()?));
    }
    let private = match host {
        Host::Ipv4(address) => !is_public(IpAddr::V4(address)),
        Host::Ipv6(address) => !is_public(IpAddr::V6(address)),
        Host::Domain(_) => is_loopback(url),
    };
    if private {
        reader.problem(NAME, "is a private address; if it is meant, list its host:port in ALLOW_PRIVATE_ADDRESSES");
        return None;
    }
    if url.scheme() != "https" {
        reader.problem(NAME, "must be an https:// address, unless its host:port is in ALLOW_PRIVATE_ADDRESSES");
        return None;
    }
    Some(allow.clone())
}

fn hs256(reader: &mut Reader<'_>, exposed: bool) -> Option<Options> {
    let secret = reader.required("AUTH_HS256_SECRET", "the project's legacy JWT secret")?;
    if secret.len() < SECRET_LENGTH_MIN {
        reader.problem("AUTH_HS256_SECRET", format!("has fewer than {SECRET_LENGTH_MIN} characters"));
        return None;
    }
    if exposed && PUBLISHED_SECRETS.contains(&secret.as_str()) {
        reader.problem("AUTH_HS256_SECRET", "is a published one: anyone can sign with it");
        return None;
    }
    let (issuer, audience) = (reader.text("AUTH_ISSUER"), reader.text("AUTH_AUDIENCE"));
    Some(Options { keys: Keys::Shared(secret.into()), issuer, audience })
}

fn api_keys(reader: &mut Reader<'_>) -> Option<Vec<ApiKey>> {
    let text = reader.required("API_KEYS", "name:key pairs, separated by commas")?;
    let mut keys: Vec<ApiKey> = Vec::new();
    let mut good = true;
    for (index, pair) in text.split(',').map(str::trim).filter(|pair| !pair.is_empty()).enumerate() {
        match api_key(pair, &keys) {
            Ok(key) => keys.push(key),
            // Told by its number: with name and key the wrong way round, the name is the secret.
            Err(problem) => {
                reader.problem("API_KEYS", format!("entry {} {problem}", index + 1));
                good = false;
            }
        }
    }
    if good && keys.is_empty() {
        reader.problem("API_KEYS", "holds no name:key pair");
        return None;
    }
    let distinct = keys
        .iter()
        .enumerate()
        .all(|(index, key)| keys[..index].iter().all(|other| other.key.expose_secret() != key.key.expose_secret()));
    if !distinct {
        reader.problem("API_KEYS", "gives one key to two names");
    }
    (good && distinct).then_some(keys)
}

fn api_key(pair: &str, before: &[ApiKey]) -> Result<ApiKey, String> {
    let (name, key) = pair.split_once(':').ok_or("is not a name:key pair")?;
    let (name, key) = (name.trim(), key.trim());
    if name.is_empty() {
        return Err("has no name".to_owned());
    }
    if name.len() > NAME_LENGTH_MAX || name.chars().any(char::is_control) {
        return Err(format!("has a name of more than {NAME_LENGTH_MAX} characters, or with control characters"));
    }
    if key.len() < KEY_LENGTH_MIN {
        return Err(format!("has a key of fewer than {KEY_LENGTH_MIN} characters"));
    }
    if key.chars().any(|c| !c.is_ascii() || c.is_ascii_control()) {
        return Err("has a key with characters that no header can carry".to_owned());
    }
    if before.iter().any(|other| other.name == name) {
        return Err("uses a name twice".to_owned());
    }
    Ok(ApiKey { name: name.to_owned(), key: key.into() })
}
