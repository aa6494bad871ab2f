//! The sweep takes no input: it looks at the deadlines that have come and mends what it finds, publishing what was
//! recorded but not published, sending anew what never came, failing what is out of time, clearing what has expired.
//! Woken by a schedule, by the local loop, by hand, and a little by every push: one path. Safe to run twice at once.

use super::record::{Along, Loaded, Updated};
use super::spent::{Again, REFUSED};
use super::step::{EXACT, MENDED, exhausted, job_timeout};
use super::{Engine, Fault, Spent, millis, spans};
use crate::job::{By, Event, JobId, Judgement, Millis, Push, judge};
use crate::measure;
use crate::services::qstash::{DeadLetter, DeadLetterFilter};
use crate::store::{Expected, keys};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use tokio::time::{Instant, timeout_at};
use tracing::Instrument;

/// How many due jobs a round looks at: far more than it mends, so that a few that nobody can mend do not hide the others.
const BATCH: usize = 1_000;
const REVIVED: usize = 50;
const FAILED: usize = 20;
/// What is sent anew in one round is spread over this long.
const SPREAD: Millis = 60_000;
/// Every so many rounds the dead letters are read.
const DEAD_LETTER_ROUNDS: u64 = 10;
pub(super) const ROUNDS_COUNTED: Duration = keys::ROUNDS_COUNTED;
/// Of the rounds that mended something, so many are kept, and for so long after the last.
const ROUNDS_KEPT: usize = 100;
const ROUNDS_STAY: Duration = Duration::from_hours(7 * 24);
const PATIENCE: Duration = Duration::from_secs(8);
/// A whole round, and the little one that follows each push.
const ROUND: Duration = Duration::from_secs(45);
const LITTLE_ROUND: Duration = Duration::from_secs(5);

/// What a round mended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Swept {
    /// Recorded messages published.
    pub republished: usize,
    /// Steps sent anew.
    pub revived: usize,
    /// Jobs failed for being out of time or attempts.
    pub failed: usize,
    /// Ended jobs whose time to stay is over.
    pub purged: usize,
}

/// A round that mended something, as it is noted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Round {
    /// When it began, by the store's clock.
    pub at: Millis,
    #[serde(flatten)]
    pub swept: Swept,
    pub took_ms: u64,
}

/// What was done about one due job.
enum Mended {
    Republished,
    Revived,
    Failed,
    Purged,
    /// Nothing, or its look was put off.
    Left,
}

impl Engine {
    /// One round. What it mended is kept for a while, for people to read.
    pub async fn sweep(&self) -> Result<Swept, Fault> {
        let begun = Instant::now();
        let round = self.round(begun + ROUND).await;
        measure::swept(round.as_ref().ok().map(|(swept, _)| swept.told()));
        let (swept, now) = round?;
        if swept != Swept::default() {
            let round = Round { at: now, swept, took_ms: millis(begun.elapsed()) };
            let entry = serde_json::to_vec(&round).unwrap_or_default();
            if let Err(error) = self.store.note(&keys::sweeps(), &entry, ROUNDS_KEPT, ROUNDS_STAY).await {
                tracing::warn!(%error, "what the sweep mended could not be noted");
            }
        }
        Ok(swept)
    }

    /// The last rounds that mended something, newest first.
    pub async fn rounds(&self, limit: usize) -> Result<Vec<Round>, Fault> {
        let entries = self.store.notes(&keys::sweeps(), limit).await?;
        // Those that a newer build wrote otherwise are left out.
        Ok(entries.iter().filter_map(|entry| serde_json::from_slice(entry).ok()).collect())
    }

