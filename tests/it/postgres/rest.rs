//! Our client against a real Postgres. `PostgREST` is not to be had from a package registry, so what we use of it stands
//! here in few lines: the requests become the statements that it would make of them, under the caller's role.

use super::{DOWN, Defaults, OWNER, PROJECT, UP, USER, lived_in, lived_in_with};
use crate::support::postgres::{Refused, Server};
use axum::Router;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use cliprelay::services::outbound;
use cliprelay::services::supabase::{Access, Columns, Error, Merge, MergedClips, Options, Supabase, Timeouts};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

const KEY: &str = "sb_secret_planted_here";

/// Runs a statement as whoever the key makes the caller; its one line, or the refusal as `PostgREST` would put it.
async fn asked(server: Arc<Server>, headers: &HeaderMap, statement: String) -> Response {
    let role = if headers.get("apikey").is_some_and(|key| key == KEY) { "service_role" } else { "anon" };
    let answer = tokio::task::spawn_blocking(move || server.sql_as(role, &statement)).await.unwrap();
    match answer {
        Ok(body) => ([("content-type", "application/json")], body).into_response(),
        Err(Refused { code, message }) => {
            let (status, code) = match code.as_str() {
                "42883" => (StatusCode::NOT_FOUND, "PGRST202"),
                "42P01" => (StatusCode::NOT_FOUND, code.as_str()),
                "42501" => (StatusCode::FORBIDDEN, code.as_str()),
                _ => (StatusCode::BAD_REQUEST, code.as_str()),
            };
            (status, axum::Json(json!({"code": code, "message": message}))).into_response()
        }
    }
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

async fn call(
    State(server): State<Arc<Server>>,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: String,
) -> Response {
    let arguments: Value = serde_json::from_str(&body).unwrap();
    let arguments: Vec<String> = arguments
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, value)| {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            format!("{name} => {}", quoted(&text))
        })
        .collect();
    asked(server, &headers, format!("select to_json(public.{name}({}))", arguments.join(", "))).await
}

/// `select=…` and one filter for each other parameter: `eq.` or `is.null`.
fn parts(query: Option<String>) -> (String, String) {
    let (mut columns, mut filters) = ("*".to_owned(), vec!["true".to_owned()]);
    for (name, value) in url::form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
        match value.split_once('.') {
            _ if name == "select" => columns = value.into_owned(),
            _ if name == "limit" => {}
            Some(("eq", wanted)) => filters.push(format!("{name} = {}", quoted(wanted))),
            Some(("is", "null")) => filters.push(format!("{name} is null")),
            Some(("not", "is.null")) => filters.push(format!("{name} is not null")),
            _ => panic!("{name}={value} is not expected of our client"),
        }
    }
    (columns, filters.join(" and "))
}

async fn read(
    State(server): State<Arc<Server>>,
    Path(table): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let (columns, filters) = parts(query);
    let statement = format!(
        "select coalesce(json_agg(found), '[]')::text from (select {columns} from public.{table} where {filters}) found"
    );
    asked(server, &headers, statement).await
}

async fn change(
    State(server): State<Arc<Server>>,
    Path(table): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: String,
) -> Response {
    let (columns, filters) = parts(query);
    let written: Value = serde_json::from_str(&body).unwrap();
    let written: Vec<&str> = written.as_object().unwrap().keys().map(String::as_str).collect();
    let (written, body) = (written.join(", "), quoted(&body));
    let statement = format!(
        "with changed as (
           update public.{table} set ({written}) = (select {written} from json_populate_record(null::public.{table}, {body}))
           where {filters} returning {columns})
         select coalesce(json_agg(changed), '[]')::text from changed"
    );
    asked(server, &headers, statement).await
}

/// The server behind these routes, and the service's client for it.
async fn client(server: &Arc<Server>, key: &str) -> Supabase {
    let app = Router::new()
        .route("/rest/v1/rpc/{name}", post(call))
        .route("/rest/v1/{table}", get(read).patch(change))
        .with_state(Arc::clone(server));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
    tokio::spawn(axum::serve(listener, app).into_future());
    let options = Options {
        url,
        service_key: key.into(),
        bucket: "videos".to_owned(),
        access: Access::Public,
        table: "projects".to_owned(),
        columns: Columns::default(),
        timeouts: Timeouts {
            call: Duration::from_mins(1),
            idle: Duration::from_mins(1),
            stored: Duration::from_mins(1),
        },
    };
    Supabase::new(outbound::client(&outbound::Options::default()).unwrap(), options).unwrap()
}

fn merged(clips: Value) -> MergedClips<'static> {
    MergedClips { clips, status: "ready", now: "2026-11-23T12:00:00Z".parse().unwrap() }
}

