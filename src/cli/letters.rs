//! `dlq`: dead letters of a running service, seen, replayed, dropped.

use super::jobs::{moment, text};
use super::operator::{Care, Operator, PAYS_AGAIN, agreed, left_alone};
use super::table::{Cell, Table};
use super::{End, Server};
use anyhow::anyhow;
use clap::{Args, Subcommand};
use serde_json::{Value, json};

/// Letters asked for at once.
const PAGE: usize = 100;

#[derive(Args)]
pub(super) struct Letters {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// List dead letters: failed jobs, and what QStash keeps of ours among its own.
    Ls(Ls),
    /// Show one dead letter.
    Show(One),
    /// Let what failed go on: from the step that failed, under a new deduplication id. Where Klap's own work came to
    /// nothing, new work is paid for; --dry-run tells.
    Replay(Chosen),
    /// Take dead letters away; with a failed job goes its record.
    Drop(Chosen),
}

#[derive(Args)]
struct Ls {
    /// Only those that failed for this code.
    #[arg(long)]
    code: Option<String>,
    /// At most so many.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    limit: u32,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: Server,
}

#[derive(Args)]
struct One {
    /// A job's id, or `dlq:` and the id of QStash's dead letter.
    letter: String,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: Server,
}

#[derive(Args)]
struct Chosen {
    /// Jobs' ids, or `dlq:` and the ids of QStash's dead letters.
    #[arg(required_unless_present = "all")]
    letters: Vec<String>,
    /// All of them.
    #[arg(long, conflicts_with = "letters")]
    all: bool,
    /// Of all, only those that failed for this code.
    #[arg(long, requires = "all")]
    code: Option<String>,
    #[command(flatten)]
    care: Care,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: Server,
}

pub(super) async fn letters(letters: Letters) -> Result<(), End> {
    match letters.command {
        Command::Ls(asked) => list(asked).await,
        Command::Show(asked) => show(asked).await,
        Command::Replay(asked) => handle(asked, "replay").await,
        Command::Drop(asked) => handle(asked, "drop").await,
    }
}

/// The letters that are wanted, up to a number, and whether QStash could be asked about all of them.
async fn found(operator: &Operator, most: usize, wanted: impl Fn(&Value) -> bool) -> Result<(Vec<Value>, bool), End> {
    let mut read = true;
    let pick = |page: &Value| {
        read &= page["qstash"] == "read";
        page["letters"].as_array().into_iter().flatten().filter(|letter| wanted(letter)).cloned().collect()
    };
    let (letters, _) = operator.rows("/api/admin/dead-letters", &[("limit", PAGE.to_string())], most, pick).await?;
    Ok((letters, read))
}

async fn list(asked: Ls) -> Result<(), End> {
    let operator = Operator::new(asked.server)?;
    let limit = usize::try_from(asked.limit).unwrap_or(usize::MAX);
    let is_wanted = |letter: &Value| asked.code.as_ref().is_none_or(|code| letter["cause"]["code"] == code.as_str());
    // One more than is told says whether there are more.
    let (mut letters, read) = found(&operator, limit.saturating_add(1), is_wanted).await?;
    let more = letters.len() > limit;
    letters.truncate(limit);
    if asked.json {
        out!("{:#}", json!({"letters": letters, "more": more, "qstash": if read { "read" } else { "unavailable" }}));
        return Ok(());
    }
    if !read {
        eprintln!("QStash could not be asked, or not in time: what it has is not all told");
    }
    if letters.is_empty() {
        out!("no dead letters");
        return Ok(());
    }
    let mut table = Table::new(&["LETTER", "FAILED", "STEP", "CODE", "REPLAY", "WHY"]);
    for letter in &letters {
        let replayable = letter["replayable"] == true;
        let why = letter["why"].as_str().unwrap_or_else(|| text(&letter["cause"], "message"));
        table.add(vec![
            text(letter, "id").into(),
            moment(text(letter, "failedAt")).into(),
            text(letter, "step").into(),
            text(&letter["cause"], "code").into(),
            if replayable { "yes".into() } else { "no".into() },
            why.into(),
        ]);
    }
    table.print();
    if more {
        eprintln!("there are more: raise --limit");
    }
    Ok(())
}

