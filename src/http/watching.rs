//! Who may watch in this process: a bounded number, so that idle clients leave room for others, and of one user no more than a
//! share of it. A place is held by a request that waits or a stream that is open, and is free again when either ends.

use super::{Http, Problem};
use crate::flow::Trust;
use crate::job::Owner;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// One user has at most one in so many places, but always a few: each page that is open takes one.
const SHARE: usize = 20;
const FEW: usize = 10;

pub struct Watching {
    places: Arc<Semaphore>,
    pub(super) places_max: usize,
    users: Arc<Users>,
    /// The longest a stream is kept open.
    pub stream_max: Duration,
}

/// How many places each user holds; who holds none is not listed.
#[derive(Default)]
struct Users(Mutex<HashMap<Owner, usize>>);

/// Held while somebody watches.
pub(super) struct Place {
    _place: OwnedSemaphorePermit,
    _of_user: Option<OfUser>,
}

/// One of the places of a user.
struct OfUser {
    user: Owner,
    users: Arc<Users>,
}

impl Watching {
    pub fn new(watchers_max: usize, stream_max: Duration) -> Self {
        let places_max = watchers_max.min(Semaphore::MAX_PERMITS);
        Self { places: Arc::new(Semaphore::new(places_max)), places_max, users: Arc::default(), stream_max }
    }

    fn enter(&self) -> Result<OwnedSemaphorePermit, Problem> {
        Arc::clone(&self.places).try_acquire_owned().map_err(|_| {
            let detail = "Too many are watching at this instance; ask without waiting, or come back";
            Problem::unavailable("too_many_watchers", detail)
        })
    }

    fn enter_as(&self, user: &Owner) -> Result<OfUser, Problem> {
        let most = (self.places_max / SHARE).max(FEW);
        let mut users = self.users.held();
        let held = users.entry(user.clone()).or_default();
        if *held >= most {
            let detail = "You are watching as often as one user may at this instance; ask without waiting";
            return Err(Problem::unavailable("too_many_watchers", detail));
        }
        *held += 1;
        Ok(OfUser { user: user.clone(), users: Arc::clone(&self.users) })
    }
}

impl Http {
    /// A place to watch from. A server of ours watches for many.
    pub(super) fn place(&self, owner: &Owner) -> Result<Place, Problem> {
        let of_user = match self.authenticator.trust() {
            Trust::User => Some(self.watching.enter_as(owner)?),
            Trust::Server => None,
        };
        Ok(Place { _place: self.watching.enter()?, _of_user: of_user })
    }
}

impl Users {
    fn held(&self) -> MutexGuard<'_, HashMap<Owner, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for OfUser {
    fn drop(&mut self) {
        let mut users = self.users.held();
        if let Some(held) = users.get_mut(&self.user) {
            *held -= 1;
            if *held == 0 {
                users.remove(&self.user);
            }
        }
    }
}
