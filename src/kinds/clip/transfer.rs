//! Looking at the exports and streaming the ready ones into storage, several at once, until all clips are settled or the
//! step's time is nearly up. Each stored clip is written down as it lands; a long upload goes on where storage says it
//! stands, also in another process.

use super::export::{no_clips_stored, pay};
use super::plan::{Clip, ClipState, Plan, Stored, Upload};
use super::store_clip::{Moved, StoreClip, Trouble};
use super::view::private_url;
use super::{Context, Halt, away, first_look, klap_away, klap_unauthorized, plan, report, settlement, step};
use crate::job::{Outcome, Settlement};
use crate::services::klap::{self, wire};
use futures_util::future::BoxFuture;
use futures_util::stream::{self, FuturesUnordered, StreamExt};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};
use url::Url;

#[cfg(test)]
mod tests;

/// Looks at exports under way at once.
const LOOKS: usize = 5;
/// Clips streamed at once.
const STREAMS: usize = 3;
/// The longest pause between two steps, and a little.
const LAST_LOOK: u64 = 330_000;
/// Kept free at the end of a step, to write down where it stands; of a short step a quarter.
const WIND_UP: Duration = Duration::from_secs(3);

pub(super) async fn transfer(context: &Context<'_>) -> Result<Settlement, Halt> {
    let mut plan = plan(context)?;
    let Some(folder) = plan.folder.clone() else {
        return Ok(settlement(context, Outcome::Next { step: step::AWAIT_TASK, after: 0 }, &plan, Vec::new()));
    };
    let mut refused = Vec::new();
    let mut trouble = None;
    match look(context, &mut plan, &folder).await {
        Ok(ready) => store_all(context, &mut plan, ready, &mut trouble).await?,
        Err(outcome) => trouble = Some(outcome),
    }
    if is_nearly_over(context) {
        give_up_unsettled(&mut plan);
    }
    if trouble.is_none() && plan.count(ClipState::Pending) > 0 {
        let paid = pay(context, &mut plan, &folder).await?;
        refused = paid.refused;
        trouble = paid.outcome.or(trouble);
    }
    let outcome = next(context, &plan, trouble);
    Ok(settlement(context, outcome, &plan, refused))
}

/// Whether this look may be the last before the job's deadline: one more pause could outlast it.
fn is_nearly_over(context: &Context<'_>) -> bool {
    let job = context.job;
    let given = job.deadline.saturating_sub(job.started_at.unwrap_or(context.now));
    job.deadline.saturating_sub(context.now) <= (given / 10).min(LAST_LOOK)
}

/// What is stored is worth more than what is still missing when the time is over.
fn give_up_unsettled(plan: &mut Plan) {
    for clip in plan.clips.iter_mut().filter(|clip| !clip.is_settled()) {
        let why = clip.error.take().map_or(String::new(), |why| format!(" ({why})"));
        clip.give_up(format!("not ready before the job's deadline{why}"));
    }
}

fn next(context: &Context<'_>, plan: &Plan, trouble: Option<Outcome>) -> Outcome {
    if plan.clips.iter().all(Clip::is_settled) {
        return if plan.stored() > 0 {
            Outcome::Next { step: step::FINALIZE, after: 0 }
        } else {
            Outcome::Fail { failure: no_clips_stored(plan) }
        };
    }
    if let Some(outcome) = trouble {
        return outcome;
    }
    if plan.count(ClipState::Storing) > 0 {
        return Outcome::Wait { after: 1_000 };
    }
    let failing = plan.clips.iter().any(|clip| !clip.is_settled() && clip.failures > 0);
    let pause = if failing || plan.count(ClipState::Pending) > 0 { first_look(context) } else { context.pace.poll_max };
    Outcome::Wait { after: pause.min(context.pace.poll_max) }
}

/// Asks Klap about every export still out; answers the clips whose file is ready, by index.
async fn look(context: &Context<'_>, plan: &mut Plan, folder: &str) -> Result<Vec<(usize, Url)>, Outcome> {
    let out = |clip: &Clip| matches!(clip.state, ClipState::Exporting | ClipState::Storing);
    let asked: Vec<(usize, String, String)> = plan
        .clips
        .iter()
        .enumerate()
        .filter(|(_, clip)| out(clip))
        .filter_map(|(index, clip)| Some((index, clip.id.clone(), clip.export.clone()?)))
        .collect();
    let klap = &context.services.klap;
    let mut answers: Vec<_> = stream::iter(asked)
        .map(async |(index, clip, export)| (index, klap.export_status(folder, &clip, &export).await))
        .buffer_unordered(LOOKS)
        .collect()
        .await;
    answers.sort_by_key(|(index, _)| *index);
    let mut ready = Vec::new();
    let mut away = None;
    for (index, answer) in answers {
        let clip = &mut plan.clips[index];
        match answer {
            Ok(export) => match export.status {
                wire::TaskStatus::Processing => {}
                wire::TaskStatus::Error => clip.export_failed(export.failure.told().message),
                wire::TaskStatus::Ready => match export.src_url.as_deref().map(Url::parse) {
                    Some(Ok(url)) => ready.push((index, url)),
                    _ => clip.fail("Klap's export is ready but has no usable address"),
                },
            },
            Err(klap::Error::NotFound) => clip.export_failed("Klap no longer knows the export"),
            Err(klap::Error::Unauthorized) => return Err(Outcome::Fail { failure: klap_unauthorized() }),
            Err(error @ klap::Error::Refused { .. }) => clip.fail(error.to_string()),
            Err(error) => away = Some(klap_away(&error)),
        }
    }
    // With one clip ready there is something to do although Klap is away for the others.
    match away {
        Some(outcome) if ready.is_empty() => Err(outcome),
        _ => Ok(ready),
    }
}

