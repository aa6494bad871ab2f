//! What a caller asks for, checked: every problem with every field at once, and the video's address from the project's
//! row where the caller named none.

use super::enqueue::{Asked, EnqueueError};
use super::{Engine, Enqueue, Enqueued, Standing};
use crate::job::{Owner, ProjectId};
use crate::kinds::{FieldError, Kind};
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

/// A request as it came, its JSON read.
#[derive(Debug, Clone)]
pub struct Ask {
    pub owner: Owner,
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
        let video_url = match checked.video_url {
            Some(url) => url,
            None => self.video_of(&checked.project, ask.received + LOOKUP_UNTIL).await?,
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

    /// The video named in the project's row.
    async fn video_of(&self, project: &ProjectId, until: Instant) -> Result<Url, EnqueueError> {
        let row = timeout_at(until, self.services.supabase.project(project.as_str())).await;
        let row = match row {
            Ok(Ok(row)) => row.ok_or(EnqueueError::ProjectNotFound)?,
            Ok(Err(error)) => {
                tracing::warn!(project.id = %project, %error, "the project's row could not be read");
                return Err(EnqueueError::LookupUnavailable);
            }
            Err(_) => return Err(EnqueueError::LookupUnavailable),
        };
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
