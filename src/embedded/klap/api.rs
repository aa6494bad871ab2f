//! Klap's API v2 as the facts tell it: tasks, the clips of a folder, exports.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::services::klap::wire::{Export, NewTask, Project, TaskStatus};

use super::call::{Refusal, call};
use super::task::{ExportRecord, TaskRecord, Work, export_key, id};
use super::work::Piece;
use super::{Error, Klap, Operation, now, work};

/// How long a look waits for work that is all it still waits for; below the client's own patience.
const PATIENCE: Duration = Duration::from_secs(8);

type Klapped = State<Arc<Klap>>;

pub(super) fn routes() -> Router<Arc<Klap>> {
    Router::new()
        .route("/klap/v2/tasks/video-to-shorts", post(create_task))
        .route("/klap/v2/tasks/{task}", get(task))
        .route("/klap/v2/projects/{folder}", get(folder))
        .route("/klap/v2/projects/{folder}/{project}", get(project))
        .route("/klap/v2/projects/{folder}/{project}/exports", post(export))
        .route("/klap/v2/projects/{folder}/{project}/exports/{export}", get(export_status))
        .route("/klap/v2/exports", get(exports))
}

async fn create_task(State(klap): Klapped, headers: HeaderMap, body: Bytes) -> Response {
    let shared = klap.clone();
    call(klap, Operation::CreateTask, &headers, |doom| async move {
        let request: NewTask = serde_json::from_slice(&body).map_err(|error| Refusal::Malformed(error.to_string()))?;
        acceptable(&request)?;
        let mut task = TaskRecord::new(id(16), id(8), now(), request);
        task.doomed = doom;
        let records = vec![
            (format!("task/{}", task.id), serde_json::to_vec(&task).map_err(Error::from)?),
            (format!("folder/{}", task.folder), serde_json::to_vec(&task.id).map_err(Error::from)?),
        ];
        shared.records.put_all(records).await?;
        let mut view = task.view(&shared.pace(), now());
        // Nothing is ready at its own creation, whatever the pace.
        view.status = TaskStatus::Processing;
        work::start(&shared, Piece::Task(task));
        Ok((StatusCode::CREATED, Json(view)).into_response())
    })
    .await
}

/// The documented ranges; the codes are ours, as Klap's are not documented.
fn acceptable(task: &NewTask) -> Result<(), Refusal> {
    let bad = |code, why: String| Err(Refusal::Unprocessable { code, why });
    let url = url::Url::parse(&task.source_video_url);
    if !url.is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host()) {
        return bad("invalid_url", "source_video_url must be an http(s) URL".to_owned());
    }
    for (name, value, max) in [
        ("min_duration", task.min_duration, 120),
        ("max_duration", task.max_duration, 180),
        ("target_duration", task.target_duration, 120),
        ("target_clip_count", task.target_clip_count, u32::MAX),
        ("max_clip_count", task.max_clip_count, u32::MAX),
        ("dimensions.width", task.dimensions.map(|size| size.width), u32::MAX),
        ("dimensions.height", task.dimensions.map(|size| size.height), u32::MAX),
    ] {
        if value.is_some_and(|value| value == 0 || value > max) {
            return bad("invalid_parameter", format!("{name} must be from 1 to {max}"));
        }
    }
    if task.min_duration.unwrap_or(1) > task.max_duration.unwrap_or(180) {
        return bad("invalid_parameter", "min_duration must not be above max_duration".to_owned());
    }
    if task.transcription_context.as_ref().is_some_and(|context| context.chars().count() > 1000) {
        return bad("invalid_parameter", "transcription_context must have at most 1000 characters".to_owned());
    }
    Ok(())
}

async fn task(State(klap): Klapped, Path(task): Path<String>, headers: HeaderMap) -> Response {
    let shared = klap.clone();
    call(klap, Operation::Task, &headers, |_| async move {
        let key = format!("task/{task}");
        let looked = shared.records.update(&key, |task: &mut TaskRecord| task.looks += 1).await?;
        let task = looked.ok_or(Refusal::NotFound)?;
        let task = if task.work == Work::Running && shared.pace().task.is_certain(task.looks) {
            settled(&shared, &key, task, |task| task.work != Work::Running).await?
        } else {
            task
        };
        Ok(Json(task.view(&shared.pace(), now())).into_response())
    })
    .await
}

