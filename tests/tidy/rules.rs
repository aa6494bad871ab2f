//! What may be written where. A rule names what to look for, where it belongs, and why it belongs nowhere else.

use crate::source::Source;

enum Look {
    /// These words in a row, in code.
    Words(&'static [&'static str]),
    /// This text anywhere, comments and literals included.
    Text(&'static str),
    /// More lines than this in files of this ending.
    LinesMax(&'static str, usize),
    /// This as a file's name, without its ending.
    FileName(&'static str),
    /// No line of documentation at the top.
    NoDoc,
    /// A kind's name, taken from its folder, after one of these words.
    KindAfter(&'static str),
}

struct Rule {
    name: &'static str,
    look: Look,
    /// Only in files whose path starts so; `""` is all.
    within: &'static str,
    /// But not in these.
    except: &'static [&'static str],
    tests_too: bool,
    why: &'static str,
    planted: (&'static str, &'static str),
}

use Look::{FileName, KindAfter, LinesMax, NoDoc, Text, Words};

/// Name: what, within, except, planted path and text, why. Tests are held to what concerns reading, not to what runs.
macro_rules! rules {
    ($($name:literal: $look:expr, in $within:literal, but $except:expr, as ($path:literal, $text:expr), $why:literal;)*) => {
        &[$(Rule {
            name: $name, look: $look, within: $within, except: $except, tests_too: matches!($look, Text(_)),
            planted: ($path, $text), why: $why,
        }),*]
    };
}

const RULES: &[Rule] = rules![
    "400 lines": LinesMax(".rs", 400), in "", but &[], as ("src/flow/a.rs", ""), "it wants to be two files";
    "50 lines of Lua": LinesMax(".lua", 50), in "", but &[], as ("src/store/a.lua", ""), "decisions are made in Rust";
    "a file named utils": FileName("utils"), in "", but &[], as ("src/flow/utils.rs", "//! A.\n"), "name what it does";
    "a file named common": FileName("common"), in "", but &[], as ("src/flow/common.rs", "//! A.\n"), "name what it does";
    "a file named helpers": FileName("helpers"), in "", but &[], as ("src/a/helpers.rs", "//! A.\n"), "name what it does";
    "a file named manager": FileName("manager"), in "", but &[], as ("src/a/manager.rs", "//! A.\n"), "name what it does";
    "no words at the top": NoDoc, in "src/", but &["src/bin/", "src/main.rs"], as ("src/flow/a.rs", "fn a() {}"),
        "a module opens by saying what it owns";
    "axum": Words(&["axum"]), in "src/", but &["src/http/", "src/embedded/"], as ("src/flow/a.rs", "use axum::Json;"),
        "HTTP is known only at the edge and in the stand-ins";
    "the machine's time": Words(&["SystemTime", "::", "now"]), in "src/", but &["src/clock.rs", "src/embedded/", "src/store/redb/clock.rs"],
        as ("src/flow/a.rs", "fn a() { SystemTime::now(); }"), "leases and deadlines go by the store's clock";
    "the machine's time, from jiff": Words(&["Timestamp", "::", "now"]), in "src/", but &["src/clock.rs", "src/embedded/"],
        as ("src/flow/a.rs", "fn a() { jiff::Timestamp::now(); }"), "leases and deadlines go by the store's clock";
    "a counter": Words(&["counter", "!"]), in "src/", but &["src/measure/"], as ("src/flow/a.rs", "fn a() { metrics::counter!(\"a\"); }"),
        "what is measured is named in one place";
    "a gauge": Words(&["gauge", "!"]), in "src/", but &["src/measure/"], as ("src/flow/a.rs", "fn a() { metrics::gauge!(\"a\"); }"),
        "what is measured is named in one place";
    "a histogram": Words(&["histogram", "!"]), in "src/", but &["src/measure/"], as ("src/flow/a.rs", "fn a() { metrics::histogram!(\"a\"); }"),
        "what is measured is named in one place";
    "the environment": Words(&["std", "::", "env"]), in "src/", but &["src/config.rs", "src/config/", "src/main.rs"],
        as ("src/flow/a.rs", "fn a() { std::env::var(\"A\"); }"), "it is read once, and every problem told at once";
    "a panic by unwrap": Words(&[".", "unwrap", "("]), in "src/", but &[], as ("src/flow/a.rs", "fn a() { b().unwrap() }"),
        "a job must not end with a process";
    "to be done": Words(&["todo", "!"]), in "src/", but &[], as ("src/flow/a.rs", "fn a() { todo!() }"), "write it";
    "not yet written": Words(&["unimplemented", "!"]), in "src/", but &[], as ("src/flow/a.rs", "fn a() { unimplemented!() }"),
        "write it";
    "a look while debugging": Words(&["dbg", "!"]), in "", but &[], as ("src/flow/a.rs", "fn a() { dbg!(1); }"), "log it";
    "waiting in the core": Words(&["async"]), in "src/job/", but &[], as ("src/job/a.rs", "async fn a() {}"), "it is pure";
    "a runtime in the core": Words(&["tokio"]), in "src/job/", but &[], as ("src/job/a.rs", "use tokio::time;"), "it is pure";
    "waiting in a plan": Words(&["async"]), in "src/kinds/*/plan.rs", but &[], as ("src/kinds/x/plan.rs", "async fn a() {}"),
        "a plan is pure";
    "a service in a plan": Words(&["services"]), in "src/kinds/*/plan.rs", but &[],
        as ("src/kinds/x/plan.rs", "use crate::services::klap;"), "a plan is pure";
    "a kind's module": KindAfter("kinds"), in "src/", but &["src/kinds/"], as ("src/flow/a.rs", "use crate::kinds::clip::A;"),
        "a second kind must not change the flow";
    "a kind's variant": KindAfter("Kind"), in "src/", but &["src/kinds/"], as ("src/flow/a.rs", "fn a() { Kind::Clip; }"),
        "a second kind must not change the flow";
    "somebody's home": Text("/home/"), in "", but &["tests/tidy/"], as ("src/flow/a.rs", "//! See /home/me."), "not everybody's";
    "root's home": Text("/root/"), in "", but &["tests/tidy/"], as ("tests/it/a.rs", "// See /root/x."), "not everybody's";
    "a promise": Text("exactly once"), in "", but &["tests/tidy/"], as ("src/flow/a.rs", "//! Delivered exactly once."),
        "delivery is at least once; effects are made repeatable";
];

pub fn check(source: &Source) -> Vec<String> {
    let breaks = |rule: &Rule| -> Vec<String> {
        let applies =
            covers(rule.within, &source.path) && !rule.except.iter().any(|except| covers(except, &source.path));
        let lines = if applies { found(rule, source) } else { Vec::new() };
        lines.iter().map(|line| format!("{}:{line}: {}; {}", source.path, rule.name, rule.why)).collect()
    };
    RULES.iter().flat_map(breaks).collect()
}

fn found(rule: &Rule, source: &Source) -> Vec<usize> {
    let lines = || source.text.lines().enumerate().map(|(at, line)| (at + 1, line));
    match rule.look {
        Words(words) => source.lines_with(words, rule.tests_too),
        Text(text) => lines().filter(|(_, line)| line.contains(text)).map(|(at, _)| at).collect(),
        LinesMax(ending, max) => {
            let too_long = source.path.ends_with(ending) && lines().count() > max;
            too_long.then(|| lines().count()).into_iter().collect()
        }
        FileName(name) => {
            let stem = source.path.rsplit('/').next().and_then(|file| file.split('.').next());
            (stem == Some(name)).then_some(1).into_iter().collect()
        }
        NoDoc => (source.path.ends_with(".rs") && !source.text.starts_with("//!")).then_some(1).into_iter().collect(),
        KindAfter(word) => {
            let kinds = kinds().into_iter().flat_map(|kind| [capital(&kind), kind]);
            kinds.flat_map(|kind| source.lines_with(&[word, "::", &kind], rule.tests_too)).collect()
        }
    }
}

/// Does the path start so? `*` stands for one name.
fn covers(start: &str, path: &str) -> bool {
    match start.split_once("/*/") {
        Some((before, after)) => {
            let rest = path.strip_prefix(before).and_then(|rest| rest.strip_prefix('/'));
            rest.and_then(|rest| rest.split_once('/')).is_some_and(|(_, rest)| rest.starts_with(after))
        }
        None => path.starts_with(start),
    }
}

/// The folders in `src/kinds`; `clip` in any case, for the planted offences.
fn kinds() -> Vec<String> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/kinds");
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().filter(|entry| entry.path().is_dir());
    let mut kinds: Vec<String> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    if !kinds.iter().any(|kind| kind == "clip") {
        kinds.push("clip".to_owned());
    }
    kinds
}

fn capital(name: &str) -> String {
    name.chars().take(1).flat_map(char::to_uppercase).chain(name.chars().skip(1)).collect()
}

/// For each rule what breaks it.
pub fn planted() -> Vec<(&'static str, &'static str, String)> {
    let text = |rule: &Rule| match rule.look {
        LinesMax(_, max) => format!("//! Doc.\n{}", "\n".repeat(max)),
        NoDoc => rule.planted.1.to_owned(),
        _ => format!("//! Doc.\n{}", rule.planted.1),
    };
    RULES.iter().map(|rule| (rule.name, rule.planted.0, text(rule))).collect()
}
