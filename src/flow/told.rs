//! What a write tells beside the state: in which lists the job stands, and of its step what has landed.

use super::Engine;
use super::record::TOMBSTONE;
use crate::job::history::{Entry, What};
use crate::job::{Event, Job, Limits, Millis, State};
use crate::kinds::Kind;
use crate::store::{LISTED_MAX, LISTED_OF_ALL_MAX, Listed, Place, keys};
use std::time::Duration;

impl Engine {
    /// Longer than any record stays that is not written as listed again.
    pub(super) fn listed(&self, job: &Job) -> Vec<Listed> {
        let Limits { queue_timeout, job_timeout, done_ttl, failed_ttl, .. } = self.settings.limits;
        let life = Duration::from_millis(queue_timeout + job_timeout + done_ttl.max(failed_ttl));
        let entry = |list, at, most| Listed { list, place: Place::new(at, &job.id), most, keep: life + TOMBSTONE };
        let failed_at = job.finished_at.filter(|_| job.state == State::Failed);
        let failed = failed_at.map(|at| entry(keys::failed_jobs(), at, LISTED_OF_ALL_MAX));
        let own = entry(keys::list(&job.owner), job.created_at, LISTED_MAX);
        [own, entry(keys::all_jobs(), job.created_at, LISTED_OF_ALL_MAX)].into_iter().chain(failed).collect()
    }
}

/// Tells of the clips that a step's write says have landed: what that is, only the job's kind knows.
pub(super) fn tell_landed(before: &Job, event: &Event, next: &mut Job, now: Millis) {
    if !matches!(event, Event::Checkpoint { .. } | Event::Settle { .. }) || before.plan == next.plan {
        return;
    }
    let landed = Kind::parse(&before.kind).map_or(Vec::new(), |kind| kind.landed(before, next));
    if !landed.is_empty() {
        next.history.stored(&Entry::new(before, What::Stored, now), landed);
    }
}
