//! How a job moves. Only this part writes state, and only its outbox publishes. Read the files in this order: `record`
//! (load and compare-and-commit) and `told`, `limits`, `intake` and `enqueue`, `outbox`, `delivery` and `step` (one push), `journal` (what a running step
//! writes), `rebuild` (the store forgot), `spent` (a message that will not come again), `sweep`, `control` (cancel and
//! retry by hand), `status`, `watch`, `list`, `clip`; for operators `audit`, `letters`, `join`, `replay`, `onward`, `purge` and `survey` (how all of
//! it stands); `measured` and `spans` (what is told of it).

mod audit;
mod clip;
mod control;
mod delivery;
mod enqueue;
mod intake;
mod join;
mod journal;
mod letters;
mod limits;
mod list;
mod measured;
mod onward;
mod outbox;
mod purge;
mod readiness;
mod rebuild;
mod recent;
mod record;
mod replay;
mod spans;
mod spent;
mod status;
mod step;
mod survey;
mod sweep;
mod told;
mod watch;

pub use crate::kinds::{AskedOptions, FieldError, Kind, PublicClip, View};
pub use audit::Deed;
pub use clip::ClipError;
pub use control::{CancelError, RetryError};
pub use delivery::{Delivery, Reply};
pub use enqueue::{Enqueue, EnqueueError, Enqueued};
pub use intake::{Ask, Checked, Trust};
pub use letters::{From as LettersFrom, Letter, Letters, Side as LetterSide};
pub use limits::{Limit, Policy, Protection, Standing, TurnError};
pub use list::{Jobs, Listing, Place, Search, Since};
pub use onward::{At, Onward};
pub use purge::Purged;
pub use readiness::Readiness;
pub use recent::{Recent, SignedPush};
pub use record::Fault;
pub use replay::{Chosen, Done, Handled, Handling, Handlings, LETTERS_MAX, LONGEST as LETTERS_LONGEST};
pub use spans::asked;
pub use spent::Spent;
pub use status::{Find, Seen, Status};
pub use survey::{Money, Waiting};
pub use sweep::{Round, Swept};
pub use watch::Watcher;

use crate::job::{Limits, Millis};
use crate::kinds::{Length, Pace};
use crate::services::Services;
use crate::store::Store;
use secrecy::SecretString;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use url::Url;
use uuid::Uuid;

/// The one handle that routes, sweep and tests hold.
pub struct Engine {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) services: Services,
    pub(crate) settings: Settings,
    watches: watch::Watches,
    surveys: survey::Surveys,
    last_look: readiness::LastLook,
    /// Cancelled when the process is asked to stop: no new claims, running steps wind up.
    stopping: CancellationToken,
    ids: Ids,
}

/// Where new ids come from.
pub type Ids = Box<dyn Fn() -> Uuid + Send + Sync>;

/// What a deployment decides.
#[derive(Debug, Clone)]
pub struct Settings {
    pub limits: Limits,
    pub protection: Protection,
    pub pace: Pace,
    pub steps: StepTimes,
    /// Where QStash pushes a job's messages, and their failures.
    pub worker_url: Url,
    pub failed_url: Url,
    /// Headers that our own pushes must carry to reach us (a host's deployment protection).
    pub forward: Vec<(String, SecretString)>,
}

/// How long each length of step may run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StepTimes {
    pub transfer: Duration,
    pub call: Duration,
    pub look: Duration,
}

impl StepTimes {
    /// The contract's defaults, none above the platform's `longest`.
    pub fn new(longest: Duration) -> Self {
        Self {
            transfer: longest,
            call: longest.min(Duration::from_secs(40)),
            look: longest.min(Duration::from_secs(20)),
        }
    }

    pub fn step(&self, length: Length) -> Duration {
        match length {
            Length::Transfer => self.transfer,
            Length::Call => self.call,
            Length::Look => self.look,
        }
    }

    /// A lease outlives its step by 15 %, at least by 2 s.
    pub fn lease(&self, length: Length) -> Duration {
        let step = self.step(length);
        step + (step * 15 / 100).max(Duration::from_secs(2))
    }

    /// QStash's timeout outlives the lease by 10 s, in whole seconds.
    pub fn push(&self, length: Length) -> Duration {
        let seconds = (self.lease(length) + Duration::from_secs(10)).as_secs_f64().ceil();
        Duration::from_secs_f64(seconds)
    }
}

impl Engine {
    pub fn new(
        store: Arc<dyn Store>,
        services: Services,
        settings: Settings,
        stopping: CancellationToken,
        ids: Ids,
    ) -> Self {
        Self {
            store,
            services,
            settings,
            watches: watch::Watches::default(),
            surveys: survey::Surveys::default(),
            last_look: readiness::LastLook::default(),
            stopping,
            ids,
        }
    }

    fn new_id(&self) -> Uuid {
        (self.ids)()
    }

    /// Resolves when the process is asked to stop.
    pub fn stopping(&self) -> &CancellationToken {
        &self.stopping
    }
}

/// Whole milliseconds of a duration.
pub(crate) fn millis(duration: Duration) -> Millis {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
