//! A compose file as far as these tests act on it: each service's command, environment, health check and what it waits for.

use serde_json::Value;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

/// Reads YAML, merges and anchors included, and answers JSON.
const READER: &str = "import sys, json, yaml; json.dump(yaml.safe_load(open(sys.argv[1])), sys.stdout)";

pub struct Compose {
    pub services: BTreeMap<String, Service>,
}

#[derive(Clone)]
pub struct Service {
    pub command: Vec<String>,
    pub environment: BTreeMap<String, String>,
    /// What its health check runs, without the `CMD` before it; none where the image's own is meant.
    pub health: Option<Vec<String>>,
    pub raw: Value,
}

fn strings(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().map(|word| word.as_str().expect("a text").to_owned()).collect()
}

impl Compose {
    /// `given` is the environment of whoever calls compose.
    pub fn read(name: &str, given: &[(&str, &str)]) -> Self {
        let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
        let python = root.join("target/python/bin/python");
        let file = root.join("infra").join(name);
        let read = Command::new(&python).args(["-c", READER]).arg(&file).output();
        let read = read.unwrap_or_else(|error| panic!("{}: {error}; infra/packages installs it", python.display()));
        assert!(read.status.success(), "{name}: {}", String::from_utf8_lossy(&read.stderr));
        let file: Value = serde_json::from_slice(&read.stdout).expect("JSON");
        let services = file["services"].as_object().expect("services").iter();
        Self { services: services.map(|(name, raw)| (name.clone(), Service::read(raw, given))).collect() }
    }
}

impl Service {
    fn read(raw: &Value, given: &[(&str, &str)]) -> Self {
        let environment = raw["environment"].as_object().into_iter().flatten();
        let environment = environment.map(|(name, value)| {
            let text = value.as_str().unwrap_or_else(|| panic!("{name} is no text: YAML has turned it into {value}"));
            (name.clone(), filled_in(text, given))
        });
        let mut health = strings(&raw["healthcheck"]["test"]);
        if !health.is_empty() {
            assert_eq!(health.remove(0), "CMD", "there is no shell in the image");
        }
        Self {
            command: strings(&raw["command"]),
            environment: environment.collect(),
            health: Some(health).filter(|health| !health.is_empty()),
            raw: raw.clone(),
        }
    }
}

/// `${NAME}`, `${NAME:-default}` and `${NAME:?what is missing}`, as compose has them.
fn filled_in(text: &str, given: &[(&str, &str)]) -> String {
    let Some((before, rest)) = text.split_once("${") else { return text.to_owned() };
    let (inner, after) = rest.split_once('}').expect("an end");
    let (name, default) = inner.split_once(":-").unwrap_or((inner, ""));
    let (name, required) = name.split_once(":?").map_or((name, false), |(name, _)| (name, true));
    // Behind a colon an empty one counts as none.
    let value = given.iter().find(|(known, value)| *known == name && !value.is_empty()).map(|(_, value)| *value);
    assert!(value.is_some() || !required, "{name} has to be given");
    format!("{before}{}{}", value.unwrap_or(default), filled_in(after, given))
}
