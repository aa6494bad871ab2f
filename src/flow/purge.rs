//! Deleting what ended long ago before its time to stay is over. Live jobs are left alone whatever is asked.

use super::record::{Clock, decode};
use super::{Engine, Fault, list::Place};
use crate::job::{JobId, Millis};
use crate::store::{self, Expected, keys};
use std::time::Duration;
use tokio::time::Instant;

/// Jobs deleted in one request, how many it looks at, and for how long.
pub const PURGED_MAX: usize = 100;
const LOOKED_AT_MAX: usize = 1_000;
const AT_ONCE: usize = 100;
const LONGEST: Duration = Duration::from_secs(10);

#[derive(Debug, Default)]
pub struct Purged {
    pub jobs: Vec<JobId>,
    /// Where to go on; `None`: nothing is left.
    pub next: Option<Place>,
}

impl Purged {
    /// What is done is told, and where to go on; with nothing done, the fault is.
    fn broken_off(self, from: Place, fault: store::Error) -> Result<Self, Fault> {
        if self.jobs.is_empty() {
            return Err(fault.into());
        }
        tracing::warn!(%fault, "a purge broke off");
        Ok(Self { next: Some(from), ..self })
    }
}

impl Engine {
    /// Deletes jobs that ended `older_than` milliseconds ago or earlier; a `dry_run` only names them.
    pub async fn purge(&self, older_than: Millis, dry_run: bool, before: Option<Place>) -> Result<Purged, Fault> {
        let end = Instant::now() + LONGEST;
        let ended_by = self.store.due(0).await?.now.saturating_sub(older_than);
        // What has ended by then was accepted before.
        let mut before = before.unwrap_or_else(|| Place::new(ended_by + 1, &JobId::new("")));
        let mut purged = Purged::default();
        // However slow the store is, each request gets somewhere.
        let mut looked = false;
        for _ in 0..LOOKED_AT_MAX / AT_ONCE {
            let page = match self.store.list(&keys::all_jobs(), Some(&before), AT_ONCE).await {
                Ok(page) => page,
                Err(fault) => return purged.broken_off(before, fault),
            };
            for (place, record) in &page.records {
                if purged.jobs.len() == PURGED_MAX || (looked && Instant::now() >= end) {
                    purged.next = Some(before);
                    return Ok(purged);
                }
                looked = true;
                let last = std::mem::replace(&mut before, place.clone());
                // What cannot be read is not this release's to delete.
                let Ok(loaded) = decode(record, Clock::new(page.now)) else { continue };
                if loaded.job.finished_at.is_none_or(|at| at > ended_by) || !loaded.job.is_final() {
                    continue;
                }
                let id = place.id();
                if dry_run {
                    purged.jobs.push(id);
                    continue;
                }
                match self.store.delete(&id, Expected::Version(loaded.version)).await {
                    Ok(true) => purged.jobs.push(id),
                    Ok(false) => {}
                    // Whether it is deleted is not known: whoever goes on looks at it again.
                    Err(fault) => return purged.broken_off(last, fault),
                }
            }
            match page.next {
                Some(next) => before = next,
                None => return Ok(purged),
            }
        }
        purged.next = Some(before);
        Ok(purged)
    }
}
