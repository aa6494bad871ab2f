//! `jobs` and `dlq` as a shell sees them, against a running service.

use crate::doctor::server;
use crate::http::admin::{audit, failed};
use crate::support::app::{TestApp, WORKER_SECRET};
use crate::support::processes::{Ended, program, run};
use axum::http::StatusCode;
use axum::{Json, Router};
use serde_json::{Value, json};
use std::time::Duration;

async fn shell(app: &TestApp, args: &[&str]) -> Ended {
    let command = &mut program();
    run(command.args(args).args(["--server", app.bases[0].as_str()]).env("WORKER_SECRET", WORKER_SECRET)).await
}

fn parsed(ended: &Ended) -> Value {
    serde_json::from_str(&ended.stdout).unwrap_or_else(|_| panic!("no JSON: {}\n{}", ended.stdout, ended.stderr))
}

#[tokio::test]
async fn jobs_are_listed_shown_ended_and_tried_again() {
    let app = TestApp::start().await;
    let job = failed(&app, "p1").await;
    let listed = shell(&app, &["jobs", "ls"]).await;
    assert_eq!((listed.code, listed.stderr.as_str()), (Some(0), ""));
    let lines: Vec<&str> = listed.stdout.lines().collect();
    assert!(lines[0].starts_with("JOB") && lines[1].starts_with(&job), "{}", listed.stdout);
    assert!(lines[1].contains("failed") && lines[1].ends_with("klap_unauthorized"), "{}", listed.stdout);
    assert!(!listed.stdout.contains('\u{1b}'), "no colours off a terminal");
    let none = shell(&app, &["jobs", "ls", "--status", "completed", "--since", "1h", "--limit", "5"]).await;
    assert_eq!(none.stdout, "no jobs\n");
    let json = parsed(&shell(&app, &["jobs", "ls", "--json", "--search", "p1"]).await);
    assert_eq!((&json["jobs"][0]["jobId"], &json["more"]), (&json!(job), &json!(false)));
    let shown = shell(&app, &["jobs", "show", &job]).await;
    for part in ["status   failed", "klap_unauthorized: ", "accepted", "claimed", "ended: fail", "Cost: 1 messages"] {
        assert!(shown.stdout.contains(part), "{part}\n{}", shown.stdout);
    }
    assert_eq!(parsed(&shell(&app, &["jobs", "show", &job, "--json"]).await)["job"]["jobId"], json!(job));
    let retried = shell(&app, &["jobs", "retry", &job]).await;
    assert_eq!((retried.code, retried.stdout), (Some(0), format!("{job}: The job goes on from the failed step\n")));
    let again = shell(&app, &["jobs", "retry", &job]).await;
    assert_eq!(again.code, Some(1));
    assert!(again.stderr.contains("Only a failed job can be tried again; `cliprelay jobs show`"), "{}", again.stderr);
    let dry = shell(&app, &["jobs", "cancel", &job, "job_none", "--dry-run"]).await;
    assert_eq!((dry.code, dry.stdout), (Some(1), format!("{job}: would be cancelled\n")));
    let cancelled = shell(&app, &["jobs", "cancel", "job_none", &job, "--yes"]).await;
    assert_eq!((cancelled.code, cancelled.stdout), (Some(1), format!("{job}: Cancelled\n")), "one is missing");
    assert!(cancelled.stderr.contains("job_none: No such job; `cliprelay jobs ls`"), "{}", cancelled.stderr);
    assert_eq!(audit(&app).await.len(), 3);
}

