//! A message that will not come again: QStash's failure callback says so, or its dead letters. The job is not failed for
//! it; the step is sent anew, later each time, until its attempts or its time are used up.

use super::rebuild::Rebuilt;
use super::record::{Loaded, Updated};
use super::step::{EXACT, exhausted, job_timeout};
use super::{Delivery, Engine, Fault, spans};
use crate::job::{self, By, Event, Judgement, Millis, Refused, retry, wire};
use crate::measure;
use crate::services::qstash::DeadLetterFilter;
use crate::services::qstash::wire::FailureCallback;
use crate::store;
use std::time::Duration;
use tokio::time::{Instant, timeout};
use tracing::Instrument;

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

/// When the step of a spent message is sent again.
#[derive(Debug, Clone, Copy)]
pub(super) enum Again {
    /// Later each time, and by so much further where many are sent at once.
    Later(Millis),
    /// A person asks for it.
    Now,
}

/// What our worker answers when nothing more can help.
pub(super) const REFUSED: i64 = 489;
const PATIENCE: Duration = Duration::from_secs(8);
/// How long taking a dead letter away may hold up the answer.
const SETTLING: Duration = Duration::from_secs(2);

/// How often it is decided again when others write at the same time.
const DECIDED: usize = 5;

impl Engine {
    /// QStash's failure callback: the message it carries is spent.
    pub async fn failed(&self, delivery: &Delivery) -> Result<Spent, Fault> {
        let Ok(FailureCallback { source_body: Some(body), dlq_id, status, .. }) =
            FailureCallback::parse(&delivery.body)
        else {
            return Ok(Spent::Unreadable);
        };
        let spent = self.spent(&body, Some(delivery), dlq_id.as_deref(), (By::Push, Again::Later(0))).await?;
        // What our own worker refused for good rests there for an operator, beside its failed job; the sweep leaves it alone too.
        let refused = status == Some(REFUSED);
        if let (Spent::Noted | Spent::SentAnew { .. }, Some(letter), false) = (spent, &dlq_id, refused) {
            self.settled(letter).await;
        }
        Ok(spent)
    }

    /// `body` is the message that is spent; `delivery` the push that said so, if one did; `dlq_id` where it rests in QStash's
    /// dead letters; `told`: by whom, and when the next one is to come.
    pub(super) async fn spent(
        &self,
        body: &[u8],
        delivery: Option<&Delivery>,
        dlq_id: Option<&str>,
        told: (By, Again),
    ) -> Result<Spent, Fault> {
        let message = match wire::Message::decode(body) {
            Ok(message) => message,
            Err(wire::Error::Newer(envelope)) => return Err(Fault::Newer(envelope.v)),
            Err(wire::Error::Garbled(_)) => return Ok(Spent::Unreadable),
        };
        let span = spans::spent(&message, delivery);
        self.decide_spent(&message, dlq_id, told).instrument(span).await
    }

    async fn decide_spent(
        &self,
        message: &wire::Message,
        dlq_id: Option<&str>,
        told: (By, Again),
    ) -> Result<Spent, Fault> {
        measure::spent();
        let until = Instant::now() + PATIENCE;
        for _ in 0..DECIDED {
            if let Some(spent) = self.note_spent(message, dlq_id, told, until).await? {
                return Ok(spent);
            }
        }
        Err(store::Error::Unavailable("the record is written too often".to_owned()).into())
    }

    /// One try; `None` if the record changed meanwhile.
    async fn note_spent(
        &self,
        message: &wire::Message,
        dlq_id: Option<&str>,
        (by, again): (By, Again),
        until: Instant,
    ) -> Result<Option<Spent>, Fault> {
        let push = message.push();
        let (found, clock) = self.load(&message.envelope.job_id).await?;
        let (opening, limits) = (self.store.opening(), &self.settings.limits);
        let judge = |loaded: &Loaded| job::judge(&loaded.job, push, loaded.now(), opening, limits);
        let loaded = match found {
            Some(loaded) if judge(&loaded) != Judgement::Forgotten => loaded,
            older => match self.rebuild(message, older, clock, until).await? {
                Rebuilt::Record(loaded) => *loaded,
                Rebuilt::Absorbed => return Ok(Some(Spent::Noted)),
            },
        };
        spans::met(&loaded.job, loaded.now());
        tracing::warn!(message.dlq_id = dlq_id, "redeliveries used up");
        if loaded.job.is_final() || push.at != loaded.job.at || push.send != loaded.job.send {
            return Ok(Some(Spent::Noted));
        }
        let sent_anew = |lease_over| Event::Spent {
            push,
            by,
            dlq_id: dlq_id.map(str::to_owned),
            lease_over,
            after: match again {
                Again::Later(spread) => retry::look(loaded.job.message.looks) + spread,
                Again::Now => 0,
            },
        };
        let event = match judge(&loaded) {
            Judgement::Expired => Event::Fail { failure: job_timeout(&loaded), by },
            Judgement::Exhausted => Event::Fail { failure: exhausted(&loaded), by },
            Judgement::Leased { .. } => sent_anew(false),
            Judgement::Due => sent_anew(true),
            Judgement::OldNews | Judgement::Forgotten => return Ok(Some(Spent::Noted)),
        };
        match self.update(&loaded, &event, &EXACT, until).await? {
            Updated::Applied(loaded, _) if loaded.job.is_final() => Ok(Some(Spent::Failed)),
            Updated::Applied(loaded, _) if loaded.job.unsent() => self.send_anew(*loaded, until).await.map(Some),
            Updated::Applied(..) | Updated::Refused(Refused::Nothing, _) => Ok(Some(Spent::Leased)),
            Updated::Refused(..)
            | Updated::Missing
            | Updated::PointerTaken
            | Updated::Remembered(_)
            | Updated::Limited(_) => Ok(None),
        }
    }

    /// A dead letter that nothing more can come of is taken away: found later, beside a store that has forgotten, it would
    /// look like a job to be done.
    pub(super) async fn settled(&self, dlq_id: &str) {
        match timeout(SETTLING, self.services.qstash.delete_dead_letter(dlq_id)).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => tracing::warn!(message.dlq_id = dlq_id, %error, "a settled dead letter is still there"),
            Err(_) => tracing::warn!(message.dlq_id = dlq_id, "a settled dead letter is still there"),
        }
    }

    /// The same of whatever dead letter is this message's.
    pub(super) async fn settled_message(&self, message_id: &str) {
        let filter = DeadLetterFilter { message_id: Some(message_id.to_owned()), ..DeadLetterFilter::default() };
        let Ok(Ok(found)) = timeout(SETTLING, self.services.qstash.dead_letters(&filter)).await else { return };
        for letter in &found.messages {
            self.settled(&letter.dlq_id).await;
        }
    }

    async fn send_anew(&self, loaded: Loaded, until: Instant) -> Result<Spent, Fault> {
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
