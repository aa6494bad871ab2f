//! What QStash keeps among its dead letters for our worker: read a page at a time, or joined with failed jobs by label. A join
//! has one deadline and reads no further than it needs; what it does not come to is told as unread, never as not there.

use super::Engine;
use super::letters::label;
use crate::job::JobId;
use crate::services::qstash::{DeadLetter, DeadLetterFilter};
use futures_util::future::join_all;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tokio::time::{Instant, timeout, timeout_at};

/// Entries read at once, and how often, before jobs are asked about one by one.
const AT_ONCE: u32 = 100;
const PAGES: usize = 5;
/// So many jobs are asked about at the same time.
const SINGLES: usize = 8;
const PATIENCE: Duration = Duration::from_secs(5);
const LONGEST: Duration = Duration::from_secs(8);

/// A page of entries, and where the next one begins.
pub(super) type Page = (Vec<DeadLetter>, Option<String>);

/// Entries by label, as far as they were read.
#[derive(Default)]
pub(super) struct Queue {
    by_label: BTreeMap<String, Vec<DeadLetter>>,
    /// There are no others.
    pub complete: bool,
    /// Something was wanted that could not be asked, or not in time.
    pub cut: bool,
}

impl Queue {
    pub fn is_empty(&self) -> bool {
        self.by_label.is_empty()
    }

    pub fn of(&self, job: &JobId) -> &[DeadLetter] {
        self.by_label.get(job.as_str()).map_or(&[], Vec::as_slice)
    }

    /// What belongs to none of these jobs.
    pub fn beside<'a>(&'a self, jobs: &'a BTreeSet<JobId>) -> impl Iterator<Item = &'a DeadLetter> {
        self.by_label.iter().filter(|(label, _)| !jobs.contains(&JobId::new(label.as_str()))).flat_map(|(_, of)| of)
    }

    fn missing(&self, jobs: &BTreeSet<JobId>) -> Vec<JobId> {
        jobs.iter().filter(|job| !self.by_label.contains_key(job.as_str())).cloned().collect()
    }

    /// Every job has been found, and whether more stands beside them than there is room for is known.
    fn is_enough(&self, jobs: &BTreeSet<JobId>, room: Option<usize>) -> bool {
        self.missing(jobs).is_empty() && room.is_none_or(|room| self.beside(jobs).count() > room)
    }
}

impl Engine {
    /// The entries of these jobs; with `room`, also what stands beside them, all of it or more than that.
    pub(super) async fn join(&self, jobs: &BTreeSet<JobId>, room: Option<usize>) -> Queue {
        let end = Instant::now() + LONGEST;
        let mut queue = Queue::default();
        let mut cursor = None;
        for _ in 0..PAGES {
            if queue.is_enough(jobs, room) {
                return queue;
            }
            let Ok(Some((entries, next))) = timeout_at(end, self.queue_page(cursor, usize::MAX)).await else {
                queue.cut = true;
                return queue;
            };
            for entry in entries {
                let label = label(&entry).unwrap_or_default().to_owned();
                queue.by_label.entry(label).or_default().push(entry);
            }
            cursor = next;
            if cursor.is_none() {
                queue.complete = true;
                return queue;
            }
        }
        self.join_singly(&mut queue, jobs, end).await;
        queue
    }

    async fn join_singly(&self, queue: &mut Queue, jobs: &BTreeSet<JobId>, end: Instant) {
        for jobs in queue.missing(jobs).chunks(SINGLES) {
            let asked = timeout_at(end, join_all(jobs.iter().map(|job| self.entries_labelled(job)))).await;
            for (job, entries) in jobs.iter().zip(asked.unwrap_or_else(|_| vec![None; jobs.len()])) {
                match entries {
                    Some(entries) if entries.is_empty() => {}
                    Some(entries) => drop(queue.by_label.insert(job.to_string(), entries)),
                    None => queue.cut = true,
                }
            }
            if queue.cut {
                return;
            }
        }
    }

    /// `None`: QStash cannot be asked.
    pub(super) async fn queue_page(&self, cursor: Option<String>, limit: usize) -> Option<Page> {
        let count = u32::try_from(limit).unwrap_or(AT_ONCE).min(AT_ONCE);
        let url = Some(self.settings.worker_url.to_string());
        self.ask_queue(&DeadLetterFilter { url, cursor, count: Some(count), ..DeadLetterFilter::default() }).await
    }

    /// A job's entries; `None`: QStash cannot be asked.
    pub(super) async fn entries_labelled(&self, id: &JobId) -> Option<Vec<DeadLetter>> {
        let (url, label) = (Some(self.settings.worker_url.to_string()), Some(id.to_string()));
        let filter = DeadLetterFilter { url, label, count: Some(AT_ONCE), ..DeadLetterFilter::default() };
        self.ask_queue(&filter).await.map(|(entries, _)| entries)
    }

    async fn ask_queue(&self, filter: &DeadLetterFilter) -> Option<Page> {
        match timeout(PATIENCE, self.services.qstash.dead_letters(filter)).await {
            Ok(Ok(page)) => Some((page.messages, page.cursor.filter(|cursor| !cursor.is_empty()))),
            Ok(Err(error)) => {
                tracing::warn!(%error, "the dead letters could not be read");
                None
            }
            Err(_) => {
                tracing::warn!("the dead letters could not be read in time");
                None
            }
        }
    }
}
