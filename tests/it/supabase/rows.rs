use super::{Stand, client, serve, standin, standin_options};
use axum::extract::Request;
use axum::http::Method;
use axum::middleware::Next;
use cliprelay::services::supabase::{Columns, Error, Merge, MergedClips, Supabase};
use serde_json::{Map, Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

fn row(value: Value) -> Map<String, Value> {
    serde_json::from_value(value).unwrap()
}

fn project(updated: &Value) -> Map<String, Value> {
    row(json!({"id": "p1", "user_id": "u1", "video_url": "https://example.com/v.mp4", "status": "new", "title": "kept",
        "updated_at": updated, "folders": {"theirs": 1}}))
}

fn merged(clips: Value) -> MergedClips<'static> {
    MergedClips { clips, status: "completed", now: "2026-11-23T12:00:00Z".parse().unwrap() }
}

async fn only_row(standin: &standin::Supabase) -> Map<String, Value> {
    standin.rows("projects").await.unwrap().pop().unwrap()
}

#[tokio::test]
async fn a_project_is_read_by_its_columns() {
    let stand = Stand::start().await;
    stand.standin.add_project_row("projects", project(&Value::Null)).await.unwrap();
    let found = stand.client.project("p1").await.unwrap().unwrap();
    assert_eq!((found.id.as_str(), found.owner.as_deref()), ("p1", Some("u1")));
    assert_eq!((found.video_url.as_deref(), found.status.as_deref()), (Some("https://example.com/v.mp4"), Some("new")));
    assert_eq!(stand.client.project("p2").await.unwrap(), None);
}

#[tokio::test]
async fn an_id_that_is_no_uuid_is_no_project_rather_than_an_error() {
    let data = tempfile::tempdir().unwrap();
    let options = standin::Options { uuid_ids: true, ..standin_options(data.path()) };
    let stand = Stand::with(options, Some(data)).await;
    assert_eq!(stand.client.project("not-a-uuid").await.unwrap(), None);
    assert_eq!(stand.client.merge_project("not-a-uuid", &merged(json!([]))).await.unwrap(), Merge::NoRow);
    stand.order(json!({"rpcMissing": true})).await;
    assert_eq!(stand.client.merge_project("not-a-uuid", &merged(json!([]))).await.unwrap(), Merge::NoRow);
}

#[tokio::test]
async fn both_ways_of_merging_leave_other_peoples_fields() {
    for missing in [false, true] {
        for updated in [Value::Null, json!("2026-11-23T12:00:00+00:00")] {
            let stand = Stand::start().await;
            stand.standin.add_project_row("projects", project(&updated)).await.unwrap();
            stand.order(json!({"rpcMissing": missing})).await;
            for clips in [json!([1]), json!([1, 2])] {
                assert_eq!(stand.client.merge_project("p1", &merged(clips)).await.unwrap(), Merge::Done);
            }
            let row = only_row(&stand.standin).await;
            assert_eq!(row["folders"], json!({"theirs": 1, "clips": [1, 2]}));
            assert_eq!((&row["title"], &row["status"]), (&json!("kept"), &json!("completed")));
            assert!(row["updated_at"] != updated, "the update time is a new one");
            assert_eq!(stand.client.merge_project("p2", &merged(json!([]))).await.unwrap(), Merge::NoRow);
            assert_eq!(stand.standin.counts().row_updates, if missing { 2 } else { 0 });
        }
    }
}

#[tokio::test]
async fn merges_and_others_at_once_lose_nothing() {
    for missing in [false, true] {
        let stand = Stand::start().await;
        stand.standin.add_project_row("projects", project(&Value::Null)).await.unwrap();
        stand.order(json!({"rpcMissing": missing})).await;
        let merges: Vec<_> = (0..4)
            .map(|n| {
                let client = stand.client.clone();
                tokio::spawn(async move { client.merge_project("p1", &merged(json!([n]))).await.unwrap() })
            })
            .collect();
        let rename = stand.http.patch(format!("{}/rest/v1/projects?id=eq.p1", stand.url)).bearer_auth(super::KEY);
        assert_eq!(rename.json(&json!({"title": "renamed"})).send().await.unwrap().status(), 204);
        for merge in merges {
            assert_eq!(merge.await.unwrap(), Merge::Done);
        }
        let row = only_row(&stand.standin).await;
        assert_eq!((&row["title"], &row["folders"]["theirs"]), (&json!("renamed"), &json!(1)));
        assert!(row["folders"]["clips"].is_array());
    }
}

