//! A message that will not come again: QStash's failure callback says so, or its dead letters. The job is not failed for
//! it; the step is sent anew, later each time, until its attempts or its time are used up.

use super::rebuild::Rebuilt;
use super::record::{Along, Updated};
use super::step::{EXACT, exhausted, job_timeout};
use super::{Engine, Fault};
use crate::job::{self, Event, Judgement, Refused, retry, wire};
use std::time::Duration;
use tokio::time::Instant;

/// What was done about a spent message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spent {
    /// Old news: the job is final or has moved on.
    Noted,
    /// A delivery is at work; looked at again when its lease ends.
    Leased,
    /// The step is recorded to be sent anew (`published`: and is).
    SentAnew { published: bool },
    /// Nothing more can help: the job has failed.
    Failed,
    /// Nothing any version wrote.
    Unreadable,
}

const PATIENCE: Duration = Duration::from_secs(8);

impl Engine {
    /// `body` is the message that is spent; `dlq_id` where it rests in QStash's dead letters.
    pub async fn spent(&self, body: &[u8], dlq_id: Option<&str>) -> Result<Spent, Fault> {
        let message = match wire::Message::decode(body) {
            Ok(message) => message,
            Err(wire::Error::Newer(envelope)) => return Err(Fault::Newer(envelope.v)),
            Err(wire::Error::Garbled(_)) => return Ok(Spent::Unreadable),
        };
        let id = &message.envelope.job_id;
        let until = Instant::now() + PATIENCE;
        let push = message.push();
        let (found, clock) = self.load(id).await?;
        let loaded = match found {
            Some(loaded) if (push.at, push.send) <= (loaded.job.at, loaded.job.send) => loaded,
            older => match self.rebuild(&message, older, clock, until).await? {
                Rebuilt::Record(loaded) => *loaded,
                Rebuilt::Absorbed => return Ok(Spent::Noted),
            },
        };
        tracing::warn!(job.id = %id, job.position = %push.at, message.dlq_id = dlq_id, "redeliveries used up");
        if loaded.job.is_final() || push.at != loaded.job.at || push.send != loaded.job.send {
            return Ok(Spent::Noted);
        }
        let limits = &self.settings.limits;
        let failure = match job::judge(&loaded.job, push, loaded.now(), self.store.opening(), limits) {
            Judgement::Expired => Some(job_timeout(&loaded)),
            Judgement::Exhausted => Some(exhausted(&loaded)),
            Judgement::Due | Judgement::Leased { .. } | Judgement::OldNews | Judgement::Forgotten => None,
        };
        if let Some(failure) = failure {
            return Ok(match self.update(&loaded, &Event::Fail { failure }, &EXACT, until).await? {
                Updated::Applied(..) => Spent::Failed,
                _ => Spent::Noted,
            });
        }
        let lease_over = loaded.job.lease(loaded.now(), self.store.opening()).is_none();
        let after = retry::look(loaded.job.message.looks);
        let event = Event::Spent { push, dlq_id: dlq_id.map(str::to_owned), lease_over, after };
        match self.update(&loaded, &event, &Along::default(), until).await? {
            Updated::Applied(loaded, _) if loaded.job.unsent() => self.send_anew(*loaded, until).await,
            Updated::Applied(..) => Ok(Spent::Leased),
            Updated::Refused(Refused::Nothing, _) => Ok(Spent::Leased),
            Updated::Refused(..) | Updated::Missing | Updated::PointerTaken | Updated::Remembered(_) => {
                Ok(Spent::Noted)
            }
        }
    }

    async fn send_anew(&self, loaded: super::record::Loaded, until: Instant) -> Result<Spent, Fault> {
        match self.drain(loaded, until).await {
            Ok(_) => Ok(Spent::SentAnew { published: true }),
            // Recorded: the sweep publishes it.
            Err(error) => {
                tracing::warn!(%error, "recorded to be sent anew, not published yet");
                Ok(Spent::SentAnew { published: false })
            }
        }
    }
}
