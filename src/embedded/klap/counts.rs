//! What the stand-in was asked, and what Klap would have charged for it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use super::task::{ExportRecord, TaskRecord, Work};
use super::{Error, Klap};

/// Klap's list prices in cents.
const CENTS_PER_TASK: u64 = 44;
const CENTS_PER_CLIP: u64 = 32;
const CENTS_PER_EXPORT: u64 = 48;
const RANGES_KEPT: usize = 1_000;

/// What can be asked of it, and made to fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    CreateTask,
    Task,
    Folder,
    Export,
    ExportStatus,
    Exports,
    File,
}

/// Everything counted. What was billed is kept over restarts, the rest begins anew.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Counts {
    /// Calls since the start, failed ones included.
    pub calls: BTreeMap<Operation, u64>,
    /// Tasks ever created: each is billed.
    pub tasks: u64,
    /// The same by the video they name.
    pub tasks_by_source: BTreeMap<String, u64>,
    /// Clips ever found: each is billed.
    pub projects: u64,
    /// Exports ever created, by project: each is billed.
    pub exports: BTreeMap<String, u64>,
    pub exports_total: u64,
    /// At list price.
    pub cents: u64,
    /// Bytes of rendered files sent since the start.
    pub bytes_served: u64,
    /// The `Range` of each request for a part of a rendered file, in order, the latest thousand since the start.
    pub ranges: VecDeque<String>,
    /// Requests for files that carried a key although none is needed: a leak.
    pub keys_leaked: u64,
}

/// The part that is counted in memory.
#[derive(Debug, Default)]
pub(super) struct Tally {
    calls: Mutex<BTreeMap<Operation, u64>>,
    ranges: Mutex<VecDeque<String>>,
    pub bytes_served: AtomicU64,
    pub keys_leaked: AtomicU64,
}

impl Tally {
    pub fn call(&self, operation: Operation) {
        *self.calls.lock().unwrap_or_else(PoisonError::into_inner).entry(operation).or_default() += 1;
    }

    pub fn range(&self, asked: &str) {
        let mut ranges = self.ranges.lock().unwrap_or_else(PoisonError::into_inner);
        if ranges.len() >= RANGES_KEPT {
            ranges.pop_front();
        }
        ranges.push_back(asked.to_owned());
    }
}

pub(super) async fn counts(klap: &Klap) -> Result<Counts, Error> {
    let tasks: Vec<TaskRecord> = klap.records.list("task/").await?;
    let all: Vec<ExportRecord> = klap.records.list("export/").await?;
    let found = |task: &TaskRecord| if let Work::Done(_, clips) = &task.work { clips.len() as u64 } else { 0 };
    let mut tasks_by_source = BTreeMap::new();
    for task in &tasks {
        *tasks_by_source.entry(task.request.source_video_url.clone()).or_default() += 1;
    }
    let (tasks, projects) = (tasks.len() as u64, tasks.iter().map(found).sum::<u64>());
    let mut exports = BTreeMap::new();
    for export in &all {
        *exports.entry(export.project.clone()).or_default() += 1;
    }
    let exports_total = all.len() as u64;
    Ok(Counts {
        calls: klap.tally.calls.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        tasks,
        tasks_by_source,
        projects,
        exports,
        exports_total,
        cents: tasks * CENTS_PER_TASK + projects * CENTS_PER_CLIP + exports_total * CENTS_PER_EXPORT,
        ranges: klap.tally.ranges.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        bytes_served: klap.tally.bytes_served.load(Ordering::Relaxed),
        keys_leaked: klap.tally.keys_leaked.load(Ordering::Relaxed),
    })
}
