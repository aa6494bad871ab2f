//! A clip that fails is that clip's failure; the job fails only if none is stored.

use crate::support::app::TestApp;
use cliprelay::embedded::klap::{Effect, Fault, Operation};
use cliprelay::embedded::supabase;
use serde_json::json;

fn exports_end_in_error(app: &TestApp, times: u32) {
    let effect = Effect::Fail { code: "render".to_owned(), message: "the render broke".to_owned() };
    app.sandbox.klap.inject(Fault { operation: Operation::Export, times, effect });
}

async fn paid(app: &TestApp) -> u64 {
    app.sandbox.klap.counts().await.unwrap().exports_total
}

#[tokio::test]
async fn an_export_in_error_is_paid_once_more() {
    let app = TestApp::start().await;
    let job = app.enqueue("p1", 2).await;
    exports_end_in_error(&app, 1);
    app.run().await;
    let status = app.status(&job).await;
    assert_eq!((&status["status"], &status["clipsFailed"]), (&json!("completed"), &json!(0)), "{status:#}");
    assert_eq!(paid(&app).await, 3);
    app.settled().await;
}

#[tokio::test]
async fn a_clip_whose_export_fails_twice_has_failed_and_the_job_completes() {
    let app = TestApp::start().await;
    let job = app.enqueue("p1", 2).await;
    app.run_to(&job, "export").await;
    exports_end_in_error(&app, 1);
    app.next().await.expect(200);
    // The transfer finds it in error and pays again; that one fails as well.
    exports_end_in_error(&app, 1);
    app.run().await;
    let status = app.status(&job).await;
    assert_eq!((&status["status"], &status["clipsFailed"]), (&json!("completed"), &json!(1)), "{status:#}");
    let clips = status["clips"].as_array().unwrap();
    let failed: Vec<_> = clips.iter().filter(|clip| clip["status"] == "failed").collect();
    assert_eq!(failed.len(), 1);
    assert!(failed[0]["error"].as_str().unwrap().contains("the render broke"));
    assert_eq!((&failed[0]["url"], &failed[0]["storedInSupabase"]), (&json!(null), &json!(false)));
    assert_eq!(paid(&app).await, 3);
    app.settled().await;
}

#[tokio::test]
async fn without_a_stored_clip_the_job_fails_and_a_retry_pays_each_once_more() {
    let app = TestApp::start().await;
    let job = app.enqueue("p1", 2).await;
    exports_end_in_error(&app, 4);
    app.run().await;
    let status = app.status(&job).await;
    assert_eq!((&status["status"], &status["errorDetail"]["code"]), (&json!("failed"), &json!("no_clips_stored")));
    assert_eq!(paid(&app).await, 4);
    app.retry(&job).await.expect(202);
    assert_eq!(app.status(&job).await["clips"][0]["status"], json!("pending"));
    app.run().await;
    let status = app.status(&job).await;
    assert_eq!((&status["status"], &status["clipsFailed"]), (&json!("completed"), &json!(0)), "{status:#}");
    assert_eq!((paid(&app).await, app.sandbox.klap.counts().await.unwrap().tasks), (6, 1));
    app.settled().await;
}

#[tokio::test]
async fn a_retry_gives_a_clip_in_error_one_more_paid_export_and_no_more() {
    let app = TestApp::start().await;
    let job = app.enqueue("p1", 1).await;
    exports_end_in_error(&app, 100);
    app.run().await;
    assert_eq!(paid(&app).await, 2);
    for expected in [3, 4] {
        app.retry(&job).await.expect(202);
        app.run().await;
        assert_eq!(app.status(&job).await["errorDetail"]["code"], json!("no_clips_stored"));
        assert_eq!(paid(&app).await, expected);
    }
    app.settled().await;
}

#[tokio::test]
async fn a_file_that_breaks_is_fetched_again() {
    for effect in [Effect::Truncated, Effect::Html, Effect::Drop { after_effect: false }] {
        let app = TestApp::start().await;
        let job = app.enqueue("p1", 2).await;
        app.run_to(&job, "transfer").await;
        app.sandbox.klap.inject(Fault { operation: Operation::File, times: 2, effect: effect.clone() });
        app.run().await;
        let status = app.status(&job).await;
        assert_eq!(
            (&status["status"], &status["clipsFailed"]),
            (&json!("completed"), &json!(0)),
            "{effect:?} {status:#}"
        );
        assert_eq!(paid(&app).await, 2, "a broken file is not a broken export");
        for (_, size) in app.sandbox.supabase.objects().await.unwrap() {
            assert!(status["clips"].as_array().unwrap().iter().any(|clip| clip["size"] == json!(size)));
        }
        app.settled().await;
    }
}

#[tokio::test]
async fn a_storage_that_is_away_is_waited_for() {
    let app = TestApp::start().await;
    let job = app.enqueue("p1", 1).await;
    app.run_to(&job, "transfer").await;
    let fault = supabase::Fault::Answer { status: 503, body: "away".to_owned(), retry_after: None };
    app.sandbox.supabase.plan(supabase::Planned { op: supabase::Op::Put, times: 2, fault });
    app.next().await.expect(200);
    assert_eq!(app.job(&job).await.attempts, 0);
    app.run().await;
    assert_eq!(app.status(&job).await["status"], json!("completed"));
    app.settled().await;
}

#[tokio::test]
async fn a_storage_that_refuses_fails_the_clip_and_a_retry_pays_nothing() {
    let app = TestApp::start().await;
    let job = app.enqueue("p1", 1).await;
    app.run_to(&job, "transfer").await;
    let fault = supabase::Fault::Answer {
        status: 400,
        body: json!({"statusCode": "403", "error": "Unauthorized", "message": "no"}).to_string(),
        retry_after: None,
    };
    app.sandbox.supabase.plan(supabase::Planned { op: supabase::Op::Put, times: 3, fault });
    app.run().await;
    assert_eq!(app.status(&job).await["errorDetail"]["code"], json!("no_clips_stored"));
    app.retry(&job).await.expect(202);
    app.run().await;
    assert_eq!(app.status(&job).await["status"], json!("completed"));
    assert_eq!(paid(&app).await, 1);
    app.settled().await;
}

#[tokio::test]
async fn what_is_stored_is_not_lost_with_a_clip_that_never_comes() {
    let app = TestApp::start().await;
    let job = app.enqueue("p1", 2).await;
    app.run_to(&job, "transfer").await;
    let away = || {
        let effect = Effect::Answer { status: 503, body: json!("away"), retry_after: None, after_effect: false };
        app.sandbox.klap.inject(Fault { operation: Operation::File, times: 1, effect });
    };
    for _ in 0..100 {
        if app.job(&job).await.is_final() {
            break;
        }
        // One clip's file is away whenever it is asked for.
        if app.job(&job).await.step == "transfer" {
            away();
        }
        app.next().await.expect(200);
    }
    let status = app.status(&job).await;
    assert_eq!((&status["status"], &status["clipsFailed"]), (&json!("completed"), &json!(1)), "{status:#}");
    let clips: Vec<_> = status["clips"].as_array().unwrap().iter().map(|clip| clip["status"].clone()).collect();
    assert!(clips.contains(&json!("stored")) && clips.contains(&json!("failed")), "{clips:?}");
    let ended = app.job(&job).await;
    assert!(ended.finished_at < Some(ended.deadline), "before its deadline");
    app.settled().await;
}
