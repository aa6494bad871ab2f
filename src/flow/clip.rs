//! Where a stored clip can be fetched, told to its job's owner.

use super::status::Find;
use super::{Engine, Fault};
use crate::job::{JobId, Owner, ProjectId};
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

impl Engine {
    /// The clip of that public id, of `job` or else of the project's current job. An address for everyone; of a private
    /// bucket one that soon expires.
    pub async fn clip(&self, id: &str, job: Option<JobId>, owner: &Owner) -> Result<Url, ClipError> {
        let project = Kind::project_of(id).ok_or(ClipError::NotFound)?;
        let find = job.map_or_else(|| Find::Project(ProjectId::new(project)), Find::Job);
        let job = self.status(&find, owner).await?.ok_or(ClipError::NotFound)?.job;
        let kind = Kind::parse(&job.kind).ok_or(ClipError::NotFound)?;
        let path = kind.stored_path(&job, id).ok_or(ClipError::NotFound)?;
        let storage = &self.services.supabase;
        let url = match storage.access() {
            Access::Public => storage.public_url(&path),
            Access::Private => match timeout(PATIENCE, storage.signed_url(&path, SIGNED_FOR)).await {
                Ok(url) => url,
                Err(_) => return Err(ClipError::Storage("no answer in time".to_owned())),
            },
        };
        url.map_err(|error| match error {
            supabase::Error::NotFound { code, .. } if code == "NoSuchKey" => ClipError::NotFound,
            error => ClipError::Storage(error.to_string()),
        })
    }
}
