//! What happened to a job, entry by entry: told by the machine in the very write that made it so, so that it is never ahead
//! of the record nor behind it. Only what changed something is told: a delivery that was refused (busy, old news) is not.
//! So many entries are kept, and others counted: what goes first are looks that found nothing yet. Messages carry none of it.

use super::event::Push;
use super::id::{Millis, Position};
use super::outcome::Failure;
use super::state::Job;
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// The entries a job keeps.
pub const KEPT: usize = 200;
/// How much of a failure's words an entry keeps; the whole of the last one is the job's own.
const WORDS: usize = 300;

/// Names in the record are short: there are many of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct History {
    /// Oldest first.
    #[serde(rename = "e")]
    pub entries: Vec<Entry>,
    /// Others, no longer kept.
    #[serde(rename = "cut", skip_serializing_if = "is_zero")]
    pub cut: u32,
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    #[serde(rename = "t")]
    pub at: Millis,
    #[serde(rename = "w")]
    pub what: What,
    /// The step it happened to, and where the job stood.
    #[serde(rename = "s")]
    pub step: String,
    #[serde(rename = "p", with = "place")]
    pub position: Position,
    #[serde(rename = "n", default, skip_serializing_if = "Option::is_none")]
    pub send: Option<u32>,
    #[serde(rename = "a", default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
    #[serde(rename = "o", default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Ended>,
    /// Milliseconds until its next message is to be delivered.
    #[serde(rename = "d", default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Millis>,
    #[serde(rename = "x", default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Cause>,
    /// A paid call; of `stored`, the clip.
    #[serde(rename = "f", default, skip_serializing_if = "Option::is_none")]
    pub effect: Option<String>,
    #[serde(rename = "r", default, skip_serializing_if = "Option::is_none")]
    pub receipt: Option<String>,
    #[serde(rename = "m", default, skip_serializing_if = "Option::is_none")]
    pub message_id: Option<String>,
    #[serde(rename = "b", default, skip_serializing_if = "Option::is_none")]
    pub by: Option<By>,
    #[serde(rename = "k", default, skip_serializing_if = "Option::is_none")]
    pub signed_with: Option<Signed>,
    #[serde(rename = "i", default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = What)]
pub enum What {
    /// The job was taken.
    Accepted,
    /// The message is out.
    Published,
    /// A delivery began the step.
    Claimed,
    /// A paid call was about to be made.
    Intended,
    /// It was made: the vendor's receipt came.
    Paid,
    /// It was not made, or not billed.
    Withdrawn,
    /// A clip landed in storage.
    Stored,
    /// The step wrote down how far it was.
    Progressed,
    /// The step ended.
    Ended,
    /// The message will not come again; a delivery is still at work.
    Spent,
    /// The step's message was made anew.
    SentAnew,
    Cancelled,
    /// A person opened a new epoch.
    Retried,
    /// The job failed, and not by its step's own word.
    Failed,
    /// The store had lost the record.
    Rebuilt,
    /// Of a newer build.
    #[serde(other)]
    Unknown,
}

/// How a step ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum Ended {
    Next,
    Wait,
    Away,
    Retry,
    Done,
    Fail,
    #[serde(other)]
    Unknown,
}

/// Whose doing it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum By {
    Owner,
    Operator,
    Sweep,
    Push,
    #[serde(other)]
    Unknown,
}

/// Which of our two keys a push was signed with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = SigningKey)]
pub enum Signed {
    Current,
    Next,
    #[serde(other)]
    Unknown,
}

/// Why something failed, in few words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cause {
    #[serde(rename = "c")]
    pub code: String,
    #[serde(rename = "m")]
    pub message: String,
}

impl From<&Failure> for Cause {
    fn from(failure: &Failure) -> Self {
        Self { code: failure.code.clone(), message: failure.message.chars().take(WORDS).collect() }
    }
}

impl Entry {
    /// Something that happens to a job where it stands now.
    pub fn new(job: &Job, what: What, at: Millis) -> Self {
        Self {
            at,
            what,
            step: job.step.clone(),
            position: job.at,
            send: None,
            attempt: None,
            outcome: None,
            after: None,
            error: None,
            effect: None,
            receipt: None,
            message_id: None,
            by: None,
            signed_with: None,
            request_id: None,
        }
    }

    #[must_use]
    pub fn of_push(self, push: Push) -> Self {
        Self { position: push.at, send: Some(push.send), ..self }
    }

    #[must_use]
    pub fn because(self, failure: &Failure) -> Self {
        Self { error: Some(failure.into()), ..self }
    }
}

impl History {
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.cut == 0
    }

    /// Adds an entry; how far a step is replaces how far it was.
    pub fn add(&mut self, entry: Entry) {
        if let Some(last) = self.entries.last_mut()
            && (last.what, last.position) == (What::Progressed, entry.position)
            && entry.what == What::Progressed
        {
            last.at = entry.at;
            return;
        }
        self.entries.push(entry);
        while self.entries.len() > KEPT {
            let gone = self.missed_least();
            self.cut += u32::try_from(gone.len()).unwrap_or(u32::MAX);
            self.entries.drain(gone);
        }
    }

    /// The oldest look that found nothing yet, with its message, so that long waiting does not push out what was done and
    /// paid; without one the oldest entry.
    fn missed_least(&self) -> Range<usize> {
        let before_the_last = self.entries.get(..self.entries.len().saturating_sub(3)).unwrap_or_default();
        let look = before_the_last.windows(3).position(|part| {
            let what = [part[0].what, part[1].what, part[2].what];
            let same = part.iter().all(|entry| entry.position == part[2].position);
            same && what == [What::Published, What::Claimed, What::Ended] && part[2].outcome == Some(Ended::Wait)
        });
        look.map_or(0..1, |at| at..at + 3)
    }

    /// Clips that landed with the write just told of: before its step's end, and instead of how far it was.
    pub fn stored(&mut self, of: &Entry, clips: Vec<String>) {
        let told = self.entries.pop();
        let ended = told.filter(|told| told.what != What::Progressed);
        for clip in clips {
            self.add(Entry { what: What::Stored, effect: Some(clip), ..of.clone() });
        }
        if let Some(ended) = ended {
            self.add(ended);
        }
    }

    /// How long the step took whose end this entry tells, from its claim on; `None`: it tells no end, or the claim is cut.
    pub fn took(&self, entry: usize) -> Option<Millis> {
        let end = self.entries.get(entry).filter(|entry| entry.what == What::Ended)?;
        let before = self.entries.get(..entry)?.iter().rev();
        let claim =
            before.take_while(|entry| entry.position == end.position).find(|entry| entry.what == What::Claimed)?;
        Some(end.at.saturating_sub(claim.at))
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over references")]
fn is_zero(count: &u32) -> bool {
    *count == 0
}

/// A position as its two numbers.
mod place {
    use super::Position;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over references")]
    pub fn serialize<S: Serializer>(position: &Position, to: S) -> Result<S::Ok, S::Error> {
        (position.epoch, position.seq).serialize(to)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Position, D::Error> {
        Deserialize::deserialize(from).map(|(epoch, seq)| Position { epoch, seq })
    }
}
