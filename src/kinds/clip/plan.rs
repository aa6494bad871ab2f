//! How far a clip job has come, and the decisions that follow from it. Pure: the record's `plan`, and functions of it.

use crate::job::outcome::unsigned;
use crate::job::{Ledger, Millis, Receipt};
use crate::sabotage::{self, Sabotage};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A clip that failed this often is given up.
pub const CLIP_ATTEMPTS: u32 = 3;
/// How long Klap's folder may stay empty after the task is ready.
pub const EMPTY_FOLDER: Millis = 15 * 60 * 1_000;

/// The stored cursor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// Which Klap task this is: the first, or one more after each that Klap itself lost or ended in error.
    pub generation: u32,
    #[serde(default)]
    pub task: Option<String>,
    #[serde(default)]
    pub task_at: Option<Millis>,
    #[serde(default)]
    pub folder: Option<String>,
    #[serde(default)]
    pub ready_at: Option<Millis>,
    #[serde(default)]
    pub clips: Vec<Clip>,
}

/// One clip on its way from Klap into storage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Clip {
    /// Klap's project id.
    pub id: String,
    pub title: String,
    #[serde(default)]
    pub duration: Option<f64>,
    /// 0–1.
    #[serde(default)]
    pub score: Option<f64>,
    #[serde(default)]
    pub virality_explanation: Option<String>,
    #[serde(default)]
    pub transcript: Option<String>,
    #[serde(default)]
    pub captions: Option<Value>,
    #[serde(default)]
    pub created_at: Option<String>,
    /// Which export this is: the first, or one more after each that ended in error and was paid again.
    pub generation: u32,
    /// The second export has been used up.
    #[serde(default)]
    pub paid_again: bool,
    #[serde(default)]
    pub export: Option<String>,
    pub state: ClipState,
    #[serde(default)]
    pub failures: u32,
    #[serde(default)]
    pub error: Option<String>,
    /// A resumable upload under way.
    #[serde(default)]
    pub upload: Option<Upload>,
    #[serde(default)]
    pub stored: Option<Stored>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ClipStatus)]
pub enum ClipState {
    Pending,
    Exporting,
    Storing,
    Stored,
    Failed,
}

/// Where an upload goes on, also in another process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Upload {
    /// The storage's own address of the upload.
    pub url: String,
    /// Bytes in all.
    pub total: u64,
    /// Bytes that storage had confirmed when this was written.
    pub offset: u64,
}

/// A clip that storage has confirmed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Stored {
    pub path: String,
    pub size: u64,
    pub url: String,
}

/// What to do about the paid task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Submit {
    /// It has been paid: use it.
    Have(String),
    Pay,
    /// Its outcome is unknown and it has been repeated as often as may be.
    GiveUp,
}

impl Plan {
    /// Nothing done yet.
    pub fn beginning() -> Self {
        Self { generation: 1, task: None, task_at: None, folder: None, ready_at: None, clips: Vec::new() }
    }

    pub fn write(&self) -> Value {
        serde_json::to_value(self).unwrap_or(Value::Null)
    }

    /// `None`: not written by this build or one before it.
    pub fn read(plan: &Value) -> Option<Self> {
        Self::deserialize(plan).ok()
    }

    /// What a message tells of a forgotten plan: which task it is about (the newest receipt's, if it does not say), and
    /// whether that was paid.
    pub fn resumed(receipts: &[Receipt], resume: &Value) -> Self {
        let paid = receipts.iter().filter_map(|receipt| receipt.effect.strip_prefix("submit:")?.parse().ok());
        let told = resume["generation"].as_u64().and_then(|generation| u32::try_from(generation).ok());
        let mut plan = Self::beginning();
        plan.generation = told.into_iter().chain(paid).max().unwrap_or(1);
        let effect = plan.submit_effect();
        plan.task = receipts.iter().find(|receipt| receipt.effect == effect).map(|receipt| receipt.id.clone());
        plan
    }

    /// The paid work of creating the task.
    pub fn submit_effect(&self) -> String {
        format!("submit:{}", self.generation)
    }

