//! What the stand-in knows of a task and its exports, and how that looks from outside at a given moment.

use serde::{Deserialize, Serialize};

use crate::embedded::cutter::Range;
use crate::services::klap::wire::{Export, FailureFields, NewTask, Project, Task, TaskStatus};

use super::pace::Pace;

/// How far the work behind a task or an export has come.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Work<T> {
    Running,
    /// With the moment it was done (milliseconds).
    Done(i64, T),
    Failed(FailureFields),
}

/// A failure as the API tells it.
pub(super) fn failure(code: &str, message: impl Into<String>) -> FailureFields {
    FailureFields { error: None, error_code: Some(code.to_owned()), error_message: Some(message.into()) }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct TaskRecord {
    pub id: String,
    pub folder: String,
    pub created: i64,
    pub request: NewTask,
    pub work: Work<Vec<ClipRecord>>,
    /// Looks at the task, and at its folder once the task was ready.
    pub looks: u32,
    pub folder_looks: u32,
    /// Ends in this error once the work is done: asked for under `/klap/control`.
    pub doomed: Option<FailureFields>,
}

/// A clip found in the video: what is told of it, and where it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct ClipRecord {
    pub project: Project,
    pub from: usize,
    pub to: usize,
}

impl TaskRecord {
    pub fn new(id: String, folder: String, created: i64, request: NewTask) -> Self {
        Self { id, folder, created, request, work: Work::Running, looks: 0, folder_looks: 0, doomed: None }
    }

    pub fn status(&self, pace: &Pace, now: i64) -> TaskStatus {
        match &self.work {
            Work::Failed(_) => TaskStatus::Error,
            Work::Done(..) if pace.task.is_over(self.created, self.looks, now) => TaskStatus::Ready,
            Work::Running | Work::Done(..) => TaskStatus::Processing,
        }
    }

    /// The clips, once the folder shows them.
    pub fn clips(&self, pace: &Pace, now: i64) -> &[ClipRecord] {
        let Work::Done(done, clips) = &self.work else { return &[] };
        let ready = match pace.task {
            super::Wait::For(time) => self.created.saturating_add(super::pace::millis(time)).max(*done),
            super::Wait::Looks(_) => *done,
        };
        let is_ready = self.status(pace, now) == TaskStatus::Ready;
        if is_ready && pace.empty_folder.is_over(ready, self.folder_looks, now) { clips } else { &[] }
    }

    pub fn clip(&self, project: &str) -> Option<&ClipRecord> {
        let Work::Done(_, clips) = &self.work else { return None };
        clips.iter().find(|clip| clip.project.id == project)
    }

    /// As the API shows it.
    pub fn view(&self, pace: &Pace, now: i64) -> Task {
        Task {
            id: self.id.clone(),
            kind: Some("video-to-shorts".to_owned()),
            status: self.status(pace, now),
            created_at: time(self.created),
            output_type: Some("folder".to_owned()),
            output_id: Some(self.folder.clone()),
            failure: if let Work::Failed(failure) = &self.work { failure.clone() } else { FailureFields::default() },
        }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct ExportRecord {
    pub id: String,
    pub folder: String,
    pub project: String,
    pub name: Option<String>,
    pub created: i64,
    pub work: Work<()>,
    pub looks: u32,
    pub doomed: Option<FailureFields>,
}

impl ExportRecord {
    pub fn key(&self) -> String {
        export_key(&self.project, &self.id)
    }

    pub fn status(&self, pace: &Pace, now: i64) -> TaskStatus {
        match &self.work {
            Work::Failed(_) => TaskStatus::Error,
            Work::Done(..) if pace.export.is_over(self.created, self.looks, now) => TaskStatus::Ready,
            Work::Running | Work::Done(..) => TaskStatus::Processing,
        }
    }

    /// As the API shows it; `src_url` is told only when it is ready.
    pub fn view(&self, pace: &Pace, now: i64, src_url: String) -> Export {
        let status = self.status(pace, now);
        let ready = status == TaskStatus::Ready;
        let done = if let Work::Done(at, ()) = self.work { Some(at) } else { None };
        Export {
            id: self.id.clone(),
            project_id: Some(self.project.clone()),
            folder_id: Some(self.folder.clone()),
            name: self.name.clone(),
            created_at: time(self.created),
            status,
            src_url: ready.then_some(src_url),
            finished_at: done.filter(|_| ready).and_then(time),
            progress: Some(if ready { 1.0 } else { 0.0 }),
            failure: if let Work::Failed(failure) = &self.work { failure.clone() } else { FailureFields::default() },
        }
    }
}

pub(super) fn export_key(project: &str, export: &str) -> String {
    format!("export/{project}/{export}")
}

/// What is told of a planned clip. The score is the share of movement (bytes a second) in the liveliest clip; there is no
/// speech recognition here, and the texts say so.
pub(super) fn clip(record: &TaskRecord, number: usize, range: &Range, liveliest: f64, now: i64) -> ClipRecord {
    let title = record.request.name.as_deref().unwrap_or("Upload");
    let span = format!("{}–{}", clock(range.start), clock(range.start + range.duration));
    let caption = |platform: &str| (platform.to_owned(), format!("{title}, part {number} ({span})"));
    let project = Project {
        id: id(12),
        author_id: Some("stand-in".to_owned()),
        folder_id: Some(record.folder.clone()),
        name: Some(format!("{title}, part {number}")),
        created_at: time(now),
        virality_score: Some((liveliness(range) / liveliest.max(1.0) * 100.0).round().clamp(1.0, 100.0)),
        virality_score_explanation: Some(
            "Movement in the picture, compared with the liveliest clip of this video".to_owned(),
        ),
        duration: Some(range.duration),
        transcript_text: Some(format!("[no speech recognition in the local stand-in] {span}")),
        publication_captions: ["tiktok", "youtube", "linkedin", "instagram"].map(caption).into(),
    };
    ClipRecord { project, from: range.from, to: range.to }
}

/// Video bytes a second.
#[expect(clippy::cast_precision_loss, reason = "a measure to compare clips by")]
pub(super) fn liveliness(range: &Range) -> f64 {
    range.bytes as f64 / range.duration.max(0.001)
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "seconds of a film")]
fn clock(seconds: f64) -> String {
    let seconds = seconds.max(0.0).round() as u64;
    format!("{}:{:02}", seconds / 60, seconds % 60)
}

fn time(millis: i64) -> Option<String> {
    jiff::Timestamp::from_millisecond(millis).ok().map(|time| format!("{time:.3}"))
}

/// A fresh id of `length` letters and digits (at most 20), like Klap's.
pub(super) fn id(length: usize) -> String {
    const ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let mut random = uuid::Uuid::new_v4().as_u128();
    let letters = (0..length.min(20)).map(|_| {
        let letter = usize::try_from(random % 62).unwrap_or(0);
        random /= 62;
        char::from(ALPHABET[letter])
    });
    letters.collect()
}
