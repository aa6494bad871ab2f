//! What no compiler checks and a reviewer should not have to: who imports whom, how long a file may get, and which words
//! belong in one place only. The rules are data, in `layers.rs` and `rules.rs`; each has a reason, and an offence planted
//! for it that must be found.
#![expect(clippy::expect_used, reason = "a tree that cannot be read cannot be checked")]
#![expect(clippy::case_sensitive_file_extension_comparisons, reason = "the compiler's are lower case")]

mod deployment;
mod layers;
mod paths;
mod rules;
mod runbook;
mod source;
mod uploaded;

use source::Source;
use std::fs;
use std::path::Path;

/// Where, and what is wrong there.
fn offences(sources: &[Source]) -> Vec<String> {
    sources.iter().flat_map(|source| [layers::check(source), rules::check(source)].concat()).collect()
}

/// Everything of ours that a person reads as code.
fn tree() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut sources = Vec::new();
    for folder in ["src", "tests", "benches", "examples", "fuzz/src", "fuzz/fuzz_targets"] {
        collect(root, &root.join(folder), &mut sources);
    }
    sources.sort_by(|one, other| one.path.cmp(&other.path));
    sources
}

fn collect(root: &Path, folder: &Path, sources: &mut Vec<Source>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries {
        let path = entry.expect("a folder that can be listed").path();
        if path.is_dir() {
            collect(root, &path, sources);
        } else if path.extension().is_some_and(|extension| extension == "rs" || extension == "lua") {
            let text = fs::read_to_string(&path).expect("a source file that can be read");
            let path = path.strip_prefix(root).expect("a path below the root").to_string_lossy().replace('\\', "/");
            sources.push(Source::new(path, text));
        }
    }
}

#[test]
fn the_tree_is_tidy() {
    let sources = tree();
    assert!(sources.len() > 20, "only {} files were found", sources.len());
    let offences = offences(&sources);
    assert!(offences.is_empty(), "{} offences:\n{}", offences.len(), offences.join("\n"));
}

#[test]
fn every_rule_finds_what_is_planted_for_it() {
    for (rule, path, text) in layers::planted().into_iter().chain(rules::planted()) {
        let found = offences(&[Source::new(path.to_owned(), text.clone())]);
        assert!(
            found.iter().any(|offence| offence.contains(rule)),
            "{path} breaks \"{rule}\", found: {found:?}\n{text}"
        );
    }
}

#[test]
fn what_is_allowed_is_not_found() {
    let innocent = [
        (
            "src/http/routes/jobs.rs",
            "//! Doc.\nuse crate::{flow::Engine, services::qstash::signature::Verifier};\nuse axum::Json;",
        ),
        (
            "src/flow/step.rs",
            "//! Doc, `.unwrap()` and `crate::http`.\n// use crate::http;\nconst A: &str = \"crate::http::x SystemTime::now\";",
        ),
        ("src/flow/mod.rs", "//! Doc.\n#[cfg(test)]\nmod tests {\n    use super::*;\n    fn a() { b().unwrap(); }\n}"),
        (
            "src/clock.rs",
            "//! Doc.\nmod inner { use super::other::Thing; fn a<'a>(b: &'a str) -> char { '\\'' } }\nfn now() { SystemTime::now(); }",
        ),
        (
            "src/embedded/klap/mod.rs",
            "//! Doc.\nuse crate::services::klap::wire::Task;\nuse super::cutter::cut;\nuse axum::Router;",
        ),
        ("src/flow/outbox.rs", "//! Doc.\nfn a(b: Option<u8>) -> u8 { b.unwrap_or(1) }"),
    ];
    for (path, text) in innocent {
        let found = offences(&[Source::new(path.to_owned(), text.to_owned())]);
        assert!(found.is_empty(), "{found:?}");
    }
}
