//! The signature on a push. Input: lines of region, time, destination and token, then the body. A token line
//! `current {header} {claims}` (or `next`, `other`) is signed here with that key; any other is taken as it stands.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cliprelay::services::qstash::signature::{Key, Rejected, SigningKeys, Verified, Verifier, sign};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

const LEEWAY: i64 = 30;
const LIFE: i64 = 300;
/// Of the default account, those of fixtures/qstash; and of one region.
const DEFAULT: [&str; 2] = ["sig_5xTfixtureCurrentKey00000001", "sig_5xTfixtureNextKey0000000002"];
const REGION: (&str, [&str; 2]) = ("EU-CENTRAL-1", ["sig_region_current", "sig_region_next"]);
const STRANGE: &str = "sig_strange";

struct Input<'a> {
    region: Option<&'a str>,
    now: i64,
    destination: &'a str,
    token: String,
    body: &'a [u8],
}

/// What a token says, read by other means than the verifier's.
struct Said {
    key: Option<Key>,
    header: Value,
    claims: Value,
    /// Neither repeats a name nor is spelt in an unusual way.
    plain: bool,
}

pub fn check(data: &[u8]) {
    let Some(input) = Input::read(data) else { return };
    let verifier = verifier();
    let answer = verifier.verify(&input.token, input.region, input.body, input.destination, input.now);
    let said = Said::read(&input.token, keys(input.region));
    let holds = said.as_ref().is_some_and(|said| said.holds(&input));
    match &answer {
        Ok(Verified { key, .. }) => {
            assert!(holds, "accepted without reason: {}", input.token);
            assert_eq!(said.and_then(|said| said.key), Some(*key), "{}", input.token);
        }
        Err(why) => assert!(!(holds && said.is_some_and(|said| said.plain)), "refused as {why}: {}", input.token),
    }
    // What we sign has to be believed, whatever it is about; times are those a clock can show.
    if (0..1 << 60).contains(&input.now) {
        own(&verifier, &input);
    }
}

fn own(verifier: &Verifier, input: &Input<'_>) {
    let Input { region, now, destination, body, .. } = *input;
    let [current, next] = keys(region);
    for (secret, key) in [(current, Some(Key::Current)), (next, Some(Key::Next)), (STRANGE, None)] {
        let token = sign(&secret.into(), destination, body, now, "jwt_1");
        let judged = |now| verifier.verify(&token, region, body, destination, now).map(|verified| verified.key);
        assert_eq!(judged(now), key.ok_or(Rejected::BadMac));
        assert_eq!(judged(now + LIFE + LEEWAY - 1), key.ok_or(Rejected::BadMac));
        assert_eq!(judged(now + LIFE + LEEWAY), Err(if key.is_some() { Rejected::Expired } else { Rejected::BadMac }));
        let longer = [body, b"x"].concat();
        assert!(verifier.verify(&token, region, &longer, destination, now).is_err());
        assert!(verifier.verify(&token, region, body, &format!("{destination}/"), now).is_err());
        // One byte of it, somewhere.
        let mut bytes = token.into_bytes();
        let place = input.token.bytes().map(usize::from).sum::<usize>() * 31 % bytes.len();
        bytes[place] = if bytes[place] == b'A' { b'B' } else { b'A' };
        let forged = String::from_utf8(bytes).expect("a token is ASCII");
        assert!(verifier.verify(&forged, region, body, destination, now).is_err(), "{forged}");
    }
}

impl<'a> Input<'a> {
    fn read(data: &'a [u8]) -> Option<Self> {
        let mut parts = data.splitn(5, |byte| *byte == b'\n');
        let mut line = || std::str::from_utf8(parts.next()?).ok();
        let (region, now, destination, token) = (line()?, line()?.parse().ok()?, line()?, line()?);
        let region = (!region.is_empty()).then_some(region);
        let token = signed_here(token, region).unwrap_or_else(|| token.to_owned());
        Some(Self { region, now, destination, token, body: parts.next()? })
    }
}

fn signed_here(line: &str, region: Option<&str>) -> Option<String> {
    let [current, next] = keys(region);
    let (key, rest) = line.split_once(' ')?;
    let key = match key {
        "current" => current,
        "next" => next,
        "other" => STRANGE,
        _ => return None,
    };
    let (header, claims) = rest.split_once(' ')?;
    let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let mac = URL_SAFE_NO_PAD.encode(mac(key, &message));
    Some(format!("{message}.{mac}"))
}

fn mac(key: &str, message: &str) -> Vec<u8> {
    let mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).expect("HMAC takes any key");
    mac.chain_update(message).finalize().into_bytes().to_vec()
}

fn verifier() -> Verifier {
    let pair = |[current, next]: [&str; 2]| SigningKeys { current: current.into(), next: next.into() };
    Verifier::new(Some(pair(DEFAULT)), BTreeMap::from([(REGION.0.to_owned(), pair(REGION.1))]))
}

fn keys(region: Option<&str>) -> [&'static str; 2] {
    let ours = |name: &str| name.trim().to_ascii_uppercase().replace('_', "-") == REGION.0;
    if region.is_some_and(ours) { REGION.1 } else { DEFAULT }
}

impl Said {
    fn read(token: &str, [current, next]: [&str; 2]) -> Option<Self> {
        let (message, mac_part) = token.rsplit_once('.')?;
        let (header, claims) = message.split_once('.')?;
        let given = URL_SAFE_NO_PAD.decode(mac_part).ok()?;
        let key = match given {
            given if given == mac(current, message) => Some(Key::Current),
            given if given == mac(next, message) => Some(Key::Next),
            _ => None,
        };
        let (header, claims) = (URL_SAFE_NO_PAD.decode(header).ok()?, URL_SAFE_NO_PAD.decode(claims).ok()?);
        let (header_text, claims_text) = (String::from_utf8(header).ok()?, String::from_utf8(claims).ok()?);
        let header: Value = serde_json::from_str(&header_text).ok()?;
        let claims: Value = serde_json::from_str(&claims_text).ok()?;
        let spelt = claims.to_string();
        let usual = [r#"{"alg":"HS256"}"#, r#"{"alg":"HS256","typ":"JWT"}"#, r#"{"typ":"JWT","alg":"HS256"}"#];
        let plain = usual.contains(&header_text.as_str()) && claims.is_object() && spelt == claims_text;
        Some(Self { key, header, claims, plain })
    }

    /// Signed by us, for this destination, body and time.
    fn holds(&self, input: &Input<'_>) -> bool {
        let text = |name: &str| self.claims.get(name).and_then(Value::as_str);
        let absent = |name: &str| self.claims.get(name).is_none_or(Value::is_null);
        let now = i128::from(input.now);
        let hash = URL_SAFE_NO_PAD.encode(Sha256::digest(input.body));
        self.key.is_some()
            && self.header["alg"] == "HS256"
            && text("iss") == Some("Upstash")
            && text("sub") == Some(input.destination)
            && self.claims["exp"].as_i64().is_some_and(|exp| saturated(exp) > now)
            && (absent("nbf") || self.claims["nbf"].as_i64().is_some_and(|nbf| i128::from(nbf) <= latest(input.now)))
            && text("body").is_some_and(|body| body.trim_end_matches('=') == hash)
            && (absent("jti") || text("jti").is_some())
    }
}

/// Times at the ends of the number range stay there.
fn saturated(exp: i64) -> i128 {
    i128::from(exp.saturating_add(LEEWAY))
}

fn latest(now: i64) -> i128 {
    i128::from(now.saturating_add(LEEWAY))
}
