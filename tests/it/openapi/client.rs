//! A TypeScript client, made from the committed document by a stock generator, compiled strictly, driving real jobs. What is
//! generated and compiled lies in a folder that goes with the test; `tests/js/client` is what a frontend would write.
#![expect(clippy::expect_used, reason = "a helper that cannot go on must fail its test")]

use crate::sdk::{bare, installed, passed};
use crate::support::processes::{Process, port, run};
use crate::support::system::http;
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;

/// One of the installed programs, run by Node in `folder`.
fn node(folder: &Path, program: &str) -> Command {
    let mut command = bare("node");
    command.arg(installed("tests/js/node_modules").join(program)).current_dir(folder);
    command
}

async fn succeeds(mut command: Command) {
    let ended = run(&mut command).await;
    assert_eq!(ended.code, Some(0), "{command:?}\n{}\n{}", ended.stdout, ended.stderr);
}

/// The generated client and the code on it, compiled.
async fn compiled() -> TempDir {
    let folder = TempDir::new().expect("a folder");
    let at = folder.path();
    for file in ["drive.ts", "tsconfig.json"] {
        std::fs::copy(installed("tests/js/client").join(file), at.join(file)).expect("a file to copy");
    }
    std::fs::write(at.join("package.json"), r#"{"type": "module"}"#).expect("a file");
    std::os::unix::fs::symlink(installed("tests/js/node_modules"), at.join("node_modules")).expect("a link");
    let mut generate = node(at, "openapi-typescript/bin/cli.js");
    generate.arg(installed("infra/openapi.json")).args(["--output", "cliprelay.ts"]);
    succeeds(generate).await;
    succeeds(node(at, "typescript/bin/tsc")).await;
    folder
}

#[tokio::test]
async fn a_generated_client_drives_real_jobs() {
    let folder = compiled().await;
    let [at, broker, sandbox] = [port(), port(), port()].map(|port| port.to_string());
    let args = ["dev", "--data", "state", "--port", &at, "--broker-port", &broker, "--sandbox-port", &sandbox];
    let mut process = Process::start("dev", &args, &[], folder.path());
    let base = format!("http://127.0.0.1:{at}");
    process.healthy(&http(), &base).await;
    let klap = format!("http://127.0.0.1:{sandbox}/klap");
    let mut drive = bare("node");
    drive.args(["--test", "--test-reporter=tap", "drive.js"]).current_dir(folder.path());
    drive.env("SERVICE", &base).env("VIDEO", format!("{klap}/videos/sample.mp4"));
    drive.env("FAULTS", format!("{klap}/control/faults"));
    let ended = run(&mut drive).await;
    passed("drive.ts", &ended, &ended.stdout, "# tests ");
}

/// The files for a Next.js app, as they stand in the examples.
#[tokio::test]
async fn the_examples_for_an_app_compile() {
    let folder = TempDir::new().expect("a folder");
    let at = folder.path();
    for file in ["route.ts", "use-clips.ts"] {
        std::fs::copy(installed("examples/nextjs").join(file), at.join(file)).expect("a file to copy");
    }
    std::fs::write(at.join("package.json"), r#"{"type": "module"}"#).expect("a file");
    std::os::unix::fs::symlink(installed("tests/js/node_modules"), at.join("node_modules")).expect("a link");
    let mut compile = node(at, "typescript/bin/tsc");
    compile.args([
        "--noEmit",
        "--strict",
        "--exactOptionalPropertyTypes",
        "--noUncheckedIndexedAccess",
        "--noUnusedLocals",
    ]);
    compile.args([
        "--module",
        "esnext",
        "--moduleResolution",
        "bundler",
        "--target",
        "es2022",
        "--lib",
        "es2022,dom,dom.iterable",
    ]);
    compile.args(["--types", "node,react", "route.ts", "use-clips.ts"]);
    succeeds(compile).await;
}
