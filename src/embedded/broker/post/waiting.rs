//! Waiting for the post office to be done, and not waiting: moving its time on.

use super::Post;
use crate::embedded::broker::message::Millis;
use std::time::Duration;

/// How long moving the time on may take.
const ADVANCE_MAX: Duration = Duration::from_mins(1);

impl Post {
    /// Waits until nothing is pending; the number of messages that still are, if it took too long.
    pub async fn calm(&self, timeout: Duration) -> usize {
        let waited = tokio::time::timeout(timeout, async {
            loop {
                let mut told = std::pin::pin!(self.calm.notified());
                told.as_mut().enable();
                if self.pending() == 0 {
                    return;
                }
                told.await;
            }
        });
        match waited.await {
            Ok(()) => 0,
            Err(_) => self.pending(),
        }
    }

    fn pending(&self) -> usize {
        self.board().pending(self.clock.now())
    }

    /// Moves time on, by so much or as far as the next due thing, schedule by schedule so that each fires in its turn. By
    /// how much it did: less than wished if there was too much to fire.
    pub async fn advance(&self, by: Option<Millis>) -> Millis {
        let start = self.clock.now();
        let target = match by {
            Some(by) => start.saturating_add(by.max(0)),
            None => self.board().next_due().unwrap_or(start),
        };
        let moved = tokio::time::timeout(ADVANCE_MAX, async {
            loop {
                let next = self.board().timetable.next();
                let Some(at) = next.filter(|at| *at <= target) else { return };
                self.move_to(at);
                self.fired().await;
            }
        });
        if moved.await.is_ok() {
            self.move_to(target);
        }
        self.clock.now() - start
    }

    fn move_to(&self, time: Millis) {
        self.clock.advance(time - self.clock.now());
        self.wake.notify_one();
    }

    /// Waits until every schedule that is due was looked at.
    async fn fired(&self) {
        loop {
            let mut told = std::pin::pin!(self.calm.notified());
            told.as_mut().enable();
            if !self.board().is_firing(self.clock.now()) {
                return;
            }
            told.await;
        }
    }

    /// As far as the next due thing, if messages wait for their time and nothing else is going on.
    pub(super) fn leap(&self) {
        let (board, now) = (self.board(), self.clock.now());
        let still = board.queue.flying() == 0 && !board.is_firing(now);
        if let (Some(due), Some(_), true) = (board.next_due(), board.queue.next_due(), still) {
            self.clock.advance(due - now);
        }
    }
}
