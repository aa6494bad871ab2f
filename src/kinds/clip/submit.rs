//! Creating the Klap task, the first paid call, and looking whether it is ready.

use super::plan::{Plan, Submit};
use super::{Context, Halt, away, expected, first_look, input, klap_away, klap_unauthorized, plan, settlement, step};
use crate::job::{Failure, Outcome, Settlement};
use crate::sabotage::{self, Sabotage};
use crate::services::klap::{self, wire};

pub(super) async fn submit(context: &Context<'_>) -> Result<Settlement, Halt> {
    let mut plan = plan(context)?;
    let Some(input) = input::Input::read(&context.job.input) else {
        let failure = Failure::lasting("unreadable_input", "the job's input cannot be read");
        return Ok(settlement(context, Outcome::Fail { failure }, &plan, Vec::new()));
    };
    match plan.submit(&context.job.ledger, context.job.at.epoch) {
        Submit::Have(task) => {
            let outcome = submitted(context, &mut plan, task);
            Ok(settlement(context, outcome, &plan, Vec::new()))
        }
        Submit::GiveUp => {
            let failure = Failure::retryable(
                "klap_submit_unknown",
                "it is not known whether Klap took the video: each attempt was cut off, and another may be billed twice",
            );
            Ok(settlement(context, Outcome::Fail { failure }, &plan, Vec::new()))
        }
        Submit::Pay => pay(context, plan, &input).await,
    }
}

async fn pay(context: &Context<'_>, mut plan: Plan, input: &input::Input) -> Result<Settlement, Halt> {
    let effect = plan.submit_effect();
    if !sabotage::is(Sabotage::NoIntent) {
        context.journal.intend(std::slice::from_ref(&effect), false).await?;
    }
    // A crash from here to the receipt leaves the intent open: the next claim repeats the call once, and says so.
    let created = context.services.klap.create_task(&new_task(input), context.pace.paid_call).await;
    let error = match created {
        Ok(task) => {
            context.journal.receive(&effect, &task.id).await?;
            let outcome = submitted(context, &mut plan, task.id);
            return Ok(settlement(context, outcome, &plan, Vec::new()));
        }
        Err(error) => error,
    };
    let refused = if error.may_be_billed() { Vec::new() } else { vec![effect] };
    Ok(settlement(context, not_submitted(&error), &plan, refused))
}

fn submitted(context: &Context<'_>, plan: &mut Plan, task: String) -> Outcome {
    plan.task = Some(task);
    plan.task_at = Some(context.now);
    Outcome::Next { step: step::AWAIT_TASK, after: first_look(context).max(expected(context) / 2) }
}

fn not_submitted(error: &klap::Error) -> Outcome {
    match error {
        klap::Error::Unknown(_) => {
            Outcome::Retry { failure: Failure::retryable("klap_submit_unknown", error.to_string()), after: None }
        }
        klap::Error::Unavailable { after, .. } => Outcome::Retry {
            failure: Failure::retryable("klap_away", error.to_string()),
            after: after.and_then(|after| u64::try_from(after.as_millis()).ok()),
        },
        klap::Error::NotSent(_) => away("klap_away", error, None),
        klap::Error::Busy { after } => away("klap_away", error, *after),
        klap::Error::Unauthorized => Outcome::Fail { failure: klap_unauthorized() },
        klap::Error::NotFound => Outcome::Fail { failure: Failure::retryable("klap_refused", error.to_string()) },
        klap::Error::Refused { .. } => Outcome::Fail { failure: Failure::lasting("klap_refused", error.to_string()) },
    }
}

pub(super) async fn await_task(context: &Context<'_>) -> Result<Settlement, Halt> {
    let mut plan = plan(context)?;
    let Some(task) = plan.task.clone() else {
        return Ok(settlement(context, Outcome::Next { step: step::SUBMIT, after: 0 }, &plan, Vec::new()));
    };
    let outcome = match context.services.klap.task(&task).await {
        Ok(task) => looked(context, &mut plan, &task),
        Err(klap::Error::NotFound) => {
            Outcome::Fail { failure: Failure::retryable("klap_task_lost", "Klap no longer knows the task") }
        }
        Err(error) => klap_away(&error),
    };
    Ok(settlement(context, outcome, &plan, Vec::new()))
}

fn looked(context: &Context<'_>, plan: &mut Plan, task: &wire::Task) -> Outcome {
    match task.status {
        wire::TaskStatus::Ready => {
            let Some(folder) = task.output_id.clone() else {
                let failure = Failure::retryable("klap_task_failed", "Klap's task is ready but names no folder");
                return Outcome::Fail { failure };
            };
            plan.folder = Some(folder);
            plan.ready_at = Some(context.now);
            Outcome::Next { step: step::LIST, after: 0 }
        }
        wire::TaskStatus::Processing => {
            let since = *plan.task_at.get_or_insert(context.now);
            Outcome::Wait { after: next_look(context, context.now.saturating_sub(since)) }
        }
        wire::TaskStatus::Error => {
            let told = task.failure.told();
            let message = format!("Klap could not make clips of the video: {}", told.message);
            let refused = ["video_too_long", "invalid_url", "unsupported_platform"];
            let failure = match told.code {
                Some(code) if refused.contains(&code.as_str()) => Failure::lasting("source_refused", message),
                _ => Failure::retryable("klap_task_failed", message),
            };
            Outcome::Fail { failure }
        }
    }
}

/// Half of what is expected to be left, within the bounds: close looks only when it is nearly time.
fn next_look(context: &Context<'_>, elapsed: u64) -> u64 {
    let left = expected(context).saturating_sub(elapsed);
    let late = elapsed.saturating_sub(expected(context)) / 4;
    (left / 2).max(late).clamp(context.pace.poll_min, context.pace.poll_max)
}

fn new_task(input: &input::Input) -> wire::NewTask {
    let options = input.options.clone();
    let editing = wire::EditingOptions {
        captions: options.captions,
        reframe: options.reframe,
        emojis: options.emojis,
        intro_title: options.intro_title,
        remove_silences: options.remove_silences,
    };
    wire::NewTask {
        source_video_url: input.video_url.clone(),
        language: options.language,
        translate_to: options.translate_to,
        name: options.name,
        target_clip_count: options.target_clip_count,
        max_clip_count: options.max_clip_count,
        min_duration: options.min_duration,
        max_duration: options.max_duration,
        target_duration: options.target_duration,
        editing_options: (editing != wire::EditingOptions::default()).then_some(editing),
        dimensions: options.width.zip(options.height).map(|(width, height)| wire::Dimensions { width, height }),
        style_preset_id: options.style_preset_id,
        transcription_context: options.transcription_context,
    }
}
