//! Paying for exports. Calls of one round are intended in one write and made at once; each id is written as it comes. An
//! export whose outcome is unknown is looked up at Klap before it is paid again.

use super::plan::{CLIP_ATTEMPTS, Clip, ClipState, Plan};
use super::{Context, Halt, away, first_look, klap_away, klap_unauthorized, plan, settlement, step};
use crate::job::{Failure, Outcome, Settlement};
use crate::sabotage::{self, Sabotage};
use crate::services::klap::{self, wire};
use futures_util::stream::{self, StreamExt};

/// Paid calls under way at once.
const AT_ONCE: usize = 5;

/// What one round of paying came to.
#[derive(Default)]
pub(super) struct Paid {
    /// Effects known not to have been billed.
    pub refused: Vec<String>,
    /// Why the round should be tried again later, or the job cannot go on.
    pub outcome: Option<Outcome>,
}

pub(super) async fn export(context: &Context<'_>) -> Result<Settlement, Halt> {
    let mut plan = plan(context)?;
    let Some(folder) = plan.folder.clone() else {
        return Ok(settlement(context, Outcome::Next { step: step::AWAIT_TASK, after: 0 }, &plan, Vec::new()));
    };
    let paid = pay(context, &mut plan, &folder).await?;
    let outcome = paid.outcome.unwrap_or_else(|| next(context, &plan));
    Ok(settlement(context, outcome, &plan, paid.refused))
}

fn next(context: &Context<'_>, plan: &Plan) -> Outcome {
    let pending = pending(plan).map(|clip| clip.failures).max();
    if let Some(failures) = pending {
        // A vendor in trouble gets time before a clip's next attempt.
        let after = context.pace.poll_min * 3_u64.pow(failures.min(CLIP_ATTEMPTS));
        return Outcome::Wait { after: after.min(context.pace.poll_max) };
    }
    if plan.failed() == plan.clips.len() {
        return Outcome::Fail { failure: no_clips_stored(plan) };
    }
    Outcome::Next { step: step::TRANSFER, after: first_look(context) }
}

pub(super) fn no_clips_stored(plan: &Plan) -> Failure {
    let why = plan.clips.iter().find_map(|clip| clip.error.clone()).unwrap_or_default();
    Failure::retryable("no_clips_stored", format!("none of {} clips could be stored: {why}", plan.clips.len()))
}

/// One round of paying for every clip that has no export.
pub(super) async fn pay(context: &Context<'_>, plan: &mut Plan, folder: &str) -> Result<Paid, Halt> {
    let mut paid = Paid::default();
    take_receipts(context, plan);
    let clips: Vec<Clip> = pending(plan).cloned().collect();
    for (number, round) in clips.chunks(AT_ONCE).enumerate() {
        let (unknown, mut to_pay): (Vec<Clip>, Vec<Clip>) = round
            .iter()
            .cloned()
            .partition(|clip| may_be_paid(context, clip) && !sabotage::is(Sabotage::UnseenExports));
        look_up(context, plan, folder, unknown, &mut to_pay, &mut paid).await?;
        if paid.outcome.is_some() {
            break;
        }
        if to_pay.is_empty() {
            continue;
        }
        let effects: Vec<String> = to_pay.iter().map(Clip::export_effect).collect();
        match context.journal.intend(&effects, true).await {
            Ok(()) => {}
            // What is paid so far is written down; the rest in the next step, with all of its time.
            Err(Halt::NotNow) => {
                let after = if number == 0 { context.pace.poll_min } else { 0 };
                paid.outcome = Some(Outcome::Wait { after });
                break;
            }
            Err(halt) => return Err(halt),
        }
        pay_round(context, plan, folder, &to_pay, &mut paid).await?;
        if paid.outcome.is_some() {
            break;
        }
    }
    Ok(paid)
}

/// Whether its export may have been paid for without a receipt.
fn may_be_paid(context: &Context<'_>, clip: &Clip) -> bool {
    context.job.rebuilt || context.job.ledger.unknown(&clip.export_effect()) > 0
}

