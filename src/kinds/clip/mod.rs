//! Clips of a video by Klap: submit the video, await the task, list the clips it found, pay for their exports, stream them
//! into storage, update the project's row. Free looks may repeat; paid calls go through the journal.

mod export;
mod finalize;
pub mod input;
mod list;
pub mod plan;
mod price;
mod store_clip;
mod submit;
#[cfg(test)]
mod tests;
mod transfer;
pub mod view;

pub use price::{cents, cents_paid};
pub use view::{landed, project_of, stored_path, view};

use super::{Context, Halt, Length, Start};
use crate::job::{Failure, Job, Outcome, Receipt, Report, Settlement};
use crate::sabotage::{self, Sabotage};
use crate::services::klap;
use plan::{Clip, ClipState, Plan};
use serde_json::{Value, json};
use std::time::Duration;

pub const NAME: &str = "clip";
pub const STEPS: &[&str] = &step::ALL;

mod step {
    pub const SUBMIT: &str = "submit";
    pub const AWAIT_TASK: &str = "await_task";
    pub const LIST: &str = "list";
    pub const EXPORT: &str = "export";
    pub const TRANSFER: &str = "transfer";
    pub const FINALIZE: &str = "finalize";

    pub const ALL: [&str; 6] = [SUBMIT, AWAIT_TASK, LIST, EXPORT, TRANSFER, FINALIZE];
}

pub fn first() -> Start {
    start(step::SUBMIT, &Plan::beginning())
}

/// With a paid task the way is found again by free looks; without one it may have been paid unnoticed.
pub fn rebuild(receipts: &[Receipt], resume: &Value) -> Start {
    let plan = Plan::resumed(receipts, resume);
    if plan.task.is_some() {
        return start(step::AWAIT_TASK, &plan);
    }
    Start { possibly_paid: vec![plan.submit_effect()], ..start(step::SUBMIT, &plan) }
}

/// Which task the receipts of a message are to be read for.
pub fn resume(job: &Job) -> Value {
    Plan::read(&job.plan).map_or(Value::Null, |plan| json!({"generation": plan.generation}))
}

pub fn understands(job: &Job) -> bool {
    step::ALL.contains(&job.step.as_str()) && Plan::read(&job.plan).is_some()
}

/// Where a person's retry goes on: the failed step, or a new task where Klap itself came to nothing.
pub fn reopen(job: &Job) -> Result<Start, Failure> {
    if let Some(failure) = job.error.as_ref().filter(|failure| !failure.retryable) {
        return Err(failure.clone());
    }
    let unreadable = || Failure::retryable("unreadable_plan", "the job's plan cannot be read by this build");
    let mut plan = Plan::read(&job.plan).ok_or_else(unreadable)?;
    let lost =
        job.error.as_ref().is_some_and(|failure| ["klap_task_failed", "klap_task_lost"].contains(&&*failure.code));
    let from = |step, plan: &Plan| Start { pays_again: price::pays_again(job, step, plan), ..start(step, plan) };
    if lost || sabotage::is(Sabotage::RetryResubmits) {
        plan.begin_again();
        return Ok(from(step::SUBMIT, &plan));
    }
    plan.revive_clips();
    Ok(match job.step.as_str() {
        step::AWAIT_TASK => from(step::AWAIT_TASK, &plan),
        step::LIST => {
            plan.ready_at = None;
            from(step::LIST, &plan)
        }
        step::EXPORT | step::TRANSFER | step::FINALIZE if plan.count(ClipState::Pending) > 0 => {
            from(step::EXPORT, &plan)
        }
        step::FINALIZE if plan.clips.iter().all(Clip::is_settled) => from(step::FINALIZE, &plan),
        step::EXPORT | step::TRANSFER | step::FINALIZE => from(step::TRANSFER, &plan),
        _ => from(step::SUBMIT, &plan),
    })
}

fn start(step: &'static str, plan: &Plan) -> Start {
    Start { step, plan: plan.write(), stage: stage(step, plan), possibly_paid: Vec::new(), pays_again: None }
}

pub fn length(step: &str) -> Length {
    match step {
        step::TRANSFER => Length::Transfer,
        step::SUBMIT | step::EXPORT | step::FINALIZE => Length::Call,
        _ => Length::Look,
    }
}

pub async fn run(context: &Context<'_>) -> Result<Settlement, Halt> {
    match context.job.step.as_str() {
        step::SUBMIT => submit::submit(context).await,
        step::AWAIT_TASK => submit::await_task(context).await,
        step::LIST => list::list(context).await,
        step::EXPORT => export::export(context).await,
        step::TRANSFER => transfer::transfer(context).await,
        step::FINALIZE => finalize::finalize(context).await,
        other => Err(Halt::Store(format!("this build does not know the step {other}"))),
    }
}

/// The plan of a job that was found to be understood.
fn plan(context: &Context<'_>) -> Result<Plan, Halt> {
    Plan::read(&context.job.plan).ok_or_else(|| Halt::Store("the job's plan cannot be read".to_owned()))
}

/// What a step does, in words for the caller.
fn stage(step: &str, plan: &Plan) -> String {
    match step {
        step::SUBMIT => "Sending the video to Klap".to_owned(),
        step::AWAIT_TASK => "Klap is finding clips".to_owned(),
        step::LIST => "Listing the clips".to_owned(),
        step::EXPORT => format!("Exporting {} clips", plan.clips.len()),
        step::TRANSFER => format!("Storing clips ({} of {})", plan.stored(), plan.clips.len()),
        _ => "Updating the project".to_owned(),
    }
}

/// A step's answer with the plan and the report that belong to it.
fn settlement(context: &Context<'_>, outcome: Outcome, plan: &Plan, refused: Vec<String>) -> Settlement {
    let next = match &outcome {
        Outcome::Next { step, .. } => step,
        _ => context.job.step.as_str(),
    };
    Settlement { report: report(context, next, plan), outcome, plan: Some(plan.write()), refused }
}

fn report(context: &Context<'_>, step: &str, plan: &Plan) -> Report {
    let progress = if step == step::FINALIZE { 97 } else { plan.progress(context.now, expected(context)) };
    Report { progress, stage: stage(step, plan) }
}

/// How long Klap is expected to work, in milliseconds: ten of the longest pauses between looks, 10 minutes by default.
fn expected(context: &Context<'_>) -> u64 {
    10 * context.pace.poll_max
}

/// The first look at work just begun: three of the shortest pauses, 30 s by default.
fn first_look(context: &Context<'_>) -> u64 {
    3 * context.pace.poll_min
}

/// What a failed look at Klap means to a step that pays nothing.
fn klap_away(error: &klap::Error) -> Outcome {
    let after = match error {
        klap::Error::Busy { after } | klap::Error::Unavailable { after, .. } => *after,
        _ => None,
    };
    match error {
        klap::Error::Unauthorized => Outcome::Fail { failure: klap_unauthorized() },
        klap::Error::NotFound | klap::Error::Refused { .. } => {
            Outcome::Retry { failure: Failure::retryable("klap_refused", error.to_string()), after: None }
        }
        klap::Error::NotSent(_)
        | klap::Error::Unknown(_)
        | klap::Error::Busy { .. }
        | klap::Error::Unavailable { .. } => away("klap_away", error, after),
    }
}

fn klap_unauthorized() -> Failure {
    Failure::retryable("klap_unauthorized", "Klap refused our API key")
}

fn away(code: &str, error: &impl ToString, after: Option<Duration>) -> Outcome {
    let after = after.and_then(|after| u64::try_from(after.as_millis()).ok());
    Outcome::Away { after, failure: Failure::retryable(code, error.to_string()) }
}
