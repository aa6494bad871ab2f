//! Signed addresses: a token that names an object and its own end.

use super::{Error, Supabase};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use uuid::Uuid;

#[derive(Serialize, Deserialize)]
struct Claims {
    url: String,
    exp: i64,
}

/// A token for `bucket/path`, good until that Unix second.
pub(super) fn token(key: &[u8], url: &str, until: i64) -> Result<String, Error> {
    let claims = serde_json::to_vec(&Claims { url: url.to_owned(), exp: until })?;
    let claims = URL_SAFE_NO_PAD.encode(claims);
    let mac = URL_SAFE_NO_PAD.encode(mac(key, &claims).finalize().into_bytes());
    Ok(format!("{claims}.{mac}"))
}

/// Why a token does not open `bucket/path` now, in the real thing's words.
pub(super) fn check(key: &[u8], token: &str, url: &str, now: i64) -> Result<(), &'static str> {
    const TAMPERED: &str = "signature verification failed";
    let (claims, signature) = token.split_once('.').ok_or("Invalid Compact JWS")?;
    let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| TAMPERED)?;
    mac(key, claims).verify_slice(&signature).map_err(|_| TAMPERED)?;
    let claims = URL_SAFE_NO_PAD.decode(claims).map_err(|_| TAMPERED)?;
    let claims: Claims = serde_json::from_slice(&claims).map_err(|_| TAMPERED)?;
    if claims.url != url {
        return Err("InvalidSignature");
    }
    if claims.exp <= now { Err("\"exp\" claim timestamp check failed") } else { Ok(()) }
}

fn mac(key: &[u8], claims: &str) -> Hmac<Sha256> {
    // A key longer than the hash's block would be shortened, a shorter one filled up: every length is a key.
    let mut block = [0; 64];
    for (to, from) in block.iter_mut().zip(key) {
        *to = *from;
    }
    let mut mac = Hmac::<Sha256>::new(&block.into());
    mac.update(claims.as_bytes());
    mac
}

impl Supabase {
    /// This stand-in's own key, made on first use.
    pub(super) async fn signing_key(&self) -> Result<Vec<u8>, Error> {
        let key = self.ledger.write(|entries| {
            let key = entries.get::<Uuid>("signing-key")?.unwrap_or_else(Uuid::new_v4);
            entries.put("signing-key", &key)?;
            Ok(key)
        });
        Ok(key.await?.as_bytes().to_vec())
    }
}