/// Clips whose export may have been paid for: found at Klap, or to be paid.
async fn look_up(
    context: &Context<'_>,
    plan: &mut Plan,
    folder: &str,
    unknown: Vec<Clip>,
    to_pay: &mut Vec<Clip>,
    paid: &mut Paid,
) -> Result<(), Halt> {
    let mut looks = stream::iter(unknown)
        .map(async |clip| {
            let found = find(context, folder, &clip).await;
            let written = match &found {
                Ok(Some(export)) => context.journal.receive(&clip.export_effect(), export).await,
                Ok(None) | Err(_) => Ok(()),
            };
            (clip, found, written)
        })
        .buffer_unordered(AT_ONCE);
    let mut halted = Ok(());
    while let Some((clip, found, written)) = looks.next().await {
        halted = halted.and(written);
        match found {
            Ok(Some(export)) => exported(plan, &clip.id, export),
            Ok(None) => to_pay.push(clip),
            Err(error @ klap::Error::Refused { .. }) => fail(plan, &clip.id, |clip| clip.fail(error.to_string())),
            Err(error) => paid.outcome = Some(klap_away(&error)),
        }
    }
    halted
}

/// Pays for these clips at once. Each receipt is written as soon as its call is answered, while the others go on.
async fn pay_round(
    context: &Context<'_>,
    plan: &mut Plan,
    folder: &str,
    round: &[Clip],
    paid: &mut Paid,
) -> Result<(), Halt> {
    let klap = &context.services.klap;
    let mut calls = stream::iter(round.to_vec())
        .map(async |clip| {
            let answer = klap.export(folder, &clip.id, context.pace.paid_call).await;
            let written = match &answer {
                Ok(export) => context.journal.receive(&clip.export_effect(), &export.id).await,
                Err(_) => Ok(()),
            };
            (clip, answer, written)
        })
        .buffer_unordered(AT_ONCE);
    // All answers are taken in before giving up: each may be a paid id.
    let mut halted = Ok(());
    while let Some((clip, answer, written)) = calls.next().await {
        halted = halted.and(written);
        match answer {
            Ok(export) => exported(plan, &clip.id, export.id),
            Err(error) => not_exported(plan, &clip, &error, paid),
        }
    }
    halted
}

fn fail(plan: &mut Plan, clip: &str, how: impl FnOnce(&mut Clip)) {
    if let Some(clip) = plan.clips.iter_mut().find(|other| other.id == clip) {
        how(clip);
    }
}

/// Exports paid by an earlier attempt that did not come to write its plan.
fn take_receipts(context: &Context<'_>, plan: &mut Plan) {
    for clip in plan.clips.iter_mut().filter(|clip| clip.state == ClipState::Pending) {
        if let Some(export) = context.job.ledger.receipt(&clip.export_effect()) {
            clip.export = Some(export.to_owned());
            clip.state = ClipState::Exporting;
        }
    }
}

fn pending(plan: &Plan) -> impl Iterator<Item = &Clip> {
    plan.clips.iter().filter(|clip| clip.state == ClipState::Pending)
}

fn exported(plan: &mut Plan, clip: &str, export: String) {
    if let Some(clip) = plan.clips.iter_mut().find(|other| other.id == clip) {
        clip.export = Some(export);
        clip.state = ClipState::Exporting;
    }
}

/// An export of this clip that we paid for without hearing of it: the newest that is not one we know.
async fn find(context: &Context<'_>, folder: &str, clip: &Clip) -> Result<Option<String>, klap::Error> {
    let known = |id: &str| context.job.ledger.receipts.iter().any(|receipt| receipt.id == id);
    let mut exports = match context.services.klap.exports(folder, &clip.id).await {
        Err(klap::Error::NotFound) => Vec::new(),
        exports => exports?,
    };
    // One in error counts as paid like any other: looking at it later tells. But it may be an earlier generation's.
    let errors_count = clip.generation == 1;
    exports.retain(|export| !known(&export.id) && (errors_count || export.status != wire::TaskStatus::Error));
    exports.sort_by(|a, b| a.created_at.cmp(&b.created_at));
    Ok(exports.pop().map(|export| export.id))
}

fn not_exported(plan: &mut Plan, clip: &Clip, error: &klap::Error, paid: &mut Paid) {
    if !error.may_be_billed() {
        paid.refused.push(clip.export_effect());
    }
    let Some(clip) = plan.clips.iter_mut().find(|other| other.id == clip.id) else { return };
    match error {
        klap::Error::Unauthorized => paid.outcome = Some(Outcome::Fail { failure: klap_unauthorized() }),
        klap::Error::NotSent(_) => paid.outcome = Some(away("klap_away", error, None)),
        klap::Error::Busy { after } => paid.outcome = Some(away("klap_away", error, *after)),
        klap::Error::Unavailable { .. } | klap::Error::Unknown(_) => clip.fail(error.to_string()),
        klap::Error::NotFound | klap::Error::Refused { .. } => clip.give_up(error.to_string()),
    }
}
