//! What is told of a job: one read by job, two by project; and waiting for a visible change.

use super::rebuild::split_pointer;
use super::record::Loaded;
use super::{Engine, Fault};
use crate::job::{Job, JobId, Millis, Owner, ProjectId, State};
use crate::kinds::{Kind, View};
use crate::store::keys;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;
use sha2::{Digest, Sha256};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

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
    /// The record's, which changes with every write.
    pub version: u64,
    pub view: View,
    pub next_update_at: Option<Millis>,
    /// The store's time when it was read.
    pub now: Millis,
    tag: String,
}

impl Status {
    pub fn new(job: Job, version: u64, view: View, now: Millis) -> Self {
        let tag = tag(&job, &view);
        Self { version, view, next_update_at: job.next_update_at(now), now, tag, job }
    }

    /// What it has cost by now, in US cents at the vendor's list price.
    pub fn cents_paid(&self) -> u64 {
        Kind::parse(&self.job.kind).map_or(0, |kind| kind.cents_paid(&self.job))
    }

    /// Of a failed job: what a retry pays for although that, or what it stands in for, was paid or may have been.
    pub fn pays_again(&self) -> Option<String> {
        let failed = self.job.state == State::Failed;
        Kind::parse(&self.job.kind).filter(|_| failed)?.reopen(&self.job).ok()?.pays_again
    }

    /// Names what can be seen of this job: the same as long as nothing of that changes, whatever is written. When it was
    /// last written is not counted, and of when something may happen next only what is planned.
    pub fn tag(&self) -> &str {
        &self.tag
    }
}

fn tag(job: &Job, view: &View) -> String {
    let failure = job.error.as_ref().filter(|_| job.state == State::Failed);
    let planned = match job.state {
        State::Queued | State::Waiting => Some(job.message.not_before),
        State::Running { .. } | State::Done | State::Failed | State::Cancelled => None,
    };
    let seen = json!([
        [job.project, job.state.public(), job.stage, job.progress, job.attempts, failure],
        [view.clips, view.clips_failed, job.ledger.possible_duplicates],
        [planned, job.created_at, job.finished_at],
    ]);
    let digest = Sha256::digest(seen.to_string());
    format!("{}.{}", job.id, URL_SAFE_NO_PAD.encode(&digest[..12]))
}

/// What a caller has seen of a job already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// Whatever is there now.
    Now,
    /// What these tags name.
    Tags(Vec<String>),
}

impl Engine {
    /// Any owner's job, for an operator.
    pub async fn job(&self, id: &JobId) -> Result<Option<Status>, Fault> {
        Ok(self.owned(id, None).await?.map(|loaded| status_of(&loaded)))
    }

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

    /// The status as soon as it differs visibly from `seen`, or as it is after `wait`; and whether it differs.
    pub async fn status_after(
        self: &Arc<Self>,
        find: &Find,
        owner: &Owner,
        seen: Seen,
        wait: Duration,
    ) -> Result<Option<(Arc<Status>, bool)>, Fault> {
        let end = Instant::now() + wait;
        // Of several it is not known which is the newest: then the store is asked.
        let newest = match &seen {
            Seen::Tags(tags) if tags.len() == 1 => tags.first().cloned(),
            Seen::Now | Seen::Tags(_) => None,
        };
        let Some(mut watcher) = self.watch(find, owner, newest).await? else { return Ok(None) };
        let mut status = Arc::clone(watcher.current());
        let first = status.tag().to_owned();
        let is_news = |status: &Status| match &seen {
            Seen::Now => status.tag() != first,
            Seen::Tags(tags) => tags.iter().all(|tag| tag != status.tag()),
        };
        while !is_news(&status) && !status.job.is_final() {
            watcher.see();
            let Some(next) = timeout_at(end, watcher.next()).await.ok().flatten() else { break };
            status = next;
        }
        let news = is_news(&status);
        Ok(Some((status, news)))
    }
}

pub(super) fn status_of(loaded: &Loaded) -> Status {
    let job = loaded.job.clone();
    let view = Kind::parse(&job.kind).map_or_else(View::default, |kind| kind.view(&job));
    let now = loaded.now();
    Status::new(job, loaded.version, view, now)
}
