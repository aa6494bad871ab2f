//! What would be deployed: three functions with their limits, the routes to them, the cron, and nothing besides.

use super::{SERVICES, function, output};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// The host takes no larger function.
const SIZE_MAX: u64 = 250 * 1024 * 1024;

fn read(path: &Path) -> Value {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).expect("JSON")
}

/// Every file below, by its path there.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("a folder of the output");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    paths.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

#[test]
#[ignore = "needs what infra/vercel-build makes; infra/vercel-check runs it"]
fn each_service_is_one_function_with_its_limit() {
    let services = std::fs::read_dir(output().join("services")).unwrap();
    let names: BTreeSet<String> =
        services.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    assert_eq!(names, SERVICES.iter().map(|(name, _)| (*name).to_owned()).collect());
    for (name, limit) in SERVICES {
        let folder = function(name);
        let config = read(&folder.join(".vc-config.json"));
        assert_eq!(config["maxDuration"], limit, "{name}: {config:#}");
        assert_eq!(
            (&config["runtime"], &config["handler"]),
            (&json!("executable"), &json!("executable")),
            "{config:#}"
        );
        assert_eq!(config["supportsResponseStreaming"], true, "{config:#}");
        let mut size = 0;
        for program in ["executable", "user-server"] {
            let meta = std::fs::metadata(folder.join(program)).unwrap();
            assert!(meta.permissions().mode() & 0o111 != 0, "{name}: {program} cannot be run");
            size += meta.len();
        }
        println!("{name}: {} MB", size / 1_000_000);
        assert!(size < SIZE_MAX, "{name} has {size} bytes");
    }
}

#[test]
#[ignore = "needs what infra/vercel-build makes; infra/vercel-check runs it"]
fn nothing_is_published_but_functions() {
    let output = output();
    assert!(!output.join("static").exists(), "the host would publish {}/static", output.display());
    let known = ["config.json", ".vc-config.json", "executable", "user-server", "builds.json", "diagnostics"];
    for file in files(&output) {
        let below = file.strip_prefix(&output).unwrap();
        let is_known = below.iter().any(|part| known.iter().any(|known| part == *known));
        assert!(is_known, "{} would be deployed", below.display());
    }
}

#[test]
#[ignore = "needs what infra/vercel-build makes; infra/vercel-check runs it"]
fn every_route_and_the_cron_lead_to_a_function() {
    let config = read(&output().join("config.json"));
    let file: Value = serde_json::from_str(include_str!("../../../vercel.json")).unwrap();
    assert_eq!(config["version"], 3);
    assert_eq!(config["crons"], file["crons"]);
    let routes = config["routes"].as_array().expect("routes");
    let sources: Vec<&str> = routes.iter().filter_map(|route| route["src"].as_str()).collect();
    for rewrite in file["rewrites"].as_array().unwrap() {
        let source = rewrite["source"].as_str().unwrap();
        // A folder's `/(.*)` is written as an optional group by the builder.
        let expected = format!("^{}$", source.replace("/(.*)", "(?:/(.*))"));
        let is_it = |route: &&Value| route["src"].as_str().is_some_and(|src| src.replace('\\', "") == expected);
        let route = routes.iter().find(is_it);
        let route = route.unwrap_or_else(|| panic!("{source} is not among {sources:#?}"));
        assert_eq!(route["destination"]["service"], rewrite["destination"]["service"], "{route:#}");
    }
    let mut set = BTreeSet::new();
    for route in routes {
        set.extend(
            route["headers"].as_object().into_iter().flat_map(|headers| headers.keys().map(|key| key.to_lowercase())),
        );
    }
    for name in ["strict-transport-security", "x-content-type-options", "x-frame-options", "referrer-policy"] {
        assert!(set.contains(name), "{name} is not set: {config:#}");
    }
}
