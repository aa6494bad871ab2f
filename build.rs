//! Tells the program which commit it is made from: what its builder says, or of an optimised build the repository it lies
//! in. Of a development build it is not asked for: every commit would compile everything anew.

use std::env;
use std::path::Path;
use std::process::Command;

/// Who says it, the first that does: whoever builds an image or a release, or the serverless host.
const SAID: [&str; 2] = ["CLIPRELAY_COMMIT", "VERCEL_GIT_COMMIT_SHA"];
/// As much of it as names it.
const LENGTH: usize = 12;
/// What the program is made of.
const SOURCES: [&str; 5] = ["src", "fixtures", "build.rs", "Cargo.toml", "Cargo.lock"];

fn main() {
    for source in SOURCES {
        println!("cargo::rerun-if-changed={source}");
    }
    for name in SAID {
        println!("cargo::rerun-if-env-changed={name}");
    }
    let commit = said().or_else(|| optimised().then(of_repository).flatten());
    println!("cargo::rustc-env=CLIPRELAY_BUILT_FROM={}", commit.as_deref().unwrap_or("unknown"));
}

fn said() -> Option<String> {
    let said = SAID.iter().find_map(|name| env::var(name).ok().filter(|value| !value.trim().is_empty()))?;
    let is_one = said.len() >= 7 && said.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_one.then(|| said.to_lowercase().chars().take(LENGTH).collect())
}

fn optimised() -> bool {
    env::var("PROFILE").is_ok_and(|profile| profile == "release")
}

/// The commit, and whether something was changed since; none if this is no repository of ours.
fn of_repository() -> Option<String> {
    let here = env::var("CARGO_MANIFEST_DIR").ok()?;
    // Unpacked somewhere below another project's repository, that one's commit says nothing.
    let top = git(&["rev-parse", "--show-toplevel"])?;
    if Path::new(&top).canonicalize().ok()? != Path::new(&here).canonicalize().ok()? {
        return None;
    }
    for name in ["HEAD", "logs/HEAD"] {
        if let Some(path) = git(&["rev-parse", "--git-path", name]).filter(|path| Path::new(path).exists()) {
            println!("cargo::rerun-if-changed={path}");
        }
    }
    let commit = git(&["rev-parse", "HEAD"])?.get(..LENGTH)?.to_owned();
    let changed = git(&[&["status", "--porcelain", "--"][..], &SOURCES[..]].concat())?;
    Some(if changed.is_empty() { commit } else { format!("{commit}, changed") })
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok().filter(|output| output.status.success())?;
    String::from_utf8(output.stdout).ok().map(|text| text.trim().to_owned())
}