    /// By itself a job repeats an unknown submit once; each epoch opened since is a person's leave for one more.
    pub fn submit(&self, ledger: &Ledger, epoch: u32) -> Submit {
        let effect = self.submit_effect();
        if let Some(id) = ledger.receipt(&effect)
            && !sabotage::is(Sabotage::UnreadReceipts)
        {
            return Submit::Have(id.to_owned());
        }
        let opened_since = epoch.saturating_sub(ledger.unknown_since(&effect).unwrap_or(epoch));
        if ledger.unknown(&effect) <= 1 + opened_since as usize { Submit::Pay } else { Submit::GiveUp }
    }

    /// Another task is to be made: the one before came to nothing at Klap.
    pub fn begin_again(&mut self) {
        *self = Self { generation: self.generation + 1, ..Self::beginning() };
    }

    pub fn stored(&self) -> usize {
        self.count(ClipState::Stored)
    }

    pub fn failed(&self) -> usize {
        self.count(ClipState::Failed)
    }

    pub fn count(&self, state: ClipState) -> usize {
        self.clips.iter().filter(|clip| clip.state == state).count()
    }

    /// Failed clips get another chance, with one more paid export where the export itself was in error.
    pub fn revive_clips(&mut self) {
        for clip in self.clips.iter_mut().filter(|clip| clip.state == ClipState::Failed) {
            clip.failures = 0;
            clip.error = None;
            clip.upload = None;
            clip.state = if clip.export.is_some() { ClipState::Exporting } else { ClipState::Pending };
        }
    }

    /// 0–100: what is behind us, and while Klap works, how much of the usual time has passed.
    pub fn progress(&self, now: Millis, expected: Millis) -> u8 {
        if self.clips.is_empty() {
            let (Some(_), Some(since)) = (&self.task, self.task_at) else { return 5 };
            if self.ready_at.is_some() {
                return 50;
            }
            let share = now.saturating_sub(since).min(expected) * 35 / expected.max(1);
            return 10 + u8::try_from(share).unwrap_or(35);
        }
        let settled = self.stored() + self.failed();
        let paid = self.clips.iter().filter(|clip| clip.export.is_some()).count();
        let all = self.clips.len();
        55 + u8::try_from((paid * 10 + settled * 30) / all).unwrap_or(40)
    }
}

impl Clip {
    /// The paid work of rendering this clip.
    pub fn export_effect(&self) -> String {
        format!("export:{}:{}", self.id, self.generation)
    }

    /// A function of what it is, so that a repeat overwrites itself and another render never does.
    pub fn path(&self, project: &str, job: &str) -> String {
        let export = self.export.as_deref().unwrap_or("none");
        format!("{project}/clips/{job}/{}-{}.mp4", safe(&self.id), safe(export))
    }

    /// The clip failed in a way that another attempt may mend.
    pub fn fail(&mut self, why: impl Into<String>) {
        self.failures += 1;
        self.error = Some(unsigned(&why.into()));
        if self.failures >= CLIP_ATTEMPTS {
            self.state = ClipState::Failed;
            self.upload = None;
        }
    }

    /// No attempt can help this clip.
    pub fn give_up(&mut self, why: impl Into<String>) {
        self.failures = CLIP_ATTEMPTS;
        self.error = Some(unsigned(&why.into()));
        self.state = ClipState::Failed;
        self.upload = None;
    }

    /// Klap ended the export in error: once it is paid again, then the clip has failed.
    pub fn export_failed(&mut self, why: impl Into<String>) {
        self.export = None;
        self.upload = None;
        self.generation += 1;
        if self.paid_again {
            self.give_up(why);
        } else {
            self.paid_again = true;
            self.error = Some(unsigned(&why.into()));
            self.state = ClipState::Pending;
        }
    }

    pub fn is_settled(&self) -> bool {
        matches!(self.state, ClipState::Stored | ClipState::Failed)
    }
}

/// Vendors' ids are opaque: what could not stand in an object's key is replaced.
fn safe(id: &str) -> String {
    id.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' || c == '_' { c } else { '_' }).collect()
}