    async fn round(&self, end: Instant) -> Result<(Swept, Millis), Fault> {
        let mut swept = Swept::default();
        let due = self.store.due(BATCH).await?;
        for id in &due.jobs {
            if Instant::now() >= end || swept.revived >= REVIVED {
                break;
            }
            let mended = self.mend_one(id, &swept).await;
            swept.count(&mended);
        }
        let round = self.store.count(keys::ROUNDS, ROUNDS_COUNTED).await?;
        if round % DEAD_LETTER_ROUNDS == 1 {
            self.sweep_dead_letters(&mut swept, end).await?;
        }
        Ok((swept, due.now))
    }

    /// A few due jobs, mended on the way of a push to another.
    pub(super) async fn mend(&self, due: &[JobId], but: &JobId) {
        let end = Instant::now() + LITTLE_ROUND;
        let mut swept = Swept::default();
        for id in due.iter().filter(|id| *id != but).take(MENDED) {
            match timeout_at(end, Box::pin(self.mend_one(id, &swept))).await {
                Ok(mended) => swept.count(&mended),
                Err(_) => return,
            }
        }
    }

    async fn mend_one(&self, id: &JobId, so_far: &Swept) -> Mended {
        match self.try_mend(id, so_far).await {
            Ok(mended) => mended,
            Err(fault) => {
                tracing::warn!(job.id = %id, error = %fault, "could not be mended now");
                Mended::Left
            }
        }
    }

    async fn try_mend(&self, id: &JobId, so_far: &Swept) -> Result<Mended, Fault> {
        let until = Instant::now() + PATIENCE;
        let (Some(loaded), _) = self.load(id).await? else {
            let purged = self.store.delete(id, Expected::Absent).await?;
            return Ok(if purged { Mended::Purged } else { Mended::Left });
        };
        let (job, now) = (&loaded.job, loaded.now());
        if let Some(ttl) = job.remaining_ttl(now, &self.settings.limits) {
            if ttl > 1_000 {
                return Ok(Mended::Left);
            }
            let purged = self.store.delete(id, Expected::Version(loaded.version)).await?;
            return Ok(if purged { Mended::Purged } else { Mended::Left });
        }
        if job.due().is_some_and(|due| due > now) {
            return Ok(Mended::Left);
        }
        let span = spans::mend(job);
        self.mend_due(loaded, so_far, until).instrument(span).await
    }

    /// Its deadline has come, and nobody has seen to it.
    async fn mend_due(&self, loaded: Loaded, so_far: &Swept, until: Instant) -> Result<Mended, Fault> {
        let (job, now) = (&loaded.job, loaded.now());
        let push = Push { at: job.at, send: job.send };
        let failure = match judge(job, push, now, self.store.opening(), &self.settings.limits) {
            Judgement::Leased { .. } | Judgement::OldNews | Judgement::Forgotten => return Ok(Mended::Left),
            Judgement::Expired => Some(job_timeout(&loaded)),
            Judgement::Exhausted => Some(exhausted(&loaded)),
            Judgement::Due => None,
        };
        if let Some(failure) = failure {
            if so_far.failed >= FAILED {
                return Ok(Mended::Left);
            }
            let failed = self.update(&loaded, &Event::Fail { failure, by: By::Sweep }, &EXACT, until).await?;
            return Ok(if matches!(failed, Updated::Applied(..)) { Mended::Failed } else { Mended::Left });
        }
        if job.unsent() || (job.message.message_id.is_none() && !job.message.spent) {
            return Ok(match self.drain(loaded, until).await {
                Ok(_) => Mended::Republished,
                Err(error) => {
                    tracing::warn!(%error, "not published yet");
                    Mended::Left
                }
            });
        }
        self.look_for(loaded, push, so_far, until).await
    }

