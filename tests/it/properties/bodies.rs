//! Any JSON, and what only looks like it, at the routes that take some: a refusal in words or an accepted job, nothing
//! else; and a refusal leaves nothing behind.

use super::wire::json;
use crate::support::app::{ANN, TestApp};
use crate::support::driving::{Answer, read};
use crate::support::queue::CURRENT;
use axum::http::Method;
use cliprelay::clock::unix_seconds;
use cliprelay::services::qstash::signature::sign;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use serde_json::{Map, Value, json};

const BODY_MAX: usize = 64 * 1024;

/// One member of a request, mostly one that could be right.
fn member(sample: String) -> impl Strategy<Value = (String, Value)> {
    let id = prop_oneof![4 => "[a-z0-9]{6,12}".prop_map(Value::from), 1 => json()];
    let video = prop_oneof![4 => Just(Value::from(sample)), 1 => "(https?|ftp|file)://[a-z0-9.@:]{0,12}/\\PC{0,8}".prop_map(Value::from), 1 => json()];
    let options_there_are =
        vec!["language", "targetClipCount", "minDuration", "maxDuration", "captions", "width", "height", "name", "x"];
    let value =
        prop_oneof![2 => (0..200_u32).prop_map(Value::from), 1 => any::<bool>().prop_map(Value::from), 1 => json()];
    let options = proptest::collection::vec((proptest::sample::select(options_there_are), value), 0..4);
    let options = options
        .prop_map(|members| Value::Object(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()));
    let named = |name: &'static str| move |value| (name.to_owned(), value);
    prop_oneof![
        6 => id.prop_map(named("projectId")),
        6 => video.prop_map(named("videoUrl")),
        3 => prop_oneof![5 => options, 1 => json()].prop_map(named("options")),
        1 => ("priority|webhookUrl|jobId|\\PC{0,6}", json()),
    ]
}

/// A body's bytes.
fn body(sample: &str) -> impl Strategy<Value = Vec<u8>> + use<> {
    let request = proptest::collection::vec(member(sample.to_owned()), 0..6);
    let request = request.prop_map(|members| Value::Object(members.into_iter().collect::<Map<_, _>>()).to_string());
    let whole = (request, any::<prop::sample::Index>(), any::<u8>(), 0..12_u8);
    let request = whole.prop_map(|(text, place, byte, how)| {
        let mut bytes = text.into_bytes();
        let place = place.index(bytes.len());
        match how {
            0 => bytes.truncate(place),
            1 => bytes[place] = byte,
            _ => {}
        }
        bytes
    });
    prop_oneof![
        10 => request,
        2 => json().prop_map(|json| json.to_string().into_bytes()),
        1 => any::<Vec<u8>>(),
        1 => (1..200_usize).prop_map(|depth| format!("{}{}", "[".repeat(depth), "]".repeat(depth)).into_bytes()),
        1 => (1..200_usize).prop_map(|depth| format!("{{\"projectId\":{}1{}}}", "[".repeat(depth), "]".repeat(depth)).into_bytes()),
        1 => (BODY_MAX - 40..BODY_MAX + 40).prop_map(|size| format!("{{\"projectId\":\"{}\"}}", "p".repeat(size)).into_bytes()),
        1 => proptest::sample::select(vec!["{\"projectId\":1e999}", "{\"projectId\":\"\\ud800\"}", TWICE, "\u{feff}{}", "nul", ""])
            .prop_map(|text| text.as_bytes().to_vec()),
    ]
}

/// A key that occurs twice: which one would count?
const TWICE: &str = "{\"a\":1,\"a\":2}";

/// What must stay as it is: writes, jobs ever written, messages published.
fn left(app: &TestApp) -> (usize, usize, usize) {
    (app.watch.commits(), app.watch.jobs.lock().unwrap().len(), app.queue.all().len())
}

async fn post(app: &TestApp, path: &str, kind: &str, body: &[u8]) -> Answer {
    read(app.request(Method::POST, path).bearer_auth(ANN).header("content-type", kind).body(body.to_vec())).await
}

