//! What a person asks of a job: to end it, or to try it once more.

use super::rebuild::split_pointer;
use super::record::{Along, Loaded, Updated};
use super::{Engine, Fault, Limit, spans};
use crate::job::{By, Event, Failure, Job, JobId, Owner, Refused, State};
use crate::kinds::{Kind, Start};
use crate::store::{self, keys};
use std::time::Duration;
use tokio::time::{Instant, timeout};
use tracing::Instrument;

const PATIENCE: Duration = Duration::from_secs(6);
/// How long withdrawing a cancelled job's message may hold up the answer.
const WITHDRAW: Duration = Duration::from_secs(2);

#[derive(Debug, thiserror::Error)]
pub enum CancelError {
    #[error("no such job")]
    NotFound,
    #[error("the job has already ended")]
    Final(Box<Job>),
    #[error(transparent)]
    Fault(#[from] Fault),
}

#[derive(Debug, thiserror::Error)]
pub enum RetryError {
    #[error("no such job")]
    NotFound,
    #[error("the job has not failed")]
    NotFailed,
    /// Another job of the project is live.
    #[error("another job of this project is running")]
    ProjectBusy(JobId),
    #[error("a retry cannot help: {}", .0.message)]
    Hopeless(Failure),
    /// New work is not taken now.
    #[error(transparent)]
    Limited(Limit),
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// Who asks: an operator has no owner's name.
fn by(owner: Option<&Owner>) -> By {
    if owner.is_some() { By::Owner } else { By::Operator }
}

impl Engine {
    /// Ends a job at once and for good; its pending message is withdrawn as far as possible.
    pub async fn cancel(&self, id: &JobId, owner: Option<&Owner>) -> Result<Job, CancelError> {
        let loaded = self.owned(id, owner).await?.ok_or(CancelError::NotFound)?;
        let span = spans::by_hand(&loaded.job, "cancel");
        self.cancel_found(loaded, by(owner)).instrument(span).await
    }

    async fn cancel_found(&self, loaded: Loaded, by: By) -> Result<Job, CancelError> {
        let until = Instant::now() + PATIENCE;
        let cancelled = match self.update(&loaded, &Event::Cancel { by }, &Along::default(), until).await? {
            Updated::Applied(cancelled, _) => cancelled.job,
            Updated::Refused(_, loaded) => return Err(CancelError::Final(Box::new(loaded.job))),
            Updated::Missing | Updated::PointerTaken | Updated::Remembered(_) | Updated::Limited(_) => {
                return Err(CancelError::NotFound);
            }
        };
        if let Some(message) = &cancelled.message.message_id {
            match timeout(WITHDRAW, self.services.qstash.cancel(message)).await {
                Ok(Ok(_)) => {}
                Ok(Err(error)) => tracing::info!(%error, "its message could not be withdrawn"),
                Err(_) => tracing::info!("its message could not be withdrawn in time"),
            }
        }
        Ok(cancelled)
    }

    /// Opens a new epoch of a failed job, from the step that failed, with all paid work kept.
    pub async fn retry(&self, id: &JobId, owner: Option<&Owner>) -> Result<Job, RetryError> {
        let until = Instant::now() + PATIENCE;
        for _ in 0..4 {
            let loaded = self.owned(id, owner).await?.ok_or(RetryError::NotFound)?;
            let job = &loaded.job;
            if job.state != State::Failed {
                return Err(RetryError::NotFailed);
            }
            let Some(kind) = Kind::parse(&job.kind) else { return Err(RetryError::NotFound) };
            let Start { step, plan, stage, .. } = kind.reopen(job).map_err(RetryError::Hopeless)?;
            let holds = self.store.pointer(&keys::pointer(&job.owner, &job.project)).await.map_err(Fault::from)?;
            if let Some(holds) = &holds {
                let (current, _) = split_pointer(holds);
                if current != *id && self.load(&current).await?.0.is_some_and(|other| !other.job.is_final()) {
                    return Err(RetryError::ProjectBusy(current));
                }
            }
            let along = Along { take_pointer: Some(holds), opens: true, ..Along::default() };
            let span = spans::by_hand(job, "retry");
            let event = Event::Retry { step, plan, stage, by: by(owner) };
            match self.update(&loaded, &event, &along, until).instrument(span.clone()).await? {
                Updated::Applied(loaded, _) => {
                    let failed_with = job.message.message_id.clone();
                    let job = self.started(*loaded, until).instrument(span).await;
                    if let Some(message) = failed_with {
                        self.settled_message(&message).await;
                    }
                    return Ok(job);
                }
                Updated::Refused(Refused::NotFailed, _) => return Err(RetryError::NotFailed),
                // Somebody else wrote in between: decide again.
                Updated::Refused(..) | Updated::PointerTaken => {}
                Updated::Limited(limit) => return Err(RetryError::Limited(limit)),
                Updated::Missing | Updated::Remembered(_) => return Err(RetryError::NotFound),
            }
        }
        let busy = store::Error::Unavailable("the project's jobs change too often".to_owned());
        Err(RetryError::Fault(busy.into()))
    }

    /// The epoch is recorded; its first message goes out now, or with the sweep.
    async fn started(&self, loaded: Loaded, until: Instant) -> Job {
        let job = loaded.job.clone();
        tracing::info!(job.position = %job.at, "job tried anew");
        match self.drain(loaded, until).await {
            Ok(loaded) => loaded.job,
            Err(error) => {
                tracing::warn!(%error, "recorded, not published yet");
                job
            }
        }
    }

    /// A job that this owner may see; `None`: an operator, who sees all.
    pub(super) async fn owned(&self, id: &JobId, owner: Option<&Owner>) -> Result<Option<Loaded>, Fault> {
        let (found, _) = self.load(id).await?;
        Ok(found.filter(|loaded| owner.is_none_or(|owner| *owner == loaded.job.owner)))
    }
}
