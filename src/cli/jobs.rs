//! `jobs`: everybody's jobs on a running service, listed, looked at, ended, tried again, cleared away.

use super::operator::{Care, Operator, agreed, left_alone};
use super::several::{Several, each};
use super::table::{Cell, Table};
use super::{End, Server, span};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

/// Rows asked for at once.
const PAGE: usize = 100;

#[derive(Args)]
pub(super) struct Jobs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// List jobs of all owners, the newest first.
    Ls(Ls),
    /// Show one job: how it stands, what happened to it, its clips, what it cost.
    Show(One),
    /// End jobs at once and for good.
    Cancel(Several),
    /// Let failed jobs go on from the step that failed, with what was paid for. Where Klap's own work came to nothing,
    /// new work is paid for; --dry-run tells.
    Retry(Several),
    /// Delete ended jobs before their time to stay is over.
    Purge(Purge),
}

#[derive(Args)]
struct Ls {
    /// Only those that stand so.
    #[arg(long, value_parser = ["queued", "processing", "completed", "failed", "cancelled"])]
    status: Option<String>,
    /// Only those taken since then: a span like 1h or 2d, or a time like 2026-11-23T12:00:00Z.
    #[arg(long, value_parser = span::since)]
    since: Option<String>,
    /// Only this owner's.
    #[arg(long)]
    owner: Option<String>,
    /// Only this project's.
    #[arg(long)]
    project: Option<String>,
    /// A job's id, or a part of a project's or owner's name or of an error's code.
    #[arg(long)]
    search: Option<String>,
    /// At most so many.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    limit: u32,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: Server,
}

#[derive(Args)]
struct One {
    /// The job's id.
    job: String,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: Server,
}

#[derive(Args)]
struct Purge {
    /// Those that ended longer ago than this, like 12h or 7d.
    #[arg(long, value_parser = span::seconds)]
    older_than: u64,
    #[command(flatten)]
    care: Care,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: Server,
}

pub(super) async fn jobs(jobs: Jobs) -> Result<(), End> {
    match jobs.command {
        Command::Ls(asked) => list(asked).await,
        Command::Show(asked) => show(asked).await,
        Command::Cancel(asked) => each(asked, "cancel").await,
        Command::Retry(asked) => each(asked, "retry").await,
        Command::Purge(asked) => purge(asked).await,
    }
}

/// A job's own path; an id is no path, whatever it holds.
pub(super) fn path(job: &str, action: &str) -> String {
    let id: String = url::form_urlencoded::byte_serialize(job.as_bytes()).collect();
    format!("/api/admin/jobs/{}{action}", id.replace('+', "%20"))
}

async fn list(asked: Ls) -> Result<(), End> {
    let operator = Operator::new(asked.server)?;
    let limit = usize::try_from(asked.limit).unwrap_or(usize::MAX);
    let filters = [
        ("status", asked.status),
        ("since", asked.since),
        ("owner", asked.owner),
        ("project", asked.project),
        ("q", asked.search),
    ];
    let mut query: Vec<(&str, String)> = filters.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
    query.push(("limit", limit.min(PAGE).to_string()));
    let pick = |page: &Value| page["jobs"].as_array().cloned().unwrap_or_default();
    let (jobs, more) = operator.rows("/api/admin/jobs", &query, limit, pick).await?;
    if asked.json {
        out!("{:#}", json!({"jobs": jobs, "more": more}));
        return Ok(());
    }
    if jobs.is_empty() {
        out!("no jobs");
        return Ok(());
    }
    let mut table = Table::new(&["JOB", "PROJECT", "OWNER", "STATUS", "DONE", "STEP", "CLIPS", "CREATED", "ERROR"]);
    for job in &jobs {
        table.add(vec![
            text(job, "jobId").into(),
            text(job, "projectId").into(),
            text(job, "owner").into(),
            Cell::status(text(job, "status")),
            format!("{:>3}%", job["progress"]).into(),
            text(job, "step").into(),
            format!("{}/{}", job["clipsStored"], job["clipsTotal"]).into(),
            moment(text(job, "createdAt")).into(),
            text(&job["errorDetail"], "code").into(),
        ]);
    }
    table.print();
    if more {
        eprintln!("there are more: raise --limit, or narrow it down");
    }
    Ok(())
}

async fn show(asked: One) -> Result<(), End> {
    let operator = Operator::new(asked.server)?;
    let found = operator.get(&path(&asked.job, ""), &[]).await?;
    if asked.json {
        out!("{found:#}");
        return Ok(());
    }
    let job = &found["job"];
    for (name, value) in [
        ("job", text(job, "jobId").to_owned()),
        ("project", format!("{} of {}", text(job, "projectId"), text(job, "owner"))),
        ("status", format!("{}, {}% ({})", text(job, "status"), job["progress"], text(job, "stage"))),
        ("step", format!("{} (epoch {}, {} in it)", text(job, "step"), job["epoch"], job["seq"])),
        ("created", moment(text(job, "createdAt"))),
        ("ended", job["completedAt"].as_str().map(moment).unwrap_or_default()),
        ("error", error(&job["errorDetail"])),
    ] {
        if !value.is_empty() {
            out!("{name:9}{value}");
        }
    }
    timeline(&found);
    clips(&job["clips"]);
    cost(&found["cost"]);
    Ok(())
}

