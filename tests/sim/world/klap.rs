//! Klap: tasks that take their time, folders that stay empty for a while, exports that are rendered, and a bill for each
//! call. What a process heard of a bill is kept apart from what it never heard of.

use super::network::{json, plain};
use super::{Setting, World};
use crate::faults::Fault as F;
use cliprelay::job::Millis;
use cliprelay::services::klap::wire::{Export, FailureFields, NewTask, Project, Task, TaskStatus};
use fastrand::Rng;
use reqwest::{Method, Request, Response};
use std::ops::Range;

/// One billed call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bill {
    pub what: Billed,
    /// The id that was given for it.
    pub id: String,
    /// The living process that got the answer.
    pub heard: Option<usize>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Billed {
    /// A task for the video of this address.
    Task(String),
    /// An export of this clip, when that many had ended in error or were forgotten before.
    Export { folder: String, clip: String, ended: usize },
}

impl Bill {
    pub fn is_task(&self) -> bool {
        matches!(self.what, Billed::Task(_))
    }
}

struct Made {
    id: String,
    ready: Millis,
    failed: bool,
}

struct Rendered {
    id: String,
    folder: String,
    clip: String,
    made: Millis,
    ready: Millis,
    failed: bool,
    forgotten: bool,
}

pub struct Klap {
    clips: usize,
    large: bool,
    working: Millis,
    empty: Millis,
    rendering: Millis,
    tasks: Vec<Made>,
    exports: Vec<Rendered>,
    bills: Vec<Bill>,
    folder_missing: usize,
}

impl Klap {
    pub fn drawn(rng: &mut Rng, setting: &Setting) -> Self {
        Self {
            clips: setting.clips,
            large: setting.large,
            working: rng.u64(330_000..900_000),
            empty: rng.u64(5_000..40_000),
            rendering: rng.u64(20_000..150_000),
            tasks: Vec::new(),
            exports: Vec::new(),
            bills: Vec::new(),
            folder_missing: 0,
        }
    }

    pub fn billed(&self) -> usize {
        self.bills.len()
    }

    pub fn heard(&mut self, bills: Range<usize>, process: usize) {
        for bill in &mut self.bills[bills] {
            bill.heard = Some(process);
        }
    }

    pub fn bills(&self) -> &[Bill] {
        &self.bills
    }

    /// The size of an export's file; `None` if it is not rendered.
    pub fn file(&self, export: &str) -> Option<u64> {
        let number = self.exports.iter().position(|rendered| rendered.id == export)? as u64;
        let small = 90_000 + 7_001 * number;
        Some(if self.large { 6 * 1024 * 1024 + 1_000_003 + small } else { small })
    }

    fn make_task(&mut self, video: String, now: Millis) -> Task {
        let id = format!("task{}", self.tasks.len() + 1);
        self.bills.push(Bill { what: Billed::Task(video), id: id.clone(), heard: None });
        self.tasks.push(Made { id, ready: now + self.working, failed: false });
        self.task(self.tasks.len() - 1, now)
    }

    fn task(&self, index: usize, now: Millis) -> Task {
        let made = &self.tasks[index];
        let failure = FailureFields {
            error_message: made.failed.then(|| "out of memory".to_owned()),
            ..FailureFields::default()
        };
        let status = match made {
            Made { failed: true, .. } => TaskStatus::Error,
            Made { ready, .. } if now >= *ready => TaskStatus::Ready,
            Made { .. } => TaskStatus::Processing,
        };
        Task {
            id: made.id.clone(),
            kind: None,
            status,
            created_at: None,
            output_type: Some("folder".to_owned()),
            output_id: Some(format!("folder{}", index + 1)),
            failure,
        }
    }

    fn folder(&mut self, folder: &str, now: Millis, fault: Option<F>) -> Option<Vec<Project>> {
        if fault == Some(F::FolderMissing) {
            self.folder_missing = 2;
        }
        if self.folder_missing > 0 {
            self.folder_missing -= 1;
            return None;
        }
        let index = folder.strip_prefix("folder")?.parse::<usize>().ok()? - 1;
        let made = self.tasks.get(index)?;
        if now < made.ready + self.empty {
            return Some(Vec::new());
        }
        let clip = |number| Project {
            id: format!("{folder}-clip{number}"),
            name: Some(format!("Clip {number}")),
            duration: Some(12.5),
            ..Project::default()
        };
        Some((1..=self.clips).map(clip).collect())
    }

