//! A running service as its operator sees it: what is asked of `/api/admin`, and what is wrong in words that say what to do.

use super::client::{operator_secret, service};
use super::watch::{Service, is_bad_usage, unreachable};
use super::{End, Server};
use anyhow::anyhow;
use clap::Args;
use reqwest::{Method, StatusCode};
use serde_json::Value;
use std::io::{IsTerminal, Write};

pub(super) struct Operator {
    service: Service,
}

impl Operator {
    pub fn new(server: Server) -> Result<Self, End> {
        let secret = operator_secret(&server.server).ok_or_else(|| {
            End::usage("WORKER_SECRET is missing: set it to the service's own, which opens the operator's routes")
        })?;
        Ok(Self { service: service(server.server, Some(secret))? })
    }

    pub async fn get(&self, path: &str, query: &[(&str, String)]) -> Result<Value, End> {
        let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(query).finish();
        let path = if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") };
        self.ask(self.service.request(Method::GET, &path)?).await
    }

    pub async fn post(&self, path: &str, body: Option<&Value>) -> Result<Value, End> {
        let request = self.service.request(Method::POST, path)?;
        self.ask(if let Some(body) = body { request.json(body) } else { request }).await
    }

    async fn ask(&self, request: reqwest::RequestBuilder) -> Result<Value, End> {
        let server = &self.service.server;
        let answer = request.send().await.map_err(|error| unreachable(server, &error))?;
        let status = answer.status();
        let body: Value = answer.json().await.unwrap_or_default();
        if status.is_success() {
            return if body.is_object() { Ok(body) } else { Err(End::failed(anyhow!("{server} is no cliprelay"))) };
        }
        let detail = body["detail"].as_str().unwrap_or("the service gave no reason");
        Err(match status {
            StatusCode::UNAUTHORIZED => End::usage(format!(
                "{server} does not take this WORKER_SECRET: set it to the one the service was started with"
            )),
            StatusCode::NOT_FOUND if body["code"].is_null() => {
                End::failed(anyhow!("{server} has no such route: is it this version of cliprelay?"))
            }
            _ if is_bad_usage(status) && body["code"] != "cannot_retry" => {
                End::usage(format!("the service answered {}: {detail}", status.as_u16()))
            }
            StatusCode::SERVICE_UNAVAILABLE => End::failed(anyhow!(
                "the service is up, but answered 503: {detail}; `GET /api/ready` says what is down"
            )),
            _ => End::failed(anyhow!("{detail}{}", advice(&body))),
        })
    }
}

/// What to do about a refusal.
fn advice(body: &Value) -> String {
    let job = body["jobId"].as_str().unwrap_or_default();
    match body["code"].as_str().unwrap_or_default() {
        "not_found" => "; `cliprelay jobs ls` lists those there are".to_owned(),
        "already_final" => format!(": it {}", body["jobStatus"].as_str().unwrap_or("ended")),
        "not_failed" => "; `cliprelay jobs show` tells how it stands".to_owned(),
        "project_busy" => format!(": {job}; wait for it, or cancel it"),
        "cannot_retry" => "; a new job with another video can".to_owned(),
        _ => String::new(),
    }
}

/// What a question about several jobs to be tried again says.
pub(super) const PAYS_AGAIN: &str = "Where Klap's work came to nothing it is paid for anew; --dry-run tells where.";

/// How careful a bulk change is to be.
#[derive(Args)]
pub(super) struct Care {
    /// Only tell what would be done.
    #[arg(long)]
    pub dry_run: bool,
    /// Do not ask.
    #[arg(long)]
    pub yes: bool,
}

/// Whether a person says yes; with nobody there to ask, what to say instead.
pub(super) async fn agreed(question: &str, yes: bool) -> Result<bool, End> {
    if yes {
        return Ok(true);
    }
    if !std::io::stdin().is_terminal() {
        return Err(End::usage(format!(
            "{question} There is nobody to ask: say --yes to do it, or --dry-run to see what it would do"
        )));
    }
    eprint!("{question} [y/N] ");
    drop(std::io::stderr().flush());
    let read = tokio::task::spawn_blocking(|| {
        let mut answer = String::new();
        std::io::stdin().read_line(&mut answer).map(|_| answer)
    });
    let answer = read.await.map_err(End::failed)?.map_err(End::failed)?;
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}

/// What a person said no to.
pub(super) fn left_alone() -> End {
    End::failed(anyhow!("nothing was done"))
}