fn error(error: &Value) -> String {
    match error["code"].as_str() {
        Some(code) => format!("{code}: {}", text(error, "message")),
        None => String::new(),
    }
}

fn timeline(found: &Value) {
    out!("\nWhat happened{}", if found["timelineCut"] == true { ", not all of it" } else { "" });
    let mut table = Table::new(&["TIME", "WHAT", "STEP", "AT", "TOOK", "DETAIL"]);
    for entry in found["timeline"].as_array().into_iter().flatten() {
        let what = text(entry, "what");
        let cell = match text(entry, "outcome") {
            "" if what == "failed" => Cell::status("failed"),
            "" => what.into(),
            outcome => format!("{what}: {outcome}").into(),
        };
        table.add(vec![
            moment(text(entry, "at")).into(),
            cell,
            text(entry, "step").into(),
            format!("{}.{}", entry["epoch"], entry["seq"]).into(),
            entry["durationMs"].as_u64().map(span::told).unwrap_or_default().into(),
            detail(entry).into(),
        ]);
    }
    table.print();
}

/// What else is known of an entry, in words.
fn detail(entry: &Value) -> String {
    let mut told = Vec::new();
    if let Some(attempt) = entry["attempt"].as_u64().filter(|attempt| *attempt > 1) {
        told.push(format!("attempt {attempt}"));
    }
    for (name, before) in [("effect", ""), ("receipt", "receipt "), ("by", "by "), ("messageId", "")] {
        if let Some(value) = entry[name].as_str() {
            told.push(format!("{before}{value}"));
        }
    }
    if let Some(after) = entry["after"].as_f64().filter(|after| *after > 0.0) {
        told.push(format!("again in {after} s"));
    }
    if entry["signedWith"] == "next" {
        told.push("signed with the next key".to_owned());
    }
    if entry["error"].is_object() {
        told.push(error(&entry["error"]));
    }
    told.join(", ")
}

fn clips(clips: &Value) {
    let Some(clips) = clips.as_array().filter(|clips| !clips.is_empty()) else { return };
    out!("\nClips");
    let mut table = Table::new(&["CLIP", "STATUS", "SIZE", "WHERE"]);
    for clip in clips {
        let size = clip["size"].as_u64().map(|size| indicatif::HumanBytes(size).to_string());
        let place = clip["url"].as_str().or_else(|| clip["error"].as_str()).unwrap_or_default();
        let status = Cell::status(text(clip, "status"));
        table.add(vec![text(clip, "id").into(), status, size.unwrap_or_default().into(), place.into()]);
    }
    table.print();
}

fn cost(cost: &Value) {
    let bytes = indicatif::HumanBytes(cost["bytesStored"].as_u64().unwrap_or(0));
    out!(
        "\nCost: {} messages, {} round trips to the store ({} commands), {} paid calls (${:.2} at the list price), {bytes} stored",
        cost["messages"],
        cost["storeRoundTrips"],
        cost["redisCommands"],
        cost["klapCalls"],
        cost["klapUsd"].as_f64().unwrap_or_default(),
    );
    if let Some(twice) = cost["possibleDuplicateCharge"].as_u64().filter(|twice| *twice > 0) {
        out!("Of the paid calls, {twice} may have been billed twice");
    }
}

async fn purge(asked: Purge) -> Result<(), End> {
    let operator = Operator::new(asked.server)?;
    let age = span::told(asked.older_than * 1_000);
    if !asked.care.dry_run
        && !agreed(&format!("Delete all jobs that ended more than {age} ago?"), asked.care.yes).await?
    {
        return Err(left_alone());
    }
    let body = json!({"olderThan": asked.older_than, "dryRun": asked.care.dry_run});
    let (jobs, end) = operator.through("/api/admin/jobs/purge", body, "jobs", |_| ()).await;
    if jobs.is_empty() && end.is_err() {
        return end;
    }
    if asked.json {
        out!("{:#}", json!({"dryRun": asked.care.dry_run, "purged": jobs.len(), "jobs": jobs}));
        return end;
    }
    if asked.care.dry_run {
        jobs.iter().filter_map(Value::as_str).for_each(|job| out!("{job}"));
    }
    let done = if asked.care.dry_run { "would be deleted" } else { "deleted" };
    out!("{} jobs {done}", jobs.len());
    end
}

pub(super) fn text<'a>(value: &'a Value, member: &str) -> &'a str {
    value[member].as_str().unwrap_or_default()
}

/// A time without what nobody reads in a table.
pub(super) fn moment(time: &str) -> String {
    time.split('.').next().unwrap_or_default().replace('T', " ")
}
