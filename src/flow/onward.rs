//! Seeing to all dead letters, request after request: each goes on behind the last letter that the one before saw to. What fails
//! after the first began is left alone, or what is replayed and fails again would be met for ever: among the jobs it is newer than
//! all that are still to come, and among QStash's entries its time tells.

use super::letters::{died_at, is_failed, reopened};
use super::list::Part;
use super::replay::{Done, Handled, Handling, Handlings, LETTERS_MAX};
use super::{Engine, Fault, Place};
use crate::job::{Job, Millis};
use crate::store::keys;
use std::time::Duration;
use tokio::time::Instant;

/// Where to go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Onward {
    /// The first request, by the store's time.
    pub began: Millis,
    pub at: At,
}

/// The failed jobs come first, then QStash's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum At {
    /// Older than this place; from the newest on.
    Jobs(Option<Place>),
    /// In this page of QStash's, behind so many of its letters: those that were seen to and are there still.
    Queue { cursor: Option<String>, left: usize },
}

/// One request's part.
struct Turn<'a> {
    handling: Handling,
    code: Option<&'a str>,
    dry_run: bool,
    longest: Duration,
    onward: Onward,
    /// Since the first letters are known. However long that took, one of them is seen to.
    end: Option<Instant>,
    results: Vec<Handled>,
    queue_read: bool,
}

impl Engine {
    pub(super) async fn handle_all(
        &self,
        (handling, dry_run): (Handling, bool),
        code: Option<&str>,
        from: Option<Onward>,
        longest: Duration,
    ) -> Result<Handlings, Fault> {
        let onward = match from {
            Some(onward) => onward,
            None => Onward { began: self.store.due(0).await?.now, at: At::Jobs(None) },
        };
        let mut turn =
            Turn { handling, code, dry_run, longest, onward, end: None, results: Vec::new(), queue_read: true };
        loop {
            let part = match turn.onward.at.clone() {
                At::Jobs(before) => Box::pin(self.handle_jobs(&mut turn, before)).await,
                At::Queue { cursor, left } => Box::pin(self.handle_queue(&mut turn, cursor, left)).await,
            };
            let (ended, broken) = match part {
                Ok(ended) => (ended, false),
                Err(fault) if turn.results.is_empty() => return Err(fault),
                // What was done is told; whoever goes on from there meets what is wrong.
                Err(_) => (false, true),
            };
            if ended || broken || turn.is_over() {
                let Turn { results, queue_read, onward, .. } = turn;
                return Ok(Handlings { results, more: !ended, next: (!ended).then_some(onward), queue_read });
            }
        }
    }

    /// Some of the failed jobs; whether that was all there is to do.
    async fn handle_jobs(&self, turn: &mut Turn<'_>, before: Option<Place>) -> Result<bool, Fault> {
        let part = Part { list: keys::failed_jobs(), since: None, before, limit: turn.room(), at_once: LETTERS_MAX };
        let found = self.sift(part, |place, job| turn.wants_job(place, job)).await?;
        turn.begin();
        for (place, loaded) in found.jobs {
            let done = self.handle_one(turn.handling, loaded.job.id.as_str(), turn.dry_run, Some(place.at())).await;
            turn.results.push(done);
            turn.onward.at = At::Jobs(Some(place));
            if turn.is_over() {
                return Ok(false);
            }
        }
        turn.onward.at = match found.next {
            Some(next) => At::Jobs(Some(next)),
            None => At::Queue { cursor: None, left: 0 },
        };
        Ok(false)
    }

    /// Some of a page of QStash's own; whether that was all there is to do.
    async fn handle_queue(&self, turn: &mut Turn<'_>, cursor: Option<String>, left: usize) -> Result<bool, Fault> {
        let Some((entries, next)) = self.queue_page(cursor.clone(), LETTERS_MAX).await else {
            turn.queue_read = false;
            return Ok(true);
        };
        turn.begin();
        let (mut behind, mut looked_at) = (0, 0);
        // Newer ones may have come in front of those that are left.
        for entry in entries.iter().filter(|entry| died_at(entry) <= turn.onward.began) {
            looked_at += 1;
            if looked_at <= left {
                behind += 1;
                continue;
            }
            let letter = self.orphan(entry).await?.filter(|letter| turn.wants(&letter.code, letter.replayable));
            let mut stays = true;
            if let Some(letter) = letter {
                let done = self.handle_one(turn.handling, &letter.id, turn.dry_run, None).await;
                stays = !matches!(done.done, Done::Replayed | Done::Dropped);
                turn.results.push(done);
            }
            behind += usize::from(stays);
            turn.onward.at = At::Queue { cursor: cursor.clone(), left: behind };
            if turn.is_over() {
                return Ok(false);
            }
        }
        match next {
            Some(next) => {
                turn.onward.at = At::Queue { cursor: Some(next), left: left.saturating_sub(looked_at) };
                Ok(false)
            }
            None => Ok(true),
        }
    }
}

impl Turn<'_> {
    fn wants(&self, code: &str, replayable: bool) -> bool {
        (self.handling == Handling::Drop || replayable) && self.code.is_none_or(|wanted| wanted == code)
    }

    fn wants_job(&self, place: &Place, job: &Job) -> bool {
        let code = job.error.as_ref().map_or("failed", |failure| failure.code.as_str());
        // Who failed, was tried again and failed anew is at two places, and belongs to the later.
        is_failed(job) && job.finished_at == Some(place.at()) && self.wants(code, reopened(job).is_ok())
    }

    fn begin(&mut self) {
        self.end.get_or_insert_with(|| Instant::now() + self.longest);
    }

    fn room(&self) -> usize {
        LETTERS_MAX.saturating_sub(self.results.len()).max(1)
    }

    fn is_over(&self) -> bool {
        self.results.len() >= LETTERS_MAX || self.end.is_some_and(|end| Instant::now() >= end)
    }
}
