//! Users by their tokens: who is let in, and that everyone sees and starts only what is theirs.

use crate::support::app::{TestApp, WORKER_SECRET};
use crate::support::driving::{Answer, read};
use crate::support::issuer::{ANN, AUDIENCE, BOB, CLERK, ISSUER, Issuer, SECRET, Signer, clerk, hs256, supabase, with};
use crate::support::time::until;
use axum::http::Method;
use cliprelay::embedded::supabase::{Fault, Op, Planned};
use cliprelay::http::Auth;
use serde_json::{Value, json};

const PATH: &str = "/api/process-klap";

pub async fn app(auth: Auth) -> TestApp {
    TestApp::builder().auth(auth).start().await
}

/// A look at what is not there: 404 for whoever is let in.
pub async fn look(app: &TestApp, token: &str) -> Answer {
    read(app.request(Method::GET, "/api/process-klap?jobId=job_x").bearer_auth(token)).await
}

async fn row(app: &TestApp, id: &str, owner: Option<&str>) {
    let row = json!({"id": id, "user_id": owner, "video_url": app.sandbox.sample, "status": "new", "folders": null,
        "updated_at": null});
    app.sandbox.supabase.add_project_row("projects", row.as_object().unwrap().clone()).await.unwrap();
}

async fn enqueue(app: &TestApp, token: &str, body: &Value) -> Answer {
    read(app.request(Method::POST, PATH).bearer_auth(token).json(body)).await
}

#[tokio::test]
async fn users_of_supabase_and_clerk_are_let_in_by_either_kind_of_key() {
    for signer in [Signer::rs256(), Signer::es256()] {
        let issuer = Issuer::start(&[signer.jwk("k1")]).await;
        let app = app(issuer.auth(ISSUER, Some(AUDIENCE))).await;
        look(&app, &signer.token("k1", &supabase(ANN))).await.expect(404);
        let many = with(supabase(ANN), "aud", json!(["other", AUDIENCE]));
        look(&app, &signer.token("k1", &many)).await.expect(404);
        // The only key there is needs no name.
        let bare = json!({"alg": signer.alg()});
        look(&app, &signer.sign(&bare, &supabase(ANN))).await.expect(404);
        assert_eq!(issuer.asked(), 1, "the keys are kept");

        let app = self::app(issuer.auth(CLERK, None)).await;
        look(&app, &signer.token("k1", &clerk("user_2b"))).await.expect(404);
        look(&app, &signer.token("k1", &supabase(ANN))).await.expect(401);
    }
    let app = app(hs256()).await;
    look(&app, &Signer::hs256(SECRET).token("", &supabase(ANN))).await.expect(404);
}

#[tokio::test]
async fn another_owners_job_is_not_found_on_any_route() {
    let signer = Signer::es256();
    let issuer = Issuer::start(&[signer.jwk("k1")]).await;
    let app = app(issuer.auth(ISSUER, Some(AUDIENCE))).await;
    let (ann, bob) = (signer.token("k1", &supabase(ANN)), signer.token("k1", &supabase(BOB)));
    row(&app, "p1", Some(ANN)).await;
    let job = enqueue(&app, &ann, &json!({"projectId": "p1"})).await.expect(202).body["jobId"].clone();
    let job = job.as_str().unwrap();
    let before = app.record(job).await;
    let by_job = format!("{PATH}?jobId={job}");
    for (method, path) in [
        (Method::GET, by_job.as_str()),
        (Method::GET, &format!("{by_job}&wait=1")),
        (Method::GET, &format!("{PATH}?projectId=p1")),
        (Method::DELETE, &by_job),
    ] {
        let answer = read(app.request(method.clone(), path).bearer_auth(&bob)).await;
        assert_eq!((answer.status, answer.code()), (404, "not_found"), "{method} {path}");
        assert!(!answer.body.to_string().contains(ANN));
    }
    let retry = app.request(Method::POST, &format!("{PATH}/retry")).bearer_auth(&bob).json(&json!({"jobId": job}));
    read(retry).await.expect(404);
    assert_eq!(app.record(job).await, before, "nothing of it has changed");
    read(app.request(Method::GET, &by_job).bearer_auth(&ann)).await.expect(200);
    read(app.request(Method::DELETE, &by_job).bearer_auth(&ann)).await.expect(200);
}

