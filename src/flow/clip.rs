//! Where a stored clip can be fetched, told to its job's owner, and to operators.

use super::status::Find;
use super::{Engine, Fault};
use crate::job::{Job, JobId, Owner, ProjectId};
use crate::kinds::Kind;
use crate::services::supabase::{self, Access};
use std::time::Duration;
use tokio::time::timeout;
use url::Url;

/// How long a signed address works: long enough to play a clip, pauses included.
const SIGNED_FOR: Duration = Duration::from_mins(15);
/// How long storage may take to sign it.
const PATIENCE: Duration = Duration::from_secs(5);

#[derive(Debug, thiserror::Error)]
pub enum ClipError {
    /// No such job of this owner, no such clip of it, or not stored (any more).
    #[error("no such clip")]
    NotFound,
    #[error("storage could not be asked: {0}")]
    Storage(String),
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// Where a clip can be fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClipAt {
    pub url: Url,
    /// How long the address works; `None`: for ever.
    pub works_for: Option<Duration>,
}

impl Engine {
    /// The clip of that public id, of `job` or else of the project's current job. An address for everyone; of a private
    /// bucket one that soon expires.
    pub async fn clip(&self, id: &str, job: Option<JobId>, owner: &Owner) -> Result<ClipAt, ClipError> {
        let project = Kind::project_of(id).ok_or(ClipError::NotFound)?;
        let find = job.map_or_else(|| Find::Project(ProjectId::new(project)), Find::Job);
        let job = self.status(&find, owner).await?.ok_or(ClipError::NotFound)?.job;
        self.clip_of(&job, id).await
    }

    /// The same of anybody's job, for operators.
    pub async fn clip_of_any(&self, id: &str, job: &JobId) -> Result<ClipAt, ClipError> {
        let job = self.owned(job, None).await?.ok_or(ClipError::NotFound)?.job;
        self.clip_of(&job, id).await
    }

    async fn clip_of(&self, job: &Job, id: &str) -> Result<ClipAt, ClipError> {
        let kind = Kind::parse(&job.kind).ok_or(ClipError::NotFound)?;
        let path = kind.stored_path(job, id).ok_or(ClipError::NotFound)?;
        let storage = &self.services.supabase;
        let (url, works_for) = match storage.access() {
            Access::Public => (storage.public_url(&path), None),
            Access::Private => match timeout(PATIENCE, storage.signed_url(&path, SIGNED_FOR)).await {
                Ok(url) => (url, Some(SIGNED_FOR)),
                Err(_) => return Err(ClipError::Storage("no answer in time".to_owned())),
            },
        };
        url.map(|url| ClipAt { url, works_for }).map_err(|error| match error {
            supabase::Error::NotFound { code, .. } if code == "NoSuchKey" => ClipError::NotFound,
            error => ClipError::Storage(error.to_string()),
        })
    }
}
