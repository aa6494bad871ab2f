//! Deploys roll: what a newer build wrote is left alone, and what no build ever wrote is refused.

use crate::support::app::{ANN, TestApp, WORKER_SECRET};
use crate::support::driving;
use axum::http::Method;
use bytes::Bytes;
use cliprelay::job::{JobId, OpId};
use cliprelay::store::{Commit, Committed, Counts, DueAt, Expected, PointerWrite};
use serde_json::{Value, json};

fn newer(body: &Bytes) -> Bytes {
    let mut value: Value = serde_json::from_slice(body).unwrap();
    value["v"] = json!(2);
    value["somethingNew"] = json!({"of": "version 2"});
    serde_json::to_vec(&value).unwrap().into()
}

#[tokio::test]
async fn a_newer_message_is_to_come_again() {
    let app = TestApp::start().await;
    let job = app.enqueue("p1", 1).await;
    let (before, sent) = (app.record(&job).await, app.queue.only());
    let newer = newer(&sent.body);
    let commits = app.watch.commits();
    for answer in [app.push_to(0, &newer).await, app.call_back_with(&newer, &sent.id).await] {
        assert_eq!(answer.status, 503, "{answer:?}");
        assert!(!answer.header("retry-after").is_empty());
    }
    assert_eq!((app.record(&job).await, app.watch.commits()), (before, commits));
    app.run().await;
    app.settled().await;
}

#[tokio::test]
async fn a_newer_record_is_left_alone_by_everybody() {
    let app = TestApp::start().await;
    let job = app.enqueue("p1", 1).await;
    let sent = app.queue.only();
    let read = app.store.get(&JobId::new(&*job)).await.unwrap().record.unwrap();
    let commit = Commit {
        id: JobId::new(&*job),
        op: OpId::new("newer"),
        expected: Expected::Version(read.version),
        version: read.version + 1,
        body: newer(&read.body),
        due: DueAt::At(app.clock.now()),
        expiry: None,
        pointer: PointerWrite::Keep,
        remember: None,
        listed: Vec::new(),
        peek_due: 0,
        counts: Counts::default(),
    };
    assert!(matches!(app.store.commit(&commit).await.unwrap(), Committed::Applied { .. }));
    let before = app.record(&job).await;
    let answers = [
        app.push(&sent).await,
        app.call_back(&sent).await,
        app.get(&format!("/api/process-klap?jobId={job}")).await,
        app.get("/api/process-klap?projectId=p1").await,
        app.post("/api/process-klap", &app.asking("p1", 1)).await,
        app.cancel(&job).await,
        app.retry(&job).await,
    ];
    for answer in answers {
        assert_eq!(answer.status, 503, "{answer:?}");
        assert!(!answer.header("retry-after").is_empty());
    }
    // Of the others is told all the same.
    let other = app.enqueue("p2", 1).await;
    let commits = app.watch.commits();
    for list in ["/api/jobs", "/api/admin/jobs", "/api/admin/jobs?status=queued"] {
        let key = if list.contains("admin") { WORKER_SECRET } else { ANN };
        let told = driving::read(app.request(Method::GET, list).bearer_auth(key)).await.expect(200).body;
        let jobs: Vec<_> = told["jobs"].as_array().unwrap().iter().map(|job| job["jobId"].as_str()).collect();
        assert_eq!(jobs, [Some(other.as_str())], "{list}");
    }
    for path in ["/api/admin/stats", "/api/admin/dead-letters"] {
        driving::read(app.request(Method::GET, path).bearer_auth(WORKER_SECRET)).await.expect(200);
    }
    app.cron().await;
    assert_eq!((app.record(&job).await, app.watch.commits()), (before, commits));
}

#[tokio::test]
async fn what_no_version_ever_wrote_is_refused_for_good() {
    let app = TestApp::start().await;
    let job = app.enqueue("p1", 1).await;
    let (before, sent) = (app.record(&job).await, app.queue.only());
    let mut incomplete: Value = serde_json::from_slice(&sent.body).unwrap();
    incomplete.as_object_mut().unwrap().remove("owner");
    let mut zero: Value = serde_json::from_slice(&sent.body).unwrap();
    zero["v"] = json!(0);
    let garbled = [
        Bytes::new(),
        Bytes::from_static(b"{"),
        Bytes::from_static(b"[]"),
        Bytes::from_static(b"\xff\xfe"),
        Bytes::from(incomplete.to_string()),
        Bytes::from(zero.to_string()),
        Bytes::from(json!({"v": 1, "jobId": "x", "epoch": -1, "seq": 1, "send": 1}).to_string()),
    ];
    for body in garbled {
        for answer in [app.push_to(0, &body).await, app.call_back_with(&body, "msg_x").await] {
            assert_eq!((answer.status, answer.header("upstash-nonretryable-error")), (489, "true"), "{body:?}");
        }
    }
    assert_eq!(app.record(&job).await, before);
    app.run().await;
    app.settled().await;
}
