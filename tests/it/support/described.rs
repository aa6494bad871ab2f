//! What our service answers, held against its own description: status, type, every member of the body, every header.

use super::driving::Answer;
use axum::http::{HeaderName, Method};
use cliprelay::http::openapi::document;
use jsonschema::Validator;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, Mutex};

/// Of the connection, of pages of other origins, and of other methods: told in no operation.
const ASIDE: [&str; 8] = [
    "connection",
    "content-type",
    "content-length",
    "transfer-encoding",
    "date",
    "vary",
    "allow",
    "access-control-expose-headers",
];

/// Schemas by what is asked for, made once.
static VALIDATORS: LazyLock<Mutex<BTreeMap<String, Arc<Validator>>>> = LazyLock::new(Mutex::default);

/// The shapes, each closed: readers are to take members they do not know, the service is not to write any.
static CLOSED: LazyLock<Value> = LazyLock::new(|| {
    let mut components = json!({"schemas": document()["components"]["schemas"]});
    for (name, schema) in components["schemas"].as_object_mut().unwrap() {
        // These are closed where others are made of them.
        let is_part = ["Job", "JobRow", "Problem"].contains(&name.as_str());
        if (schema.get("properties").is_some() && !is_part) || name == "JobInFull" {
            schema["unevaluatedProperties"] = json!(false);
        }
    }
    components
});

/// Whether a value is of that shape, and nothing more.
pub fn fits(schema: &Value, value: &Value) -> Result<(), String> {
    let mut known = VALIDATORS.lock().unwrap();
    let validator = known.entry(schema.to_string()).or_insert_with(|| {
        let mut whole = json!({"allOf": [schema], "components": *CLOSED});
        // What is of no shape may be anything.
        if schema.get("$ref").or(schema.get("allOf")).is_some() && value.is_object() {
            whole["unevaluatedProperties"] = json!(false);
        }
        Arc::new(jsonschema::draft202012::options().should_validate_formats(true).build(&whole).unwrap())
    });
    let validator = Arc::clone(validator);
    drop(known);
    validator.iter_errors(value).map(|error| format!("{}: {error}", error.instance_path())).next().map_or(Ok(()), Err)
}

/// Ok as well for what is not there at all: that is not an operation's answer.
pub fn check(method: &Method, path: &str, answer: &Answer) -> Result<(), String> {
    if !answer.headers.contains_key("x-request-id") {
        return Ok(());
    }
    let methods = document()["paths"].as_object().unwrap().iter().find(|(template, _)| is_of(path, template));
    // HEAD is GET without the body.
    let bodiless = *method == Method::HEAD;
    let asked = if bodiless { Method::GET } else { method.clone() };
    let operation = methods.and_then(|(_, methods)| methods.get(asked.as_str().to_lowercase()));
    let Some(operation) = operation else {
        if bodiless && [404, 405].contains(&answer.status) {
            return Ok(());
        }
        let told = json!({"$ref": "#/components/schemas/Problem"});
        // A preflight is answered by a layer before all routes.
        return if method == Method::OPTIONS && answer.status == 200 { Ok(()) } else { fits(&told, &answer.body) };
    };
    let told = &operation["responses"][answer.status.to_string()];
    if told.is_null() {
        return Err("the status is not there".to_owned());
    }
    headers(told, answer)?;
    let media = answer.header("content-type").split(';').next().unwrap_or_default();
    match (told.get("content"), media) {
        (None, "") => Ok(()),
        (None, media) => Err(format!("there is to be no {media}")),
        (Some(content), media) => match content.get(media) {
            None => Err(format!("{media:?} is not its type")),
            Some(of) if media.ends_with("json") && !bodiless => fits(&of["schema"], &answer.body),
            Some(_) => Ok(()),
        },
    }
}

fn is_of(path: &str, template: &str) -> bool {
    let (path, template) = (path.split('/'), template.split('/'));
    path.clone().count() == template.clone().count()
        && path.zip(template).all(|(part, wanted)| wanted.starts_with('{') && !part.is_empty() || part == wanted)
}

fn headers(told: &Value, answer: &Answer) -> Result<(), String> {
    let named = told["headers"].as_object().ok_or("no headers are told")?;
    let known: Vec<HeaderName> = named.keys().map(|name| name.parse().unwrap()).collect();
    for name in answer.headers.keys() {
        let aside = ASIDE.contains(&name.as_str()) || name.as_str().starts_with("access-control-");
        if !aside && !known.contains(name) {
            return Err(format!("the header {name} is not there"));
        }
    }
    for name in named.keys() {
        let header = &document()["components"]["headers"][name];
        match answer.headers.get(name) {
            None if header["required"] == json!(true) => return Err(format!("the header {name} is missing")),
            Some(value) if header["schema"]["type"] == json!("integer") => {
                let number: u64 = value.to_str().ok().and_then(|text| text.parse().ok()).ok_or("no number")?;
                fits(&header["schema"], &json!(number))?;
            }
            _ => {}
        }
    }
    Ok(())
}
