//! The issuer's keys, kept. Asked for anew when they are old, or when a token names one we do not have, but never more
//! often than the intervals below, however many tokens ask, and by one request at a time. While the issuer is away its last
//! keys stay good for a day; without any, nobody is told that their token is bad.

use super::Refused;
use super::fetch::{Fetcher, NoKeys};
use super::jwk::Key;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Mutex as Turn;

/// Seconds after which keys are asked for anew: a key taken back must not be believed for long.
pub(super) const FRESH: i64 = 600;
/// Seconds for which the last keys are believed while the issuer is away.
pub(super) const KEPT: i64 = 86_400;
/// Seconds between two fetches when tokens name unknown keys.
pub(super) const UNKNOWN_AGAIN: i64 = 10;
/// Seconds from a failed fetch to the next.
pub(super) const FAILED_AGAIN: i64 = 5;

/// The keys of one issuer.
#[derive(Debug)]
pub struct KeySet(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    fetcher: Fetcher,
    held: Mutex<Held>,
    /// Held by whoever fetches.
    turn: Arc<Turn<()>>,
}

/// What is known. Times are unix seconds.
#[derive(Debug, Clone, Default)]
pub(super) struct Held {
    /// The last good answer, and when it came.
    pub keys: Option<(Arc<Vec<Key>>, i64)>,
    /// When the issuer was last asked, and whether that went well.
    pub asked: Option<(i64, bool)>,
}

/// What to do for a token that names this key.
#[derive(Debug)]
pub(super) enum Decision {
    Use(Vec<Key>),
    /// As far as we know the issuer has no such key.
    Unknown,
    /// These would do if it is not to be had that the issuer is asked.
    Fetch(Vec<Key>),
    /// Seconds until it is worth another try.
    Unavailable(i64),
}

impl Held {
    pub fn decide(&self, kid: Option<&str>, now: i64) -> Decision {
        let good = self.keys.as_ref().filter(|(_, at)| now - at < KEPT);
        let found = good.map(|(keys, _)| named(keys, kid)).unwrap_or_default();
        // A clock that went back makes nothing younger.
        let fresh = good.is_some_and(|(_, at)| (0..FRESH).contains(&(now - at)));
        if fresh && !found.is_empty() {
            return Decision::Use(found);
        }
        let pause = self.asked.map_or(0, |(at, well)| {
            let again = at + if well { UNKNOWN_AGAIN } else { FAILED_AGAIN };
            // A clock that was put back does not keep us from asking.
            if now + 60 < at { 0 } else { (again - now).max(0) }
        });
        if pause == 0 {
            Decision::Fetch(found)
        } else if !found.is_empty() {
            Decision::Use(found)
        } else if self.asked.is_some_and(|(_, well)| well) {
            Decision::Unknown
        } else {
            Decision::Unavailable(pause)
        }
    }
}

/// The keys of that name; a token without one is taken to mean the only key there is.
fn named(keys: &[Key], kid: Option<&str>) -> Vec<Key> {
    match kid {
        Some(_) => keys.iter().filter(|key| key.kid.as_deref() == kid).cloned().collect(),
        None if keys.len() == 1 => keys.to_vec(),
        None => Vec::new(),
    }
}

impl KeySet {
    pub fn new(fetcher: Fetcher) -> Self {
        Self(Arc::new(Shared { fetcher, held: Mutex::default(), turn: Arc::default() }))
    }

    /// The keys a token that names `kid` may be signed with.
    pub async fn find(&self, kid: Option<&str>, now: i64) -> Result<Vec<Key>, Refused> {
        // Once for a turn to come, once for what it brought, and once more.
        for _ in 0..3 {
            match self.0.look(kid, now) {
                Decision::Use(keys) => return Ok(keys),
                Decision::Fetch(keys) => {
                    let turn = match Arc::clone(&self.0.turn).try_lock_owned() {
                        Ok(turn) => turn,
                        // Somebody is asking already: old keys will do, and who has none waits for the answer.
                        Err(_) if !keys.is_empty() => return Ok(keys),
                        Err(_) => Arc::clone(&self.0.turn).lock_owned().await,
                    };
                    // What was found out meanwhile may do.
                    if matches!(self.0.look(kid, now), Decision::Fetch(_)) {
                        let shared = Arc::clone(&self.0);
                        // Its own task: a caller who hangs up must not undo the fetch for the others.
                        let fetching = tokio::spawn(async move {
                            shared.fetch(now).await;
                            drop(turn);
                        });
                        let _ended = fetching.await;
                    }
                }
                Decision::Unknown => return Err(Refused::Invalid("unknown key")),
                Decision::Unavailable(seconds) => {
                    let retry_after = Duration::from_secs(seconds.unsigned_abs());
                    return Err(Refused::Unavailable { retry_after });
                }
            }
        }
        Err(Refused::Unavailable { retry_after: Duration::from_secs(FAILED_AGAIN.unsigned_abs()) })
    }
}

impl Shared {
    fn look(&self, kid: Option<&str>, now: i64) -> Decision {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).decide(kid, now)
    }

    async fn fetch(&self, now: i64) {
        let fetched = self.fetcher.fetch().await;
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.take(fetched, now);
    }
}

impl Held {
    pub fn take(&mut self, fetched: Result<Vec<Key>, NoKeys>, now: i64) {
        self.asked = Some((now, fetched.is_ok()));
        match fetched {
            Ok(keys) => {
                if keys.is_empty() {
                    tracing::error!("the issuer publishes no key for RS256 or ES256: no token can be believed");
                }
                self.keys = Some((Arc::new(keys), now));
            }
            Err(error) => tracing::warn!(%error, "the issuer's keys could not be fetched"),
        }
    }
}
