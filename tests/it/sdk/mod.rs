//! The published SDKs judge the broker: the real program is started, and scripts of ours (`tests/js`, `tests/py`) use it with
//! the official packages as `infra/packages` installs them. What a script says is shown when it fails.
#![expect(clippy::expect_used, reason = "a helper that cannot go on must fail its test")]

mod dev_mode;
mod javascript;
mod python;
mod workflow;

use crate::support::processes::{Ended, Process, port, run};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// A broker as users start it, in memory.
struct Broker {
    _process: Process,
    /// The environment that it prints for its clients.
    clients: Vec<(String, String)>,
    port: u16,
    _folder: TempDir,
}

impl Broker {
    async fn start(more: &[&str]) -> Self {
        Self::start_on(port(), more).await
    }

    async fn start_on(port: u16, more: &[&str]) -> Self {
        let folder = TempDir::new().expect("a folder");
        let number = port.to_string();
        let args = [&["broker", "--memory", "--port", number.as_str()], more].concat();
        let mut process = Process::start("broker", &args, &[], folder.path());
        let said = process.says("QSTASH_NEXT_SIGNING_KEY").await;
        let exported = said.lines().filter_map(|line| line.strip_prefix("export ")?.split_once('='));
        let clients = exported.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        Self { _process: process, clients, port, _folder: folder }
    }
}

/// A path in the repository, where a package must have been installed.
pub fn installed(path: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    assert!(path.exists(), "{} is missing: run infra/packages", path.display());
    path
}

/// A command with nothing of our own environment but what it needs to run.
pub fn bare(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(program);
    command.env_clear().stdin(Stdio::null());
    for name in ["PATH", "HOME", "TMPDIR"] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command
}

/// Runs one file of `tests/js` with node's own test runner.
async fn node(file: &str, env: &[(String, String)]) {
    let folder = installed("tests/js/node_modules/@upstash").ancestors().nth(2).expect("tests/js").to_owned();
    let mut command = bare("node");
    command.args(["--test", "--test-reporter=tap", file]).current_dir(folder).envs(env.iter().cloned());
    let ended = run(&mut command).await;
    passed(file, &ended, &ended.stdout, "# tests ");
}

/// Runs one file of `tests/py` with the interpreter that has the package.
async fn python(file: &str, env: &[(String, String)]) {
    let mut command = bare(installed("target/python/bin/python"));
    command.args(["-B", "-m", "unittest", file]).current_dir(installed("tests/py")).envs(env.iter().cloned());
    let ended = run(&mut command).await;
    passed(file, &ended, &ended.stderr, "Ran ");
}

/// It ended well, and its tests were not none: `summary` holds their number after `before`.
pub fn passed(file: &str, ended: &Ended, summary: &str, before: &str) {
    let told = summary.lines().find_map(|line| line.strip_prefix(before)?.split_whitespace().next());
    let tests: Option<u32> = told.and_then(|number| number.parse().ok());
    let all_well = ended.code == Some(0) && tests.is_some_and(|tests| tests > 0);
    assert!(all_well, "{file}: {:?}, {tests:?} tests\n{}\n{}", ended.code, ended.stdout, ended.stderr);
}
