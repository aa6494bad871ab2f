//! schemathesis makes requests from the committed document, good and bad, and holds the answers of the real program against it:
//! no server error, no answer that is not described, no bad request taken, no good one refused. `tests/py/schemathesis.toml`
//! says what it is told of us.
#![expect(clippy::expect_used, reason = "a helper that cannot go on must fail its test")]

use crate::sdk::{bare, installed};
use crate::support::processes::{Ended, run_within};
use crate::support::system::{API_KEY, SIGNING_KEY, System, WORKER_SECRET};
use cliprelay::http::openapi::document;
use std::time::Duration;

/// For each operation and phase.
const EXAMPLES: u32 = 15;
const PATIENCE: Duration = Duration::from_secs(150);
const EXAMPLES_LONG: u32 = 500;
const PATIENCE_LONG: Duration = Duration::from_mins(40);

async fn tried(system: &System, examples: u32, patience: Duration, more: &[&str]) -> Ended {
    let mut command = bare(installed("target/python/bin/schemathesis"));
    command.args(["--config-file", "schemathesis.toml", "--no-color", "run", "../../infra/openapi.json", "--url"]);
    command.arg(&system.base).args(["--checks", "all", "--max-examples", &examples.to_string()]).args(more);
    command.env("API_KEY", API_KEY).env("WORKER_SECRET", WORKER_SECRET).env("SIGNING_KEY", SIGNING_KEY);
    command.env("PYTHONDONTWRITEBYTECODE", "1").current_dir(installed("tests/py"));
    run_within(patience, &mut command).await
}

/// It found nothing although it tried everything.
#[track_caller]
fn found_nothing(ended: &Ended) {
    let said = &ended.stdout;
    assert_eq!(ended.code, Some(0), "{said}\n{}", ended.stderr);
    let paths = document()["paths"].as_object().expect("paths");
    let operations: usize = paths.values().filter_map(|methods| methods.as_object()).map(serde_json::Map::len).sum();
    assert!(said.contains(&format!("Tested: {operations}\n")), "not every operation was tried: {said}");
    for phase in ["Examples", "Coverage", "Fuzzing", "Stateful"] {
        assert!(said.contains(&format!("✅ {phase}")), "{phase} did not take place: {said}");
    }
    let summary = said.split_once("Test cases:").map_or("", |(_, cases)| cases.trim());
    println!("{}", summary.lines().next().unwrap_or_default());
}

#[tokio::test]
async fn made_up_requests_are_answered_as_described() {
    let system = System::start(&[]).await;
    found_nothing(&tried(&system, EXAMPLES, PATIENCE, &[]).await);
}

#[tokio::test]
#[ignore = "minutes; a new seed each time"]
async fn many_made_up_requests_are_answered_as_described() {
    let system = System::start(&[]).await;
    let seed = fastrand::u32(..).to_string();
    println!("seed {seed}");
    found_nothing(&tried(&system, EXAMPLES_LONG, PATIENCE_LONG, &["--seed", &seed]).await);
}
