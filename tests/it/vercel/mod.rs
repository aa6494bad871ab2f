//! What the serverless host's own builder makes of us (`infra/vercel-build`): looked at file by file, then started and driven
//! as it is deployed. `infra/vercel-check` runs these; without that output they fail.

mod deployment;
mod driven;
mod edge;
mod output;

use std::path::PathBuf;

/// Each with the seconds it may run.
const SERVICES: [(&str, u64); 3] = [("cron", 60), ("process", 10), ("worker", 300)];

/// What the builder put out.
fn output() -> PathBuf {
    let output = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/target/vercel/tree/.vercel/output"));
    assert!(output.join("config.json").is_file(), "{} is missing: infra/vercel-build makes it", output.display());
    output
}

/// The folder of a service's function.
fn function(service: &str) -> PathBuf {
    output().join("services").join(service).join("functions/rust.func")
}
