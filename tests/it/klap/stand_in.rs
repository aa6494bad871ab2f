//! The stand-in itself: real clips, Klap's habits, faults and counts.
use std::process::Command;
use std::time::Duration;

use cliprelay::embedded::klap::{Pace, Wait};
use cliprelay::services::klap::{Error, NewTask, TaskStatus};
use serde_json::json;

use super::{LONG, Sandbox, http};

#[tokio::test]
async fn a_video_becomes_clips_that_play() {
    let sandbox = Sandbox::new(Pace::IMMEDIATE).await;
    let request = sandbox.sample_task().await;
    let created = sandbox.klap.create_task(&request, LONG).await.unwrap();
    assert_eq!((created.status, created.id.len()), (TaskStatus::Processing, 16));
    assert!(created.output_id.is_some(), "the folder is named before it holds anything");
    let (task, projects) = sandbox.finished(&request).await;
    assert_eq!(projects.len(), 3);
    let folder = task.output_id.unwrap();
    for (number, project) in projects.iter().enumerate() {
        assert!((8..=16).contains(&project.id.len()));
        let score = project.score().unwrap();
        assert!(score > 0.0 && score <= 1.0, "{score}");
        assert!((project.duration.unwrap() - 10.0).abs() <= 2.0, "{:?}", project.duration);
        let export = sandbox.klap.export(&folder, &project.id, LONG).await.unwrap();
        assert_eq!((export.status, &export.src_url), (TaskStatus::Processing, &None));
        let export = sandbox.klap.export_status(&folder, &project.id, &export.id).await.unwrap();
        assert_eq!(export.status, TaskStatus::Ready, "{:?}", export.failure);
        let reply = http().get(export.src_url.unwrap()).send().await.unwrap();
        let length = reply.content_length().unwrap();
        let bytes = reply.bytes().await.unwrap();
        assert_eq!(bytes.len() as u64, length);
        let file = sandbox.data.path().join(format!("{number}.mp4"));
        std::fs::write(&file, &bytes).unwrap();
        decodes(file.to_str().unwrap());
    }
    let counts = sandbox.stand.counts().await.unwrap();
    assert_eq!((counts.tasks, counts.exports_total, counts.keys_leaked), (2, 3, 0));
    assert_eq!(counts.cents, 2 * 44 + counts.projects * 32 + 3 * 48);
}

