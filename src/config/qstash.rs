//! QStash's address, token and signing keys, named as Upstash names them; one region, or several while moving.

use super::problems::Reader;
use crate::services::qstash::Options;
use crate::services::qstash::signature::SigningKeys;
use secrecy::ExposeSecret;
use std::collections::BTreeMap;
use std::time::Duration;

const REGIONS: [&str; 2] = ["EU_CENTRAL_1", "US_EAST_1"];
const CALL_TIMEOUT: Duration = Duration::from_secs(5);

/// The signing keys that the vendor publishes for its local server: anybody can sign with them.
const PUBLISHED_KEYS: [&str; 8] = [
    "sig_7kYjw48mhY7kAjqNGcy6cr29RJ6r",
    "sig_5ZB6DVzB1wjE8S6rZ7eenA8Pdnhs",
    "sig_7GVPjvuwsfqF65iC8fSrs1dfYruM",
    "sig_5NoELc3EFnZn4DVS5bDs2Nk4b7Ua",
    "sig_6jWGaWRxHsw4vMSPJprXadyvrybF",
    "sig_7qHbvhmahe5GwfePDiS5Lg3pi6Qx",
    "sig_5T8FcSsynBjn9mMLBsXhpacRovJf",
    "sig_7GFR4YaDshFcqsxWRZpRB161jguD",
];

/// Where messages are published, and whose signatures are believed.
#[derive(Debug, Clone)]
pub struct QStashConfig {
    pub options: Options,
    pub keys: Option<SigningKeys>,
    /// By region, while moving between two.
    pub regions: BTreeMap<String, SigningKeys>,
}

pub(super) fn read(reader: &mut Reader<'_>, exposed: bool) -> Option<QStashConfig> {
    let region = region(reader);
    let known = |region: &String| REGIONS.contains(&region.as_str());
    if region.as_ref().is_some_and(|region| !known(region)) {
        reader.problem("QSTASH_REGION", format!("must be one of {}", REGIONS.join(", ")));
    }
    // The rest is read as without a region, so that its problems are told as well.
    let region = region.filter(known);
    let mut regions = BTreeMap::new();
    if region.is_some() {
        for name in REGIONS {
            if let Some(keys) = keys(reader, &format!("{name}_"), exposed, region.as_deref() == Some(name)) {
                regions.insert(name.to_owned(), keys);
            }
        }
    }
    let keys = keys(reader, "", exposed, region.is_none());
    let prefix = region.as_ref().map_or(String::new(), |region| format!("{region}_"));
    let default_url = match region.as_deref() {
        Some("US_EAST_1") => "https://qstash-us-east-1.upstash.io",
        _ => "https://qstash.upstash.io",
    };
    let name = format!("{prefix}QSTASH_URL");
    let url = reader.text(&name).unwrap_or_else(|| default_url.to_owned());
    let url = reader.url(&name, &url);
    let token = reader.required_secret(&format!("{prefix}QSTASH_TOKEN"), "the token of your QStash account");
    let options = Options { url: url?, token: token?, timeout: CALL_TIMEOUT };
    (keys.is_some() || !regions.is_empty()).then_some(QStashConfig { options, keys, regions })
}

/// The region in use, as the variables are named by it; known or not.
pub(super) fn region(reader: &Reader<'_>) -> Option<String> {
    reader.text("QSTASH_REGION").map(|region| region.to_uppercase().replace('-', "_"))
}

fn keys(reader: &mut Reader<'_>, prefix: &str, exposed: bool, required: bool) -> Option<SigningKeys> {
    let [current, next] = ["CURRENT", "NEXT"].map(|which| format!("{prefix}QSTASH_{which}_SIGNING_KEY"));
    if !required && reader.text(&current).is_none() && reader.text(&next).is_none() {
        return None;
    }
    let found = [current, next].map(|name| {
        let key = reader.required_secret(&name, "from the QStash console; without it no push can be believed")?;
        if exposed && PUBLISHED_KEYS.contains(&key.expose_secret()) {
            reader.problem(&name, "is a published development key: anybody could sign pushes with it");
        }
        Some(key)
    });
    let [Some(current), Some(next)] = found else { return None };
    Some(SigningKeys { current, next })
}
