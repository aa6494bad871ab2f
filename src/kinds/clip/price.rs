//! What a job costs at Klap's list price. An estimate for the daily limit, never a bill: where it is not known how many clips
//! a task made, as many are counted as were asked for.

use super::input::Input;
use super::plan::{ClipState, Plan};
use super::step;
use crate::job::Job;

/// In cents: a video taken, a clip found in it, an export of a clip.
const TASK: u64 = 44;
const CLIP: u64 = 32;
const EXPORT: u64 = 48;
/// Klap's own default.
const CLIPS_DEFAULT: u32 = 10;

/// What was paid for, the calls of unknown outcome included, and while the job lives what it may still have to pay if
/// nothing has to be repeated.
pub fn cents(job: &Job) -> u64 {
    counted(job, !job.is_final())
}

/// What was paid for by now.
pub fn cents_paid(job: &Job) -> u64 {
    counted(job, false)
}

/// What a retry pays for from this step on although that, or what it stands in for, was paid or may have been; in words.
pub fn pays_again(job: &Job, step: &str, plan: &Plan) -> Option<String> {
    let unpaid = |effect: &str| job.ledger.receipt(effect).is_none();
    match step {
        step::SUBMIT => {
            (unpaid(&plan.submit_effect()) && paid(job, "submit:") > 0).then(|| "a new task at Klap".to_owned())
        }
        step::EXPORT => {
            let pending = plan.clips.iter().filter(|clip| clip.state == ClipState::Pending);
            match pending.filter(|clip| clip.generation > 1 && unpaid(&clip.export_effect())).count() {
                0 => None,
                1 => Some("a clip's export once more".to_owned()),
                exports => Some(format!("the exports of {exports} clips once more")),
            }
        }
        _ => None,
    }
}

fn counted(job: &Job, ahead: bool) -> u64 {
    let most = u64::from(most_clips(job));
    let plan = Plan::read(&job.plan).unwrap_or_else(Plan::beginning);
    let (mut tasks, mut exports) = (paid(job, "submit:"), paid(job, "export:"));
    if ahead {
        tasks += u64::from(paid(job, &plan.submit_effect()) == 0);
        exports += match plan.clips.len() {
            0 => most.saturating_sub(exports),
            _ => plan
                .clips
                .iter()
                .filter(|clip| clip.state == ClipState::Pending && paid(job, &clip.export_effect()) == 0)
                .fold(0, |sum, _| sum + 1),
        };
    }
    let listed = u64::try_from(plan.clips.len()).unwrap_or(most);
    let found = match (tasks, listed) {
        (0, _) => 0,
        (_, 0) => tasks * most,
        _ => (tasks - 1) * most + listed,
    };
    tasks * TASK + found * CLIP + exports * EXPORT
}

/// Calls that were billed, or may have been.
fn paid(job: &Job, effect: &str) -> u64 {
    let is_it = |name: &str| if effect.ends_with(':') { name.starts_with(effect) } else { name == effect };
    let receipts = job.ledger.receipts.iter().filter(|receipt| is_it(&receipt.effect)).count();
    let unknown = job.ledger.intents.iter().filter(|intent| is_it(&intent.effect)).count();
    u64::try_from(receipts + unknown).unwrap_or(u64::MAX)
}

fn most_clips(job: &Job) -> u32 {
    let options = Input::read(&job.input).unwrap_or_default().options;
    options.max_clip_count.unwrap_or_else(|| options.target_clip_count.unwrap_or(CLIPS_DEFAULT).max(CLIPS_DEFAULT))
}
