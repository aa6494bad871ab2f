//! `setup`: shows what it would do, asks, does it, and has the doctor look at the result.

use super::doctor::{as_value, table, verdict};
use super::{End, SetUp, environment};
use crate::app::setup::{Error, MINUTES, Step, Wanted, prepare};
use serde_json::{Value, json};
use std::io::{BufRead, IsTerminal, Write};

const MIB: u64 = 1024 * 1024;

pub(super) async fn setup(asked: SetUp) -> Result<(), End> {
    let wanted = Wanted {
        every: (!asked.no_schedule).then_some(asked.every),
        schedule_id: asked.schedule_id.clone(),
        take_over: asked.take_over,
        bucket: !asked.no_bucket,
        size_limit: asked.size_limit.map(|mebibytes| mebibytes.saturating_mul(MIB)),
        remove: asked.remove,
    };
    let setup = prepare(&wanted, &environment)?;
    let plan = setup.plan().await.map_err(ended)?;
    let changes = plan.iter().filter(|step| step.changes()).count();
    if !asked.json {
        show(&plan, changes, asked.dry_run);
    }
    let goes_on = changes > 0 && !asked.dry_run && agreed(&asked)?;
    if goes_on {
        for step in plan.iter().filter(|step| step.changes()) {
            setup.apply(step).await.map_err(ended)?;
            if !asked.json {
                out!("done      {}", step.what);
            }
        }
    }
    if changes > 0 && !goes_on && !asked.dry_run {
        return Err(End::failed(anyhow::anyhow!("nothing was changed")));
    }
    let looks = !(asked.dry_run || asked.no_doctor || asked.remove);
    let report = if looks { Some(crate::app::doctor::examine(&environment).await?) } else { None };
    if asked.json {
        let plan: Vec<Value> = plan.iter().map(step_as_value).collect();
        out!("{:#}", json!({"plan": plan, "changed": goes_on, "doctor": report.as_ref().map(as_value)}));
    } else if let Some(report) = &report {
        out!();
        table(report);
    }
    report.as_ref().map_or(Ok(()), verdict)
}

/// Between two calls; only what divides an hour is the same all day.
pub(super) fn minutes(given: &str) -> Result<u32, String> {
    let minutes = given.parse().ok().filter(|minutes| MINUTES.contains(minutes));
    minutes
        .ok_or_else(|| format!("must divide an hour: one of {}", MINUTES.map(|minutes| minutes.to_string()).join(", ")))
}

fn show(plan: &[Step], changes: usize, dry: bool) {
    for step in plan {
        out!("{:8}  {}: {}", step.verb(), step.what, step.detail);
    }
    match (changes, dry) {
        (0, _) => out!("nothing to do"),
        (_, true) => out!("nothing was changed (--dry-run)"),
        (_, false) => {}
    }
}

fn step_as_value(step: &Step) -> Value {
    json!({"what": step.what, "action": step.verb(), "changes": step.changes(), "detail": step.detail})
}

/// Asks, unless it was said beforehand. Who cannot be asked has not agreed.
fn agreed(asked: &SetUp) -> Result<bool, End> {
    if asked.yes {
        return Ok(true);
    }
    let mut input = std::io::stdin().lock();
    if asked.json || !input.is_terminal() {
        return Err(End::usage("nobody can be asked here: --yes does it, --dry-run only shows it"));
    }
    let mut error = std::io::stderr();
    drop(write!(error, "Do this? [y/N] "));
    drop(error.flush());
    let mut line = String::new();
    input.read_line(&mut line).map_err(|error| End::failed(anyhow::anyhow!("no answer could be read: {error}")))?;
    Ok(matches!(line.trim().to_lowercase().as_str(), "y" | "yes"))
}

fn ended(error: Error) -> End {
    const CONTEXT: &str = "not all could be set up; `cliprelay doctor` tells more";
    if error.is_away() {
        return End::unreachable(format!("{CONTEXT}: {error}"));
    }
    End::failed(anyhow::Error::new(error).context(CONTEXT))
}
