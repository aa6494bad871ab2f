//! What a clip job decides by itself, without asking anybody.

mod clips;
mod options;
mod paying;
mod starts;
mod viewing;

use super::plan::*;
use super::*;
use crate::job::{JobId, NewJob, Owner, Position, ProjectId};
use crate::kinds::View;
use serde_json::{Value, json};

pub(super) const T0: u64 = 1_795_435_200_000;
pub(super) const SECOND: u64 = 1_000;
pub(super) const MINUTE: u64 = 60 * SECOND;

/// A clip with nothing but what every record of one has.
pub(super) fn clip(id: &str, state: ClipState) -> Clip {
    serde_json::from_value(json!({"id": id, "title": "A clip", "generation": 1, "state": state})).unwrap()
}

/// Exported, and in this state since.
pub(super) fn exported(id: &str, state: ClipState) -> Clip {
    Clip { export: Some(format!("{id}_export")), ..clip(id, state) }
}

pub(super) fn stored(id: &str) -> Clip {
    let path = format!("p1/clips/job_1/{id}-{id}_export.mp4");
    let url = format!("https://example.supabase.co/storage/v1/object/public/videos/{path}");
    Clip { stored: Some(Stored { path, size: 1_234, url }), ..exported(id, ClipState::Stored) }
}

pub(super) fn plan_of(clips: Vec<Clip>) -> Plan {
    Plan {
        task: Some("task_1".to_owned()),
        task_at: Some(T0),
        folder: Some("folder_1".to_owned()),
        ready_at: Some(T0 + MINUTE),
        clips,
        ..Plan::beginning()
    }
}

/// A job that failed at this step in this way.
pub(super) fn failed_at(step: &'static str, failure: Failure, plan: &Plan) -> Job {
    let new = NewJob {
        id: JobId::new("job_1"),
        owner: Owner::new("ann"),
        project: ProjectId::new("p1"),
        kind: NAME,
        input: json!({"videoUrl": "https://example.com/a.mp4", "options": {}}),
        step,
        plan: plan.write(),
        stage: "Failed".to_owned(),
    };
    let mut job = Job::new(new, T0, MINUTE);
    job.state = crate::job::State::Failed;
    job.error = Some(failure);
    job
}
