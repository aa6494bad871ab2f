//! Commands that talk to a running service.

use super::watch::{Service, read, unreachable};
use super::{End, Enqueue, Server, Sweep, environment};
use crate::app::http_client;
use reqwest::Method;
use serde_json::{Value, json};
use url::Url;

/// The key of the frontend's routes, if they want one.
const API_KEY: &str = "CLIPRELAY_API_KEY";

pub(super) fn service(server: Url, key: Option<String>) -> Result<Service, End> {
    Ok(Service { http: http_client()?, server, key })
}

pub(super) async fn enqueue(enqueue: Enqueue) -> Result<(), End> {
    let service = service(enqueue.server.server, environment(API_KEY))?;
    let job = submit(&service, &enqueue.project_id, enqueue.video_url.as_deref()).await?;
    let id = job["jobId"].as_str().unwrap_or_default();
    if !enqueue.wait {
        print(&job, enqueue.json, || {
            out!(
                "{}: {id} ({})",
                job["message"].as_str().unwrap_or_default(),
                job["status"].as_str().unwrap_or_default()
            );
        });
        return Ok(());
    }
    let ended = service.watch(id, enqueue.json).await?;
    print(&ended, enqueue.json, || {
        let clips = ended["clips"].as_array().map_or(0, Vec::len);
        out!("{id}: {} ({clips} clips)", ended["status"].as_str().unwrap_or_default());
    });
    match ended["status"].as_str() {
        Some("completed") => Ok(()),
        _ => Err(End::failed(anyhow::anyhow!("{}", reason(&ended)))),
    }
}

/// Why a job did not complete.
pub(super) fn reason(ended: &Value) -> String {
    let status = ended["status"].as_str().unwrap_or("lost");
    match ended["error"].as_str() {
        Some(error) => format!("the job {status}: {error}"),
        None => format!("the job was {status}"),
    }
}

pub(super) async fn submit(service: &Service, project: &str, video_url: Option<&str>) -> Result<Value, End> {
    let mut body = json!({"projectId": project});
    if let Some(url) = video_url {
        body["videoUrl"] = url.into();
    }
    let request = service.request(Method::POST, "/api/process-klap")?.json(&body);
    let answer = request.send().await.map_err(|error| unreachable(&service.server, &error))?;
    read(answer).await
}

pub(super) async fn sweep(sweep: Sweep) -> Result<(), End> {
    let Server { server } = sweep.server;
    let secret = operator_secret(&server)
        .ok_or_else(|| End::usage("WORKER_SECRET is missing: the sweep is an operator's route"))?;
    let service = service(server, Some(secret))?;
    let request = service.request(Method::POST, "/api/cron/klap")?;
    let answer = request.send().await.map_err(|error| unreachable(&service.server, &error))?;
    let swept = read(answer).await?;
    print(&swept, sweep.json, || {
        for what in ["republished", "revived", "failed", "purged"] {
            out!("{what:12} {}", swept[what]);
        }
    });
    Ok(())
}

/// What opens the operator's routes of that service, as far as this environment knows.
pub(super) fn operator_secret(server: &Url) -> Option<String> {
    let given = ["WORKER_SECRET", "CRON_SECRET"].into_iter().find_map(environment);
    given.or_else(|| local_secret(server))
}

/// What opens the operator's routes of a `dev` on this machine.
fn local_secret(server: &Url) -> Option<String> {
    #[cfg(feature = "local")]
    if crate::config::is_loopback(server) {
        return Some(crate::app::local::OPERATOR_SECRET.to_owned());
    }
    let _ = server;
    None
}

fn print(value: &Value, as_json: bool, plain: impl FnOnce()) {
    if as_json { out!("{value:#}") } else { plain() }
}