/// Streams the ready clips into storage until the step should wind up.
async fn store_all(
    context: &Context<'_>,
    plan: &mut Plan,
    ready: Vec<(usize, Url)>,
    trouble: &mut Option<Outcome>,
) -> Result<(), Halt> {
    let time_left = context.journal.time_left();
    let deadline = Instant::now() + time_left.saturating_sub(WIND_UP.min(time_left / 4));
    let (begun, mut uploads) = mpsc::unbounded_channel();
    let (project, job) = (context.job.project.as_str(), context.job.id.as_str());
    let mut waiting = ready.into_iter();
    let mut moving = FuturesUnordered::new();
    let mut saving = Saving::default();
    loop {
        while moving.len() < STREAMS
            && Instant::now() < deadline
            && !context.journal.time_left().is_zero()
            && let Some((index, url)) = waiting.next()
        {
            let clip = &mut plan.clips[index];
            clip.state = ClipState::Storing;
            let path = clip.path(project, job);
            let (upload, begun) = (clip.upload.clone(), begun.clone());
            let moving_clip =
                StoreClip { index, url, path, private_url: private_url(project, job, index), upload, begun };
            moving.push(moving_clip.run(context.services));
        }
        if moving.is_empty() {
            return saving.end().await;
        }
        saving.begin(context, plan);
        // Streams are fed and read while a checkpoint waits for the store.
        tokio::select! {
            biased;
            Some((index, upload)) = uploads.recv() => {
                plan.clips[index].upload = Some(upload);
                saving.wanted = saving.wanted.max(Some(false));
            }
            Some((index, moved)) = moving.next() => {
                if landed(&mut plan.clips[index], moved, trouble) {
                    saving.wanted = Some(true);
                }
            }
            saved = saving.saved() => saved?,
            () = wind_up(context, deadline) => {
                drop(moving);
                too_slow(plan);
                return saving.end().await;
            }
        }
    }
}

/// What is cut off at the end of a step without anything to go on from would be cut off in the next one as well.
fn too_slow(plan: &mut Plan) {
    for clip in plan.clips.iter_mut().filter(|clip| clip.state == ClipState::Storing && clip.upload.is_none()) {
        clip.fail("it could not be stored within a step's time");
    }
}

/// Checkpoints on their way to the store, one at a time.
#[derive(Default)]
struct Saving<'a> {
    under_way: Option<BoxFuture<'a, Result<(), Halt>>>,
    /// Another is wanted; `true`: it tells of progress.
    wanted: Option<bool>,
}

impl<'a> Saving<'a> {
    fn begin(&mut self, context: &'a Context<'_>, plan: &Plan) {
        if self.under_way.is_none()
            && let Some(further) = self.wanted.take()
        {
            let (plan, told) = (plan.write(), report(context, step::TRANSFER, plan));
            self.under_way = Some(context.journal.checkpoint(plan, told, further));
        }
    }

    /// Resolves when the one under way is written; never, if there is none.
    async fn saved(&mut self) -> Result<(), Halt> {
        match &mut self.under_way {
            Some(saving) => {
                let saved = saving.await;
                self.under_way = None;
                saved
            }
            None => std::future::pending().await,
        }
    }

    /// What is still wanted then is written by the step's settling.
    async fn end(mut self) -> Result<(), Halt> {
        if self.under_way.is_some() { self.saved().await } else { Ok(()) }
    }
}

/// Resolves when the step should stop streaming: at its time, or soon after the process is asked to stop.
async fn wind_up(context: &Context<'_>, deadline: Instant) {
    while Instant::now() < deadline && !context.journal.time_left().is_zero() {
        sleep_until(deadline.min(Instant::now() + Duration::from_millis(200))).await;
    }
}

/// Takes in how one clip's transfer ended; whether that is progress worth writing at once.
fn landed(clip: &mut Clip, moved: Moved, trouble: &mut Option<Outcome>) -> bool {
    let before = clip.upload.as_ref().map_or(0, |upload: &Upload| upload.offset);
    clip.upload = moved.upload;
    let further = clip.upload.as_ref().map_or(0, |upload| upload.offset) > before;
    if further {
        clip.failures = 0;
    }
    match moved.end {
        Ok((size, url)) => {
            clip.state = ClipState::Stored;
            clip.stored = Some(Stored { path: moved.path, size, url });
            clip.upload = None;
            clip.error = None;
            return true;
        }
        Err(Trouble::SourceAway { after, detail }) => {
            clip.state = ClipState::Exporting;
            *trouble = Some(away("clip_source_away", &detail, after));
        }
        Err(Trouble::StorageAway { after, detail }) => *trouble = Some(away("supabase_away", &detail, after)),
        Err(Trouble::Failed(why)) => {
            clip.state = ClipState::Exporting;
            clip.fail(why);
        }
        Err(Trouble::Hopeless(why)) => clip.give_up(why),
    }
    further
}
