//! A clip as callers and the project's row see it: the shape that the original app's pages read.

use super::plan::{Clip, ClipState, Plan};
use crate::job::Job;
use crate::kinds::View;
use serde_json::{Value, json};

pub fn view(job: &Job) -> View {
    let plan = Plan::read(&job.plan).unwrap_or_else(Plan::beginning);
    let clips = plan.clips.iter().enumerate().map(|(index, clip)| public(job, &plan, index, clip)).collect();
    View { clips, clips_failed: plan.failed() }
}

/// What goes into the project's row: only what storage has confirmed.
pub(super) fn stored_clips(job: &Job, plan: &Plan) -> Vec<Value> {
    let stored = plan.clips.iter().enumerate().filter(|(_, clip)| clip.state == ClipState::Stored);
    stored.map(|(index, clip)| public(job, plan, index, clip)).collect()
}

/// Where a clip of a private bucket is fetched. A project's jobs number their clips alike: the job says whose it is.
pub(super) fn private_url(project: &str, job: &str, index: usize) -> String {
    format!("/api/clips/{}?jobId={job}", clip_id(project, index))
}

/// The path in storage of the stored clip that callers know by that id.
pub fn stored_path(job: &Job, id: &str) -> Option<String> {
    let mut clips = Plan::read(&job.plan)?.clips.into_iter().enumerate();
    let (_, clip) = clips.find(|(index, _)| clip_id(job.project.as_str(), *index) == id)?;
    clip.stored.map(|stored| stored.path)
}

/// The project of a clip that callers know by that id.
pub fn project_of(id: &str) -> Option<&str> {
    id.rsplit_once("_clip_").map(|(project, _)| project)
}

fn clip_id(project: &str, index: usize) -> String {
    format!("{project}_clip_{index}")
}

fn public(job: &Job, plan: &Plan, index: usize, clip: &Clip) -> Value {
    let url = clip.stored.as_ref().map(|stored| stored.url.as_str());
    json!({
        "id": clip_id(job.project.as_str(), index),
        "title": clip.title,
        "description": clip.virality_explanation.as_deref().unwrap_or_default(),
        "duration": clip.duration,
        "score": clip.score.unwrap_or(0.5),
        "viralityExplanation": clip.virality_explanation,
        "transcript": clip.transcript,
        "publicationCaptions": clip.captions,
        "thumbnail": Value::Null,
        "url": url,
        "exportUrl": url,
        "exported": clip.export.is_some(),
        "size": clip.stored.as_ref().map(|stored| stored.size),
        "status": clip.state,
        "error": clip.error.as_ref().filter(|_| clip.state != ClipState::Stored),
        "klapProjectId": clip.id,
        "klapFolderId": plan.folder,
        "storedInSupabase": clip.stored.is_some(),
        "createdAt": clip.created_at,
    })
}
