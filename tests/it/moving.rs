//! `infra/drain-old-queue` on a real Redis as an older app left it, and the real service.

use crate::support::processes::{Ended, run};
use crate::support::redis::{Server, query};
use crate::support::system::{API_KEY, System};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use axum::{Json, Router};
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::process::Command;
use std::sync::{Arc, Mutex};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/infra/drain-old-queue");

async fn drain(old: &Server, service: &str, more: &[&str]) -> Ended {
    let mut command = Command::new(SCRIPT);
    command.args(more).env("OLD_REDIS_URL", old.url()).env("CLIPRELAY_URL", service).env("CLIPRELAY_API_KEY", API_KEY);
    let ended = run(&mut command).await;
    for said in [&ended.stdout, &ended.stderr] {
        assert!(!said.contains(API_KEY), "{said}");
    }
    ended
}

/// A job as the older app recorded it.
fn record(old: &Server, id: &str, fields: &Value) {
    let mut record = json!({"id": id, "projectId": id.trim_start_matches("job_"), "status": "queued", "progress": 0,
        "attempts": 0, "createdAt": 1_752_600_000_000_u64, "updatedAt": 1_752_600_000_000_u64});
    for (name, value) in fields.as_object().unwrap() {
        record[name] = value.clone();
    }
    let () = query(old, &["SET", &format!("klap:job:{id}"), &record.to_string(), "EX", "86400"]);
}

fn waits(old: &Server, id: &str) {
    let _: u64 = query(old, &["LPUSH", "klap:jobs:queue", id]);
}

fn list(old: &Server, name: &str) -> Vec<String> {
    query(old, &["LRANGE", &format!("klap:jobs:{name}"), "0", "-1"])
}

fn moved(old: &Server) -> BTreeMap<String, String> {
    query(old, &["HGETALL", "klap:jobs:moved"])
}

fn everything(old: &Server) -> BTreeMap<String, Vec<u8>> {
    let mut keys: Vec<String> = query(old, &["KEYS", "*"]);
    keys.sort();
    keys.into_iter().map(|key| (key.clone(), query(old, &["DUMP", &key]))).collect()
}

async fn ours(system: &System) -> Vec<Value> {
    let answer = system.ask(Method::GET, "/api/jobs?limit=100").send().await.unwrap();
    answer.json::<Value>().await.unwrap()["jobs"].as_array().unwrap().clone()
}

