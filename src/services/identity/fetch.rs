//! Fetching an issuer's keys: one bounded request, no redirect followed.

use super::jwk::Key;
use crate::measure::Service;
use crate::services::outbound::{self, AllowList, Guard};
use reqwest::Method;
use reqwest::header::ACCEPT;
use serde_json::Value;
use std::time::Duration;
use tokio::time::timeout;
use url::Url;

/// For the whole of it: a request waits meanwhile, and has other things to do in its nine seconds.
const TIMEOUT: Duration = Duration::from_secs(2);
const BODY_MAX: usize = 256 * 1024;
/// No issuer signs with more at a time.
const KEYS_MAX: usize = 64;

/// No client could be made.
#[derive(Debug, thiserror::Error)]
#[error("no client could be made for the issuer's keys: {0}")]
pub struct Unusable(#[from] reqwest::Error);

/// Why no keys came. Fit for logs.
#[derive(Debug, thiserror::Error)]
pub enum NoKeys {
    #[error("{0}")]
    Blocked(#[from] outbound::Blocked),
    #[error("{0}")]
    Unanswered(#[from] outbound::Unanswered),
    #[error("the answer broke off: {0}")]
    BrokeOff(String),
    #[error("it answers {0}")]
    Status(u16),
    #[error("its answer is larger than {BODY_MAX} bytes")]
    TooLarge,
    #[error("its answer is no set of keys")]
    NoSet,
    #[error("no whole answer within {} s", TIMEOUT.as_secs())]
    TooSlow,
}

/// Asks one address.
#[derive(Debug)]
pub struct Fetcher {
    url: Url,
    guard: Guard,
}

impl Fetcher {
    pub fn new(url: Url, allow: AllowList) -> Result<Self, Unusable> {
        Ok(Self { url, guard: Guard::new(allow, &outbound::Options::default())? })
    }

    /// The keys of use to us.
    pub(super) async fn fetch(&self) -> Result<Vec<Key>, NoKeys> {
        let body = timeout(TIMEOUT, self.body()).await.map_err(|_| NoKeys::TooSlow)??;
        read(&body).ok_or(NoKeys::NoSet)
    }

    async fn body(&self) -> Result<Vec<u8>, NoKeys> {
        let http = self.guard.client_for(&self.url)?.clone().to(Service::Issuer);
        let request = http.request(Method::GET, self.url.clone()).header(ACCEPT, "application/json");
        let mut answer = http.send(request).await?;
        if answer.status() != 200 {
            return Err(NoKeys::Status(answer.status().as_u16()));
        }
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(|error| NoKeys::BrokeOff(outbound::describe(error)))? {
            if body.len() + chunk.len() > BODY_MAX {
                return Err(NoKeys::TooLarge);
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }
}

/// `{"keys":[…]}`; a key of no use does not spoil the others.
fn read(body: &[u8]) -> Option<Vec<Key>> {
    let set: Value = serde_json::from_slice(body).ok()?;
    let keys = set["keys"].as_array()?;
    let mut usable = Vec::new();
    for jwk in keys.iter().take(KEYS_MAX) {
        match Key::read(jwk) {
            Ok(key) => usable.push(key),
            Err(why) => tracing::debug!(why, "a key of the issuer's is passed over"),
        }
    }
    Some(usable)
}
