//! What a caller asks for, checked: every problem with every field at once, and the video's address from the project's
//! row where the caller named none.

use super::enqueue::{Asked, EnqueueError};
use super::{Engine, Enqueue, Enqueued, Standing};
use crate::job::{Owner, ProjectId};
use crate::kinds::{FieldError, Kind};
use crate::services::supabase::ProjectRow;
use bytes::Bytes;
use serde_json::{Map, Value};
use std::time::Duration;
use tokio::time::{Instant, timeout_at};
use url::Url;

const LOOKUP_UNTIL: Duration = Duration::from_secs(3);
const PROJECT_ID_MAX: usize = 128;
const VIDEO_URL_MAX: usize = 4_096;
/// Promised for a later version.
const LATER: [&str; 2] = ["priority", "webhookUrl"];

/// What a caller may name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    /// A server of ours, which knows whose projects it names.
    Server,
    /// A user, who may name their own only.
    User,
}

/// A request as it came, its JSON read.
#[derive(Debug, Clone)]
pub struct Ask {
    pub owner: Owner,
    pub trust: Trust,
    pub idempotency_key: Option<String>,
    pub body: Bytes,
    pub received: Instant,
    /// How the caller stands with the limits.
    pub standing: Standing,
}

/// What is left of a request's fields once they are checked.
#[derive(Debug, Clone)]
pub struct Checked {
    kind: Kind,
    project: ProjectId,
    video_url: Option<Url>,
    options: Value,
}

impl Engine {
    /// Enqueues what was asked for.
    pub async fn accept(&self, checked: Checked, ask: Ask) -> Result<Enqueued, EnqueueError> {
        let kind = checked.kind;
        let asked = Asked {
            owner: &ask.owner,
            idempotency_key: ask.idempotency_key.as_deref(),
            body: &ask.body,
            until: ask.received + LOOKUP_UNTIL,
        };
        if let Some(reply) = self.remembered(&asked).await? {
            return Ok(reply);
        }
        let until = ask.received + LOOKUP_UNTIL;
        let video_url = match (ask.trust, checked.video_url) {
            (Trust::Server, Some(url)) => url,
            (trust, named) => {
                let row = self.row_of(&checked.project, until).await?;
                // Another's project is none, so that nobody learns which there are.
                if trust == Trust::User && row.owner.as_deref() != Some(ask.owner.as_str()) {
                    return Err(EnqueueError::ProjectNotFound);
                }
                named.map_or_else(|| self.video_of(row), Ok)?
            }
        };
        let input = kind.input(&video_url, &checked.options).map_err(EnqueueError::Invalid)?;
        let request = Enqueue {
            kind,
            owner: ask.owner,
            project: checked.project,
            input,
            idempotency_key: ask.idempotency_key,
            body: ask.body,
            received: ask.received,
            standing: ask.standing,
        };
        self.enqueue(&request).await
    }

    /// Checks the fields of a request for a job of this kind. Asks nobody.
    pub fn check(&self, kind: Kind, fields: &Map<String, Value>) -> Result<Checked, EnqueueError> {
        let mut errors = Vec::new();
        let known = ["projectId", "videoUrl", "options"];
        for field in fields.keys().map(String::as_str).filter(|field| !known.contains(field)) {
            let later = LATER.contains(&field);
            let why = if later { "is not available in this version yet" } else { "is not a field of this request" };
            errors.push(FieldError::new(field, why));
        }
        let project = match fields.get("projectId").map(|id| id.as_str().filter(|id| is_project_id(id))) {
            Some(Some(id)) => Some(ProjectId::new(id)),
            Some(None) => {
                errors.push(FieldError::new("projectId", "must be 1 to 128 letters, digits, _ or -"));
                None
            }
            None => {
                errors.push(FieldError::new("projectId", "is missing"));
                None
            }
        };
        let video_url = match fields.get("videoUrl").filter(|url| !url.is_null()) {
            None => None,
            Some(url) => match self.video_url(url.as_str()) {
                Ok(url) => Some(url),
                Err(why) => {
                    errors.push(FieldError::new("videoUrl", why));
                    None
                }
            },
        };
        let options = fields.get("options").filter(|options| !options.is_null()).cloned();
        let options = options.unwrap_or_else(|| Value::Object(Map::new()));
        if let Err(more) = kind.check_options(&options) {
            errors.extend(more);
        }
        match project {
            Some(project) if errors.is_empty() => Ok(Checked { kind, project, video_url, options }),
            _ if LATER.iter().any(|later| fields.contains_key(*later)) => Err(EnqueueError::NotAvailable(errors)),
            _ => Err(EnqueueError::Invalid(errors)),
        }
    }

    /// An address that Klap may be told to fetch.
    fn video_url(&self, text: Option<&str>) -> Result<Url, String> {
        let text = text.filter(|text| text.len() <= VIDEO_URL_MAX).ok_or("must be an http(s) address")?;
        let url = Url::parse(text).map_err(|_| "must be an http(s) address")?;
        self.services.guard.check(&url).map_err(|blocked| blocked.to_string())?;
        Ok(url)
    }

    async fn row_of(&self, project: &ProjectId, until: Instant) -> Result<ProjectRow, EnqueueError> {
        match timeout_at(until, self.services.supabase.project(project.as_str())).await {
            Ok(Ok(row)) => row.ok_or(EnqueueError::ProjectNotFound),
            Ok(Err(error)) => {
                tracing::warn!(project.id = %project, %error, "the project's row could not be read");
                Err(EnqueueError::LookupUnavailable)
            }
            Err(_) => Err(EnqueueError::LookupUnavailable),
        }
    }

    /// The video named in the project's row.
    fn video_of(&self, row: ProjectRow) -> Result<Url, EnqueueError> {
        let text = row.video_url.filter(|url| !url.trim().is_empty()).ok_or(EnqueueError::NoVideo)?;
        let invalid =
            |why: String| EnqueueError::Invalid(vec![FieldError::new("videoUrl", format!("of the project {why}"))]);
        self.video_url(Some(text.trim())).map_err(invalid)
    }
}

fn is_project_id(id: &str) -> bool {
    let legal = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    (1..=PROJECT_ID_MAX).contains(&id.len()) && id.chars().all(legal)
}
