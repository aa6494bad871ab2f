//! A request becomes a job and its first message in one atomic write, then the message is published. Answered within one
//! deadline whatever happens: what is recorded but not published is the sweep's.

use super::rebuild::split_pointer;
use super::record::{Along, Clock, Loaded, Updated};
use super::{Engine, Fault, Limit, Standing, spans};
use crate::job::{Job, JobId, NewJob, Owner, ProjectId};
use crate::kinds::{FieldError, Kind, Start};
use crate::measure;
use crate::store::{self, Expected, Remember, keys};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// How long an idempotency key is remembered.
const REMEMBERED: Duration = Duration::from_hours(24);
/// From the request: the store's part ends here, then publishing's.
const STORE_UNTIL: Duration = Duration::from_secs(6);
const PUBLISH_UNTIL: Duration = Duration::from_secs(8);

/// A checked request.
#[derive(Debug, Clone)]
pub struct Enqueue {
    pub kind: Kind,
    pub owner: Owner,
    pub project: ProjectId,
    /// The kind's input.
    pub input: Value,
    pub idempotency_key: Option<String>,
    /// The body the key stands for, for telling a repeat from another request.
    pub body: Bytes,
    /// When the request came in.
    pub received: Instant,
    /// How the caller stands with the limits.
    pub standing: Standing,
}

/// A request as far as its idempotency key goes.
pub(super) struct Asked<'a> {
    pub owner: &'a Owner,
    pub idempotency_key: Option<&'a str>,
    pub body: &'a [u8],
    /// How long the store may take.
    pub until: Instant,
}

/// What the caller is told; also what an idempotency key remembers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Enqueued {
    pub job_id: JobId,
    pub project_id: ProjectId,
    pub status: String,
    pub progress: u8,
    /// A running job of the project was found instead of making one.
    pub deduplicated: bool,
}

#[derive(Debug, thiserror::Error)]
pub enum EnqueueError {
    /// Fields that are not acceptable, all of them.
    #[error("the request is not acceptable")]
    Invalid(Vec<FieldError>),
    /// The same, among them fields that come with a later version.
    #[error("the request asks for what is not available yet")]
    NotAvailable(Vec<FieldError>),
    /// The project has no row to read the video's address from.
    #[error("no such project")]
    ProjectNotFound,
    #[error("the project has no video")]
    NoVideo,
    /// The projects could not be asked; nothing is recorded.
    #[error("the project could not be looked up")]
    LookupUnavailable,
    /// A job of the project runs with other input.
    #[error("a job of this project is running with different input")]
    DifferentInput(JobId),
    #[error("this Idempotency-Key was used with another body")]
    KeyReused,
    /// New work is not taken now; nothing is recorded.
    #[error(transparent)]
    Limited(Limit),
    /// Nothing is recorded.
    #[error(transparent)]
    Fault(Fault),
    /// The write's answer was lost: the same request again will tell.
    #[error("whether the job was recorded is not known")]
    OutcomeUnknown,
}

impl From<Fault> for EnqueueError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Store(store::Error::Unknown(_)) => Self::OutcomeUnknown,
            fault => Self::Fault(fault),
        }
    }
}

/// What a key remembers: which body it stood for, and the first answer to it.
#[derive(Serialize, Deserialize)]
struct Memory {
    body: String,
    reply: Enqueued,
}

