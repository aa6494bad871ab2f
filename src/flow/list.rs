//! An owner's jobs, the newest first.

use super::record::{Clock, decode};
use super::status::{Status, status_of};
use super::{Engine, Fault};
use crate::job::Owner;
pub use crate::store::Place;
use crate::store::keys;

/// How many entries one request looks at before it answers with what it has found.
const LOOKED_AT_MAX: usize = 300;
/// Records read at once where some are sifted out.
const SIFTED: usize = 50;

/// Which jobs.
#[derive(Debug, Clone)]
pub struct Listing {
    /// Only those that stand so, in the words of [`State::public`](crate::job::State::public).
    pub status: Option<String>,
    /// Older than this place.
    pub before: Option<Place>,
    /// How many, at least one.
    pub limit: usize,
}

/// A page of jobs.
#[derive(Debug)]
pub struct Jobs {
    pub jobs: Vec<Status>,
    /// Where the next page goes on; `None`: there is none.
    pub next: Option<Place>,
}

impl Engine {
    /// A page may hold fewer than its limit, or nothing, and still have a next one.
    pub async fn list(&self, owner: &Owner, listing: &Listing) -> Result<Jobs, Fault> {
        let list = keys::list(owner);
        let at_once = if listing.status.is_some() { SIFTED } else { listing.limit };
        let mut before = listing.before.clone();
        let mut jobs = Vec::new();
        for _ in 0..LOOKED_AT_MAX.div_ceil(at_once) {
            let page = self.store.list(&list, before.as_ref(), at_once).await?;
            let clock = Clock::new(page.now);
            let mut seen = None;
            for (place, record) in &page.records {
                if jobs.len() == listing.limit {
                    return Ok(Jobs { jobs, next: seen.or(before) });
                }
                seen = Some(place.clone());
                let loaded = match decode(record, clock) {
                    Err(Fault::Garbled(why)) => {
                        tracing::error!(job.id = %place.id(), why, "a record cannot be read; left out of its list");
                        continue;
                    }
                    loaded => loaded?,
                };
                let wanted = listing.status.as_ref().is_none_or(|status| status == loaded.job.state.public());
                if wanted && loaded.job.owner == *owner {
                    jobs.push(status_of(&loaded));
                }
            }
            before = page.next;
            if before.is_none() || jobs.len() == listing.limit {
                break;
            }
        }
        Ok(Jobs { jobs, next: before })
    }
}
