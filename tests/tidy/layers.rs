//! Who may import whom: downward only. What is not listed is not allowed, a module not listed is not known.

use crate::paths::named;
use crate::source::Source;

struct Layer {
    /// A module, or a part of one with rules of its own; the longest that fits a file counts.
    module: &'static str,
    /// What it may name beside itself; `*` stands for one name.
    may_name: &'static [&'static str],
    why: &'static str,
}

const EVERYTHING_BELOW_APP: &[&str] = &[
    "clock",
    "config",
    "doctor",
    "embedded",
    "flow",
    "http",
    "job",
    "kinds",
    "services",
    "setup",
    "store",
    "telemetry",
];
const EVERYTHING_BELOW_CONFIG: &[&str] =
    &["embedded", "flow", "http", "job", "kinds", "services", "store", "telemetry"];

const LAYERS: &[Layer] = &[
    Layer { module: "main", may_name: &["cli", "telemetry"], why: "a program is its command line" },
    Layer { module: "bin", may_name: &["app", "cli", "telemetry"], why: "a function on the host is the service" },
    Layer {
        module: "cli",
        may_name: &["app", "http::openapi", "http::view", "config", "telemetry"],
        why: "every job command is a client of our own HTTP interface",
    },
    Layer { module: "app", may_name: EVERYTHING_BELOW_APP, why: "the one place where parts are put together" },
    Layer { module: "config", may_name: EVERYTHING_BELOW_CONFIG, why: "it makes each part's options, and no more" },
    Layer {
        module: "http",
        may_name: &["flow", "job", "clock", "services::identity", "services::qstash::signature", "telemetry::trace"],
        why: "the edge extracts, verifies and calls one function of the flow",
    },
    Layer {
        module: "flow",
        may_name: &["kinds", "store", "services", "job", "telemetry::trace"],
        why: "how a job moves does not depend on who asked",
    },
    Layer { module: "kinds", may_name: &["services", "job"], why: "a kind tells its outcome and writes no state" },
    Layer {
        module: "doctor",
        may_name: &["services", "store"],
        why: "it asks those whom a job will ask, by the same clients, and decides nothing of a job's",
    },
    Layer { module: "store", may_name: &["job"], why: "a store compares and commits, and decides nothing" },
    Layer { module: "setup", may_name: &["services"], why: "it changes what is outside, and nothing of a job's" },
    Layer { module: "services", may_name: &[], why: "a client knows its vendor and nothing of ours" },
    Layer {
        module: "services::identity",
        may_name: &["services::outbound", "services::qstash::signature"],
        why: "who a token speaks for concerns no vendor; one provider of cryptography serves all tokens",
    },
    Layer { module: "services::klap", may_name: &["services::outbound"], why: "one vendor's client knows no other's" },
    Layer {
        module: "services::qstash",
        may_name: &["services::outbound"],
        why: "one vendor's client knows no other's",
    },
    Layer {
        module: "services::supabase",
        may_name: &["services::outbound"],
        why: "one vendor's client knows no other's",
    },
    Layer { module: "services::source", may_name: &["services::outbound"], why: "fetching a file concerns no vendor" },
    Layer { module: "services::outbound", may_name: &[], why: "what all clients stand on stands on none" },
    Layer {
        module: "embedded",
        may_name: &["clock", "services::*::wire", "services::qstash::signature"],
        why: "a stand-in shares shapes with the true client, never its code",
    },
    Layer { module: "job", may_name: &[], why: "what a job is stands alone" },
    Layer { module: "clock", may_name: &[], why: "it reads the machine's time and nothing else" },
    Layer { module: "telemetry", may_name: &["services::outbound"], why: "it is set up before anything else" },
    Layer { module: "telemetry::trace", may_name: &["telemetry"], why: "what edge and flow may name knows no job" },
    Layer { module: "measure", may_name: &[], why: "what is measured is named here, and by nobody else's names" },
    Layer { module: "sabotage", may_name: &[], why: "a switch knows nothing of what it breaks" },
    Layer { module: "lib", may_name: &[], why: "the map of the crate names no way through it" },
];