#[tokio::test]
async fn where_everybody_is_let_in_a_strangers_page_is_not() {
    let app = app(Auth::None).await;
    let ask = |method: Method, path: &str, host: &str| app.request(method, path).header("host", host);
    for host in ["localhost:3000", "127.0.0.1", "[::1]:3000", "app.localhost"] {
        read(ask(Method::GET, "/api/jobs", host)).await.expect(200);
    }
    // A name of the page's own, made to lead here after the page was loaded.
    for host in ["evil.example.com", "127.0.0.1.evil.example:3000"] {
        for (method, path) in [
            (Method::GET, "/"),
            (Method::GET, "/api/health"),
            (Method::GET, "/api/ready"),
            (Method::GET, "/metrics"),
            (Method::GET, "/api/nothing"),
            (Method::GET, "/api/jobs"),
            (Method::GET, "/api/process-klap?projectId=p1"),
            (Method::GET, "/api/process-klap/events?jobId=job_x"),
            (Method::DELETE, "/api/process-klap?jobId=job_x"),
            (Method::GET, "/api/clips/p1_clip_0"),
        ] {
            assert_eq!(read(ask(method, path, host)).await.expect(403).code(), "foreign_host");
        }
        let enqueue = ask(Method::POST, PATH, host).json(&app.asking("p1", 1));
        assert_eq!(read(enqueue).await.expect(403).code(), "foreign_host");
        // The operator's secret may be the published one.
        for (method, path) in [
            (Method::GET, "/api/admin/jobs"),
            (Method::POST, "/api/admin/jobs/purge"),
            (Method::POST, "/api/cron/klap"),
        ] {
            let operator = ask(method, path, host).bearer_auth(WORKER_SECRET).json(&json!({"olderThan": 0}));
            assert_eq!(read(operator).await.expect(403).code(), "foreign_host", "{path}");
        }
    }
    // As a container's health check asks.
    read(app.request(Method::GET, "/api/health")).await.expect(200);
    assert!(app.watch.jobs.lock().unwrap().is_empty());
    enqueue(&app, "whatever", &app.asking("p1", 1)).await.expect(202);
}

#[tokio::test]
async fn one_user_leaves_places_to_the_others() {
    let signer = Signer::hs256(SECRET);
    let (ann, bob) = (signer.token("", &supabase(ANN)), signer.token("", &supabase(BOB)));
    let app = TestApp::builder().auth(hs256()).watchers(200).start().await;
    let mut jobs = Vec::new();
    for (project, owner, token) in [("anns", ANN, &ann), ("bobs", BOB, &bob)] {
        row(&app, project, Some(owner)).await;
        jobs.push(enqueue(&app, token, &json!({"projectId": project})).await.expect(202).body["jobId"].clone());
    }
    let path = |job: usize| format!("{PATH}/events?jobId={}", jobs[job].as_str().unwrap());
    let stream =
        async |job: usize, token: &str| app.request(Method::GET, &path(job)).bearer_auth(token).send().await.unwrap();
    let mut open = Vec::new();
    for _ in 0..10 {
        let stream = stream(0, &ann).await;
        assert_eq!(stream.status(), 200);
        open.push(stream);
    }
    let refused = read(app.request(Method::GET, &path(0)).bearer_auth(&ann)).await.expect(503);
    assert_eq!(refused.code(), "too_many_watchers");
    let wait = format!("{PATH}?wait=1&projectId=anns");
    assert_eq!(read(app.request(Method::GET, &wait).bearer_auth(&ann)).await.expect(503).code(), "too_many_watchers");
    read(app.request(Method::GET, &format!("{PATH}?projectId=anns")).bearer_auth(&ann)).await.expect(200);
    assert_eq!(stream(1, &bob).await.status(), 200, "another user's place is free");
    open.pop();
    until("the place is free", async || stream(0, &ann).await.status() == 200).await;
}

#[tokio::test]
async fn a_user_starts_jobs_of_their_own_projects_only() {
    let app = app(hs256()).await;
    let signer = Signer::hs256(SECRET);
    let (ann, bob) = (signer.token("", &supabase(ANN)), signer.token("", &supabase(BOB)));
    row(&app, "anns", Some(ANN)).await;
    row(&app, "nobodys", None).await;
    // The video being named changes nothing.
    for (token, project) in [(&bob, "anns"), (&ann, "nobodys"), (&bob, "nobodys"), (&ann, "missing")] {
        for body in [json!({"projectId": project}), app.asking(project, 1)] {
            let answer = enqueue(&app, token, &body).await;
            assert_eq!((answer.status, answer.code()), (404, "not_found"), "{body}");
            assert_eq!(answer.body["detail"], json!("Project not found"), "missing and another's look alike");
        }
    }
    let fault = Fault::Answer { status: 503, body: "away".to_owned(), retry_after: None };
    app.sandbox.supabase.plan(Planned { op: Op::RowGet, times: 1, fault });
    let answer = enqueue(&app, &ann, &app.asking("anns", 1)).await.expect(503);
    assert_eq!(answer.code(), "project_lookup_unavailable");
    assert!(app.watch.jobs.lock().unwrap().is_empty());
    enqueue(&app, &ann, &app.asking("anns", 1)).await.expect(202);
    // Idempotency keys are each owner's own.
    let keyed = app.request(Method::POST, PATH).bearer_auth(&bob).header("idempotency-key", "k");
    read(keyed.json(&app.asking("anns", 1))).await.expect(404);
    app.run().await;
    app.settled().await;
}
