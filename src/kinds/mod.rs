//! What each kind of job does: one folder per kind, and here the few exhaustive matches that lead into it. A kind decides
//! and calls vendors; it never writes state. What it wants written it asks of the [`Journal`].

pub mod clip;

/// The shapes that callers meet: what they may ask for, and what they are told of the results.
pub use clip::{input::Options as AskedOptions, view::PublicClip};

use crate::job::{Failure, Job, Millis, Receipt, Report, Settlement};
use crate::services::Services;
use async_trait::async_trait;
use serde::Serialize;
use serde_json::Value;
use std::time::Duration;
use url::Url;

/// One thing wrong with one field of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FieldError {
    pub field: String,
    pub message: String,
}

impl FieldError {
    pub fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { field: field.into(), message: message.into() }
    }
}

/// Every kind there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Clip,
}

/// How long a step may take, by what it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Length {
    /// Streams files.
    Transfer,
    /// Makes paid or final calls.
    Call,
    /// Looks something up.
    Look,
}

/// How often to look at a vendor's work; milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    pub poll_min: Millis,
    pub poll_max: Millis,
    /// The most one paid call may take.
    pub paid_call: Duration,
}

/// What a running step holds.
pub struct Context<'a> {
    pub job: &'a Job,
    pub now: Millis,
    pub pace: &'a Pace,
    pub services: &'a Services,
    pub journal: &'a dyn Journal,
}

/// What a step may have written while it runs. Each call is durable when it returns.
#[async_trait]
pub trait Journal: Send + Sync {
    /// Before paid calls of at most [`Pace::paid_call`] each, made at once. `looked_up`: the vendor was asked for earlier
    /// ones, so these repeat nothing.
    async fn intend(&self, effects: &[String], looked_up: bool) -> Result<(), Halt>;

    /// After a paid call: the vendor's id. Kept even when the lease is lost.
    async fn receive(&self, effect: &str, id: &str) -> Result<(), Halt>;

    /// Where the step stands; `further`: it got somewhere (a stored clip, a larger confirmed offset), so that its attempts
    /// count anew.
    async fn checkpoint(&self, plan: Value, report: Report, further: bool) -> Result<(), Halt>;

    /// How long until the step should wind up: its limit, or sooner when the process is asked to stop.
    fn time_left(&self) -> Duration;
}

/// Why a step cannot go on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Halt {
    /// The job has moved on without us: nothing more may be done or written.
    #[error("the lease is lost")]
    Lost,
    /// A paid call must not be made now: too little of the lease is left, or it turns out to have been paid. The step is
    /// to be run again.
    #[error("a paid call must not be made now")]
    NotNow,
    /// The store took no write as long as the lease lasted.
    #[error("the store is away: {0}")]
    Store(String),
}

/// What the outside sees of a kind's results.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct View {
    /// The clips, in the public shape.
    pub clips: Vec<Value>,
    pub clips_stored: usize,
    pub clips_failed: usize,
    /// Of the stored ones.
    pub bytes_stored: u64,
}

/// Where a job starts, or goes on.
#[derive(Debug, Clone, PartialEq)]
pub struct Start {
    pub step: &'static str,
    pub plan: Value,
    pub stage: String,
    /// Effects that may have been paid for although nothing is written of it.
    pub possibly_paid: Vec<String>,
    /// What it pays for although that, or what it stands in for, was paid or may have been; in words.
    pub pays_again: Option<String>,
}

impl Kind {
    pub const ALL: [Self; 1] = [Self::Clip];

    /// What `/api/process-klap` makes.
    pub const PROCESS_KLAP: Self = Self::Clip;

    pub fn parse(name: &str) -> Option<Self> {
        match name {
            clip::NAME => Some(Self::Clip),
            _ => None,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Clip => clip::NAME,
        }
    }

    /// Every problem with the options of a request.
    pub fn check_options(self, options: &Value) -> Result<(), Vec<FieldError>> {
        match self {
            Self::Clip => clip::input::Options::parse(options).map(drop),
        }
    }

    /// A job's input, as it is recorded.
    pub fn input(self, video_url: &Url, options: &Value) -> Result<Value, Vec<FieldError>> {
        match self {
            Self::Clip => clip::input::Input::parse(video_url, options),
        }
    }

    pub fn first(self) -> Start {
        match self {
            Self::Clip => clip::first(),
        }
    }

    /// Where a job goes on of which only its message is left.
    pub fn rebuild(self, receipts: &[Receipt], resume: &Value) -> Start {
        match self {
            Self::Clip => clip::rebuild(receipts, resume),
        }
    }

    /// What a message carries beside the receipts, so that [`Kind::rebuild`] finds its way.
    pub fn resume(self, job: &Job) -> Value {
        match self {
            Self::Clip => clip::resume(job),
        }
    }

    /// Whether this build understands where the job stands; if not, a newer one does, and it is left alone.
    pub fn understands(self, job: &Job) -> bool {
        match self {
            Self::Clip => clip::understands(job),
        }
    }

    /// Where a failed job goes on, or why nothing can help.
    pub fn reopen(self, job: &Job) -> Result<Start, Failure> {
        match self {
            Self::Clip => clip::reopen(job),
        }
    }

    /// What a job has cost and, while it lives, may still cost: US cents at the vendor's list price.
    pub fn cents(self, job: &Job) -> u64 {
        match self {
            Self::Clip => clip::cents(job),
        }
    }

    /// Every step it may be at.
    pub fn steps(self) -> &'static [&'static str] {
        match self {
            Self::Clip => clip::STEPS,
        }
    }

    /// A step by a name that stands in the program; a newer build's is `other`.
    pub fn known_step(self, step: &str) -> &'static str {
        self.steps().iter().find(|known| **known == step).copied().unwrap_or("other")
    }

    /// What it has cost by now, calls that may have been billed included.
    pub fn cents_paid(self, job: &Job) -> u64 {
        match self {
            Self::Clip => clip::cents_paid(job),
        }
    }

    pub fn length(self, step: &str) -> Length {
        match self {
            Self::Clip => clip::length(step),
        }
    }

    pub async fn run(self, context: &Context<'_>) -> Result<Settlement, Halt> {
        match self {
            Self::Clip => clip::run(context).await,
        }
    }

    pub fn view(self, job: &Job) -> View {
        match self {
            Self::Clip => clip::view(job),
        }
    }

    /// The public ids of the clips that are stored after a write, and were not before.
    pub fn landed(self, before: &Job, after: &Job) -> Vec<String> {
        match self {
            Self::Clip => clip::landed(before, after),
        }
    }

    /// Where a stored clip of a job is in storage, by the clip's public id.
    pub fn stored_path(self, job: &Job, clip: &str) -> Option<String> {
        match self {
            Self::Clip => clip::stored_path(job, clip),
        }
    }

    /// The project that a clip's public id names.
    pub fn project_of(clip: &str) -> Option<&str> {
        clip::project_of(clip)
    }
}
