//! The work behind the answers: fetching and inspecting a video, cutting an export. Runs in the background, a few at a time,
//! and from the start again if it was interrupted; a result is recorded only when its file is whole.

use std::sync::{Arc, PoisonError};

use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use crate::embedded::cutter::{self, Source};
use crate::services::klap::wire::FailureFields;

use super::task::{ClipRecord, ExportRecord, TaskRecord, Work as Progress, clip, failure, liveliness};
use super::{Error, Klap, fetch, now};

/// Enough to keep a small machine busy.
const AT_ONCE: usize = 2;
/// Klap's limit on a source.
const SOURCE_SECONDS_MAX: f64 = 5.0 * 3600.0;

/// What runs in the background, and a signal whenever something of it is done.
#[derive(Debug)]
pub(super) struct Work {
    running: JoinSet<()>,
    slots: Arc<Semaphore>,
    done: watch::Sender<u64>,
}

impl Default for Work {
    fn default() -> Self {
        Self { running: JoinSet::new(), slots: Arc::new(Semaphore::new(AT_ONCE)), done: watch::Sender::new(0) }
    }
}

impl Work {
    pub async fn shutdown(&mut self) {
        self.running.shutdown().await;
    }
}

/// One piece of work, by its record.
#[derive(Debug, Clone)]
pub(super) enum Piece {
    Task(TaskRecord),
    Export(ExportRecord),
}

/// Goes on with everything that was not done when the stand-in last ended.
pub(super) async fn resume(klap: &Arc<Klap>) -> Result<(), Error> {
    let tasks: Vec<TaskRecord> = klap.records.list("task/").await?;
    let exports: Vec<ExportRecord> = klap.records.list("export/").await?;
    let tasks = tasks.into_iter().filter(|task| task.work == Progress::Running).map(Piece::Task);
    let exports = exports.into_iter().filter(|export| export.work == Progress::Running).map(Piece::Export);
    tasks.chain(exports).for_each(|piece| start(klap, piece));
    Ok(())
}

pub(super) fn start(klap: &Arc<Klap>, piece: Piece) {
    let mut work = klap.work.lock().unwrap_or_else(PoisonError::into_inner);
    while work.running.try_join_next().is_some() {}
    let (klap, slots, done) = (klap.clone(), work.slots.clone(), work.done.clone());
    work.running.spawn(async move {
        let _slot = slots.acquire_owned().await;
        let outcome = match piece {
            Piece::Task(task) => prepare(&klap, task).await,
            Piece::Export(export) => render(&klap, export).await,
        };
        if let Err(error) = outcome {
            tracing::error!(error = %error, "the Klap stand-in could not record its work");
        }
        done.send_modify(|count| *count += 1);
    });
}

/// Tells when pieces of work get done, from now on.
pub(super) fn watch(klap: &Klap) -> watch::Receiver<u64> {
    klap.work.lock().unwrap_or_else(PoisonError::into_inner).done.subscribe()
}

async fn prepare(klap: &Klap, task: TaskRecord) -> Result<(), Error> {
    let found = match task.doomed.clone() {
        Some(failure) => Err(failure),
        None => clips(klap, &task).await,
    };
    let work = match found {
        Ok(clips) => Progress::Done(now(), clips),
        Err(failure) => Progress::Failed(failure),
    };
    klap.records.update(&format!("task/{}", task.id), move |task: &mut TaskRecord| task.work = work).await?;
    Ok(())
}

async fn clips(klap: &Klap, task: &TaskRecord) -> Result<Vec<ClipRecord>, FailureFields> {
    let path = klap.source_file(&task.id);
    if !tokio::fs::try_exists(&path).await.unwrap_or(false) {
        fetch::fetch(klap, &task.request.source_video_url, &path).await?;
    }
    let source = blocking(move || cutter::inspect(&path)).await?;
    if source.duration > SOURCE_SECONDS_MAX {
        return Err(failure("video_too_long", "the video is longer than 5 hours"));
    }
    Ok(planned(task, &source))
}

/// The clips of a source, by the request's wishes or Klap's defaults.
fn planned(task: &TaskRecord, source: &Source) -> Vec<ClipRecord> {
    let asked = &task.request;
    let count = asked.target_clip_count.unwrap_or(10).min(asked.max_clip_count.unwrap_or(10));
    let seconds = |asked: Option<u32>, default: u32| f64::from(asked.unwrap_or(default));
    let ranges = cutter::plan(
        source,
        usize::try_from(count).unwrap_or(usize::MAX),
        seconds(asked.min_duration, 1),
        seconds(asked.max_duration, 180),
        seconds(asked.target_duration, 60),
    );
    let liveliest = ranges.iter().map(liveliness).fold(0.0, f64::max);
    (1..).zip(&ranges).map(|(number, range)| clip(task, number, range, liveliest, now())).collect()
}

async fn render(klap: &Klap, export: ExportRecord) -> Result<(), Error> {
    let rendered = match export.doomed.clone() {
        Some(failure) => Err(failure),
        None => rendered(klap, &export).await?,
    };
    let work = match rendered {
        Ok(()) => Progress::Done(now(), ()),
        Err(failure) => Progress::Failed(failure),
    };
    klap.records.update(&export.key(), move |export: &mut ExportRecord| export.work = work).await?;
    Ok(())
}

async fn rendered(klap: &Klap, export: &ExportRecord) -> Result<Result<(), FailureFields>, Error> {
    let task = super::api::task_of(klap, &export.folder).await?;
    let Some((task, clip)) = task.as_ref().and_then(|task| Some((task, task.clip(&export.project)?))) else {
        return Ok(Err(failure("project_gone", "the project is gone")));
    };
    let (source, out) = (klap.source_file(&task.id), klap.render_file(&export.id));
    let (from, to) = (clip.from, clip.to);
    let cut = move || {
        let part = out.with_extension("part");
        cutter::cut(&source, from, to, &part)?;
        std::fs::rename(&part, &out).map_err(|source| cutter::Error::Write { path: out, source })
    };
    Ok(blocking(cut).await)
}

/// Cuts on a thread of its own; a refusal becomes the failure that Klap would tell.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, cutter::Error> + Send + 'static,
) -> Result<T, FailureFields> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result.map_err(|error| failure(error.code(), error.to_string())),
        Err(_) => Err(failure("internal", "the cutter was interrupted")),
    }
}
