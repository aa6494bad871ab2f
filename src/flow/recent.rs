//! What the last hour brought, read off the newest jobs: looked at are at most three hundred, and the answer is kept for a
//! while, because it is asked for by pages that ask again and again.

use super::list::{Part, Since};
use super::{Engine, Fault};
use crate::job::{Job, JobId, Millis, Signed, State};
use crate::store::keys;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::Instant;

const HOUR: Millis = 60 * 60 * 1_000;
const LOOKED_AT: usize = 300;
const AT_ONCE: usize = 50;
const KEPT: Duration = Duration::from_secs(30);
/// How many pushes are told with their key.
const PUSHES: usize = 20;

/// What the last hour brought.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recent {
    pub accepted: usize,
    pub completed: usize,
    pub failed: usize,
    pub cancelled: usize,
    /// All of the hour's jobs were looked at.
    pub complete: bool,
    /// Those looked at that have ended, whenever they did, by how.
    pub ended: BTreeMap<&'static str, usize>,
    /// The last claims of those looked at, newest first.
    pub signed: Vec<SignedPush>,
}

/// A push that was believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedPush {
    pub at: Millis,
    pub job: JobId,
    pub with: Signed,
}

impl Engine {
    pub async fn recent(&self) -> Result<Recent, Fault> {
        let mut kept = self.surveys.recent.lock().await;
        if let Some((_, recent)) = kept.as_ref().filter(|(at, _)| at.elapsed() < KEPT) {
            return Ok(recent.clone());
        }
        // A job that ended within the hour was hardly accepted longer before than one may run.
        let since = Some(Since::Back(HOUR + self.settings.limits.job_timeout));
        let part = Part { list: keys::all_jobs(), since, before: None, limit: LOOKED_AT, at_once: AT_ONCE };
        let found = self.sift(part, |_, _| true).await?;
        let now = found.jobs.first().map_or(0, |(_, loaded)| loaded.now());
        let mut recent = Recent { complete: found.next.is_none(), ..Recent::default() };
        for (_, loaded) in &found.jobs {
            recent.add(&loaded.job, now);
        }
        recent.signed.sort_by_key(|push| std::cmp::Reverse(push.at));
        recent.signed.truncate(PUSHES);
        *kept = Some((Instant::now(), recent.clone()));
        Ok(recent)
    }
}

impl Recent {
    fn add(&mut self, job: &Job, now: Millis) {
        let within = |at: Millis| at + HOUR > now;
        self.accepted += usize::from(within(job.created_at));
        if job.is_final() {
            *self.ended.entry(job.state.public()).or_insert(0) += 1;
        }
        if job.finished_at.is_some_and(within) {
            match job.state {
                State::Done => self.completed += 1,
                State::Failed => self.failed += 1,
                State::Cancelled => self.cancelled += 1,
                State::Queued | State::Running { .. } | State::Waiting => {}
            }
        }
        let signed = job.history.entries.iter().rev().filter_map(|entry| Some((entry.at, entry.signed_with?)));
        self.signed.extend(signed.take(PUSHES).map(|(at, with)| SignedPush { at, job: job.id.clone(), with }));
    }
}
