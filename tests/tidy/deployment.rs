//! The serverless host ignores a misspelt key of `vercel.json` without a word: a function then runs with the default
//! time limit, or a route leads nowhere.

use serde_json::Value;
use std::collections::BTreeMap;

const VERCEL: &str = include_str!("../../vercel.json");
const MANIFEST: &str = include_str!("../../Cargo.toml");

fn file() -> Value {
    serde_json::from_str(VERCEL).expect("vercel.json is JSON")
}

fn object<'a>(value: &'a Value, key: &str) -> &'a serde_json::Map<String, Value> {
    value[key].as_object().unwrap_or_else(|| panic!("no object {key} in {value}"))
}

fn array<'a>(value: &'a Value, key: &str) -> &'a Vec<Value> {
    value[key].as_array().unwrap_or_else(|| panic!("no array {key} in {value}"))
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_else(|| panic!("no text {key} in {value}"))
}

#[test]
fn each_service_is_one_program_with_its_own_limit() {
    let file = file();
    let mut limits = BTreeMap::new();
    for (name, service) in object(&file, "services") {
        let entry = text(service, "entrypoint");
        assert!(MANIFEST.contains(&format!("path = \"{entry}\"")), "{entry} is no program of Cargo.toml");
        let functions = object(service, "functions");
        assert_eq!(functions.keys().collect::<Vec<_>>(), [entry], "the limits of {name} are another file's");
        limits.insert(name.as_str(), functions[entry]["maxDuration"].as_u64());
    }
    let expected = BTreeMap::from([("process", Some(10)), ("worker", Some(300)), ("cron", Some(60))]);
    assert_eq!(limits, expected);
}

#[test]
fn each_route_leads_to_a_service_and_the_cron_has_one() {
    let file = file();
    let services = object(&file, "services");
    let mut routes = BTreeMap::new();
    for rewrite in array(&file, "rewrites") {
        let service = text(&rewrite["destination"], "service");
        assert!(services.contains_key(service), "{rewrite}");
        let twice = routes.insert(text(rewrite, "source"), service);
        assert!(twice.is_none(), "{rewrite} is there twice");
    }
    // What a step may take, and what calls it on time.
    assert_eq!(routes["/api/worker/klap"], "worker");
    let crons: Vec<&str> = array(&file, "crons").iter().map(|cron| text(cron, "path")).collect();
    assert_eq!(crons, ["/api/cron/klap"]);
    assert_eq!(routes[crons[0]], "cron");
}

#[test]
fn every_route_that_is_served_is_reached_in_its_function() {
    let file = file();
    let rewrites = array(&file, "rewrites");
    for &route in cliprelay::http::ROUTES {
        let service = match route {
            "/api/worker/klap" | "/api/worker/klap/failed" => "worker",
            "/api/cron/klap" => "cron",
            _ if route.starts_with("/api/admin/") => "cron",
            _ => "process",
        };
        // What operators ask stands under one rewrite.
        let source = match route.strip_prefix("/api/admin/") {
            Some(_) => "/api/admin/(.*)".to_owned(),
            None => route.replace("{id}", "(.*)").replace("{file}", "(.*)"),
        };
        let found = rewrites.iter().find(|rewrite| text(rewrite, "source") == source);
        let found = found.unwrap_or_else(|| panic!("{route} is served and cannot be reached"));
        assert_eq!(text(&found["destination"], "service"), service, "{route}");
    }
}

/// The other way round: a route that nobody serves would start a function to say so.
#[test]
fn every_route_that_leads_to_a_function_is_served() {
    let file = file();
    for rewrite in array(&file, "rewrites") {
        let source = text(rewrite, "source");
        let is_it = |route: &&str| match source.strip_suffix("(.*)") {
            Some(start) => route.starts_with(start) && route.len() > start.len(),
            None => *route == source,
        };
        assert!(cliprelay::http::ROUTES.iter().any(is_it), "{source} is not served");
    }
}

/// infra/vercel.md changes this line for the plan whose crons run once a day.
#[test]
fn the_cron_is_one_line_that_can_be_changed() {
    assert_eq!(VERCEL.matches("\"schedule\": \"* * * * *\"").count(), 1);
}

#[test]
fn the_image_is_built_with_the_oldest_compiler_that_is_promised() {
    let version = MANIFEST.lines().find_map(|line| line.strip_prefix("rust-version = \"")?.strip_suffix('"'));
    let version = version.expect("the oldest compiler is named");
    let dockerfile = include_str!("../../infra/Dockerfile");
    assert!(
        dockerfile.contains(&format!("FROM rust:{version}-")),
        "infra/Dockerfile is built with another than {version}"
    );
    let readme = include_str!("../../README.md");
    assert!(readme.contains(&format!("({version} or newer)")), "README.md promises another than {version}");
}

#[test]
fn nothing_at_the_root_that_the_host_would_act_on() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    for name in ["public", "api", "build.sh", "package.json"] {
        assert!(!root.join(name).exists(), "{name} would be published or run by the host");
    }
}
