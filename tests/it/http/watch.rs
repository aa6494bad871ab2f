//! Many who watch: each is told, the store is asked as if there were one, and none sees a job go back.

use crate::support::app::{ANN, BOB, TestApp};
use crate::support::driving::read;
use crate::support::time::until;
use axum::http::Method;
use cliprelay::flow::{Find, Watcher};
use cliprelay::job::{JobId, Owner};
use std::sync::Arc;
use std::time::Duration;

async fn watcher(app: &TestApp, engine: usize, job: &str, known: Option<String>) -> Watcher {
    let (find, owner) = (Find::Job(JobId::new(job)), Owner::new("ann"));
    app.engines[engine].watch(&find, &owner, known).await.unwrap().expect("the job")
}

/// Reads of the store in a minute of a job whose next step is due within it, at other processes' pace: nothing is told here.
async fn reads_a_minute(watchers: usize) -> usize {
    let app = TestApp::builder().routers(2).start().await;
    let job = app.enqueue("p1", 1).await;
    // At once, as after a deploy: whoever comes asks for one look, which all of them share.
    let come = futures_util::future::join_all((0..watchers).map(|_| watcher(&app, 1, &job, None))).await;
    let mut all = Vec::new();
    for mut watcher in come {
        watcher.next().await.expect("what is there");
        all.push(tokio::spawn(async move { watcher.next().await.map(|status| status.tag().to_owned()) }));
    }
    tokio::time::pause();
    let before = app.watch.calls();
    let minute = tokio::time::Instant::now() + Duration::from_mins(1);
    // The embedded store answers from another thread, which a paused clock does not wait for.
    while tokio::time::Instant::now() < minute {
        let calls = app.watch.calls();
        tokio::time::advance(Duration::from_millis(250)).await;
        for _ in 0..50 {
            tokio::task::yield_now().await;
            if app.watch.calls() > calls {
                std::thread::sleep(Duration::from_millis(2));
            }
        }
    }
    let reads = app.watch.calls() - before;
    tokio::time::resume();
    app.cancel(&job).await.expect(200);
    for told in all {
        assert!(told.await.unwrap().is_some(), "each is told of the end");
    }
    reads
}

#[tokio::test]
async fn a_thousand_watchers_cost_the_store_no_more_than_one() {
    let one = reads_a_minute(1).await;
    let ten = reads_a_minute(10).await;
    let thousand = reads_a_minute(1_000).await;
    println!("store reads a minute: 1 watcher {one}, 10 watchers {ten}, 1,000 watchers {thousand}");
    assert!(one > 0 && one <= 61, "{one}");
    assert!(ten <= one + 1 && thousand <= one + 1, "{one}, {ten}, {thousand}");
}

#[tokio::test]
async fn what_this_process_writes_is_told_without_asking_the_store() {
    let app = TestApp::start().await;
    let job = app.enqueue("p1", 1).await;
    let mut watcher = watcher(&app, 0, &job, None).await;
    watcher.next().await.expect("what is there");
    let commits = app.watch.commits();
    let calls = app.watch.calls();
    app.cancel(&job).await.expect(200);
    let ended = watcher.next().await.expect("the end");
    assert_eq!(ended.job.state.public(), "cancelled");
    assert_eq!(app.watch.calls() - calls, 1 + app.watch.commits() - commits, "cancelling itself reads once");
}

#[tokio::test]
async fn one_who_knows_of_something_newer_is_not_sent_back() {
    let app = TestApp::builder().routers(2).start().await;
    let job = app.enqueue("p1", 1).await;
    let old = watcher(&app, 1, &job, None).await;
    let before = old.current().tag().to_owned();
    // The other process goes on; this one has not looked since.
    app.next().await.expect(200);
    let newer = app.get(&format!("/api/process-klap?jobId={job}")).await;
    let tag = newer.header("etag").trim_start_matches("W/").trim_matches('"').to_owned();
    assert_ne!(tag, before);
    let watcher = watcher(&app, 1, &job, Some(tag.clone())).await;
    assert_eq!(watcher.current().tag(), tag);
}

#[tokio::test]
async fn what_nobody_watches_is_not_looked_at() {
    let app = TestApp::start().await;
    let job = app.enqueue("p1", 1).await;
    let engine = Arc::clone(&app.engines[0]);
    let held = Arc::strong_count(&engine);
    let watcher = watcher(&app, 0, &job, None).await;
    drop(watcher);
    until("the poller ends", async || Arc::strong_count(&engine) == held).await;
}

#[tokio::test]
async fn another_owners_job_cannot_be_watched() {
    let app = TestApp::start().await;
    let job = app.enqueue("p1", 1).await;
    for path in ["/api/process-klap?wait=1&jobId=", "/api/process-klap/events?jobId="] {
        let answer = read(app.request(Method::GET, &format!("{path}{job}")).bearer_auth(BOB)).await;
        answer.expect(404);
        let answer = read(app.request(Method::GET, &format!("{path}job_x")).bearer_auth(ANN)).await;
        answer.expect(404);
    }
}
