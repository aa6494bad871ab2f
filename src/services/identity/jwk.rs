//! One key as an issuer publishes it. A key is for one algorithm, which its own kind decides; what is for other things
//! (encryption, other curves, shared secrets) is passed over, and so is a private key that was published by mistake.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey};
use serde_json::Value;

/// A modulus of 2048 to 8192 bits, in bytes.
const MODULUS: std::ops::RangeInclusive<usize> = 256..=1_024;
const COORDINATE: usize = 32;

/// A key tokens are checked with.
#[derive(Clone)]
pub struct Key {
    pub kid: Option<String>,
    pub(super) algorithm: Algorithm,
    pub(super) decoding: DecodingKey,
}

impl Key {
    pub(super) fn shared(decoding: DecodingKey) -> Self {
        Self { kid: None, algorithm: Algorithm::HS256, decoding }
    }

    /// The key, or why it is of no use here.
    pub fn read(jwk: &Value) -> Result<Self, &'static str> {
        let text = |member: &str| jwk[member].as_str();
        if text("use").is_some_and(|purpose| purpose != "sig") {
            return Err("it is not for signatures");
        }
        let verifies = |operations: &Vec<Value>| operations.iter().any(|operation| operation == "verify");
        if jwk["key_ops"].as_array().is_some_and(|operations| !verifies(operations)) {
            return Err("it does not verify");
        }
        if jwk.get("d").is_some() {
            return Err("it is a private key");
        }
        let decoded = |member: &str| {
            let text = text(member).ok_or("a part of it is missing")?;
            URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).map_err(|_| "a part of it is not base64url")
        };
        let (algorithm, decoding) = match text("kty") {
            Some("RSA") => {
                let (n, e) = (decoded("n")?, decoded("e")?);
                let (n, e) = (without_zeros(&n), without_zeros(&e));
                if !MODULUS.contains(&n.len()) {
                    return Err("it has not 2048 to 8192 bits");
                }
                (Algorithm::RS256, DecodingKey::from_rsa_raw_components(n, e))
            }
            Some("EC") if text("crv") == Some("P-256") => {
                let (x, y) = (decoded("x")?, decoded("y")?);
                if x.len() != COORDINATE || y.len() != COORDINATE {
                    return Err("its coordinates have not 32 bytes");
                }
                let point = [&[4][..], &x, &y].concat();
                (Algorithm::ES256, DecodingKey::from_ec_der(&point))
            }
            _ => return Err("neither RSA nor P-256"),
        };
        let key = Self { kid: text("kid").map(str::to_owned), algorithm, decoding };
        match text("alg") {
            Some(stated) if stated != key.algorithm_name() => Err("it is for another algorithm"),
            _ => Ok(key),
        }
    }

    pub(super) fn algorithm_name(&self) -> &'static str {
        match self.algorithm {
            Algorithm::RS256 => "RS256",
            Algorithm::ES256 => "ES256",
            _ => "HS256",
        }
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Key").field("kid", &self.kid).field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

/// Some encoders put a sign byte in front.
fn without_zeros(bytes: &[u8]) -> &[u8] {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    &bytes[zeros..]
}
