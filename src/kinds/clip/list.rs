//! Reading what clips Klap found. Its folder may be empty for a while after the task is ready.

use super::plan::{Clip, ClipState, EMPTY_FOLDER, Plan};
use super::{Context, Halt, klap_away, plan, settlement, step};
use crate::job::{Failure, Outcome, Settlement};
use crate::services::klap::wire::Project;

pub(super) async fn list(context: &Context<'_>) -> Result<Settlement, Halt> {
    let mut plan = plan(context)?;
    let Some(folder) = plan.folder.clone() else {
        return Ok(settlement(context, Outcome::Next { step: step::AWAIT_TASK, after: 0 }, &plan, Vec::new()));
    };
    let outcome = match context.services.klap.folder(&folder).await {
        Ok(projects) if projects.is_empty() => still_empty(context, &mut plan),
        Ok(projects) => {
            plan.clips = projects.into_iter().enumerate().map(clip).collect();
            Outcome::Next { step: step::EXPORT, after: 0 }
        }
        // A folder that is not there yet is an empty one.
        Err(crate::services::klap::Error::NotFound) => still_empty(context, &mut plan),
        Err(error) => klap_away(&error),
    };
    Ok(settlement(context, outcome, &plan, Vec::new()))
}

fn still_empty(context: &Context<'_>, plan: &mut Plan) -> Outcome {
    let since = *plan.ready_at.get_or_insert(context.now);
    let empty_for = context.now.saturating_sub(since);
    if empty_for >= EMPTY_FOLDER {
        return Outcome::Fail { failure: Failure::retryable("no_clips", "Klap found no clips in the video") };
    }
    Outcome::Wait { after: (empty_for / 2).clamp(context.pace.poll_min, context.pace.poll_max) }
}

fn clip((index, project): (usize, Project)) -> Clip {
    Clip {
        score: project.score(),
        title: project.name.filter(|name| !name.trim().is_empty()).unwrap_or_else(|| format!("Clip {}", index + 1)),
        id: project.id,
        duration: project.duration,
        virality_explanation: project.virality_score_explanation,
        transcript: project.transcript_text,
        captions: serde_json::to_value(project.publication_captions).ok(),
        created_at: project.created_at,
        generation: 1,
        paid_again: false,
        export: None,
        state: ClipState::Pending,
        failures: 0,
        error: None,
        upload: None,
        stored: None,
    }
}
