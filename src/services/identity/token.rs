//! A token's form and its signature. The header is read for two things, `alg` and `kid`, and both only narrow down which
//! of our keys are tried.

use super::claims::Claims;
use super::jwk::Key;
use super::{Refused, TOKEN_MAX};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::Validation;
use jsonwebtoken::errors::ErrorKind;
use serde::Deserialize;
use serde::de::IgnoredAny;

const KID_MAX: usize = 256;
/// What a token may say it is. Others (logout tokens, requests signed by clients) are not for opening anything.
const TYPES: [&str; 2] = ["jwt", "at+jwt"];

#[derive(Debug, Deserialize)]
pub(super) struct Head {
    pub alg: String,
    pub kid: Option<String>,
    typ: Option<String>,
    crit: Option<IgnoredAny>,
}

impl Head {
    pub fn read(token: &str) -> Result<Self, Refused> {
        let refuse = |why| Err(Refused::Invalid(why));
        if token.len() > TOKEN_MAX {
            return refuse("too long");
        }
        let mut parts = token.split('.');
        let (Some(head), Some(_), Some(_), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
            return refuse("not three parts");
        };
        let Ok(head) = URL_SAFE_NO_PAD.decode(head) else { return refuse("not base64") };
        let Ok(head) = serde_json::from_slice::<Self>(&head) else { return refuse("unreadable header") };
        // Whoever sets it says that the rest must be understood to be believed.
        if head.crit.is_some() {
            return refuse("critical header");
        }
        let typ = head.typ.as_deref().unwrap_or("JWT").to_ascii_lowercase();
        if !TYPES.contains(&typ.strip_prefix("application/").unwrap_or(&typ)) {
            return refuse("type");
        }
        if head.kid.as_ref().is_some_and(|kid| kid.len() > KID_MAX) {
            return refuse("long kid");
        }
        Ok(head)
    }
}

/// The claims of a token that one of these keys has signed.
pub(super) fn genuine<'a>(
    token: &str,
    head: &Head,
    keys: impl IntoIterator<Item = &'a Key>,
) -> Result<Claims, Refused> {
    let mut why = "algorithm";
    for key in keys.into_iter().filter(|key| key.algorithm_name() == head.alg) {
        let mut signature_only = Validation::new(key.algorithm);
        signature_only.required_spec_claims.clear();
        signature_only.validate_exp = false;
        signature_only.validate_nbf = false;
        signature_only.validate_aud = false;
        match jsonwebtoken::decode::<Claims>(token, &key.decoding, &signature_only) {
            Ok(data) => return Ok(data.claims),
            Err(error) => {
                why = match error.kind() {
                    ErrorKind::InvalidSignature => "signature",
                    _ => "unreadable claims",
                };
            }
        }
    }
    Err(Refused::Invalid(why))
}