/// One request and what is to hold of its answer.
async fn judged(app: &TestApp, path: &str, kind: &str, body: &[u8]) -> u16 {
    let shown = String::from_utf8_lossy(&body[..body.len().min(300)]).into_owned();
    let before = left(app);
    let answer = post(app, path, kind, body).await;
    let is_json = kind.to_ascii_lowercase().contains("json");
    let expected: &[u16] = match serde_json::from_slice::<Value>(body) {
        _ if !is_json => &[415],
        _ if body.len() > BODY_MAX => &[413],
        _ if body == TWICE.as_bytes() => &[400],
        Ok(Value::Object(_)) => &[200, 202, 404, 409, 422],
        _ => &[400],
    };
    assert!(expected.contains(&answer.status), "{} for {shown}: {:#}", answer.status, answer.body);
    match answer.status {
        200 | 202 => {
            let job = answer.body["jobId"].as_str().unwrap();
            let fields: Value = serde_json::from_slice(body).unwrap();
            assert_eq!(answer.body["projectId"], fields["projectId"], "{shown}");
            let again = app.get(&format!("/api/process-klap?jobId={job}")).await.expect(200);
            assert_eq!(again.body["jobId"], json!(job));
            let (_, jobs, messages) = left(app);
            let new = usize::from(answer.status == 202);
            assert_eq!((jobs, messages), (before.1 + new, before.2 + new), "{shown}");
        }
        _ => {
            assert_eq!(answer.header("content-type"), "application/problem+json");
            assert!(!answer.code().is_empty() && answer.body["detail"].is_string(), "{:#}", answer.body);
            assert_eq!(left(app), before, "refused with {}, and yet something is left: {shown}", answer.status);
        }
    }
    answer.status
}

/// Runs so many cases over one service. The asynchronous body is driven from where it is.
#[expect(clippy::needless_pass_by_value, reason = "a closure is written where it is given")]
fn over_one_service<S: Strategy>(
    cases: u32,
    strategy: impl FnOnce(&TestApp) -> S,
    check: impl AsyncFn(&TestApp, S::Value),
) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().worker_threads(2).build().unwrap();
    let app = runtime.block_on(TestApp::start());
    let strategy = strategy(&app);
    let config =
        ProptestConfig { cases, max_shrink_iters: 200, failure_persistence: None, ..ProptestConfig::default() };
    TestRunner::new(config)
        .run(&strategy, |value| {
            runtime.block_on(check(&app, value));
            Ok(())
        })
        .unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn any_body_is_accepted_or_refused_in_words_and_then_leaves_nothing() {
    let seen = std::sync::Mutex::new(std::collections::BTreeMap::<u16, u32>::new());
    let kinds = vec![
        "application/json",
        "application/json; charset=utf-8",
        "Application/Problem+JSON",
        "text/plain",
        "application/x-www-form-urlencoded",
    ];
    let kind = prop_oneof![8 => Just("application/json"), 1 => proptest::sample::select(kinds)];
    over_one_service(
        300,
        |app| (kind, body(app.sandbox.sample.as_str())),
        async |app, (kind, body)| {
            let status = judged(app, "/api/process-klap", kind, &body).await;
            *seen.lock().unwrap().entry(status).or_default() += 1;
        },
    );
    // A run in which some answer does not occur shows nothing of it.
    let seen = seen.into_inner().unwrap();
    for status in [202, 400, 422] {
        assert!(seen.get(&status).is_some_and(|times| *times >= 5), "{seen:?}");
    }
}

#[test]
fn a_retry_takes_a_jobs_id_and_nothing_else() {
    over_one_service(
        150,
        |app| body(app.sandbox.sample.as_str()),
        async |app, body| {
            judged(app, "/api/process-klap/retry", "application/json", &body).await;
        },
    );
}

/// Whoever has the key may sign anything. Nothing but a message of ours moves a job, and nothing is delivered again that
/// can never be read.
#[test]
fn a_signed_push_of_anything_else_moves_nothing() {
    let near = |app: &TestApp| body(app.sandbox.sample.as_str());
    over_one_service(150, near, async |app, body| {
        let before = left(app);
        for (path, url) in [("/api/worker/klap", &app.worker_url), ("/api/worker/klap/failed", &app.failed_url)] {
            let token = sign(&CURRENT.into(), url, &body, unix_seconds(), "jwt_p");
            let request = app.request(Method::POST, path).header("upstash-signature", token).body(body.clone());
            let status = read(request).await.status;
            assert!(matches!(status, 200 | 413 | 489), "{path}: {status} for {}", String::from_utf8_lossy(&body));
        }
        assert_eq!(left(app), before);
    });
}
