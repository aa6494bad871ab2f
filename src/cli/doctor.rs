//! `doctor`: what was found, as a table for people or as JSON for programs.

use super::{Doctor, End, environment};
use crate::app::doctor::{self, Finding, Report, State};
use serde_json::{Value, json};
use std::io::IsTerminal;

pub(super) async fn doctor(asked: Doctor) -> Result<(), End> {
    let report = doctor::examine(&environment).await?;
    if asked.json {
        out!("{:#}", as_value(&report));
    } else {
        table(&report);
    }
    verdict(&report)
}

/// How the command ends: 0 if nothing failed, 2 if the configuration left nothing to look at, otherwise 1.
pub(super) fn verdict(report: &Report) -> Result<(), End> {
    let failed = report.count(State::Fail);
    match failed {
        0 => Ok(()),
        _ if report.nothing_to_check => {
            Err(End::usage("the configuration leaves nothing that could be checked; the findings tell what to set"))
        }
        1 => Err(End::failed(anyhow::anyhow!("1 check failed; its line tells how to mend it"))),
        _ => Err(End::failed(anyhow::anyhow!("{failed} checks failed; their lines tell how to mend them"))),
    }
}

pub(super) fn as_value(report: &Report) -> Value {
    json!({
        "ok": report.count(State::Fail) == 0,
        "passed": report.count(State::Ok),
        "warnings": report.count(State::Warn),
        "failed": report.count(State::Fail),
        "skipped": report.count(State::Skipped),
        "tookMs": u64::try_from(report.took.as_millis()).unwrap_or(u64::MAX),
        "findings": report.findings,
    })
}

pub(super) fn table(report: &Report) {
    let colours = std::io::stdout().is_terminal() && environment("NO_COLOR").is_none_or(|value| value.is_empty());
    let width = report.findings.iter().map(|finding| finding.check.len()).max().unwrap_or(0);
    for finding in &report.findings {
        line(finding, width, colours);
    }
    let count = |state| report.count(state);
    out!(
        "\n{} ok, {} to look at, {} failed, {} not checked, in {:.1} s",
        count(State::Ok),
        count(State::Warn),
        count(State::Fail),
        count(State::Skipped),
        report.took.as_secs_f64()
    );
}

fn line(finding: &Finding, width: usize, colours: bool) {
    let (word, colour) = match finding.state {
        State::Ok => ("ok  ", "32"),
        State::Warn => ("warn", "33"),
        State::Fail => ("FAIL", "31"),
        State::Skipped => ("skip", "2"),
    };
    let word = if colours { format!("\u{1b}[{colour}m{word}\u{1b}[0m") } else { word.to_owned() };
    out!("{word}  {:width$}  {}", finding.check, finding.seen);
    if let Some(mend) = &finding.mend {
        out!("      {:width$}  -> {mend}", "");
    }
}
