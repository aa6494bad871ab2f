//! Who calls: the owner of the jobs they may see. Keys are compared in constant time, each of them every time.

use super::Problem;
use crate::job::Owner;
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// Everyone, where nobody is told apart.
const EVERYONE: &str = "local";

/// Who may call the frontend's routes.
#[derive(Debug, Clone)]
pub enum Auth {
    /// Everyone is the same owner; on this machine only.
    None,
    ApiKeys(Vec<ApiKey>),
}

/// One caller's key; the name owns its jobs.
#[derive(Debug, Clone)]
pub struct ApiKey {
    pub name: String,
    pub key: SecretString,
}

pub struct Authenticator(Auth);

impl Authenticator {
    pub fn new(auth: Auth) -> Self {
        Self(auth)
    }

    /// The owner a request speaks for.
    pub fn owner(&self, headers: &HeaderMap) -> Result<Owner, Problem> {
        match &self.0 {
            Auth::None => Ok(Owner::new(EVERYONE)),
            Auth::ApiKeys(keys) => {
                let given = bearer(headers).ok_or_else(Problem::unauthorized)?;
                let mut found = None;
                for key in keys {
                    if equal(given, &key.key) {
                        found = Some(Owner::new(&key.name));
                    }
                }
                found.ok_or_else(Problem::unauthorized)
            }
        }
    }
}

/// Whether a request carries one of the operator's secrets.
pub(super) fn is_operator(secrets: &[SecretString], headers: &HeaderMap) -> bool {
    let Some(given) = bearer(headers) else { return false };
    // Every secret is compared, whichever fits.
    secrets.iter().filter(|secret| equal(given, secret)).count() > 0
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.trim().split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

/// Over hashes, so that not even the length is told by the time it takes.
fn equal(given: &str, secret: &SecretString) -> bool {
    let (given, secret) = (Sha256::digest(given), Sha256::digest(secret.expose_secret()));
    given.ct_eq(&secret).into()
}