/// An older app's Redis with one of each sort; those to move are `job_first`, `job_hash` and `job_again`.
fn left_behind(sample: &str) -> Server {
    let old = Server::start();
    record(&old, "job_first", &json!({"videoUrl": sample}));
    record(
        &old,
        "job_paid",
        &json!({"videoUrl": sample, "taskId": "TASK0123456789ab", "status": "queued", "attempts": 1}),
    );
    record(&old, "job_ended", &json!({"videoUrl": sample, "status": "completed"}));
    record(&old, "job_with.dots", &json!({"videoUrl": sample}));
    record(&old, "job_again", &json!({"videoUrl": sample, "attempts": 2, "taskId": null, "error": "fetch failed"}));
    let () = query(&old, &["SET", "klap:job:job_odd", "not JSON"]);
    let hash = ["HSET", "klap:job:job_hash", "projectId", "hash", "status", "queued", "videoUrl", sample];
    let _: u64 = query(&old, &hash);
    for id in ["job_first", "job_paid", "job_ended", "job_with.dots", "job_gone", "job_odd", "job_hash", "job_again"] {
        waits(&old, id);
    }
    record(&old, "job_running", &json!({"videoUrl": sample, "status": "processing", "taskId": "TASKrunning000000"}));
    record(&old, "job_starting", &json!({"videoUrl": sample, "status": "processing"}));
    for id in ["job_running", "job_starting"] {
        let _: u64 = query(&old, &["LPUSH", "klap:jobs:processing", id]);
    }
    record(&old, "job_orphan", &json!({"videoUrl": sample, "status": "processing", "taskId": "TASKorphan000000"}));
    old
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_is_moved_and_what_was_paid_is_left() {
    let system = System::start(&[]).await;
    let old = left_behind(&system.sample());
    let before = everything(&old);

    let dry = drain(&old, &system.base, &[]).await;
    assert_eq!(dry.code, Some(1), "{}{}", dry.stdout, dry.stderr);
    assert_eq!(everything(&old), before, "without --move nothing changes");
    assert_eq!(ours(&system).await, Vec::<Value>::new());
    assert!(dry.stdout.contains("to move  job_first: project first\n"), "{}", dry.stdout);
    assert!(dry.stdout.contains("4 to move, 6 to be left alone, 1 in the way"), "{}", dry.stdout);

    let options = r#"{"language":"en","maxClipCount":2}"#;
    let done = drain(&old, &system.base, &["--move", "--options", options]).await;
    assert_eq!(done.code, Some(1), "{}{}", done.stdout, done.stderr);
    let ids = moved(&old);
    assert_eq!(ids.keys().collect::<Vec<_>>(), ["job_again", "job_first", "job_hash"]);
    for line in [
        "left     job_paid: Klap was paid (task TASK0123456789ab), project paid",
        "left     job_ended: completed",
        "left     job_gone: its record is gone",
        "left     job_odd: its record cannot be read",
        "refused  job_with.dots, project with.dots: 422 ",
        "at work  job_running: project running, Klap was paid (task TASKrunning000000)",
        "at work  job_starting: project starting, free, processing",
        "lost     job_orphan: processing, in no list; project orphan, Klap was paid (task TASKorphan000000)",
        "3 moved, 6 left alone, 2 not moved",
    ] {
        assert!(done.stdout.contains(line), "{line}\n{}", done.stdout);
    }
    let order: Vec<_> =
        ["job_first ->", "job_hash ->", "job_again ->"].map(|word| done.stdout.find(word).unwrap()).into();
    assert!(order.is_sorted(), "the oldest first: {}", done.stdout);
    assert_eq!(list(&old, "queue"), ["job_odd", "job_gone", "job_ended", "job_paid", "job_with.dots"]);
    assert_eq!((list(&old, "processing").len(), list(&old, "moving").len()), (2, 0));
    // Nobody's record was touched.
    let after = everything(&old);
    assert!(before.iter().all(|(key, value)| key == "klap:jobs:queue" || after[key] == *value));
    let jobs = ours(&system).await;
    assert_eq!(jobs.len(), 3);
    for job in &jobs {
        assert!(ids.values().any(|id| job["jobId"] == *id), "{job:#}");
        assert_eq!(system.completed(job["jobId"].as_str().unwrap()).await["clips"].as_array().unwrap().len(), 2);
    }

    let again = drain(&old, &system.base, &["--move", "--options", options]).await;
    assert!(again.stdout.contains("0 moved, 6 left alone, 2 not moved"), "{}", again.stdout);
    assert_eq!((ours(&system).await.len(), moved(&old)), (3, ids));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_was_cut_off_goes_on_without_a_second_job() {
    let mut system = System::start(&[]).await;
    let old = Server::start();
    for id in ["job_one", "job_two"] {
        record(&old, id, &json!({"videoUrl": system.sample()}));
        waits(&old, id);
    }
    // It took a job and asked; the answer was lost.
    let asked = json!({"projectId": "one", "videoUrl": system.sample()});
    let first = system.ask(Method::POST, "/api/process-klap").header("idempotency-key", "job_one").json(&asked);
    let first: Value = first.send().await.unwrap().json().await.unwrap();
    let _: String = query(&old, &["LMOVE", "klap:jobs:queue", "klap:jobs:moving", "RIGHT", "LEFT"]);
    system.completed(first["jobId"].as_str().unwrap()).await;
    // With something else asked for, the older app must not get it back: it would be made and paid a second time.
    let other = drain(&old, &system.base, &["--move", "--options", r#"{"maxClipCount":1}"#]).await;
    assert!(other.stdout.contains("unclear  job_one: it was asked for before"), "{}", other.stdout);
    assert_eq!((list(&old, "moving"), moved(&old).len()), (vec!["job_one".to_owned()], 1));
    let done = drain(&old, &system.base, &["--move"]).await;
    assert_eq!(done.code, Some(0), "{}{}", done.stdout, done.stderr);
    assert_eq!((moved(&old)["job_one"].as_str(), ours(&system).await.len()), (first["jobId"].as_str().unwrap(), 2));

    // With the service away nothing is lost, and the older app finds nothing it might do at the same time.
    record(&old, "job_three", &json!({"videoUrl": system.sample()}));
    waits(&old, "job_three");
    system.serve.kill();
    let away = drain(&old, &system.base, &["--move"]).await;
    assert_eq!(away.code, Some(3), "{}{}", away.stdout, away.stderr);
    assert_eq!((list(&old, "queue").len(), list(&old, "moving")), (0, vec!["job_three".to_owned()]));
    system.serve_again().await;
    assert_eq!(drain(&old, &system.base, &["--move"]).await.code, Some(0));
    assert_eq!((moved(&old).len(), ours(&system).await.len()), (3, 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rate_limit_is_waited_for_and_an_unclear_answer_kept() {
    let asked: Arc<Mutex<Vec<HeaderMap>>> = Arc::default();
    let seen = Arc::clone(&asked);
    let answer = move |headers: HeaderMap| {
        let count = {
            let mut seen = seen.lock().unwrap();
            seen.push(headers);
            seen.len()
        };
        async move {
            match count {
                1 => (StatusCode::TOO_MANY_REQUESTS, [("retry-after", "1")], Json(json!({}))),
                2 => (StatusCode::SERVICE_UNAVAILABLE, [("retry-after", "1")], Json(json!({"detail": "not now"}))),
                _ => (StatusCode::ACCEPTED, [("x-more", "")], Json(json!({"jobId": "job_new"}))),
            }
        }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let app = Router::new().route("/api/process-klap", post(answer));
    tokio::spawn(async move { axum::serve(listener, app).await });
    let old = Server::start();
    record(&old, "job_one", &json!({"videoUrl": "https://example.com/v.mp4"}));
    waits(&old, "job_one");

    let unclear = drain(&old, &base, &["--move"]).await;
    assert_eq!(unclear.code, Some(1), "{}{}", unclear.stdout, unclear.stderr);
    assert!(unclear.stdout.contains("unclear  job_one: 503 not now"), "{}", unclear.stdout);
    assert!(unclear.stderr.contains("rate limit"), "{}", unclear.stderr);
    assert_eq!((list(&old, "queue").len(), list(&old, "moving").len()), (0, 1));
    let done = drain(&old, &base, &["--move"]).await;
    assert_eq!((done.code, moved(&old)["job_one"].as_str()), (Some(0), "job_new"));
    let asked = asked.lock().unwrap();
    assert_eq!(asked.len(), 3);
    assert!(asked.iter().all(|headers| headers["idempotency-key"] == "job_one"));
    assert!(asked.iter().all(|headers| headers["authorization"] == format!("Bearer {API_KEY}")));
}

/// A machine with these programs and no others, each as it is here or as the test has it.
fn machine(own: &[(&str, &str)]) -> tempfile::TempDir {
    let (folder, path) = (tempfile::tempdir().unwrap(), std::env::var_os("PATH").unwrap());
    for name in ["bash", "env", "cat", "curl", "head", "mktemp", "redis-cli", "rm", "sed", "sleep", "tr"] {
        let found = std::env::split_paths(&path).map(|path| path.join(name)).find(|path| path.is_file());
        let found = found.unwrap_or_else(|| panic!("{name} is not installed"));
        if let Some((_, script)) = own.iter().find(|(known, _)| *known == name) {
            let script = format!("#!/usr/bin/env bash\nreal={}\n{script}", found.display());
            std::fs::write(folder.path().join(name), script).unwrap();
            let runs = std::os::unix::fs::PermissionsExt::from_mode(0o755);
            std::fs::set_permissions(folder.path().join(name), runs).unwrap();
        } else {
            std::os::unix::fs::symlink(found, folder.path().join(name)).unwrap();
        }
    }
    folder
}

async fn drain_on(machine: &tempfile::TempDir, old: &Server) -> Ended {
    let mut command = Command::new(SCRIPT);
    command.env("PATH", machine.path()).env("OLD_REDIS_URL", old.url());
    run(command.env("CLIPRELAY_URL", "http://127.0.0.1:9").env("CLIPRELAY_API_KEY", API_KEY)).await
}

/// Not every system has what GNU's tools have; "nothing waits" would be the signal to delete the queue.
#[tokio::test]
async fn what_waits_is_found_with_no_more_than_it_says_it_needs() {
    let old = left_behind("https://example.com/v.mp4");
    let told = drain_on(&machine(&[]), &old).await;
    assert_eq!(told.code, Some(1), "{}{}", told.stdout, told.stderr);
    assert!(told.stdout.contains("4 to move, 6 to be left alone, 1 in the way"), "{}{}", told.stdout, told.stderr);
}

#[tokio::test]
async fn a_list_that_cannot_be_read_is_not_an_empty_one() {
    let old = left_behind("https://example.com/v.mp4");
    for part in ["LRANGE klap:jobs:moving", "LRANGE klap:jobs:queue", "LRANGE klap:jobs:processing", "HKEYS", "--scan"]
    {
        let fails =
            format!("[[ \"$*\" != *'{part}'* ]] || {{ echo 'Error: Server closed the connection' >&2; exit 1; }}");
        let told = drain_on(&machine(&[("redis-cli", &format!("{fails}\nexec \"$real\" \"$@\"\n"))]), &old).await;
        assert_eq!(told.code, Some(3), "{part}: {}{}", told.stdout, told.stderr);
        assert!(told.stderr.contains("could not be reached"), "{part}: {}", told.stderr);
        assert!(!told.stdout.contains("nothing was changed"), "{part}: {}", told.stdout);
    }
}

#[tokio::test]
async fn bad_usage_says_what_is_missing() {
    let old = Server::start();
    for (more, words) in
        [(&["--now"][..], "unknown argument --now"), (&["--options", "{nonsense"], "--options must be JSON")]
    {
        let ended = drain(&old, "http://127.0.0.1:9", more).await;
        assert_eq!(ended.code, Some(2), "{}", ended.stderr);
        assert!(ended.stderr.contains(words), "{}", ended.stderr);
    }
    let ended = run(Command::new(SCRIPT).env_remove("OLD_REDIS_URL")).await;
    assert_eq!(ended.code, Some(2));
    assert!(ended.stderr.contains("OLD_REDIS_URL is missing"), "{}", ended.stderr);
    let port = old.port();
    drop(old);
    let mut command = Command::new(SCRIPT);
    command.env("OLD_REDIS_URL", format!("redis://127.0.0.1:{port}")).env("CLIPRELAY_URL", "http://127.0.0.1:9");
    let ended = run(command.env("CLIPRELAY_API_KEY", "any-key-of-ours")).await;
    assert_eq!(ended.code, Some(3), "{}", ended.stderr);
    assert!(ended.stderr.contains("could not be reached"), "{}", ended.stderr);
}
