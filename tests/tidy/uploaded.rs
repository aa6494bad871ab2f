//! What leaves the machine with a deployment: the host's command line reads `.vercelignore` and no other list, and the engine
//! is handed what `.dockerignore` lets through. Neither may hold what somebody's secrets are kept in.

use std::fs;
use std::path::Path;
use std::process::Command;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
/// What the guides leave in a clone, or people beside it.
const PRIVATE: [&str; 12] = [
    "production.env",
    "production.env.bak",
    "staging.env",
    "serve.log",
    "infra/.env",
    "infra/serve.log",
    ".env",
    ".env.local",
    ".envrc",
    "src/.env",
    "fixtures/keys.env",
    "cliprelay-clips/first.mp4",
];

/// Something that a line of `.gitignore` means, at the root and, if the line does not begin there, further down.
fn samples(pattern: &str) -> Vec<String> {
    let name = pattern.trim_start_matches('/').replace('*', "x");
    let folders: &[&str] = if pattern.starts_with('/') { &[""] } else { &["", "src/", "tests/deep/"] };
    folders.iter().map(|folder| format!("{folder}{name}/in")).collect()
}

fn put(root: &Path, file: &str) {
    let path = root.join(file);
    fs::create_dir_all(path.parent().expect("a folder")).expect("a folder that can be made");
    if !path.exists() {
        fs::write(path, "secret").expect("a file that can be written");
    }
}

#[test]
fn nothing_that_git_ignores_is_uploaded() {
    let ignored = fs::read_to_string(Path::new(ROOT).join(".gitignore")).expect(".gitignore");
    let patterns: Vec<&str> = ignored.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
    assert!(patterns.len() > 5, "{patterns:?}");
    let folder = tempfile::tempdir().expect("a folder");
    for file in [".vercelignore", ".gitignore", "infra/vercel-build"] {
        put(folder.path(), file);
        fs::copy(Path::new(ROOT).join(file), folder.path().join(file)).expect("a copy");
    }
    for file in ["src/lib.rs", "infra/env.example"] {
        put(folder.path(), file);
    }
    let made = Command::new("git").args(["init", "--quiet"]).current_dir(&folder).status();
    assert!(made.expect("git is there").success());
    let ignored = patterns.iter().flat_map(|pattern| samples(pattern));
    for file in PRIVATE.iter().map(|file| (*file).to_owned()).chain(ignored) {
        put(folder.path(), &file);
    }
    let listed = Command::new("infra/vercel-build").arg("--list").current_dir(&folder).output().expect("the script");
    assert!(listed.status.success(), "{}", String::from_utf8_lossy(&listed.stderr));
    let listed = String::from_utf8(listed.stdout).expect("text");
    let expected = [".gitignore", ".vercelignore", "infra/env.example", "infra/vercel-build", "src/lib.rs"];
    assert_eq!(listed.lines().collect::<Vec<_>>(), expected);
}

/// Everything is left out but what is named again, and among that nothing of these names.
#[test]
fn no_secret_is_in_what_an_image_is_built_from() {
    let file = fs::read_to_string(Path::new(ROOT).join(".dockerignore")).expect(".dockerignore");
    let lines: Vec<&str> = file.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
    assert_eq!(lines[0], "*", "everything is left out at first");
    let last = lines.iter().rposition(|line| line.starts_with('!')).expect("something is let in");
    for pattern in ["**/.env*", "**/*.env", "**/*.env.*", "**/*.log"] {
        let at = lines.iter().position(|line| *line == pattern);
        assert!(at.is_some_and(|at| at > last), "{pattern} does not come last: {lines:?}");
    }
    for file in PRIVATE {
        let inside = lines.iter().filter_map(|line| line.strip_prefix("!/")).find(|let_in| file.starts_with(*let_in));
        let by_name = file.contains(".env") || file.rsplit('.').next() == Some("log");
        assert!(inside.is_none() || by_name, "{file} is let in with {inside:?}");
    }
}
