//! Writing the stored clips into the project's row.

use super::view::stored_clips;
use super::{Context, Halt, away, plan, settlement};
use crate::job::{Failure, Outcome, Settlement};
use crate::services::supabase::{Error, Merge, MergedClips};
use jiff::Timestamp;

pub(super) async fn finalize(context: &Context<'_>) -> Result<Settlement, Halt> {
    let plan = plan(context)?;
    let clips = serde_json::Value::Array(stored_clips(context.job, &plan));
    let now = i64::try_from(context.now).ok().and_then(|now| Timestamp::from_millisecond(now).ok()).unwrap_or_default();
    let project = context.job.project.as_str();
    let merged = context.services.supabase.merge_project(project, &MergedClips { clips, status: "ready", now }).await;
    let outcome = match merged {
        Ok(Merge::Done) => Outcome::Done,
        Ok(Merge::NoRow) => {
            tracing::info!(job.id = %context.job.id, project.id = project, "the project has no row to update");
            Outcome::Done
        }
        Err(error @ Error::Away { after, .. }) => away("supabase_away", &error, after),
        Err(error) => {
            Outcome::Retry { failure: Failure::retryable("project_update_failed", error.to_string()), after: None }
        }
    };
    Ok(settlement(context, outcome, &plan, Vec::new()))
}
