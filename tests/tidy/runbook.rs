//! Whoever is called at night looks an alert up by its name, a failure by its code, and follows links. All three lead somewhere.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

const RUNBOOK: &str = include_str!("../../infra/runbook.md");
/// What is checked for links.
const GUIDES: [&str; 3] = ["infra/runbook.md", "infra/setup.md", "infra/moving.md"];

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn every_alert_has_its_section_and_every_section_its_alert() {
    let rules = read("infra/prometheus/alerts.yml");
    let alerts: BTreeSet<&str> = rules
        .lines()
        .filter_map(|line| line.trim().trim_start_matches("- ").strip_prefix("alert:"))
        .map(str::trim)
        .collect();
    let sections = RUNBOOK.lines().filter_map(|line| line.strip_prefix("### "));
    let sections: BTreeSet<&str> = sections.filter(|name| name.starts_with("Cliprelay")).collect();
    assert!(!alerts.is_empty());
    assert_eq!(alerts, sections);
    for alert in alerts {
        let (_, text) = RUNBOOK.split_once(&format!("\n### {alert}\n")).expect("its section");
        let text = text.split_once("\n### ").map_or(text, |(own, _)| own);
        for part in ["**Means**", "**Look**", "**Do**", "**Wake somebody**"] {
            assert!(text.contains(part), "{alert} does not say {part}");
        }
    }
}

#[test]
fn every_code_that_a_job_can_fail_with_is_explained() {
    let mut sources = Vec::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for folder in ["src/flow", "src/kinds", "src/job"] {
        super::collect(root, &root.join(folder), &mut sources);
    }
    let mut codes = BTreeSet::new();
    for source in sources.iter().filter(|source| !source.path.contains("/tests")) {
        for made in ["Failure::retryable(", "Failure::lasting("] {
            for (at, _) in source.text.match_indices(made) {
                let argument = source.text[at + made.len()..].trim_start();
                // What is in no quotes was given by a caller.
                if let Some(code) = argument.strip_prefix('"').and_then(|rest| rest.split('"').next()) {
                    codes.insert(code.to_owned());
                }
            }
        }
    }
    assert!(codes.len() > 10, "{codes:?}");
    // Never a job's own: the answer to a push of a job that has failed already.
    codes.remove("failed");
    let missing: Vec<&String> = codes.iter().filter(|code| !RUNBOOK.contains(&format!("`{code}`"))).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn links_lead_somewhere() {
    let mut wrong = Vec::new();
    let mut count = 0;
    for guide in GUIDES {
        let text = read(guide);
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if target.contains("://") {
                continue;
            }
            count += 1;
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            let file = if file.is_empty() { guide.to_owned() } else { format!("infra/{file}") };
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(&file);
            if !path.exists() {
                wrong.push(format!("{guide}: no file {file}"));
            } else if !anchor.is_empty() {
                let there = read(&file);
                let known = there.lines().filter(|line| line.starts_with('#')).any(|line| slug(line) == anchor);
                if !known {
                    wrong.push(format!("{guide}: no heading #{anchor} in {file}"));
                }
            }
        }
    }
    assert!(count > 30, "{count} links were found");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A heading as its link writes it.
fn slug(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = text.chars().filter(|letter| letter.is_alphanumeric() || " -_".contains(*letter));
    kept.map(|letter| if letter == ' ' { '-' } else { letter }).collect()
}
