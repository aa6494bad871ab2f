//! Who calls: the owner of the jobs they may see. Keys are compared in constant time, each of them every time; tokens are
//! checked by `services::identity`, and here only told apart by what their bearer is answered.

mod api_keys;
pub(super) mod rebinding;

pub use api_keys::ApiKey;

use super::Problem;
use crate::flow::Trust;
use crate::job::Owner;
use crate::services::identity::{self, Refused, Unusable, Verifier};
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// Opens the operator's routes of `dev`, for everybody to read: the dashboard's own source names it.
pub const DEV_SECRET: &str = "cliprelay-dev";
/// Everyone, where nobody is told apart.
const EVERYONE: &str = "local";

/// Who may call the frontend's routes.
#[derive(Debug, Clone)]
pub enum Auth {
    /// Everyone is the same owner; on this machine only.
    None,
    ApiKeys(Vec<ApiKey>),
    /// Users, by tokens of an issuer.
    Tokens(identity::Options),
}

pub struct Authenticator(Mode);

enum Mode {
    None,
    ApiKeys(Vec<ApiKey>),
    Tokens(Box<Verifier>),
}

impl Authenticator {
    pub fn new(auth: Auth) -> Result<Self, Unusable> {
        Ok(Self(match auth {
            Auth::None => Mode::None,
            Auth::ApiKeys(keys) => Mode::ApiKeys(keys),
            Auth::Tokens(options) => Mode::Tokens(Box::new(Verifier::new(options)?)),
        }))
    }

    /// The owner a request speaks for. `now` in unix seconds.
    pub async fn owner(&self, headers: &HeaderMap, now: i64) -> Result<Owner, Problem> {
        match &self.0 {
            Mode::None => Ok(Owner::new(EVERYONE)),
            Mode::ApiKeys(keys) => {
                let given = bearer(headers).ok_or_else(Problem::unauthorized)?;
                api_keys::owner(keys, given).ok_or_else(Problem::unauthorized)
            }
            Mode::Tokens(verifier) => {
                let token = bearer(headers).ok_or_else(Problem::unauthorized)?;
                let user = verifier.verify(token, now).await.map_err(|why| refused(&why))?;
                Ok(Owner::new(user.id))
            }
        }
    }

    pub(super) fn lets_everybody_in(&self) -> bool {
        matches!(self.0, Mode::None)
    }

    /// What callers may name: a user their own projects only, a server of ours any.
    pub fn trust(&self) -> Trust {
        match self.0 {
            Mode::None | Mode::ApiKeys(_) => Trust::Server,
            Mode::Tokens(_) => Trust::User,
        }
    }
}

/// The bearer of a genuine token is told what is wrong with it; of others only we are.
fn refused(why: &Refused) -> Problem {
    let unauthorized = |code, detail| Problem::new(StatusCode::UNAUTHORIZED, code, detail);
    match why {
        Refused::Invalid(reason) => {
            tracing::info!(reason, "a user's token was not believed");
            unauthorized("invalid_token", "The token is not valid here")
        }
        Refused::Expired => unauthorized("token_expired", "The token has expired; get a new one"),
        Refused::NotAUser(role) => {
            let detail = format!("This is a key of the role {role}; send the token of a signed-in user");
            Problem::new(StatusCode::FORBIDDEN, "not_a_user", detail)
        }
        Refused::Unavailable { retry_after } => {
            let detail = "The keys to check the token with could not be fetched from its issuer; try again";
            let mut problem = Problem::unavailable("issuer_unavailable", detail);
            problem.retry_after = Some(*retry_after);
            problem
        }
    }
}

/// Whether a request carries one of the operator's secrets.
pub(super) fn is_operator(secrets: &[SecretString], headers: &HeaderMap) -> bool {
    let Some(given) = bearer(headers) else { return false };
    // Every secret is compared, whichever fits.
    secrets.iter().filter(|secret| equal(given, secret)).count() > 0
}

/// Whether one of them is no secret.
pub(super) fn is_published(secrets: &[SecretString]) -> bool {
    secrets.iter().any(|secret| secret.expose_secret() == DEV_SECRET)
}

/// The credentials of the only `Authorization` there is: of two, somebody on the way may have read the other.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut all = headers.get_all(AUTHORIZATION).iter();
    let (Some(only), None) = (all.next(), all.next()) else { return None };
    let (scheme, token) = only.to_str().ok()?.trim().split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

/// Over hashes, so that not even the length is told by the time it takes.
fn equal(given: &str, secret: &SecretString) -> bool {
    let (given, secret) = (Sha256::digest(given), Sha256::digest(secret.expose_secret()));
    given.ct_eq(&secret).into()
}