async fn row(server: &Arc<Server>) -> Value {
    let server = Arc::clone(server);
    let row = move || server.sql(OWNER, "select row_to_json(projects) from projects").unwrap();
    serde_json::from_str(&tokio::task::spawn_blocking(row).await.unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn our_client_reads_and_merges_with_and_without_the_function() {
    let server = Arc::new(lived_in());
    for statements in [UP, DOWN] {
        server.sql(OWNER, statements).unwrap();
        let service = client(&server, KEY).await;
        let project = service.project(PROJECT).await.unwrap().unwrap();
        assert_eq!(
            (project.owner.as_deref(), project.video_url.as_deref()),
            (Some(USER), Some("https://example.com/v.mp4"))
        );
        assert_eq!(service.project("not-a-uuid").await.unwrap(), None);
        assert_eq!(service.project(USER).await.unwrap(), None);

        let clips = json!([{"id": "it's", "title": "\"é\" \\ $1"}]);
        assert_eq!(service.merge_project(PROJECT, &merged(clips.clone())).await.unwrap(), Merge::Done);
        let after = row(&server).await;
        assert_eq!((&after["folders"]["clips"], &after["folders"]["images"]), (&clips, &json!(["a.png"])));
        assert_eq!((&after["status"], &after["title"]), (&json!("ready"), &json!("Holidays")));
        for nobody in ["not-a-uuid", USER] {
            assert_eq!(service.merge_project(nobody, &merged(json!([]))).await.unwrap(), Merge::NoRow);
        }
        let unknown = MergedClips { status: "splendid", ..merged(json!([])) };
        assert!(service.merge_project(PROJECT, &unknown).await.unwrap_err().to_string().contains("project_status"));
        assert_eq!(row(&server).await, after);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_key_changes_nothing() {
    let server = Arc::new(lived_in());
    let before = row(&server).await;
    for statements in [UP, DOWN] {
        server.sql(OWNER, statements).unwrap();
        let stranger = client(&server, "sb_publishable_somebody").await;
        assert!(stranger.project(PROJECT).await.unwrap().is_none(), "it sees no row");
        let merging = stranger.merge_project(PROJECT, &merged(json!([1]))).await;
        // Without the function its guarded write finds no row.
        assert!(merging.is_err() || merging.unwrap() == Merge::NoRow);
        assert_eq!(row(&server).await, before);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn guarded_merges_and_edits_at_once_lose_nothing() {
    let server = Arc::new(lived_in());
    let service = client(&server, KEY).await;
    let merges: Vec<_> = (0..4)
        .map(|n| {
            let service = service.clone();
            tokio::spawn(async move { service.merge_project(PROJECT, &merged(json!([n]))).await })
        })
        .collect();
    // Others change the row and its update time, as a guard needs them to.
    let edits: Vec<_> = (0..8)
        .map(|n| {
            let server = Arc::clone(&server);
            let edit = format!(
                "update projects set folders = folders || '{{\"edit_{n}\": true}}', updated_at = clock_timestamp()"
            );
            tokio::task::spawn_blocking(move || server.sql_as("service_role", &edit).unwrap())
        })
        .collect();
    for edit in edits {
        edit.await.unwrap();
    }
    for merge in merges {
        // One that was overtaken five times says so; its step comes again.
        let _ = merge.await.unwrap();
    }
    assert_eq!(service.merge_project(PROJECT, &merged(json!(["last"]))).await.unwrap(), Merge::Done);
    let row = row(&server).await;
    for n in 0..8 {
        assert_eq!(row["folders"][format!("edit_{n}")], true, "{row:#}");
    }
    assert_eq!((&row["folders"]["clips"], &row["folders"]["images"]), (&json!(["last"]), &json!(["a.png"])));
}

/// On a project of today's, whatever the table: a look that changes nothing finds a missing right to write.
#[tokio::test(flavor = "multi_thread")]
async fn a_missing_right_is_found_without_a_write() {
    let server = Arc::new(lived_in_with(Defaults::None));
    let service = client(&server, KEY).await;
    let versions = || server.sql(OWNER, "select xmin, row_to_json(projects) from projects").unwrap();
    let before = versions();
    service.try_write().await.unwrap();
    for (revoked, given) in [("update", "select"), ("update", "select, update (folders, status)")] {
        server.sql(OWNER, &format!("revoke {revoked} on projects from service_role")).unwrap();
        server.sql(OWNER, &format!("grant {given} on projects to service_role")).unwrap();
        service.try_columns(&service.columns().all()).await.unwrap();
        let refused = service.try_write().await.unwrap_err();
        assert!(matches!(&refused, Error::Unauthorized(why) if why.contains("permission denied")), "{refused}");
    }
    server.sql(OWNER, "grant update (updated_at) on projects to service_role").unwrap();
    service.try_write().await.unwrap();
    assert_eq!(versions(), before);
}