impl Engine {
    pub async fn enqueue(&self, request: &Enqueue) -> Result<Enqueued, EnqueueError> {
        let until = request.received + STORE_UNTIL;
        let pointer = keys::pointer(&request.owner, &request.project);
        let fresh = JobId::new(format!("job_{}", self.new_id().simple()));
        loop {
            let holds = in_time(until, || self.store.pointer(&pointer)).await?;
            let (found, clock) = match (&holds, request.standing.clock) {
                // There is no current job, and the store's time is known.
                (None, Some(clock)) => (None, clock),
                (None, None) => in_time(until, || self.load(&fresh)).await?,
                (Some(holds), _) => {
                    let (current, _) = split_pointer(holds);
                    in_time(until, || self.load(&current)).await?
                }
            };
            if let Some(live) = found.filter(|found| !found.job.is_final()) {
                return self.already_running(request, live, until).await;
            }
            let mut job = self.first_job(request, &fresh, clock);
            spans::begins(&mut job);
            let reply = Enqueued::of(&job, false);
            let remember = remember(request, &reply);
            let along = Along { take_pointer: Some(holds), remember, opens: true, ..Along::default() };
            match self.create(job, Expected::Absent, clock, &along, until).await? {
                Updated::Applied(loaded, _) => {
                    measure::accepted();
                    tracing::info!(job.id = %fresh, "job accepted");
                    if let Err(error) = self.drain(*loaded, request.received + PUBLISH_UNTIL).await {
                        tracing::warn!(job.id = %fresh, %error, "recorded, not published yet");
                    }
                    return Ok(reply);
                }
                Updated::Limited(limit) => return Err(EnqueueError::Limited(limit)),
                Updated::Remembered(memory) => return recall(&request.body, &memory),
                // Another request was first: look again.
                Updated::PointerTaken | Updated::Refused(..) | Updated::Missing if Instant::now() < until => {}
                Updated::PointerTaken | Updated::Refused(..) | Updated::Missing => {
                    let busy = "the project's jobs change too often".to_owned();
                    return Err(EnqueueError::Fault(store::Error::Unavailable(busy).into()));
                }
            }
        }
    }

    fn first_job(&self, request: &Enqueue, id: &JobId, clock: Clock) -> Job {
        let Start { step, plan, stage, .. } = request.kind.first();
        let new = NewJob {
            id: id.clone(),
            owner: request.owner.clone(),
            project: request.project.clone(),
            kind: request.kind.name(),
            input: request.input.clone(),
            step,
            plan,
            stage,
        };
        Job::new(new, clock.now(), self.settings.limits.queue_timeout)
    }

    /// The first answer to a repeated request, if its key is remembered.
    pub(super) async fn remembered(&self, request: &Asked<'_>) -> Result<Option<Enqueued>, EnqueueError> {
        let Some(key) = request.idempotency_key else { return Ok(None) };
        let key = keys::memory(request.owner, key);
        let memory = in_time(request.until, || self.store.recall(&key)).await?;
        memory.map(|memory| recall(request.body, &memory)).transpose()
    }

    /// The project has a live job: the answer is that job, if it is the same work.
    async fn already_running(&self, request: &Enqueue, live: Loaded, until: Instant) -> Result<Enqueued, EnqueueError> {
        if live.job.input != request.input {
            return Err(EnqueueError::DifferentInput(live.job.id));
        }
        let reply = Enqueued::of(&live.job, true);
        if let Some(remember) = remember(request, &reply)
            && let Some(memory) = self.remember(&live, remember, until).await?
        {
            return recall(&request.body, &memory);
        }
        Ok(reply)
    }
}

impl Enqueued {
    fn of(job: &Job, deduplicated: bool) -> Self {
        Self {
            job_id: job.id.clone(),
            project_id: job.project.clone(),
            status: job.state.public().to_owned(),
            progress: job.progress,
            deduplicated,
        }
    }
}

/// A read, or what may be done twice, tried again while the store does not answer, until `until`.
pub(super) async fn in_time<T, E: Into<Fault>, R: Future<Output = Result<T, E>>>(
    until: Instant,
    read: impl Fn() -> R,
) -> Result<T, EnqueueError> {
    let late = || EnqueueError::Fault(store::Error::Unavailable("no answer in time".to_owned()).into());
    loop {
        match timeout_at(until, read()).await.map_err(|_| late())?.map_err(Into::into) {
            Ok(read) => return Ok(read),
            Err(Fault::Store(store::Error::Unknown(_))) if Instant::now() < until => {}
            Err(fault) => return Err(EnqueueError::Fault(fault)),
        }
    }
}

fn fingerprint(body: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(body))
}

fn remember(request: &Enqueue, reply: &Enqueued) -> Option<Remember> {
    let key = keys::memory(&request.owner, request.idempotency_key.as_ref()?);
    let memory = Memory { body: fingerprint(&request.body), reply: reply.clone() };
    Some(Remember { key, reply: serde_json::to_vec(&memory).ok()?.into(), ttl: REMEMBERED })
}

fn recall(body: &[u8], memory: &[u8]) -> Result<Enqueued, EnqueueError> {
    let memory: Memory =
        serde_json::from_slice(memory).map_err(|error| EnqueueError::Fault(Fault::Garbled(error.to_string())))?;
    if memory.body == fingerprint(body) { Ok(memory.reply) } else { Err(EnqueueError::KeyReused) }
}