#[tokio::test]
async fn bulk_changes_are_asked_about_and_without_anybody_refused() {
    let app = TestApp::start().await;
    let (one, two) = (failed(&app, "p1").await, failed(&app, "p2").await);
    app.clock.advance(Duration::from_mins(1));
    for args in [
        &["dlq", "replay", "--all"][..],
        &["dlq", "drop", "--all", "--code", "klap_unauthorized"],
        &["dlq", "drop", &one, &two],
        &["jobs", "purge", "--older-than", "0s"],
        &["jobs", "cancel", &one, &two],
        &["jobs", "retry", &one, &two],
    ] {
        let refused = shell(&app, args).await;
        assert_eq!((refused.code, refused.stdout.as_str()), (Some(2), ""), "{args:?}");
        assert!(refused.stderr.contains("--yes") && refused.stderr.contains("--dry-run"), "{}", refused.stderr);
    }
    let dry = shell(&app, &["dlq", "replay", "--all", "--dry-run"]).await;
    assert_eq!((dry.code, dry.stdout.matches("would replay").count()), (Some(0), 2), "{}", dry.stdout);
    let dry = shell(&app, &["jobs", "retry", &one, &two, "--dry-run"]).await;
    assert_eq!(
        (dry.code, dry.stdout.matches("would go on, with what is paid").count()),
        (Some(0), 2),
        "{}",
        dry.stdout
    );
    let dry = parsed(&shell(&app, &["jobs", "purge", "--older-than", "0s", "--dry-run", "--json"]).await);
    assert_eq!(dry["purged"], json!(2));
    assert_eq!(audit(&app).await, [], "nothing was done");
    let listed = shell(&app, &["dlq", "ls"]).await;
    assert!(listed.stdout.contains(&one) && listed.stdout.contains("klap_unauthorized"), "{}", listed.stdout);
    let shown = shell(&app, &["dlq", "show", &two]).await;
    assert!(shown.stdout.contains("QStash    has no entry of it"), "{}", shown.stdout);
    let missing = shell(&app, &["dlq", "show", "dlq:none"]).await;
    assert!(missing.code == Some(1) && missing.stderr.contains("`cliprelay dlq ls`"), "{}", missing.stderr);
    let replayed = shell(&app, &["dlq", "replay", "--all", "--yes"]).await;
    assert_eq!((replayed.code, replayed.stdout.matches("replayed").count()), (Some(0), 2), "{}", replayed.stdout);
    assert_eq!(shell(&app, &["dlq", "drop", "--all", "--yes"]).await.stdout, "no dead letters\n");
    for job in [&one, &two] {
        app.cancel(job).await.expect(200);
    }
    app.clock.advance(Duration::from_mins(1));
    let purged = shell(&app, &["jobs", "purge", "--older-than", "0s", "--yes"]).await;
    assert_eq!((purged.code, purged.stdout.as_str()), (Some(0), "2 jobs deleted\n"));
    app.settled().await;
}

/// 2 is for whoever has to ask otherwise; what stands in the way just now, or is not there, is 1 for every command.
#[tokio::test]
async fn a_refusal_is_bad_usage_only_where_asking_otherwise_would_help() {
    for (status, code) in [(400, 2), (401, 2), (403, 2), (404, 1), (409, 1), (413, 2), (415, 2), (422, 2), (429, 1)] {
        let refusal = StatusCode::from_u16(status).unwrap();
        let problem = move || async move { (refusal, Json(json!({"code": "x", "detail": "not now"}))) };
        let base = server(Router::new().fallback(problem)).await;
        for args in [&["enqueue", "p1"][..], &["sweep"], &["jobs", "ls"]] {
            let ended = run(program().args(args).args(["--server", &base])).await;
            assert_eq!(ended.code, Some(code), "{args:?} {status}: {}", ended.stderr);
        }
    }
}

#[tokio::test]
async fn what_is_wrong_is_said_with_what_to_do() {
    let app = TestApp::start().await;
    let base = app.bases[0].to_string();
    let wrong = run(program().args(["jobs", "ls", "--server", &base]).env("WORKER_SECRET", "another")).await;
    assert_eq!(wrong.code, Some(2));
    assert!(wrong.stderr.contains("set it to the one the service was started with"), "{}", wrong.stderr);
    assert!(!wrong.stderr.contains("another"), "no secret is shown: {}", wrong.stderr);
    let missing = run(program().args(["dlq", "ls", "--server", "https://clips.example.com"])).await;
    assert!(missing.code == Some(2) && missing.stderr.contains("WORKER_SECRET is missing"), "{}", missing.stderr);
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let away = run(program().args(["jobs", "show", "job_1", "--server", &format!("http://{nobody}")])).await;
    assert_eq!(away.code, Some(3), "{}", away.stderr);
    for args in [
        &["jobs", "ls", "--since", "yesterday"][..],
        &["jobs", "ls", "--limit", "0"],
        &["jobs", "ls", "--status", "done"],
        &["jobs", "purge"],
        &["jobs", "purge", "--older-than", "2 months"],
        &["dlq", "replay"],
        &["dlq", "replay", "job_1", "--all"],
        &["dlq", "drop", "job_1", "--code", "x"],
    ] {
        assert_eq!(shell(&app, args).await.code, Some(2), "{args:?}");
    }
    app.watch.is_away(true);
    let down = shell(&app, &["jobs", "ls"]).await;
    assert!(down.code == Some(1) && down.stderr.contains("/api/ready"), "{}", down.stderr);
}
