//! The table of what the broker has names the tests that show it; they are to be there.

use std::path::{Path, PathBuf};

const TABLE: &str = include_str!("../../../infra/broker.md");

fn named() -> impl Iterator<Item = &'static str> {
    TABLE.split('`').skip(1).step_by(2)
}

fn folder(name: &str) -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests")).join(name)
}

fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn every_test_the_table_names_is_there() {
    let tests = folder("it/broker");
    let named: Vec<&str> = named().filter(|code| code.contains("::")).collect();
    assert!(named.len() > 50, "{}", named.len());
    for name in named {
        let (module, test) = name.rsplit_once("::").expect("it has one");
        let file = tests.join(module.replace("::", "/"));
        let found = std::fs::read_to_string(file.with_extension("rs"))
            .or_else(|_| std::fs::read_to_string(file.join("mod.rs")));
        assert!(found.is_ok_and(|text| text.contains(&format!("fn {test}("))), "{name}");
    }
}

/// What stands between `before` and `after` in a script, at the beginning of a line.
fn tests_of<'a>(script: &'a str, before: &str, after: &str) -> Vec<&'a str> {
    script.lines().filter_map(|line| Some(line.trim_start().strip_prefix(before)?.split_once(after)?.0)).collect()
}

#[test]
fn the_table_names_every_test_of_the_official_sdks_and_no_other() {
    let mut there = Vec::new();
    for file in ["publishing", "failing", "listing", "queues", "schedules", "receiving"] {
        let script = text(&folder("js/qstash").join(file).with_extension("mjs"));
        there.extend(tests_of(&script, "test('", "', ").into_iter().map(|name| format!("js {file}: {name}")));
    }
    let script = text(&folder("js/dev_mode.test.mjs"));
    there.extend(tests_of(&script, "test('", "', ").into_iter().map(|name| format!("js dev_mode: {name}")));
    let script = text(&folder("py/test_qstash.py"));
    there.extend(tests_of(&script, "def test_", "(").into_iter().map(|name| format!("py test_{name}")));
    assert!(there.len() > 30, "{there:?}");
    let told = |code: &&str| {
        (code.starts_with("js ") || code.starts_with("py ")) && *code != "js FILE: NAME" && *code != "py NAME"
    };
    let mut named: Vec<&str> = named().filter(told).collect();
    named.sort_unstable();
    named.dedup();
    there.sort_unstable();
    assert_eq!(named, there);
}
