//! What a watcher sees: one read by job, two by project, and waiting for a change without asking the store more often
//! than it can know something new.

use super::rebuild::split_pointer;
use super::record::Loaded;
use super::{Engine, Fault};
use crate::job::{Job, JobId, Millis, Owner, ProjectId};
use crate::kinds::{Kind, View};
use crate::store::keys;
use std::time::Duration;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Instant, sleep_until, timeout_at};

/// Which job is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Find {
    Job(JobId),
    /// The project's current job.
    Project(ProjectId),
}

/// A job as its owner may see it.
#[derive(Debug, Clone)]
pub struct Status {
    pub job: Job,
    /// Changes with every write.
    pub version: u64,
    pub view: View,
    pub next_update_at: Option<Millis>,
}

impl Engine {
    /// `owner`: `None` for an operator, who sees all jobs (and finds them by job only).
    pub async fn status(&self, find: &Find, owner: &Owner) -> Result<Option<Status>, Fault> {
        let id = match find {
            Find::Job(id) => id.clone(),
            Find::Project(project) => match self.store.pointer(&keys::pointer(owner, project)).await? {
                Some(holds) => split_pointer(&holds).0,
                None => return Ok(None),
            },
        };
        Ok(self.owned(&id, Some(owner)).await?.map(|loaded| status_of(&loaded)))
    }

    /// The status as soon as it is none of `seen` (or, for one who has seen nothing, another than now), or as it is after
    /// `wait`.
    pub async fn status_after(
        &self,
        find: &Find,
        owner: &Owner,
        seen: &[(JobId, u64)],
        wait: Duration,
    ) -> Result<Option<Status>, Fault> {
        let end = Instant::now() + wait;
        let mut news = self.changes.subscribe();
        let mut base = None;
        loop {
            let Some(status) = self.status(find, owner).await? else { return Ok(None) };
            let now = (status.job.id.clone(), status.version);
            let known = match &base {
                None => seen.is_empty() || seen.contains(&now),
                Some(base) => *base == now,
            };
            if !known || status.job.is_final() || Instant::now() >= end {
                return Ok(Some(status));
            }
            base = Some(now);
            // Another process may change it too: look again when something can have happened.
            let pause = status.next_update_at.map_or(0, |at| at.saturating_sub(status.job.updated_at)).max(1_000);
            let look = end.min(Instant::now() + Duration::from_millis(pause));
            loop {
                match timeout_at(look, news.recv()).await {
                    Ok(Ok(changed)) if changed == status.job.id => break,
                    Ok(Ok(_)) => {}
                    Ok(Err(RecvError::Lagged(_))) | Err(_) => break,
                    Ok(Err(RecvError::Closed)) => sleep_until(look).await,
                }
            }
        }
    }
}

fn status_of(loaded: &Loaded) -> Status {
    let job = loaded.job.clone();
    let view = Kind::parse(&job.kind).map_or(View { clips: Vec::new(), clips_failed: 0 }, |kind| kind.view(&job));
    let next_update_at = job.next_update_at(loaded.now());
    Status { version: loaded.version, view, next_update_at, job }
}