/// A stand-in without the function, where somebody else writes the row just before each of our first `times` writes.
async fn interrupted(times: usize) -> (Arc<standin::Supabase>, Supabase, Arc<AtomicUsize>, tempfile::TempDir) {
    let data = tempfile::tempdir().unwrap();
    let standin = standin::open(standin_options(data.path())).await.unwrap();
    standin.add_project_row("projects", project(&Value::Null)).await.unwrap();
    let writes = Arc::new(AtomicUsize::new(0));
    let (count, rows) = (Arc::clone(&writes), Arc::clone(&standin));
    let interrupt = move |request: Request, next: Next| {
        let (count, rows) = (Arc::clone(&count), Arc::clone(&rows));
        async move {
            if request.method() == Method::PATCH {
                let n = count.fetch_add(1, Ordering::Relaxed);
                if n < times {
                    let mut row = only_row(&rows).await;
                    row["folders"]["visits"] = json!(n + 1);
                    row["updated_at"] = json!(format!("2026-11-23T11:00:{n:02}+00:00"));
                    rows.add_project_row("projects", row).await.unwrap();
                }
            }
            next.run(request).await
        }
    };
    let app = standin::router(Arc::clone(&standin)).layer(axum::middleware::from_fn(interrupt));
    let url = serve(app).await;
    let client = client(&url, super::KEY);
    let http = cliprelay::services::outbound::client(&cliprelay::services::outbound::Options::default()).unwrap();
    let hidden = http.post(url.join("control/faults").unwrap()).json(&json!({"rpcMissing": true}));
    assert_eq!(hidden.send().await.unwrap().status(), 204);
    (standin, client, writes, data)
}

#[tokio::test]
async fn a_guarded_merge_that_loses_looks_again() {
    let (standin, client, writes, _data) = interrupted(3).await;
    assert_eq!(client.merge_project("p1", &merged(json!(["c"]))).await.unwrap(), Merge::Done);
    assert_eq!(only_row(&standin).await["folders"], json!({"theirs": 1, "visits": 3, "clips": ["c"]}));
    assert_eq!(writes.load(Ordering::Relaxed), 4);
}

#[tokio::test]
async fn a_guarded_merge_gives_up_after_five_losses() {
    let (standin, client, writes, _data) = interrupted(usize::MAX).await;
    let error = client.merge_project("p1", &merged(json!(["c"]))).await.unwrap_err();
    assert!(matches!(error, Error::Contended), "{error:?}");
    assert_eq!(writes.load(Ordering::Relaxed), 5);
    assert_eq!(only_row(&standin).await["folders"], json!({"theirs": 1, "visits": 5}));
}

#[tokio::test]
async fn a_clips_column_that_holds_no_object_is_not_overwritten() {
    for missing in [false, true] {
        let stand = Stand::start().await;
        let mut theirs = project(&Value::Null);
        theirs.insert("folders".to_owned(), json!([{"name": "theirs"}]));
        stand.standin.add_project_row("projects", theirs.clone()).await.unwrap();
        stand.order(json!({"rpcMissing": missing})).await;
        let error = stand.client.merge_project("p1", &merged(json!([]))).await.unwrap_err();
        assert!(matches!(error, Error::Refused { .. }), "{error:?}");
        assert_eq!(only_row(&stand.standin).await, theirs);
    }
}

#[tokio::test]
async fn postgres_own_words_are_told_apart() {
    let stand = Stand::start().await;
    stand.standin.add_project_row("projects", project(&Value::Null)).await.unwrap();
    let merge = async |body: Value| {
        stand.fault("rpc", json!({"kind": "answer", "status": 400, "body": body.to_string()})).await;
        stand.client.merge_project("p1", &merged(json!([]))).await
    };
    let wrong_status = json!({"code": "22P02", "message": "invalid input value for enum st: \"completed\""});
    assert!(matches!(merge(wrong_status).await, Err(Error::Refused { code, .. }) if code == "22P02"));
    let wrong_id = json!({"code": "22P02", "message": "invalid input syntax for type uuid: \"p1\""});
    assert_eq!(merge(wrong_id).await.unwrap(), Merge::NoRow);
}

#[test]
fn column_names_are_read_and_checked() {
    assert_eq!(Columns::parse("").unwrap(), Columns::default());
    let columns = Columns::parse("id=Id, clips = results,owner=author_id").unwrap();
    assert_eq!((columns.id.as_str(), columns.clips.as_str(), columns.owner.as_str()), ("Id", "results", "author_id"));
    assert_eq!(columns.video, "video_url");
    let long = format!("id={}", "a".repeat(64));
    for bad in ["id", "id=", "name=x", "id=1a", "id=a-b", "id=a b", "id=a;drop", "id=\"a\"", "id=status", long.as_str()]
    {
        assert!(Columns::parse(bad).is_err(), "{bad}");
    }
}
