//! Watching a job over HTTP until it has ended, with a progress bar on a terminal and plain lines elsewhere.

use super::End;
use crate::http::view::status_url;
use indicatif::{ProgressBar, ProgressStyle};
use reqwest::header::{AUTHORIZATION, ETAG, IF_NONE_MATCH};
use reqwest::{Client, StatusCode};
use serde_json::Value;
use std::io::IsTerminal;
use std::time::Duration;
use url::Url;

/// Longer than the longest `?wait=`.
const ANSWER: Duration = Duration::from_secs(40);
/// How often in a row the service may not answer.
const PATIENCE: u32 = 10;

/// A service, and the key for it if it wants one.
pub(super) struct Service {
    pub http: Client,
    pub server: Url,
    pub key: Option<String>,
}

impl Service {
    pub fn request(&self, method: reqwest::Method, path: &str) -> Result<reqwest::RequestBuilder, End> {
        let url = format!("{}{path}", self.server.as_str().trim_end_matches('/'));
        let url = Url::parse(&url).map_err(|error| End::usage(format!("--server: {error}")))?;
        let request = self.http.request(method, url).timeout(ANSWER);
        Ok(match &self.key {
            Some(key) => request.header(AUTHORIZATION, format!("Bearer {key}")),
            None => request,
        })
    }

    /// The job once it is final; `quiet` shows nothing on the way.
    pub async fn watch(&self, job: &str, quiet: bool) -> Result<Value, End> {
        let shown = Shown::new(quiet);
        let path = format!("{}&wait=20", status_url(job));
        let (mut tag, mut silent) = (None::<String>, 0);
        loop {
            let mut request = self.request(reqwest::Method::GET, &path)?;
            if let Some(tag) = &tag {
                request = request.header(IF_NONE_MATCH, tag);
            }
            let answer = match request.send().await {
                Ok(answer) if answer.status().is_server_error() && silent < PATIENCE => {
                    silent += 1;
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    continue;
                }
                Ok(answer) => answer,
                Err(_) if silent < PATIENCE => {
                    silent += 1;
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    continue;
                }
                Err(error) => return Err(unreachable(&self.server, &error)),
            };
            silent = 0;
            if answer.status() == StatusCode::NOT_MODIFIED {
                continue;
            }
            tag = answer.headers().get(ETAG).and_then(|tag| tag.to_str().ok()).map(str::to_owned);
            let status = read(answer).await?;
            shown.show(&status);
            if matches!(status["status"].as_str(), Some("completed" | "failed" | "cancelled")) {
                shown.end();
                return Ok(status);
            }
        }
    }
}

pub(super) fn unreachable(server: &Url, error: &reqwest::Error) -> End {
    let why = if error.is_connect() { "nothing answers there" } else { "no answer in time" };
    End::unreachable(format!("{server} could not be reached: {why}"))
}

/// A good answer's JSON; of a problem, its words.
pub(super) async fn read(answer: reqwest::Response) -> Result<Value, End> {
    let status = answer.status();
    let body: Value = answer.json().await.unwrap_or_default();
    if status.is_success() {
        return Ok(body);
    }
    let detail = body["detail"].as_str().unwrap_or("the service gave no reason");
    let message = format!("the service answered {}: {detail}", status.as_u16());
    Err(if is_bad_usage(status) { End::usage(message) } else { End::failed(anyhow::anyhow!(message)) })
}

/// Whether asking otherwise would help, or another key: not what stands in the way just now, or is not there.
pub(super) fn is_bad_usage(status: StatusCode) -> bool {
    matches!(status.as_u16(), 400 | 401 | 403 | 413 | 415 | 422)
}

/// What is on the screen.
enum Shown {
    Nothing,
    Lines(std::sync::Mutex<String>),
    Bar(ProgressBar),
}

impl Shown {
    fn new(quiet: bool) -> Self {
        if quiet {
            return Self::Nothing;
        }
        if !std::io::stderr().is_terminal() {
            return Self::Lines(std::sync::Mutex::default());
        }
        let bar = ProgressBar::new(100);
        if let Ok(style) = ProgressStyle::with_template("{elapsed:>4} [{bar:32}] {pos:>3}%  {msg}") {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.enable_steady_tick(Duration::from_millis(250));
        Self::Bar(bar)
    }

    fn show(&self, status: &Value) {
        let progress = status["progress"].as_u64().unwrap_or(0);
        let stage = status["stage"].as_str().unwrap_or_default();
        match self {
            Self::Nothing => {}
            Self::Bar(bar) => {
                bar.set_position(progress);
                bar.set_message(stage.to_owned());
            }
            Self::Lines(last) => {
                let line = format!("{progress:>3}%  {stage}");
                if let Ok(mut last) = last.lock()
                    && *last != line
                {
                    eprintln!("{line}");
                    *last = line;
                }
            }
        }
    }

    fn end(&self) {
        if let Self::Bar(bar) = self {
            bar.finish_and_clear();
        }
    }
}