async fn show(asked: One) -> Result<(), End> {
    let operator = Operator::new(asked.server)?;
    let (letters, read) = found(&operator, 1, |letter| letter["id"] == asked.letter.as_str()).await?;
    let Some(letter) = letters.first() else {
        let hint = if read { "" } else { " (QStash could not be asked)" };
        return Err(End::failed(anyhow!(
            "there is no dead letter {}{hint}; `cliprelay dlq ls` lists those there are",
            asked.letter
        )));
    };
    if asked.json {
        out!("{letter:#}");
        return Ok(());
    }
    let numbers = |name: &str| if letter[name].is_null() { String::new() } else { letter[name].to_string() };
    let entries: Vec<&str> = letter["dlqIds"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    for (name, value) in [
        ("letter", text(letter, "id").to_owned()),
        ("job", text(letter, "jobId").to_owned()),
        ("status", text(letter, "jobStatus").to_owned()),
        ("project", text(letter, "projectId").to_owned()),
        ("owner", text(letter, "owner").to_owned()),
        ("step", text(letter, "step").to_owned()),
        ("failed", moment(text(letter, "failedAt"))),
        ("cause", format!("{}: {}", text(&letter["cause"], "code"), text(&letter["cause"], "message"))),
        ("attempts", numbers("attempts")),
        ("answered", numbers("responseStatus")),
        ("QStash", if entries.is_empty() { "has no entry of it".to_owned() } else { entries.join(", ") }),
        ("replay", if letter["replayable"] == true { "can be replayed" } else { "cannot be replayed" }.to_owned()),
        ("pays for", text(letter, "paysAgain").to_owned()),
        ("why", text(letter, "why").to_owned()),
    ] {
        if !value.is_empty() {
            out!("{name:10}{value}");
        }
    }
    Ok(())
}

async fn handle(asked: Chosen, action: &str) -> Result<(), End> {
    let operator = Operator::new(asked.server)?;
    let mut body = if asked.all { json!({"all": true}) } else { json!({"ids": asked.letters}) };
    if let Some(code) = &asked.code {
        body["code"] = json!(code);
    }
    let bulk = asked.all || asked.letters.len() > 1;
    if bulk && !asked.care.dry_run {
        let which = match (&asked.code, asked.all) {
            (Some(code), _) => format!("all dead letters of {code}"),
            (None, true) => "all dead letters".to_owned(),
            (None, false) => format!("{} dead letters", asked.letters.len()),
        };
        let question =
            if action == "drop" { format!("Drop {which}?") } else { format!("Replay {which}? {PAYS_AGAIN}") };
        if !agreed(&question, asked.care.yes).await? {
            return Err(left_alone());
        }
    }
    if asked.care.dry_run {
        body["dryRun"] = json!(true);
    }
    let path = format!("/api/admin/dead-letters/{action}");
    let mut read = true;
    let hear = |page: &Value| read &= page["qstash"] != "unavailable";
    let (results, end) = operator.through(&path, body, "results", hear).await;
    if !read {
        eprintln!("QStash could not be asked: what rests in its list alone was left as it is");
    }
    let failed = results.iter().filter(|result| result["outcome"] == "failed").count();
    if results.is_empty() && end.is_err() {
        return end;
    }
    if asked.json {
        out!("{:#}", json!({"dryRun": asked.care.dry_run, "results": results}));
    } else if results.is_empty() {
        out!("no dead letters");
    } else {
        let mut table = Table::new(&["LETTER", "OUTCOME", "DETAIL"]);
        for result in &results {
            let outcome = match text(result, "outcome") {
                "wouldReplay" => "would replay",
                "wouldDrop" => "would drop",
                outcome => outcome,
            };
            table.add(vec![text(result, "id").into(), Cell::status(outcome), text(result, "detail").into()]);
        }
        table.print();
    }
    end?;
    match failed {
        0 => Ok(()),
        failed => Err(End::failed(anyhow!("{failed} of {} could not be done", results.len()))),
    }
}
