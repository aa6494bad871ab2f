//! A clip as callers and the project's row see it: the shape that the original app's pages read.

use super::plan::{Clip, ClipState, Plan};
use crate::job::Job;
use crate::kinds::View;
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

/// A clip, as far as it has come.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Clip)]
pub struct PublicClip<'a> {
    #[schema(example = "my-project_clip_0")]
    id: String,
    #[schema(example = "The one thing nobody tells you")]
    title: &'a str,
    /// `viralityExplanation` again, or nothing.
    description: &'a str,
    /// Seconds.
    #[schema(required = true, example = 31.4)]
    duration: Option<f64>,
    /// How likely it is to spread, by Klap's reckoning.
    #[schema(minimum = 0, maximum = 1, example = 0.87)]
    score: f64,
    #[schema(required = true)]
    virality_explanation: Option<&'a str>,
    #[schema(required = true)]
    transcript: Option<&'a str>,
    /// Texts to publish it with, as Klap wrote them.
    #[schema(required = true)]
    publication_captions: Option<&'a Value>,
    #[schema(required = true)]
    thumbnail: Option<&'a str>,
    /// Where the stored clip is fetched: an address of the storage, or for a private bucket the path
    /// `/api/clips/{id}` here. Null until it is stored.
    #[schema(required = true, example = "https://abcdefgh.supabase.co/storage/v1/object/public/videos/clips/1.mp4")]
    url: Option<&'a str>,
    /// `url` again.
    #[schema(required = true)]
    export_url: Option<&'a str>,
    /// Whether its export was ordered.
    exported: bool,
    /// Bytes.
    #[schema(required = true, example = 4_194_304)]
    size: Option<u64>,
    status: ClipState,
    /// What went wrong with it last.
    #[schema(required = true)]
    error: Option<&'a str>,
    klap_project_id: &'a str,
    #[schema(required = true)]
    klap_folder_id: Option<&'a str>,
    stored_in_supabase: bool,
    /// When Klap made it.
    #[schema(required = true)]
    created_at: Option<&'a str>,
}

pub fn view(job: &Job) -> View {
    let plan = Plan::read(&job.plan).unwrap_or_else(Plan::beginning);
    let clips = plan.clips.iter().enumerate().map(|(index, clip)| public(job, &plan, index, clip)).collect();
    let stored = || plan.clips.iter().filter_map(|clip| clip.stored.as_ref());
    View {
        clips,
        clips_stored: stored().count(),
        clips_failed: plan.failed(),
        bytes_stored: stored().map(|stored| stored.size).sum(),
    }
}

/// What goes into the project's row: only what storage has confirmed.
pub(super) fn stored_clips(job: &Job, plan: &Plan) -> Vec<Value> {
    let stored = plan.clips.iter().enumerate().filter(|(_, clip)| clip.state == ClipState::Stored);
    stored.map(|(index, clip)| public(job, plan, index, clip)).collect()
}

/// The clips that are stored after a write, and were not before.
pub fn landed(before: &Job, after: &Job) -> Vec<String> {
    let (Some(before), Some(plan)) = (Plan::read(&before.plan), Plan::read(&after.plan)) else { return Vec::new() };
    let is_new = |index: &usize| before.clips.get(*index).is_none_or(|clip| clip.stored.is_none());
    let stored = plan.clips.iter().enumerate().filter(|(_, clip)| clip.stored.is_some()).map(|(index, _)| index);
    stored.filter(is_new).map(|index| clip_id(after.project.as_str(), index)).collect()
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
    json!(PublicClip {
        id: clip_id(job.project.as_str(), index),
        title: &clip.title,
        description: clip.virality_explanation.as_deref().unwrap_or_default(),
        duration: clip.duration,
        score: clip.score.unwrap_or(0.5),
        virality_explanation: clip.virality_explanation.as_deref(),
        transcript: clip.transcript.as_deref(),
        publication_captions: clip.captions.as_ref(),
        thumbnail: None,
        url,
        export_url: url,
        exported: clip.export.is_some(),
        size: clip.stored.as_ref().map(|stored| stored.size),
        status: clip.state,
        error: clip.error.as_deref().filter(|_| clip.state != ClipState::Stored),
        klap_project_id: &clip.id,
        klap_folder_id: plan.folder.as_deref(),
        stored_in_supabase: clip.stored.is_some(),
        created_at: clip.created_at.as_deref(),
    })
}
