//! Where jobs rest: Redis by its own URL, or by the REST pair that the hosts hand out, from which it is derived.

use super::StoreConfig;
use super::problems::Reader;
use crate::store::redis::{InvalidOptions, Options};
use sha2::{Digest, Sha256};
use std::path::PathBuf;
use url::Url;

/// Branches may have names of 250 letters, and each key would carry it.
const NAME_MAX: usize = 60;

pub(super) fn store(reader: &mut Reader<'_>, local: Option<PathBuf>) -> Option<StoreConfig> {
    #[cfg(feature = "local")]
    if let Some(path) = local {
        return Some(StoreConfig::Local(path));
    }
    #[cfg(not(feature = "local"))]
    drop(local);
    let prefix = reader.text("REDIS_PREFIX").unwrap_or_else(|| prefix(reader));
    let (variable, url) = url(reader)?;
    let options = Options::new(url, prefix);
    if let Err(error) = options.check() {
        let variable = match error {
            InvalidOptions::Url => variable,
            InvalidOptions::Prefix => "REDIS_PREFIX",
        };
        reader.problem(variable, error.to_string());
        return None;
    }
    Some(StoreConfig::Redis(options))
}

/// On Vercel each environment's own; outside of production each branch's, or else each deployment's.
fn prefix(reader: &Reader<'_>) -> String {
    match reader.text("VERCEL_ENV").filter(|_| reader.text("VERCEL").is_some()).as_deref() {
        None => "cliprelay:".to_owned(),
        Some("production") => "cliprelay:production:".to_owned(),
        Some(environment) => {
            let names = ["VERCEL_GIT_COMMIT_REF", "VERCEL_DEPLOYMENT_ID", "VERCEL_URL"];
            let own = names.into_iter().find_map(|name| reader.text(name));
            let own = own.map(|name| format!("{}:", plain(&name))).unwrap_or_default();
            format!("cliprelay:{environment}:{own}")
        }
    }
}

/// A name as a part of a key. One that had to be changed ends in a hash, so that it stays another than all others.
fn plain(name: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if name.len() <= NAME_MAX && name.chars().all(is_plain) {
        return name.to_owned();
    }
    let kept: String = name.chars().take(NAME_MAX).map(|c| if is_plain(c) { c } else { '-' }).collect();
    let hash = Sha256::digest(name);
    let hash = hash.iter().take(4).fold(String::new(), |hash, byte| format!("{hash}{byte:02x}"));
    format!("{kept}-{hash}")
}

/// The same as a production deployment on Vercel reads it; none if that is no other one.
pub(super) fn on_vercel(reader: &Reader<'_>, here: &Options) -> Option<Options> {
    let same = reader.text("VERCEL").is_some() || reader.text("REDIS_PREFIX").is_some();
    (!same).then(|| Options { prefix: "cliprelay:production:".to_owned(), ..here.clone() })
}

/// The URL and the variable it came from. It holds the password: never to be printed.
pub(super) fn url(reader: &mut Reader<'_>) -> Option<(&'static str, String)> {
    if let Some(url) = reader.text("REDIS_URL") {
        return Some(("REDIS_URL", url));
    }
    let pairs = [("UPSTASH_REDIS_REST_URL", "UPSTASH_REDIS_REST_TOKEN"), ("KV_REST_API_URL", "KV_REST_API_TOKEN")];
    for (address, token) in pairs {
        let Some(rest) = reader.text(address) else { continue };
        let password = reader.text("UPSTASH_REDIS_PASSWORD").or_else(|| reader.text(token));
        let Some(password) = password else {
            reader.problem(token, format!("is missing: it belongs to {address}"));
            return None;
        };
        let Some(host) = Url::parse(&rest).ok().and_then(|url| url.host_str().map(str::to_owned)) else {
            reader.problem(address, "must be an https:// address");
            return None;
        };
        let mut url = Url::parse(&format!("rediss://{host}:6379")).ok()?;
        url.set_username("default").ok()?;
        // What is encoded in a URL is decoded by its reader: a password's own `%` has to be encoded first.
        url.set_password(Some(&password.replace('%', "%25"))).ok()?;
        return Some((address, url.into()));
    }
    reader.problem(
        "REDIS_URL",
        "is missing: redis:// or rediss://, or the pair UPSTASH_REDIS_REST_URL and _TOKEN, or KV_REST_API_URL and _TOKEN",
    );
    None
}
