//! What a watcher is told, and when.

use crate::support::app::{ANN, TestApp};
use crate::support::driving::{Answer, read};
use crate::support::time::until;
use axum::http::Method;
use serde_json::json;

async fn watching(app: &TestApp, query: &str, known: &str) -> Answer {
    let path = format!("/api/process-klap?{query}");
    read(app.request(Method::GET, &path).bearer_auth(ANN).header("if-none-match", known)).await
}

#[tokio::test]
async fn what_is_unknown_is_not_found() {
    let app = TestApp::start().await;
    for query in ["projectId=p1", "jobId=job_x", "jobId=%00%20%ff"] {
        let answer = app.get(&format!("/api/process-klap?{query}")).await;
        assert!([400, 404].contains(&answer.status), "{query}: {}", answer.status);
    }
    let answer = app.get("/api/process-klap?projectId=p1").await.expect(404);
    assert_eq!(answer.body["detail"], json!("No job found for this project"));
    for query in ["", "?projectId=", "?jobId=", "?projectId=a&jobId=b", "?jobId=a&wait=x"] {
        app.get(&format!("/api/process-klap{query}")).await.expect(400);
    }
    app.cancel("job_x").await.expect(404);
    app.retry("job_x").await.expect(404);
}

#[tokio::test]
async fn an_unchanged_status_is_not_sent_again() {
    let app = TestApp::start().await;
    let job = app.enqueue("p1", 1).await;
    let by_project = app.get("/api/process-klap?projectId=p1").await.expect(200);
    let by_job = app.get(&format!("/api/process-klap?jobId={job}")).await.expect(200);
    assert_eq!(by_project.header("etag"), by_job.header("etag"));
    let tag = by_job.header("etag");
    let strong = tag.strip_prefix("W/").expect("a weak tag");
    let query = format!("jobId={job}");
    for known in [tag, strong, &format!("\"other\", {tag}"), "*"] {
        let unchanged = watching(&app, &query, known).await.expect(304);
        assert_eq!(unchanged.header("etag"), tag);
        assert!(unchanged.body.is_null());
    }
    app.next().await.expect(200);
    let changed = watching(&app, &query, tag).await.expect(200);
    assert_ne!(changed.header("etag"), tag);
}

#[tokio::test]
async fn waiting_ends_with_a_change() {
    let app = TestApp::start().await;
    let job = app.enqueue("p1", 1).await;
    let seen = app.get(&format!("/api/process-klap?jobId={job}")).await;
    let query = format!("jobId={job}&wait=25");
    let tag = seen.header("etag").to_owned();
    let calls = app.watch.calls();
    let change = async {
        // Only once the watcher has read what it will wait on.
        until("the watcher has looked", async || app.watch.calls() > calls).await;
        app.next().await.expect(200);
    };
    let (changed, ()) = tokio::join!(watching(&app, &query, &tag), change);
    let changed = changed.expect(200);
    assert_ne!(changed.header("etag"), tag);
    // One who has seen less than there is does not wait at all.
    let behind = watching(&app, &query, &tag).await.expect(200);
    assert_ne!(behind.header("etag"), tag);
}

#[tokio::test]
async fn waiting_ends_at_its_end() {
    let app = TestApp::start().await;
    let job = app.enqueue("p1", 1).await;
    let tag = app.get(&format!("/api/process-klap?jobId={job}")).await.header("etag").to_owned();
    let begun = std::time::Instant::now();
    watching(&app, &format!("jobId={job}&wait=1"), &tag).await.expect(304);
    assert!(begun.elapsed() >= std::time::Duration::from_secs(1), "it did not wait");
    app.run().await;
    // A job that has ended cannot change.
    watching(&app, &format!("jobId={job}&wait=25"), "").await.expect(200);
}

#[tokio::test]
async fn one_who_has_seen_the_projects_last_job_does_not_wait_for_its_next() {
    let app = TestApp::start().await;
    let old = app.enqueue("p1", 1).await;
    let seen = app.get("/api/process-klap?projectId=p1").await;
    app.cancel(&old).await.expect(200);
    let newer = app.enqueue("p1", 1).await;
    let waiting = watching(&app, "projectId=p1&wait=25", seen.header("etag"));
    let answer = tokio::time::timeout(std::time::Duration::from_secs(15), waiting).await.expect("it waits");
    assert_eq!(answer.expect(200).body["jobId"], json!(newer));
}

#[tokio::test]
async fn one_who_knows_several_states_waits_for_another() {
    let app = TestApp::start().await;
    let job = app.enqueue("p1", 1).await;
    let tag = app.get(&format!("/api/process-klap?jobId={job}")).await.header("etag").to_owned();
    let strong = tag.strip_prefix("W/").unwrap();
    let short = format!("jobId={job}&wait=1");
    for known in [&format!("\"{job}.other\", {tag}"), &format!("{strong},\"{job}.other\""), "*"] {
        assert_eq!(watching(&app, &short, known).await.expect(304).header("etag"), tag, "{known}");
    }
    // None of them is what is there: told at once.
    let long = format!("jobId={job}&wait=25");
    let begun = std::time::Instant::now();
    watching(&app, &long, &format!("\"{job}.a\", \"{job}.b\"")).await.expect(200);
    assert!(begun.elapsed() < std::time::Duration::from_secs(15), "it waited");
    for known in [&format!("\"{job}.other\", {tag}"), "*"] {
        let before = app.get(&format!("/api/process-klap?jobId={job}")).await.header("etag").to_owned();
        let known = known.replace(&tag, &before);
        let calls = app.watch.calls();
        let change = async {
            until("the watcher has looked", async || app.watch.calls() > calls).await;
            app.next().await.expect(200);
        };
        let (changed, ()) = tokio::join!(watching(&app, &long, &known), change);
        assert_ne!(changed.expect(200).header("etag"), before, "{known}");
    }
}
