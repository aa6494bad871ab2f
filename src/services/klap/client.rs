//! The calls. Each has a timeout over the whole exchange, reads a bounded reply and is made once.

use std::time::Duration;

use reqwest::{Method, RequestBuilder, Response};
use secrecy::{ExposeSecret as _, SecretString};
use serde::de::DeserializeOwned;
use serde_json::Value;
use url::Url;

use crate::measure::Service;
use crate::services::outbound::{Http, Unanswered, retry_after};

use super::error::Error;
use super::wire::{Export, List, NewTask, Project, Task};

/// How long a call that only reads may take.
const READ_TIMEOUT: Duration = Duration::from_secs(10);
/// A folder of clips with their transcripts stays far below this.
const REPLY_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Of an error's body, what is read and what is kept.
const ERROR_BYTES_MAX: usize = 16 * 1024;
const ERROR_CHARS_MAX: usize = 300;

/// Where Klap is and who we are.
#[derive(Debug, Clone)]
pub struct Options {
    /// With the version: `https://api.klap.app/v2`.
    pub url: Url,
    pub api_key: SecretString,
}

/// A client of Klap's API v2.
#[derive(Debug, Clone)]
pub struct Klap {
    http: Http,
    options: Options,
}

impl Klap {
    /// `http` must not follow redirects: a followed create would be billed at an address nobody configured.
    pub fn new(http: impl Into<Http>, options: Options) -> Self {
        Self { http: http.into().to(Service::Klap), options }
    }

    /// Starts a task. **Billed**, and not repeatable: see [`Error::may_be_billed`].
    pub async fn create_task(&self, task: &NewTask, timeout: Duration) -> Result<Task, Error> {
        let url = self.url(&["tasks", "video-to-shorts"])?;
        self.call(self.http.request(Method::POST, url).json(task).timeout(timeout)).await
    }

    /// Looks at a task.
    pub async fn task(&self, task: &str) -> Result<Task, Error> {
        self.get(self.url(&["tasks", task])?).await
    }

    /// The clips of a folder. Empty for a while although its task is ready.
    pub async fn folder(&self, folder: &str) -> Result<Vec<Project>, Error> {
        let List(projects) = self.get(self.url(&["projects", folder])?).await?;
        Ok(projects)
    }

    /// Starts rendering a clip. **Billed**, and not repeatable: look at [`Klap::exports`] before paying again.
    pub async fn export(&self, folder: &str, project: &str, timeout: Duration) -> Result<Export, Error> {
        let url = self.url(&["projects", folder, project, "exports"])?;
        self.call(self.http.request(Method::POST, url).json(&serde_json::json!({})).timeout(timeout)).await
    }

    /// Looks at one rendering.
    pub async fn export_status(&self, folder: &str, project: &str, export: &str) -> Result<Export, Error> {
        self.get(self.url(&["projects", folder, project, "exports", export])?).await
    }

    /// The renderings of a clip so far. That the filter works is not confirmed, so foreign ones are left out here.
    pub async fn exports(&self, folder: &str, project: &str) -> Result<Vec<Export>, Error> {
        let mut url = self.url(&["exports"])?;
        url.query_pairs_mut().append_pair("folder_id", folder).append_pair("project_id", project);
        let List(mut exports): List<Export> = self.get(url).await?;
        exports.retain(|export| export.project_id.as_deref().is_none_or(|id| id == project));
        Ok(exports)
    }

    async fn get<T: DeserializeOwned>(&self, url: Url) -> Result<T, Error> {
        self.call(self.http.request(Method::GET, url).timeout(READ_TIMEOUT)).await
    }

    async fn call<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, Error> {
        let request = request.bearer_auth(self.options.api_key.expose_secret());
        let mut reply = self.http.send(request).await.map_err(lost)?;
        let status = reply.status();
        if !status.is_success() {
            return Err(self.refusal(reply).await);
        }
        let body = read(&mut reply, REPLY_BYTES_MAX).await.map_err(lost)?;
        serde_json::from_slice(&body)
            .map_err(|error| Error::Unknown(self.clean(&format!("HTTP {status} with an unreadable body: {error}"))))
    }

    /// Sorts an answer that is not a success. The status alone decides; the body only explains.
    async fn refusal(&self, mut reply: Response) -> Error {
        let status = reply.status().as_u16();
        let after = retry_after(reply.headers());
        match status {
            401 | 403 => return Error::Unauthorized,
            404 => return Error::NotFound,
            429 => return Error::Busy { after },
            503 => return Error::Unavailable { status, after },
            _ => {}
        }
        let body = read(&mut reply, ERROR_BYTES_MAX).await.unwrap_or_default();
        let (code, message) = explained(&body);
        let message = self.clean(&message);
        match status {
            300..=499 => Error::Refused { status, code: code.map(|code| self.clean(&code)), message },
            _ => Error::Unknown(self.clean(&format!("HTTP {status}: {message}"))),
        }
    }

    /// What a vendor says, fit for a log: short, printable, and without our key should it be echoed.
    fn clean(&self, text: &str) -> String {
        let key = self.options.api_key.expose_secret();
        let text = if key.is_empty() { text.to_owned() } else { text.replace(key, "[key]") };
        let printable = text.chars().map(|c| if c.is_control() { ' ' } else { c });
        printable.take(ERROR_CHARS_MAX).collect::<String>().trim().to_owned()
    }

    /// The address of a resource; each segment is percent-encoded whole.
    fn url(&self, segments: &[&str]) -> Result<Url, Error> {
        // `.` and `..` would be dropped from the path and name another resource; no id is like that, nor empty.
        if segments.iter().any(|segment| matches!(*segment, "" | "." | "..")) {
            return Err(Error::NotFound);
        }
        let mut url = self.options.url.clone();
        url.path_segments_mut()
            .map_err(|()| Error::NotSent("the configured URL cannot be a base".to_owned()))?
            .pop_if_empty()
            .extend(segments);
        Ok(url)
    }
}

/// Reads at most `max` bytes of a body and leaves the rest.
async fn read(reply: &mut Response, max: usize) -> Result<Vec<u8>, reqwest::Error> {
    let mut body = Vec::new();
    while body.len() < max {
        let Some(chunk) = reply.chunk().await? else { break };
        body.extend_from_slice(&chunk[..chunk.len().min(max - body.len())]);
    }
    Ok(body)
}

fn lost(error: impl Into<Unanswered>) -> Error {
    let Unanswered { unsent, text, .. } = error.into();
    if unsent { Error::NotSent(text) } else { Error::Unknown(text) }
}

/// The code and text of an error body, which may also be HTML or nothing.
fn explained(body: &[u8]) -> (Option<String>, String) {
    let Ok(Value::Object(fields)) = serde_json::from_slice(body) else {
        return (None, String::from_utf8_lossy(body).into_owned());
    };
    let field = |name: &str| match fields.get(name) {
        Some(Value::String(text)) => Some(text.clone()),
        None | Some(Value::Null) => None,
        Some(other) => Some(other.to_string()),
    };
    let message = field("message").or_else(|| field("error_message")).or_else(|| field("error"));
    (field("error_code"), message.unwrap_or_default())
}
