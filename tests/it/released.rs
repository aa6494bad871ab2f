//! `infra/release` from a folder whose name would end a compiler's flag. No compiler runs: a stand-in notes how it was asked.

use crate::support::processes::run;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

const CARGO: &str = r#"#!/usr/bin/env bash
case "$1" in
  build)
    printf '%s' "$CARGO_ENCODED_RUSTFLAGS" > "$TOLD"
    [ -z "${RUSTFLAGS+set}" ] || { echo "RUSTFLAGS is set" >&2; exit 1; }
    mkdir -p "$CARGO_TARGET_DIR/release"
    printf '#!/bin/sh\necho cliprelay\n' > "$CARGO_TARGET_DIR/release/cliprelay"
    ;;
  cyclonedx) [ "${2:-}" = --version ] || echo '{}' > bom.json ;;
esac
"#;
const MAKING: &str =
    "git init --quiet && git add . && git -c user.name=a -c user.email=a@example.com commit --quiet -m a";

fn program(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

#[tokio::test]
async fn a_folder_with_spaces_is_one_folder_to_the_compiler() {
    let folder = tempfile::tempdir().unwrap();
    let folder = fs::canonicalize(&folder).unwrap();
    let (tree, programs) = (folder.join("a folder of mine"), folder.join("programs"));
    fs::create_dir_all(tree.join("infra")).unwrap();
    fs::create_dir(&programs).unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for file in ["Cargo.toml", "CHANGELOG.md", "infra/release", ".gitignore"] {
        fs::copy(root.join(file), tree.join(file)).unwrap();
    }
    program(&programs.join("cargo"), CARGO);
    let made = run(Command::new("sh").args(["-c", MAKING]).current_dir(&tree)).await;
    assert_eq!(made.code, Some(0), "{}", made.stderr);
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
    let mut command = Command::new(tree.join("infra/release"));
    command.env("PATH", path).env("TOLD", folder.join("told")).env("CARGO_HOME", "/opt/some one/.cargo");
    let ended = run(command.env_remove("RUSTFLAGS")).await;
    assert_eq!(ended.code, Some(0), "{}{}", ended.stdout, ended.stderr);
    let told = fs::read_to_string(folder.join("told")).unwrap();
    let tree = tree.display();
    let expected = [
        format!("--remap-path-prefix={tree}=/source"),
        format!("--remap-path-prefix={tree}/target/release-build=/target"),
        "--remap-path-prefix=/opt/some one/.cargo=/cargo".to_owned(),
    ];
    assert_eq!(told.split('\u{1f}').collect::<Vec<_>>(), expected);
}
