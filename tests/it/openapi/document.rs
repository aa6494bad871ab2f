//! The document by itself, and against the code it describes.

use crate::support::app::TestApp;
use crate::support::described::fits;
use crate::support::driving::read;
use crate::support::processes::{program, run};
use axum::http::Method;
use cliprelay::http::{ROUTES, openapi};
use cliprelay::kinds::AskedOptions;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::path::Path;

const COMMITTED: &str = include_str!("../../../infra/openapi.json");

fn object(value: &Value) -> &Map<String, Value> {
    value.as_object().unwrap_or_else(|| panic!("no object: {value}"))
}

/// Every operation with its path and method.
fn operations() -> impl Iterator<Item = (&'static str, Method, &'static Value)> {
    object(&openapi::document()["paths"]).iter().flat_map(|(path, methods)| {
        let method = |name: &str| name.to_uppercase().parse().unwrap();
        object(methods).iter().map(move |(name, operation)| (path.as_str(), method(name), operation))
    })
}

#[tokio::test]
async fn the_file_the_command_and_the_code_say_the_same() {
    assert!(
        COMMITTED == openapi::text(),
        "the interface has changed: run `cargo run -- openapi > infra/openapi.json`, and say so in CHANGELOG.md"
    );
    let printed = run(program().arg("openapi")).await;
    assert_eq!((printed.code, printed.stderr.as_str()), (Some(0), ""));
    assert!(printed.stdout == COMMITTED, "the command prints something else");
}

#[tokio::test]
async fn every_route_is_described_and_nothing_else() {
    let described: BTreeSet<_> = operations().map(|(path, ..)| path).collect();
    assert_eq!(described, ROUTES.iter().copied().collect());
    let app = TestApp::start().await;
    for &path in ROUTES {
        for method in [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
            let at = path.replace("{id}", "x");
            let served = read(app.request(method.clone(), &at)).await.status != 405;
            let described = operations().any(|(known, of, _)| known == path && of == method);
            assert_eq!(served, described, "{method} {path}");
        }
    }
}

#[test]
fn every_operation_is_told_whole() {
    let mut names = BTreeSet::new();
    for (path, method, operation) in operations() {
        let name = operation["operationId"].as_str().unwrap_or_default();
        assert!(names.insert(name) && !name.is_empty(), "{method} {path} has no name of its own");
        assert!(operation["summary"].is_string() && operation["tags"].is_array(), "{name}");
        for (status, answer) in object(&operation["responses"]) {
            assert!(answer["headers"]["X-Request-Id"].is_object(), "{name} {status}: no headers are told");
            let described = answer["description"].as_str().is_some_and(|text| !text.is_empty());
            assert!(described, "{name} {status}");
        }
        let secured = path.starts_with("/api/process") || path.starts_with("/api/worker") || path.contains("cron");
        assert!(!secured || (operation["security"].is_array() && operation["responses"]["401"].is_object()), "{name}");
    }
}

#[test]
fn every_reference_leads_somewhere() {
    fn look(value: &Value) {
        match value {
            Value::Object(members) => {
                if let Some(to) = members.get("$ref").and_then(Value::as_str) {
                    let found = openapi::document().pointer(to.strip_prefix('#').unwrap());
                    assert!(found.is_some(), "{to} leads nowhere");
                }
                members.values().for_each(look);
            }
            Value::Array(items) => items.iter().for_each(look),
            _ => {}
        }
    }
    look(openapi::document());
}