/// The record `key` once its work is done, or as it is when patience ends.
async fn settled<T>(klap: &Klap, key: &str, record: T, is_done: fn(&T) -> bool) -> Result<T, Refusal>
where
    T: DeserializeOwned + Send + 'static,
{
    let mut record = record;
    let mut done = work::watch(klap);
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        record = klap.records.get(key).await?.unwrap_or(record);
        if is_done(&record) {
            return Ok(record);
        }
        let Ok(Ok(())) = tokio::time::timeout_at(deadline, done.changed()).await else { return Ok(record) };
    }
}

/// The task whose clips a folder holds.
pub(super) async fn task_of(klap: &Klap, folder: &str) -> Result<Option<TaskRecord>, Error> {
    let Some(task) = klap.records.get::<String>(&format!("folder/{folder}")).await? else { return Ok(None) };
    klap.records.get(&format!("task/{task}")).await
}

async fn folder(State(klap): Klapped, Path(folder): Path<String>, headers: HeaderMap) -> Response {
    let shared = klap.clone();
    call(klap, Operation::Folder, &headers, |_| async move {
        let task = task_of(&shared, &folder).await?.ok_or(Refusal::NotFound)?;
        let pace = shared.pace();
        let is_ready = task.view(&pace, now()).status == TaskStatus::Ready;
        let look = move |task: &mut TaskRecord| task.folder_looks += u32::from(is_ready);
        let task = shared.records.update(&format!("task/{}", task.id), look).await?.ok_or(Refusal::NotFound)?;
        let projects: Vec<Project> = task.clips(&pace, now()).iter().map(|clip| clip.project.clone()).collect();
        Ok(Json(projects).into_response())
    })
    .await
}

async fn project(
    State(klap): Klapped,
    Path((folder, project)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    let shared = klap.clone();
    call(klap, Operation::Folder, &headers, |_| async move {
        let task = task_of(&shared, &folder).await?.ok_or(Refusal::NotFound)?;
        let clip = task.clip(&project).ok_or(Refusal::NotFound)?;
        Ok(Json(&clip.project).into_response())
    })
    .await
}

async fn export(State(klap): Klapped, Path((folder, project)): Path<(String, String)>, headers: HeaderMap) -> Response {
    let shared = klap.clone();
    call(klap, Operation::Export, &headers, |doomed| async move {
        let task = task_of(&shared, &folder).await?.ok_or(Refusal::NotFound)?;
        let name = task.clip(&project).ok_or(Refusal::NotFound)?.project.name.clone();
        let created = now();
        let export = ExportRecord { id: id(16), folder, project, name, created, work: Work::Running, looks: 0, doomed };
        let view = view(&shared, &export)?;
        shared.records.put(&export.key(), &export).await?;
        work::start(&shared, Piece::Export(export));
        Ok((StatusCode::CREATED, Json(view)).into_response())
    })
    .await
}

fn view(klap: &Klap, export: &ExportRecord) -> Result<Export, Error> {
    let src_url = klap.link(&["klap", "files", &format!("{}.mp4", export.id)])?;
    Ok(export.view(&klap.pace(), now(), src_url.into()))
}

async fn export_status(
    State(klap): Klapped,
    Path((folder, project, export)): Path<(String, String, String)>,
    headers: HeaderMap,
) -> Response {
    let shared = klap.clone();
    call(klap, Operation::ExportStatus, &headers, |_| async move {
        let key = export_key(&project, &export);
        let looked = shared.records.update(&key, |export: &mut ExportRecord| export.looks += 1).await?;
        let export = looked.filter(|export| export.folder == folder).ok_or(Refusal::NotFound)?;
        let export = if export.work == Work::Running && shared.pace().export.is_certain(export.looks) {
            settled(&shared, &key, export, |export| export.work != Work::Running).await?
        } else {
            export
        };
        Ok(Json(view(&shared, &export)?).into_response())
    })
    .await
}

#[derive(Debug, Default, Deserialize)]
struct Filter {
    folder_id: Option<String>,
    project_id: Option<String>,
}

async fn exports(State(klap): Klapped, Query(filter): Query<Filter>, headers: HeaderMap) -> Response {
    let shared = klap.clone();
    call(klap, Operation::Exports, &headers, |_| async move {
        let mut exports: Vec<ExportRecord> = shared.records.list("export/").await?;
        exports.retain(|export| {
            filter.folder_id.as_ref().is_none_or(|folder| *folder == export.folder)
                && filter.project_id.as_ref().is_none_or(|project| *project == export.project)
        });
        exports.sort_by_key(|export| export.created);
        let views = exports.iter().map(|export| view(&shared, export)).collect::<Result<Vec<_>, _>>()?;
        Ok(Json(views).into_response())
    })
    .await
}
