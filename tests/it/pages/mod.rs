//! Our pages in a real browser. What is looked at and pressed there is written in `tests/js/pages`.

mod broker;
mod dashboard;
mod example;

use crate::support::processes::run_within;
use std::process::Command;
use std::time::Duration;

/// A browser on a busy machine takes its time; the test runner's own patience is larger.
const PATIENCE: Duration = Duration::from_secs(400);

/// Runs one file of tests under `tests/js/pages` by Node. `infra/packages` has installed what it needs.
async fn in_a_browser(file: &str, environment: &[(&str, &str)]) {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/js");
    let mut command = Command::new("node");
    command.args(["--test", "--test-reporter", "spec"]).arg(format!("pages/{file}")).current_dir(folder);
    let ended = run_within(PATIENCE, command.envs(environment.iter().copied())).await;
    assert_eq!(ended.code, Some(0), "{}\n{}", ended.stdout, ended.stderr);
    assert!(ended.stdout.contains("fail 0") && !ended.stdout.contains("pass 0"), "{}", ended.stdout);
}
