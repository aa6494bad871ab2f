//! Supabase: keys that are too weak, buckets and tables that are not as configured.

use super::{Stand, nobody, of, server};
use axum::Router;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cliprelay::app::doctor::State::{Fail, Ok, Skipped, Warn};
use cliprelay::app::http_client;
use cliprelay::embedded::supabase::{self as standin, Fault, Op, Planned};
use serde_json::{Value, json};

async fn stand() -> Stand {
    Stand::without_service().await
}

/// A legacy key of a project; what it is signed with concerns nobody here.
fn legacy(claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.planted", part(&json!({"alg": "HS256", "typ": "JWT"})), part(claims))
}

async fn change_bucket(stand: &Stand, change: Value) {
    let url = format!("{}/storage/v1/bucket/videos", stand.env()["SUPABASE_URL"]);
    let answer = http_client().unwrap().put(url).header("apikey", "sb_secret_x").json(&change).send().await.unwrap();
    assert_eq!(answer.status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_for_browsers() {
    let mut stand = stand().await;
    stand.set("SUPABASE_SERVICE_ROLE_KEY", "sb_publishable_planted");
    stand.finds("supabase.key", Fail, &["publishable", "SUPABASE_SERVICE_ROLE_KEY"]).await;
    let far = 4_000_000_000_u64;
    stand.set("SUPABASE_SERVICE_ROLE_KEY", &legacy(&json!({"role": "anon", "ref": "abc", "exp": far})));
    let report = stand.finds("supabase.key", Fail, &["anon", "SUPABASE_SERVICE_ROLE_KEY", "service_role"]).await;
    assert_eq!(of(&report, "supabase.bucket").state, Skipped);
    stand.set("SUPABASE_SERVICE_ROLE_KEY", &legacy(&json!({"role": "service_role", "ref": "abc", "exp": 1_000})));
    stand.finds("supabase.key", Fail, &["expired", "SUPABASE_SERVICE_ROLE_KEY"]).await;
    stand.set("SUPABASE_SERVICE_ROLE_KEY", &legacy(&json!({"role": "service_role", "ref": "abc", "exp": far})));
    stand.finds("supabase.key", Ok, &["accepted"]).await;
    stand.set("SUPABASE_URL", "https://xyz.supabase.co");
    stand.finds("supabase.key", Fail, &["project abc", "SUPABASE_URL"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_refused_and_a_project_that_is_away() {
    let mut stand = stand().await;
    let data = tempfile::tempdir().unwrap();
    let options = standin::Options { key: Some("sb_secret_right".into()), ..standin::Options::new(data.path()) };
    let strict = standin::open(options).await.unwrap();
    stand.set("SUPABASE_URL", &server(standin::router(strict)).await);
    stand.finds("supabase.key", Fail, &["refused", "SUPABASE_SERVICE_ROLE_KEY"]).await;
    stand.set("SUPABASE_URL", &nobody().await);
    stand.finds("supabase.key", Fail, &["SUPABASE_URL"]).await;
    stand.set("SUPABASE_URL", &server(Router::new()).await);
    stand.finds("supabase.key", Fail, &["SUPABASE_URL"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_that_is_not_there_or_not_as_it_should_be() {
    let mut stand = stand().await;
    stand.set("SUPABASE_BUCKET", "clips");
    stand.finds("supabase.bucket", Fail, &["no bucket clips", "SUPABASE_BUCKET", "cliprelay setup"]).await;
    stand.unset("SUPABASE_BUCKET");
    stand.set("SUPABASE_BUCKET_ACCESS", "private");
    stand
        .finds("supabase.bucket", Fail, &["anybody can read", "SUPABASE_BUCKET_ACCESS=public", "cliprelay setup"])
        .await;
    change_bucket(&stand, json!({"public": false})).await;
    stand.finds("supabase.bucket", Ok, &["private"]).await;
    stand.unset("SUPABASE_BUCKET_ACCESS");
    stand.finds("supabase.bucket", Fail, &["lead nowhere", "SUPABASE_BUCKET_ACCESS=private"]).await;
    change_bucket(&stand, json!({"public": true, "allowed_mime_types": ["image/png"]})).await;
    stand.finds("supabase.bucket", Fail, &["video/mp4"]).await;
    change_bucket(&stand, json!({"allowed_mime_types": ["video/*"], "file_size_limit": 10_000_000})).await;
    stand.finds("supabase.bucket", Warn, &["9 MiB", "--size-limit"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_without_a_column_and_none_at_all() {
    let mut stand = stand().await;
    let row = json!({"id": "p1", "user_id": "u", "status": "new", "updated_at": null, "folders": null});
    let Value::Object(row) = row else { unreachable!() };
    stand.sandbox.supabase.add_project_row("projects", row).await.unwrap();
    let report = stand.finds("supabase.table", Fail, &["video_url", "SUPABASE_PROJECT_COLUMNS"]).await;
    assert!(!of(&report, "supabase.table").seen.contains("folders"), "{report:#?}");
    stand.set("SUPABASE_PROJECT_COLUMNS", "video=user_id,owner=owner_id");
    stand.finds("supabase.table", Fail, &["owner_id", "SUPABASE_PROJECT_COLUMNS"]).await;
    stand.set("SUPABASE_PROJECTS_TABLE", "works");
    stand.finds("supabase.table", Fail, &["no table works", "SUPABASE_PROJECTS_TABLE"]).await;
}

/// A key that may read and not write would be found out when a job is finished, and paid for.
#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_may_not_be_written() {
    let stand = stand().await;
    stand.finds("supabase.table", Ok, &["may be written"]).await;
    let plan = |status: u16, body: Value| Planned {
        op: Op::RowPatch,
        times: 1,
        fault: Fault::Answer { status, body: body.to_string(), retry_after: None },
    };
    let denied = json!({"code": "42501", "message": "permission denied for table projects"});
    stand.sandbox.supabase.plan(plan(403, denied));
    let words = ["not written", "permission denied", "grant select, update on projects to service_role"];
    stand.finds("supabase.table", Fail, &words).await;
    let read_only = json!({"code": "25006", "message": "cannot execute UPDATE in a read-only transaction"});
    stand.sandbox.supabase.plan(plan(405, read_only));
    stand.finds("supabase.table", Fail, &["cannot be written", "read-only transaction"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_migration_that_was_not_run() {
    let stand = stand().await;
    let url = format!("{}/control/faults", stand.env()["SUPABASE_URL"]);
    let answer = http_client().unwrap().post(url).json(&json!({"rpcMissing": true})).send().await.unwrap();
    assert_eq!(answer.status(), 204);
    stand.finds("supabase.merge", Warn, &["guarded update", "infra/supabase/20261123000000_cliprelay.sql"]).await;
}
