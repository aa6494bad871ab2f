//! `jobs cancel` and `jobs retry`: some jobs by their ids, one after another.

use super::jobs::{path, text};
use super::operator::{Care, Operator, PAYS_AGAIN, agreed, left_alone};
use super::{End, Server};
use anyhow::anyhow;
use clap::Args;
use serde_json::{Value, json};

#[derive(Args)]
pub(super) struct Several {
    /// Jobs' ids. More than one is asked about.
    #[arg(required = true)]
    jobs: Vec<String>,
    #[command(flatten)]
    care: Care,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: Server,
}

/// One after another; one that cannot be does not keep the others from it, unless the service is away or wants another secret.
pub(super) async fn each(asked: Several, action: &str) -> Result<(), End> {
    let operator = Operator::new(asked.server)?;
    let care = &asked.care;
    if asked.jobs.len() > 1 && !care.dry_run && !agreed(&question(action, asked.jobs.len()), care.yes).await? {
        return Err(left_alone());
    }
    let (mut failed, mut answers) = (Vec::new(), Vec::new());
    let mut broken = None;
    for job in &asked.jobs {
        let answer = if care.dry_run {
            operator.get(&path(job, ""), &[]).await.map(|found| rehearsed(action, &found["job"]))
        } else {
            operator.post(&path(job, &format!("/{action}")), None).await
        };
        match answer {
            Ok(answer) if asked.json => answers.push(answer),
            Ok(answer) => out!("{job}: {}", text(&answer, "message")),
            Err(end) if end.is_of_the_work() => failed.push(format!("{job}: {end}")),
            Err(end) => {
                broken = Some(end);
                break;
            }
        }
    }
    if asked.json && (broken.is_none() || !answers.is_empty()) {
        out!("{:#}", json!({"jobs": answers}));
    }
    match broken {
        Some(end) => Err(end.after(&failed)),
        None if failed.is_empty() => Ok(()),
        None => Err(End::failed(anyhow!("{}", failed.join("\n")))),
    }
}

fn question(action: &str, jobs: usize) -> String {
    if action == "cancel" {
        format!("Cancel {jobs} jobs, for good?")
    } else {
        format!("Retry {jobs} jobs? {PAYS_AGAIN}")
    }
}

/// What an order would come to, as far as can be told from how the job stands.
fn rehearsed(action: &str, job: &Value) -> Value {
    let status = text(job, "status");
    let message = match (action, status, job["paysAgain"].as_str()) {
        ("cancel", "queued" | "processing", _) => "would be cancelled".to_owned(),
        ("retry", "failed", _) if job["errorDetail"]["retryable"] == false => "a retry cannot help".to_owned(),
        ("retry", "failed", Some(what)) => format!("would go on, and pay for {what}"),
        ("retry", "failed", None) => "would go on, with what is paid".to_owned(),
        _ => format!("is {status}, and would be left alone"),
    };
    json!({"dryRun": true, "jobId": job["jobId"], "projectId": job["projectId"], "status": status, "message": message})
}