    /// The message is out, but no push has come of it: is it still on its way?
    async fn look_for(&self, loaded: Loaded, push: Push, so_far: &Swept, until: Instant) -> Result<Mended, Fault> {
        let id = loaded.job.message.message_id.clone().unwrap_or_default();
        let spent = loaded.job.message.spent || self.is_spent(&id).await.unwrap_or(false);
        if !spent {
            self.update(&loaded, &Event::Looked { push }, &Along::default(), until).await?;
            return Ok(Mended::Left);
        }
        if so_far.revived >= REVIVED {
            return Ok(Mended::Left);
        }
        let event = Event::Spent { push, by: By::Sweep, dlq_id: None, lease_over: true, after: spread(so_far) };
        let Updated::Applied(loaded, _) = self.update(&loaded, &event, &EXACT, until).await? else {
            return Ok(Mended::Left);
        };
        if let Err(error) = self.drain(*loaded, until).await {
            tracing::warn!(message.id = id, %error, "recorded to be sent anew, not published yet");
        }
        Ok(Mended::Revived)
    }

    /// Proof that a message will not come again: QStash does not know it, or keeps it among the dead letters.
    async fn is_spent(&self, message_id: &str) -> Result<bool, crate::services::qstash::Error> {
        if self.services.qstash.message(message_id).await?.is_none() {
            return Ok(true);
        }
        let filter = DeadLetterFilter { message_id: Some(message_id.to_owned()), ..DeadLetterFilter::default() };
        Ok(!self.services.qstash.dead_letters(&filter).await?.messages.is_empty())
    }

    /// Finds jobs by QStash's own dead letters, so that none is lost with the store.
    async fn sweep_dead_letters(&self, swept: &mut Swept, end: Instant) -> Result<(), Fault> {
        let url = Some(self.settings.worker_url.to_string());
        let mut cursor = None;
        while Instant::now() < end && swept.revived < REVIVED {
            let filter = DeadLetterFilter { url: url.clone(), cursor, ..DeadLetterFilter::default() };
            let page = match self.services.qstash.dead_letters(&filter).await {
                Ok(page) => page,
                Err(error) => {
                    tracing::warn!(%error, "the dead letters could not be read");
                    return Ok(());
                }
            };
            for letter in &page.messages {
                if Instant::now() >= end || swept.revived >= REVIVED || swept.failed >= FAILED {
                    return Ok(());
                }
                // Refused for good by our own worker: the job has failed with its reason.
                if letter.response_status != Some(REFUSED) {
                    self.sweep_dead_letter(letter, swept).await?;
                }
            }
            cursor = page.cursor.filter(|cursor| !cursor.is_empty());
            if cursor.is_none() {
                break;
            }
        }
        Ok(())
    }

    async fn sweep_dead_letter(&self, letter: &DeadLetter, swept: &mut Swept) -> Result<(), Fault> {
        let Some(body) = letter.message.body_bytes() else { return Ok(()) };
        let told = (By::Sweep, Again::Later(spread(swept)));
        let settled = match self.spent(&body, None, Some(&letter.dlq_id), told).await {
            Ok(Spent::SentAnew { .. }) => {
                swept.revived += 1;
                true
            }
            Ok(Spent::Failed) => {
                swept.failed += 1;
                true
            }
            Ok(Spent::Noted) => true,
            Ok(Spent::Leased | Spent::Unreadable) | Err(Fault::Newer(_) | Fault::Garbled(_)) => false,
            Err(fault @ Fault::Store(_)) => return Err(fault),
        };
        if settled {
            self.settled(&letter.dlq_id).await;
        }
        Ok(())
    }
}

/// When the next one of this round's is to be delivered.
fn spread(so_far: &Swept) -> Millis {
    SPREAD * so_far.revived as Millis / REVIVED as Millis
}

impl Swept {
    fn told(self) -> [(measure::Swept, usize); 4] {
        use measure::Swept::{Failed, Purged, Republished, Revived};
        [(Republished, self.republished), (Revived, self.revived), (Failed, self.failed), (Purged, self.purged)]
    }

    fn count(&mut self, mended: &Mended) {
        match mended {
            Mended::Republished => self.republished += 1,
            Mended::Revived => self.revived += 1,
            Mended::Failed => self.failed += 1,
            Mended::Purged => self.purged += 1,
            Mended::Left => {}
        }
    }
}
