//! What each operation answers beside its handler's own: problems, and the headers of every status.

use super::problems::known;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// What one operation may answer.
struct Operation {
    id: &'static str,
    /// Headers of one status: (status, name).
    headers: &'static [(&'static str, &'static str)],
    problems: &'static [&'static [&'static str]],
}

/// Who calls is asked on every route of the frontend, and every job is read from the store.
const CALLER: &[&str] = &["unauthorized", "invalid_token", "token_expired", "not_a_user", "issuer_unavailable"];
const STORE: &[&str] = &["unreadable_record", "store_unavailable", "newer_version"];
const QUERY: &[&str] = &["bad_request"];
const BODY: &[&str] =
    &["bad_request", "timeout", "too_large", "unsupported_media_type", "unsupported_content_encoding", "invalid"];
const TURN: &[&str] = &["rate_limited", "queue_full", "budget_exhausted"];
const OPERATOR: &[&str] = &["unauthorized"];
const PUSH: &[&str] = &["bad_signature", "too_large"];

/// What the operator's page and its files carry.
const PAGE: &[(&str, &str)] =
    &[("200", "ETag"), ("304", "ETag"), ("200", "Cross-Origin-Opener-Policy"), ("304", "Cross-Origin-Opener-Policy")];

const OPERATIONS: &[Operation] = &[
    Operation {
        id: "enqueue",
        headers: &[("202", "Location"), ("200", "Location")],
        problems: &[
            CALLER,
            STORE,
            BODY,
            TURN,
            &["not_found", "different_input", "not_available", "no_video", "idempotency_key_reused"],
            &["project_lookup_unavailable", "outcome_unknown"],
        ],
    },
    Operation {
        id: "status",
        headers: &[("200", "ETag"), ("304", "ETag")],
        problems: &[CALLER, STORE, QUERY, &["not_found", "too_many_watchers"]],
    },
    Operation { id: "cancel", headers: &[], problems: &[CALLER, STORE, QUERY, &["not_found", "already_final"]] },
    Operation {
        id: "retry",
        headers: &[("202", "Location")],
        problems: &[CALLER, STORE, BODY, TURN, &["not_found", "not_failed", "project_busy", "cannot_retry"]],
    },
    Operation {
        id: "events",
        headers: &[("200", "X-Accel-Buffering")],
        problems: &[CALLER, STORE, QUERY, &["not_found", "too_many_watchers"]],
    },
    Operation { id: "list", headers: &[], problems: &[CALLER, STORE, QUERY, &["invalid"]] },
    Operation {
        id: "clip",
        headers: &[("302", "Location")],
        problems: &[CALLER, STORE, QUERY, &["not_found", "storage_unavailable"]],
    },
    Operation {
        id: "push",
        headers: &[("429", "Retry-After"), ("503", "Retry-After"), ("489", "Upstash-NonRetryable-Error")],
        problems: &[PUSH],
    },
    Operation {
        id: "pushFailed",
        headers: &[("503", "Retry-After"), ("489", "Upstash-NonRetryable-Error")],
        problems: &[PUSH],
    },
    Operation { id: "sweep", headers: &[], problems: &[OPERATOR, STORE] },
    Operation { id: "allJobs", headers: &[], problems: &[OPERATOR, STORE, QUERY, &["invalid"]] },
    Operation { id: "job", headers: &[], problems: &[OPERATOR, STORE, QUERY, &["not_found"]] },
    Operation { id: "cancelJob", headers: &[], problems: &[OPERATOR, STORE, QUERY, &["not_found", "already_final"]] },
    Operation {
        id: "retryJob",
        headers: &[("202", "Location")],
        problems: &[
            OPERATOR,
            STORE,
            QUERY,
            &["not_found", "not_failed", "project_busy", "cannot_retry", "queue_full", "budget_exhausted"],
        ],
    },
    Operation { id: "purgeJobs", headers: &[], problems: &[OPERATOR, STORE, BODY] },
    Operation { id: "deadLetters", headers: &[], problems: &[OPERATOR, STORE, QUERY, &["invalid"]] },
    Operation { id: "replayDeadLetters", headers: &[], problems: &[OPERATOR, STORE, BODY] },
    Operation { id: "dropDeadLetters", headers: &[], problems: &[OPERATOR, STORE, BODY] },
    Operation { id: "audit", headers: &[], problems: &[OPERATOR, STORE, QUERY, &["invalid"]] },
    Operation { id: "health", headers: &[], problems: &[] },
    Operation { id: "ready", headers: &[], problems: &[] },
    Operation { id: "metrics", headers: &[], problems: &[&["unauthorized"]] },
    Operation { id: "stats", headers: &[], problems: &[&["unauthorized"], STORE] },
    Operation { id: "page", headers: PAGE, problems: &[] },
    Operation { id: "pageFile", headers: PAGE, problems: &[&["not_found"]] },
    Operation { id: "openapi", headers: &[], problems: &[] },
    Operation { id: "docs", headers: &[], problems: &[] },
];

/// What may be said in a header, by name, and whether it always is where it may be.
const HEADERS: &[(&str, bool, &str, &str)] = &[
    (
        "X-Request-Id",
        true,
        "0193f2c8-7b7c-4d0a-8e0c-1b2a3d4e5f60",
        "The request's own, or a new one; also in the service's log.",
    ),
    ("X-Content-Type-Options", true, "nosniff", "Always `nosniff`."),
    ("Referrer-Policy", true, "no-referrer", "Always `no-referrer`."),
    ("X-Frame-Options", true, "DENY", "Always `DENY`."),
    (
        "Content-Security-Policy",
        true,
        "default-src 'none'; frame-ancestors 'none'",
        "What a browser may do with it: nothing; with a page, what that page needs.",
    ),
    ("Cache-Control", true, "no-store", "Who may keep it."),
    ("Cross-Origin-Resource-Policy", true, "same-origin", "Who may embed it. What listed pages read is told by CORS."),
    ("Strict-Transport-Security", false, "max-age=31536000", "Where the service is public over https."),
    ("Location", true, "/api/process-klap?jobId=job_0193f2c87b7c7d0a8e0c1b2a3d4e5f60", "Where to go on."),
    ("Cross-Origin-Opener-Policy", true, "same-origin", "Who may hold on to the window: nobody from elsewhere."),
    ("ETag", true, "W/\"5d41402abc4b2a76\"", "The version of what is told; for `If-None-Match`."),
    ("Retry-After", true, "5", "After how many seconds to come again."),
    (
        "RateLimit",
        false,
        "\"owner\";r=4;t=60",
        "What is left: by policy, requests (`r`) and seconds until there are more (`t`).",
    ),
    (
        "RateLimit-Policy",
        false,
        "\"owner\";q=5;w=60",
        "The limits: by policy, requests (`q`) in so many seconds (`w`).",
    ),
    ("WWW-Authenticate", true, "Bearer", "How to sign in."),
    ("Upstash-NonRetryable-Error", true, "true", "Always `true`."),
    ("X-Accel-Buffering", true, "no", "Always `no`: proxies are not to hold events back."),
];
const EVERY: [&str; 8] = [
    "X-Request-Id",
    "X-Content-Type-Options",
    "Referrer-Policy",
    "X-Frame-Options",
    "Content-Security-Policy",
    "Cache-Control",
    "Cross-Origin-Resource-Policy",
    "Strict-Transport-Security",
];

pub fn headers() -> Value {
    let header = |&(name, required, example, description): &(&str, bool, &str, &str)| {
        let schema =
            if name == "Retry-After" { json!({"type": "integer", "minimum": 1}) } else { json!({"type": "string"}) };
        let example = example.parse::<u64>().map_or_else(|_| json!(example), |number| json!(number));
        let header = json!({"description": description, "required": required, "schema": schema, "example": example});
        (name.to_owned(), header)
    };
    HEADERS.iter().map(header).collect::<Map<_, _>>().into()
}

/// Adds to a derived operation what it may answer besides.
pub fn complete(operation: &mut Value) {
    let Some(told) = OPERATIONS.iter().find(|told| operation["operationId"] == told.id) else { return };
    let limited = told.problems.contains(&TURN);
    let Some(answers) = operation["responses"].as_object_mut() else { return };
    for (status, codes) in by_status(told) {
        answers.insert(status, refusal(&codes));
    }
    answers.sort_keys();
    for (status, answer) in answers {
        let own = told.headers.iter().filter(|(of, _)| of == status).map(|(_, name)| *name);
        let is_problem = answer["content"].get("application/problem+json").is_some();
        let of_status = match status.as_str() {
            "401" => &["WWW-Authenticate"][..],
            "429" | "503" if is_problem => &["Retry-After"],
            _ => &[],
        };
        // Those whose turn was taken are told where they stand, also when they are refused then.
        let turn: &[&str] = match status.as_str() {
            "200" | "202" | "404" | "409" | "422" | "429" | "500" | "503" if limited => {
                &["RateLimit", "RateLimit-Policy"]
            }
            _ => &[],
        };
        let names = EVERY.into_iter().chain(own).chain(of_status.iter().copied()).chain(turn.iter().copied());
        let headers = names.map(|name| (name.to_owned(), json!({"$ref": format!("#/components/headers/{name}")})));
        answer["headers"] = headers.collect::<Map<_, _>>().into();
    }
}

/// The codes of each status. Anything may break, and where strangers' names are refused they are on every route.
fn by_status(told: &Operation) -> BTreeMap<String, Vec<&'static str>> {
    let mut by_status: BTreeMap<String, Vec<&'static str>> = BTreeMap::new();
    for code in told.problems.iter().copied().flatten().copied().chain(["foreign_host", "internal"]) {
        if let Some(problem) = known(code) {
            by_status.entry(problem.status.to_string()).or_default().push(code);
        }
    }
    by_status
}

fn refusal(codes: &[&'static str]) -> Value {
    let told = codes.iter().filter_map(|code| known(code));
    let when: Vec<_> = told.map(|problem| format!("- `{}`: {}", problem.code, problem.when)).collect();
    let example = |code: &&str| ((*code).to_owned(), json!({"$ref": format!("#/components/examples/{code}")}));
    let examples: Map<_, _> = codes.iter().map(example).collect();
    let schema = json!({
        "allOf": [{"$ref": "#/components/schemas/Problem"}, {"properties": {"code": {"enum": codes}}}],
    });
    json!({
        "description": when.join("\n"),
        "content": {"application/problem+json": {"schema": schema, "examples": examples}},
    })
}
