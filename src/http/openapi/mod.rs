//! What this interface is, as `OpenAPI` 3.1: operations and shapes are derived from the handlers and the types they read and
//! write; `answers` adds what the layers around them answer as well. Nothing here is asked when a request is served.

mod answers;
pub(super) mod examples;
pub(super) mod page;
mod problems;
pub(super) mod shapes;

use super::routes::admin::{audit, jobs as all, letters, purge, stats};
use super::routes::{clips, cron, deliveries, documents, events, health, jobs, list, metrics, page as pages};
use serde_json::{Map, Value, json};
use std::sync::LazyLock;
use utoipa::OpenApi;

const ABOUT: &str = "Makes Klap jobs dependable: a long video becomes short clips, in steps that survive crashes.

Answers are JSON in camelCase; times are RFC 3339 in UTC with milliseconds; durations are seconds. What is wrong is told as \
`application/problem+json` with a `code` to go by. A path that is not here is 404 `not_found`, another method 405 \
`method_not_allowed` with `Allow`. Every answer carries `X-Request-Id`, which is also in the service's log. Members may be \
added to answers; readers are to ignore those they do not know.";

#[derive(OpenApi)]
#[openapi(
    info(title = "Cliprelay", description = ABOUT, license(name = "MIT", identifier = "MIT")),
    servers((url = "/", description = "Where this document was read.")),
    tags(
        (name = "Jobs", description = "For the frontend. The bearer of a token or key sees their own jobs only."),
        (name = "QStash", description = "For QStash, which signs what it sends. It is answered with the status that tells it what to do next."),
        (name = "Operator", description = "For whoever runs the service, and for its schedule."),
        (name = "Documents", description = "For browsers and generators."),
    ),
    paths(
        jobs::enqueue, jobs::status, jobs::cancel, jobs::retry, events::events, list::list, clips::clip,
        deliveries::worker, deliveries::failed, cron::sweep,
        all::list, all::show, all::cancel, all::retry, purge::purge,
        letters::list, letters::replay, letters::drop_them, audit::audit, stats::stats,
        health::health, health::ready, metrics::metrics,
        pages::first, pages::file, documents::document, documents::docs,
    ),
    components(schemas(shapes::Problem)),
)]
struct Described;

static DOCUMENT: LazyLock<Value> = LazyLock::new(|| {
    let mut document = serde_json::to_value(Described::openapi()).unwrap_or_default();
    each_object(&mut document, &mut plain);
    complete(&mut document);
    document
});

static TEXT: LazyLock<String> = LazyLock::new(|| format!("{:#}\n", *DOCUMENT));

/// The document.
pub fn document() -> &'static Value {
    &DOCUMENT
}

/// The document as a file, always the same for one build.
pub fn text() -> &'static str {
    &TEXT
}

/// Every code that a problem may have.
pub(super) fn problem_codes() -> impl Iterator<Item = &'static str> {
    problems::PROBLEMS.iter().map(|problem| problem.code)
}

fn complete(document: &mut Value) {
    document["components"]["securitySchemes"] = security_schemes();
    document["components"]["headers"] = answers::headers();
    document["components"]["examples"] = problems::examples();
    // Of a picture's size one says both or nothing.
    document["components"]["schemas"]["Options"]["dependentRequired"] =
        json!({"width": ["height"], "height": ["width"]});
    let Some(paths) = document["paths"].as_object_mut() else { return };
    for methods in paths.values_mut().filter_map(Value::as_object_mut) {
        let twins = methods.len();
        for (method, operation) in methods {
            answers::complete(operation);
            // An operation of two methods is described once, and has two names.
            if twins > 1 && method == "post" && operation["operationId"] == json!("sweep") {
                operation["operationId"] = json!("sweepByPost");
            }
        }
    }
}

fn security_schemes() -> Value {
    json!({
        "bearer": {
            "type": "http", "scheme": "bearer",
            "description": "As `AUTH` says: a signed-in user's token (`jwks`, `hs256`), or an API key (`api-key`). With `none`, on \
                            one's own machine, nothing is needed.",
        },
        "operator": {
            "type": "http", "scheme": "bearer", "description": "`WORKER_SECRET` or `CRON_SECRET`.",
        },
        "upstash-signature": {
            "type": "apiKey", "in": "header", "name": "Upstash-Signature",
            "description": "QStash's token over the body and this very address, HS256 with one of the two signing keys.",
        },
    })
}

fn each_object(value: &mut Value, change: &mut impl FnMut(&mut Map<String, Value>)) {
    match value {
        Value::Object(members) => {
            change(members);
            members.values_mut().for_each(|value| each_object(value, change));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| each_object(item, change)),
        _ => {}
    }
}

/// What the derived description says for Rust's sake only: that what is left out becomes a null, that a header may be none
/// (it is left out), how wide a number is.
fn plain(members: &mut Map<String, Value>) {
    if members.get("default").is_some_and(Value::is_null) {
        members.remove("default");
    }
    if members.get("format").is_some_and(|format| ["int32", "int64", "double"].iter().any(|&width| format == width)) {
        members.remove("format");
    }
    let sent_as_text = members.get("in").is_some_and(|place| place == "header" || place == "query");
    if let (true, Some(schema)) = (sent_as_text, members.get_mut("schema"))
        && let Some(one) = schema["type"].as_array().and_then(|types| types.iter().find(|&one| one != "null")).cloned()
    {
        schema["type"] = one;
    }
}