pub fn check(source: &Source) -> Vec<String> {
    if !source.is_rust_of_ours() {
        return Vec::new();
    }
    let module = source.module();
    let module = if module.is_empty() { vec!["lib"] } else { module };
    let Some(layer) = layer(&module) else {
        return vec![format!("{}: module {} is not in tests/tidy/layers.rs", source.path, module[0])];
    };
    let allowed = |path: &[String]| {
        let own = layer.module.split("::");
        let within =
            fits(own, path) || !LAYERS.iter().any(|layer| path.first().is_some_and(|top| top == top_of(layer)));
        let is_switch = path.first().is_some_and(|top| top == "sabotage" || top == "measure");
        within || is_switch || layer.may_name.iter().any(|pattern| fits(pattern.split("::"), path))
    };
    named(source)
        .into_iter()
        .filter(|named| !allowed(&named.path))
        .map(|named| {
            let path = named.path.join("::");
            format!("{}:{}: {} names {path}; {}", source.path, named.line, layer.module, layer.why)
        })
        .collect()
}

fn top_of(layer: &Layer) -> &str {
    layer.module.split("::").next().unwrap_or_default()
}

fn layer(module: &[&str]) -> Option<&'static Layer> {
    let module: Vec<String> = module.iter().map(|&name| name.to_owned()).collect();
    let fitting = LAYERS.iter().filter(|layer| fits(layer.module.split("::"), &module));
    fitting.max_by_key(|layer| layer.module.len())
}

/// The path is the pattern's or leads further.
fn fits<'a>(pattern: impl Iterator<Item = &'a str>, path: &[String]) -> bool {
    let mut path = path.iter();
    pattern.into_iter().all(|wanted| path.next().is_some_and(|name| wanted == "*" || name == wanted))
}

/// For each layer something it must not name.
pub fn planted() -> Vec<(&'static str, &'static str, String)> {
    let file = |rule, path, text: &str| (rule, path, format!("//! Doc.\n{text}"));
    vec![
        file("measure names job", "src/measure/mod.rs", "use crate::job::Job;"),
        file("sabotage names job", "src/sabotage.rs", "use crate::job::Job;"),
        file("main names flow", "src/main.rs", "fn main() { cliprelay::flow::run() }"),
        file("bin names flow", "src/bin/x.rs", "use cliprelay::flow;"),
        file("cli names store", "src/cli.rs", "use crate::store::Store;"),
        file("app names cli", "src/app.rs", "use crate::cli::Command;"),
        file("config names app", "src/config.rs", "use crate::{job, app::Mode};"),
        file("http names store", "src/http/routes/jobs.rs", "use super::super::super::store::Store;"),
        file("http names services", "src/http/router.rs", "use crate::services::qstash::Client;"),
        file("flow names http", "src/flow/mod.rs", "fn f() -> crate::http::view::Job { todo() }"),
        file(
            "kinds names store",
            "src/kinds/clip/steps.rs",
            "use crate::{\n    job::Job,\n    store::{self, Store},\n};",
        ),
        file("store names flow", "src/store/redis/mod.rs", "use super::super::flow::Engine;"),
        file("setup names store", "src/setup/bucket.rs", "use crate::store::Store;"),
        file("services names job", "src/services/mod.rs", "use crate::job::Job;"),
        file("services::klap names services", "src/services/klap/mod.rs", "use super::supabase::Client;"),
        file("services::outbound names", "src/services/outbound.rs", "use crate::services::klap::Client;"),
        file("embedded names services", "src/embedded/klap/mod.rs", "use crate::services::klap::Client;"),
        file("embedded names flow", "src/embedded/broker/mod.rs", "mod tests { use crate::flow::Engine; }"),
        file("doctor names config", "src/doctor/redis.rs", "use crate::config::Config;"),
        file("job names kinds", "src/job/mod.rs", "use crate::kinds::*;"),
        file("clock names job", "src/clock.rs", "use super::job::id::Millis;"),
        file("is not in tests/tidy/layers.rs", "src/utilities.rs", ""),
    ]
}