#[test]
fn every_example_is_of_its_shape() {
    let components = &openapi::document()["components"];
    let mut seen = 0;
    for (name, schema) in object(&components["schemas"]) {
        if let Some(example) = schema.get("example") {
            fits(&json!({"$ref": format!("#/components/schemas/{name}")}), example)
                .unwrap_or_else(|why| panic!("{name}: {why}"));
            seen += 1;
        }
        for (member, of) in schema["properties"].as_object().into_iter().flatten() {
            if let Some(example) = of.get("example") {
                fits(of, example).unwrap_or_else(|why| panic!("{name}.{member}: {why}"));
                seen += 1;
            }
        }
    }
    for (_, _, operation) in operations() {
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            if let Some(example) = parameter.get("example") {
                fits(&parameter["schema"], example).unwrap_or_else(|why| panic!("{parameter}: {why}"));
            }
        }
        for answer in object(&operation["responses"]).values() {
            let Some(content) = answer["content"].get("application/problem+json") else { continue };
            for code in object(&content["examples"]).keys() {
                let example = &components["examples"][code]["value"];
                fits(&content["schema"], example).unwrap_or_else(|why| panic!("{code}: {why}"));
                seen += 1;
            }
        }
    }
    assert!(seen > 100, "{seen}");
}

/// The limits of options are written twice: where they are checked, and where they are described.
#[test]
fn options_have_the_limits_that_are_described() {
    let taken = |option: &str, value: &Value| {
        let mut asked = json!({option: value});
        // These two go together.
        for (one, other) in [("width", "height"), ("height", "width")] {
            if option == one {
                asked[other] = json!(100);
            }
        }
        AskedOptions::parse(&asked).is_ok()
    };
    let options = object(&openapi::document()["components"]["schemas"]["Options"]["properties"]);
    for (option, schema) in options {
        let schema = object(schema);
        let number = |limit: &str| schema.get(limit).and_then(Value::as_u64);
        if let (Some(min), Some(max)) = (number("minimum"), number("maximum")) {
            assert!(
                taken(option, &json!(min)) && taken(option, &json!(max)),
                "{option} is refused within {min} to {max}"
            );
            assert!(!taken(option, &json!(min - 1)) && !taken(option, &json!(max + 1)), "{option} is taken beyond");
        } else if let Some(max) = number("maxLength") {
            let of = |length: u64| json!("ü".repeat(usize::try_from(length).unwrap()));
            assert!(taken(option, &of(1)) && taken(option, &of(max)), "{option} is refused to {max}");
            assert!(!taken(option, &of(0)) && !taken(option, &of(max + 1)) && !taken(option, &json!(" ")), "{option}");
        } else {
            assert_eq!(schema["type"], json!(["boolean", "null"]), "{option} has no limits");
        }
    }
    assert!(!taken("unknown", &json!(1)) && options.len() == 17);
}

/// Codes stand in the edge's code, each as a text of its own.
#[test]
fn every_code_is_described_and_no_other() {
    let edge = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/http");
    let mut code = String::new();
    for folder in [&edge, &edge.join("routes"), &edge.join("auth")] {
        for file in std::fs::read_dir(folder).unwrap() {
            let path = file.unwrap().path();
            // Replies to QStash are no problems.
            if path.is_file() && path.extension().is_some_and(|kind| kind == "rs") && !path.ends_with("reply.rs") {
                code += &std::fs::read_to_string(path).unwrap();
            }
        }
    }
    let described = object(&openapi::document()["components"]["examples"]);
    for known in described.keys() {
        assert!(code.contains(&format!("\"{known}\"")), "{known} is described and never told");
    }
    // A problem is made by one of these, its code first or after the status.
    let made = ["Problem::new(", "Self::new(", "unavailable(", "unauthorized("];
    let mut told = 0;
    for (at, _) in made.iter().flat_map(|call| code.match_indices(call)) {
        let arguments = &code[at..];
        let arguments = &arguments[..arguments.find(')').unwrap_or(arguments.len())];
        let literal = |text: &&str| text.chars().all(|c| c.is_ascii_lowercase() || c == '_') && !text.is_empty();
        if let Some(found) = arguments.split('"').skip(1).step_by(2).find(literal) {
            assert!(described.contains_key(found), "{found} is told and not described");
            told += 1;
        }
    }
    assert!(told > 20, "{told}");
}
