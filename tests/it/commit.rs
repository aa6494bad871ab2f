//! Which commit the program says it is made from: `build.rs`, run by itself in repositories of all kinds.

use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

const SAID: &str = "0123456789abcdef0123456789abcdef01234567";

/// The script, compiled.
fn script(folder: &Path) -> PathBuf {
    let script = folder.join("script");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/build.rs");
    let rustc = Command::new("rustc").args(["--edition", "2024", source, "-o"]).arg(&script).output().unwrap();
    assert!(rustc.status.success(), "{}", String::from_utf8_lossy(&rustc.stderr));
    script
}

/// What it hands to the program, run in this folder.
fn told(script: &Path, folder: &Path, profile: &str, said: &[(&str, &str)]) -> String {
    let mut command = Command::new(script);
    command.env_clear().envs(said.iter().copied()).env("PATH", std::env::var_os("PATH").unwrap());
    let output =
        command.current_dir(folder).env("CARGO_MANIFEST_DIR", folder).env("PROFILE", profile).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let told = text.lines().find_map(|line| line.strip_prefix("cargo::rustc-env=CLIPRELAY_BUILT_FROM="));
    told.unwrap_or_else(|| panic!("{text}")).to_owned()
}

fn git(folder: &Path, arguments: &[&str]) -> String {
    let who = ["-c", "user.name=A", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false"];
    let output = Command::new("git").args(who).args(arguments).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[test]
fn the_builder_says_it_or_the_repository_does() {
    let folder = TempDir::new().unwrap();
    let script = script(folder.path());
    let tree = folder.path().join("tree");
    std::fs::create_dir_all(tree.join("src")).unwrap();
    let plain = |profile, said: &[(&str, &str)]| told(&script, &tree, profile, said);

    // Without any repository only who builds can know it.
    assert_eq!(plain("release", &[]), "unknown");
    assert_eq!(plain("debug", &[("CLIPRELAY_COMMIT", SAID)]), &SAID[..12]);
    assert_eq!(plain("release", &[("VERCEL_GIT_COMMIT_SHA", SAID)]), &SAID[..12]);
    let both = [("CLIPRELAY_COMMIT", "FEDCBA9876543210"), ("VERCEL_GIT_COMMIT_SHA", SAID)];
    assert_eq!(plain("release", &both), "fedcba987654");
    assert_eq!(plain("release", &[("CLIPRELAY_COMMIT", "")]), "unknown");
    assert_eq!(plain("release", &[("CLIPRELAY_COMMIT", "main; rm")]), "unknown");

    git(&tree, &["init", "--quiet"]);
    std::fs::write(tree.join("src/main.rs"), "fn main() {}").unwrap();
    std::fs::write(tree.join("notes.md"), "notes").unwrap();
    git(&tree, &["add", "."]);
    git(&tree, &["commit", "--quiet", "--message", "first"]);
    let commit = git(&tree, &["rev-parse", "HEAD"]);
    assert_eq!(plain("release", &[]), &commit[..12]);
    assert_eq!(plain("release", &[("CLIPRELAY_COMMIT", SAID)]), &SAID[..12]);
    // A development build does not ask: each commit would compile everything anew.
    assert_eq!(plain("debug", &[]), "unknown");
    std::fs::write(tree.join("notes.md"), "other notes").unwrap();
    assert_eq!(plain("release", &[]), &commit[..12], "it is not made of these");
    std::fs::write(tree.join("src/main.rs"), "fn main() { }").unwrap();
    assert_eq!(plain("release", &[]), format!("{}, changed", &commit[..12]));

    // Unpacked below somebody else's repository.
    let below = tree.join("below");
    std::fs::create_dir_all(below.join("src")).unwrap();
    assert_eq!(told(&script, &below, "release", &[]), "unknown");
}
