//! Where jobs rest: Redis by its own URL, or by the REST pair that the hosts hand out, from which it is derived.

use super::StoreConfig;
use super::problems::Reader;
use crate::store::redis::{InvalidOptions, Options};
use std::path::PathBuf;
use url::Url;

pub(super) fn store(reader: &mut Reader<'_>, local: Option<PathBuf>) -> Option<StoreConfig> {
    #[cfg(feature = "local")]
    if let Some(path) = local {
        return Some(StoreConfig::Local(path));
    }
    #[cfg(not(feature = "local"))]
    drop(local);
    let prefix = reader.text("REDIS_PREFIX").unwrap_or_else(|| match reader.text("VERCEL_ENV") {
        Some(environment) if reader.text("VERCEL").is_some() => format!("cliprelay:{environment}:"),
        _ => "cliprelay:".to_owned(),
    });
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