    fn make_export(&mut self, folder: &str, clip: &str, now: Millis) -> Export {
        let id = format!("export{}", self.exports.len() + 1);
        let same = self.exports.iter().filter(|other| other.folder == folder && other.clip == clip);
        let ended = same.filter(|other| other.failed || other.forgotten).count();
        let what = Billed::Export { folder: folder.to_owned(), clip: clip.to_owned(), ended };
        self.bills.push(Bill { what, id: id.clone(), heard: None });
        self.exports.push(Rendered {
            id,
            folder: folder.to_owned(),
            clip: clip.to_owned(),
            made: now,
            ready: now + self.rendering,
            failed: false,
            forgotten: false,
        });
        shown(&self.exports[self.exports.len() - 1], now)
    }

    fn export(&mut self, id: &str, now: Millis, fault: Option<F>) -> Option<Export> {
        let rendered = self.exports.iter_mut().find(|rendered| rendered.id == id)?;
        match fault {
            Some(F::ExportFails) => rendered.failed = true,
            Some(F::ExportForgotten) => rendered.forgotten = true,
            _ => {}
        }
        (!rendered.forgotten).then(|| shown(rendered, now))
    }
}

fn shown(rendered: &Rendered, now: Millis) -> Export {
    let status = match rendered {
        Rendered { failed: true, .. } => TaskStatus::Error,
        Rendered { ready, .. } if now >= *ready => TaskStatus::Ready,
        Rendered { .. } => TaskStatus::Processing,
    };
    Export {
        id: rendered.id.clone(),
        project_id: Some(rendered.clip.clone()),
        folder_id: Some(rendered.folder.clone()),
        name: None,
        created_at: Some(format!("{:020}", rendered.made)),
        status,
        src_url: (status == TaskStatus::Ready).then(|| format!("https://files.sim/{}.mp4?t={now}", rendered.id)),
        finished_at: None,
        progress: None,
        failure: FailureFields {
            error: rendered.failed.then(|| "render failed".to_owned()),
            ..FailureFields::default()
        },
    }
}

pub fn answer(world: &World, request: &Request, fault: Option<F>) -> Response {
    let now = world.now();
    let mut state = world.state();
    let klap = &mut state.klap;
    let segments: Vec<&str> = request.url().path_segments().into_iter().flatten().skip(1).collect();
    let unknown = || plain(404, r#"{"message":"not found"}"#);
    match (request.method(), segments.as_slice()) {
        (&Method::POST, ["tasks", "video-to-shorts"]) => {
            let body = request.body().and_then(|body| body.as_bytes()).expect("a body");
            let task: NewTask = serde_json::from_slice(body).expect("a task of ours");
            json(200, &klap.make_task(task.source_video_url, now))
        }
        (&Method::GET, ["tasks", id]) => {
            let Some(index) = klap.tasks.iter().position(|made| made.id == *id) else { return unknown() };
            if fault == Some(F::TaskFails) {
                klap.tasks[index].failed = true;
            }
            json(200, &klap.task(index, now))
        }
        (&Method::GET, ["projects", folder]) => {
            klap.folder(folder, now, fault).map_or_else(unknown, |projects| json(200, &projects))
        }
        (&Method::POST, ["projects", folder, clip, "exports"]) => json(200, &klap.make_export(folder, clip, now)),
        (&Method::GET, ["projects", _, _, "exports", id]) => {
            klap.export(id, now, fault).map_or_else(unknown, |export| json(200, &export))
        }
        (&Method::GET, ["exports"]) => {
            let wanted =
                request.url().query_pairs().find(|(name, _)| name == "project_id").map(|(_, id)| id.into_owned());
            let known = klap.exports.iter().filter(|export| !export.forgotten && Some(&export.clip) == wanted.as_ref());
            json(200, &known.map(|export| shown(export, now)).collect::<Vec<_>>())
        }
        (method, path) => panic!("{method} {path:?} is nothing of Klap's"),
    }
}
