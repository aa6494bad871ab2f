//! The example page, on an origin of its own, against the whole system.

use super::in_a_browser;
use crate::support::processes::{Process, port};
use crate::support::system::http;

#[tokio::test]
async fn the_example_makes_clips() {
    visited("example.mjs").await;
}

#[tokio::test]
async fn the_example_says_what_is_wrong_and_is_for_everybody() {
    visited("example_looks.mjs").await;
}

/// Runs the file against a system of its own. Screenshots go to the folder that `LOOKS` names, if any.
async fn visited(file: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    let [at, broker, sandbox, page] = [port(), port(), port(), port()].map(|port| port.to_string());
    let args = ["dev", "--data", "state", "--port", &at, "--broker-port", &broker, "--sandbox-port", &sandbox];
    let page = format!("http://127.0.0.1:{page}");
    let mut process = Process::start("dev", &args, &[("CORS_ORIGINS".to_owned(), page.clone())], folder.path());
    let base = format!("http://127.0.0.1:{at}");
    process.healthy(&http(), &base).await;
    let stand_ins = format!("http://127.0.0.1:{sandbox}");
    let mut environment = vec![("SERVICE", base.as_str()), ("STAND_INS", &stand_ins), ("PAGE", &page)];
    let looks = std::env::var("LOOKS").unwrap_or_default();
    if !looks.is_empty() {
        environment.push(("LOOKS", &looks));
    }
    in_a_browser(file, &environment).await;
}