fn decodes(file: &str) {
    let output = Command::new("ffmpeg").args(["-v", "error", "-xerror", "-i", file, "-f", "null", "-"]).output();
    let output = output.expect("ffmpeg must be installed");
    assert!(output.status.success() && output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test]
async fn keeps_its_pace_in_looks() {
    let pace = Pace { task: Wait::Looks(2), empty_folder: Wait::Looks(3), export: Wait::Looks(1) };
    let sandbox = Sandbox::new(pace).await;
    let task = sandbox.klap.create_task(&sandbox.sample_task().await, LONG).await.unwrap();
    let folder = task.output_id.unwrap();
    assert!(sandbox.klap.folder(&folder).await.unwrap().is_empty(), "not ready: this look does not count");
    for wanted in [TaskStatus::Processing, TaskStatus::Processing, TaskStatus::Ready] {
        assert_eq!(sandbox.klap.task(&task.id).await.unwrap().status, wanted);
    }
    for wanted in [0, 0, 0, 3] {
        assert_eq!(sandbox.klap.folder(&folder).await.unwrap().len(), wanted);
    }
    let project = sandbox.klap.folder(&folder).await.unwrap()[0].id.clone();
    let export = sandbox.klap.export(&folder, &project, LONG).await.unwrap();
    for wanted in [TaskStatus::Processing, TaskStatus::Ready] {
        assert_eq!(sandbox.klap.export_status(&folder, &project, &export.id).await.unwrap().status, wanted);
    }
    // By time: not before it has passed. An hour will not have.
    let hour = json!({"task": {"seconds": 3600}, "emptyFolder": {"looks": 0}, "export": {"looks": 0}});
    let url = sandbox.base.join("klap/control/pace").unwrap();
    assert_eq!(http().put(url).json(&hour).send().await.unwrap().status(), 204);
    let task = sandbox.klap.create_task(&sandbox.sample_task().await, LONG).await.unwrap();
    assert_eq!(sandbox.klap.task(&task.id).await.unwrap().status, TaskStatus::Processing);
    sandbox.stand.set_pace(Pace { task: Wait::For(Duration::ZERO), ..Pace::IMMEDIATE });
    let ready = async { while sandbox.klap.task(&task.id).await.unwrap().status != TaskStatus::Ready {} };
    tokio::time::timeout(LONG, ready).await.expect("ready once its time has passed and its work is done");
}

#[tokio::test]
async fn refuses_what_klap_refuses() {
    let sandbox = Sandbox::with(|options| {
        options.pace = Pace::IMMEDIATE;
        options.api_key = Some("kak_test".into());
        options.source_bytes_max = 2_000_000;
    })
    .await;
    let good = sandbox.sample_task().await;
    for (code, task) in [
        ("invalid_url", NewTask { source_video_url: "ftp://127.0.0.1/a".to_owned(), ..good.clone() }),
        ("invalid_url", NewTask { source_video_url: String::new(), ..good.clone() }),
        ("invalid_parameter", NewTask { min_duration: Some(121), ..good.clone() }),
        ("invalid_parameter", NewTask { max_duration: Some(181), ..good.clone() }),
        ("invalid_parameter", NewTask { target_duration: Some(0), ..good.clone() }),
        ("invalid_parameter", NewTask { min_duration: Some(50), max_duration: Some(40), ..good.clone() }),
        ("invalid_parameter", NewTask { transcription_context: Some("x".repeat(1001)), ..good.clone() }),
    ] {
        let error = sandbox.klap.create_task(&task, LONG).await.unwrap_err();
        let told =
            Error::Refused { status: 422, code: Some(code.to_owned()), message: "unprocessable-entity".to_owned() };
        assert_eq!(error, told, "{task:?}");
    }
    let text = sandbox.data.path().join("text");
    std::fs::write(&text, "not a video at all").unwrap();
    let text = sandbox.stand.add_video("text.mp4", &text).await.unwrap();
    let large = sandbox.data.path().join("large");
    std::fs::File::create(&large).unwrap().set_len(2_000_001).unwrap();
    let large = sandbox.stand.add_video("large.mp4", &large).await.unwrap();
    let missing = sandbox.base.join("klap/videos/none.mp4").unwrap();
    for (url, code) in [
        (text.as_str(), "not_an_mp4"),
        (large.as_str(), "video_too_large"),
        (missing.as_str(), "video_unreachable"),
        ("http://10.0.0.1/video.mp4", "unsupported_platform"),
        ("https://www.youtube.com/watch?v=x", "unsupported_platform"),
    ] {
        let task = NewTask { source_video_url: url.to_owned(), ..good.clone() };
        let task = sandbox.klap.create_task(&task, LONG).await.unwrap();
        let task = sandbox.klap.task(&task.id).await.unwrap();
        assert_eq!((task.status, task.failure.told().code.as_deref()), (TaskStatus::Error, Some(code)), "{url}");
    }
    let stranger = super::client(&sandbox.base, "kak_other");
    assert_eq!(stranger.create_task(&good, LONG).await.unwrap_err(), Error::Unauthorized);
}

#[tokio::test]
async fn tasks_exports_and_files_fail_on_request() {
    let sandbox = Sandbox::new(Pace::IMMEDIATE).await;
    let request = sandbox.sample_task().await;
    sandbox.fault("create_task", json!({"fail": {"code": "video_too_long", "message": "too long"}})).await;
    let task = sandbox.klap.create_task(&request, LONG).await.unwrap();
    let failure = sandbox.klap.task(&task.id).await.unwrap().failure.told();
    assert_eq!((failure.code.as_deref(), failure.message.as_str()), (Some("video_too_long"), "too long"));
    let (task, projects) = sandbox.finished(&request).await;
    let (folder, project) = (task.output_id.unwrap(), &projects[0].id);
    sandbox.fault("export", json!({"fail": {"code": "render", "message": "no"}})).await;
    let export = sandbox.klap.export(&folder, project, LONG).await.unwrap();
    let export = sandbox.klap.export_status(&folder, project, &export.id).await.unwrap();
    assert_eq!((export.status, export.src_url), (TaskStatus::Error, None));
    let export = sandbox.klap.export(&folder, project, LONG).await.unwrap();
    let export = sandbox.klap.export_status(&folder, project, &export.id).await.unwrap();
    let url = export.src_url.unwrap();
    let get = || async { http().get(&url).send().await };
    let whole = get().await.unwrap().bytes().await.unwrap();
    sandbox.fault("file", json!("truncated")).await;
    // The connection ends early: after the head, or on a busy machine with it.
    if let Ok(reply) = get().await {
        assert_eq!(reply.content_length(), Some(whole.len() as u64));
        assert!(reply.bytes().await.is_err(), "the connection ends early");
    }
    sandbox.fault("file", json!("short")).await;
    assert_eq!(get().await.unwrap().bytes().await.unwrap(), whole[..whole.len() / 2]);
    sandbox.fault("file", json!("html")).await;
    assert!(get().await.unwrap().text().await.unwrap().starts_with("<!doctype html>"));
    for (range, status, wanted) in [
        ("bytes=0-9", 206, &whole[..10]),
        ("bytes=10-", 206, &whole[10..]),
        ("bytes=-5", 206, &whole[whole.len() - 5..]),
        ("bytes=5-2", 200, &whole[..]),
        ("bytes=99999999-", 416, &[]),
    ] {
        let reply = http().get(&url).header("range", range).bearer_auth("kak_test").send().await.unwrap();
        assert_eq!((reply.status().as_u16(), &reply.bytes().await.unwrap()[..]), (status, wanted), "{range}");
    }
    assert_eq!(sandbox.stand.counts().await.unwrap().keys_leaked, 5);
}
