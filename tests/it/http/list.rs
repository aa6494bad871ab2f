//! The caller's jobs, page by page.

use crate::support::app::{BOB, TestApp};
use crate::support::driving::{Answer, Loss, read};
use axum::http::Method;
use serde_json::{Value, json};
use std::time::Duration;

fn ids(answer: &Answer) -> Vec<String> {
    let jobs = answer.body["jobs"].as_array().expect("jobs");
    jobs.iter().map(|job| job["jobId"].as_str().unwrap().to_owned()).collect()
}

/// New jobs of as many projects, the oldest first.
async fn several(app: &TestApp, jobs: usize) -> Vec<String> {
    let mut all = Vec::new();
    for n in 0..jobs {
        app.clock.advance(Duration::from_millis(1));
        all.push(app.enqueue(&format!("p{n}"), 1).await);
    }
    all
}

/// Every page of that query.
async fn pages(app: &TestApp, query: &str) -> Vec<Vec<String>> {
    let mut pages = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = app.get(&format!("/api/jobs?{query}{cursor}")).await.expect(200);
        pages.push(ids(&page));
        let Some(next) = page.body["nextCursor"].as_str() else { return pages };
        cursor = format!("&cursor={next}");
    }
}

#[tokio::test]
async fn the_newest_come_first_and_a_page_goes_on_where_the_last_one_ended() {
    for app in [TestApp::start().await, TestApp::builder().on_redis().start().await] {
        let mut all = several(&app, 5).await;
        all.reverse();
        assert_eq!(pages(&app, "limit=2").await, [&all[..2], &all[2..4], &all[4..]]);
        assert_eq!(pages(&app, "").await, [&all[..]]);
        // What is new in between is on no later page, and moves nothing to one.
        let first = app.get("/api/jobs?limit=2").await;
        app.clock.advance(Duration::from_millis(1));
        app.enqueue("new", 1).await;
        let cursor = first.body["nextCursor"].as_str().unwrap();
        assert_eq!(ids(&app.get(&format!("/api/jobs?limit=9&cursor={cursor}")).await), all[2..]);
    }
}

#[tokio::test]
async fn each_job_is_told_as_its_status_is() {
    let app = TestApp::start().await;
    assert_eq!(app.get("/api/jobs").await.expect(200).body, json!({"success": true, "jobs": [], "nextCursor": null}));
    let job = app.enqueue("p1", 1).await;
    app.run().await;
    let mut listed = app.get("/api/jobs").await.expect(200).body["jobs"][0].clone();
    listed["success"] = json!(true);
    assert_eq!(listed, app.status(&job).await);
    assert_eq!(listed["clips"][0]["status"], json!("stored"));
}

#[tokio::test]
async fn a_status_sifts_the_jobs() {
    let app = TestApp::start().await;
    let all = several(&app, 4).await;
    app.cancel(&all[1]).await.expect(200);
    app.cancel(&all[3]).await.expect(200);
    assert_eq!(pages(&app, "status=cancelled").await, [[all[3].clone(), all[1].clone()]]);
    assert_eq!(pages(&app, "status=queued&limit=1").await.concat(), [all[2].clone(), all[0].clone()]);
    assert_eq!(pages(&app, "status=failed").await, [Vec::<String>::new()]);
}

#[tokio::test]
async fn nobody_sees_anothers_jobs() {
    let app = TestApp::start().await;
    let job = app.enqueue("own", 1).await;
    let bobs = read(app.request(Method::GET, "/api/jobs").bearer_auth(BOB)).await.expect(200);
    assert_eq!(ids(&bobs), Vec::<String>::new());
    assert_eq!(ids(&app.get("/api/jobs").await), [job]);
    read(app.request(Method::GET, "/api/jobs")).await.expect(401);
    // Another's cursor is a place like any other: it opens nothing.
    several(&app, 2).await;
    let cursor = app.get("/api/jobs?limit=1").await.body["nextCursor"].as_str().unwrap().to_owned();
    let path = format!("/api/jobs?cursor={cursor}");
    assert_eq!(ids(&read(app.request(Method::GET, &path).bearer_auth(BOB)).await.expect(200)), Vec::<String>::new());
}

#[tokio::test]
async fn every_wrong_parameter_is_told_at_once() {
    let app = TestApp::start().await;
    let told = async |query: &str| {
        let refused = app.get(&format!("/api/jobs?{query}")).await.expect(422);
        let fields = refused.body["errors"].as_array().unwrap().clone();
        fields.iter().map(|error| error["field"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    for limit in ["", "0", "101", "-1", "1.5", "x", "99999999999999999999"] {
        assert_eq!(told(&format!("limit={limit}")).await, ["limit"], "{limit}");
    }
    for status in ["", "done", "Queued", "queued,failed"] {
        assert_eq!(told(&format!("status={status}")).await, ["status"], "{status}");
    }
    // Nothing; no base64; "x"; a place with a space in it; a place without a job.
    for cursor in ["", "!", "eA", "MTgwMDAwMDAwMDAwMC5qIGI", "MTgwMDAwMDAwMDAwMC4"] {
        assert_eq!(told(&format!("cursor={cursor}")).await, ["cursor"], "{cursor}");
    }
    assert_eq!(told("limit=0&status=x&cursor=!&stauts=failed").await, ["limit", "status", "cursor", "stauts"]);
    assert_eq!(told("limit=1&limit=2").await, ["limit"]);
}

#[tokio::test]
async fn what_has_gone_is_left_out_and_what_comes_back_is_there_again() {
    let app = TestApp::builder().on_redis().start().await;
    let all = several(&app, 3).await;
    app.lose(Loss::Records);
    assert_eq!(pages(&app, "limit=2").await.concat(), Vec::<String>::new());
    // The first push of one puts its record back.
    let sent = app.queue.waiting().into_iter().find(|sent| sent.message().envelope.job_id.as_str() == all[1]).unwrap();
    app.deliver(&sent).await.expect(200);
    assert_eq!(pages(&app, "").await, [[all[1].clone()]]);
}

#[tokio::test]
async fn a_page_costs_two_round_trips_however_long_it_is() {
    let app = TestApp::builder().on_redis().start().await;
    several(&app, 12).await;
    for limit in [1, 12] {
        let before = app.redis_stores[0].round_trips();
        app.get(&format!("/api/jobs?limit={limit}")).await.expect(200);
        assert_eq!(app.redis_stores[0].round_trips() - before, 2, "{limit}");
    }
}

#[tokio::test]
async fn a_finished_and_a_retried_job_keep_their_place() {
    let app = TestApp::start().await;
    let all = several(&app, 2).await;
    app.run().await;
    let answer: Value = app.get("/api/jobs?status=completed").await.body;
    assert_eq!(answer["jobs"].as_array().unwrap().len(), 2);
    assert_eq!(pages(&app, "").await, [[all[1].clone(), all[0].clone()]]);
    // Gone with their records, a day later.
    app.clock.advance(Duration::from_hours(25));
    assert_eq!(pages(&app, "").await.concat(), Vec::<String>::new());
}
