//! Reading what Klap was seen or feared to send.
use cliprelay::services::klap::{EditingOptions, Export, NewTask, Project, Task, TaskStatus};
use serde_json::json;

#[test]
fn sends_only_what_was_asked() {
    let mut task = NewTask { source_video_url: "https://example.com/v.mp4".to_owned(), ..NewTask::default() };
    assert_eq!(serde_json::to_value(&task).unwrap(), json!({"source_video_url": "https://example.com/v.mp4"}));
    task.max_duration = Some(30);
    task.editing_options = Some(EditingOptions { intro_title: Some(false), ..EditingOptions::default() });
    let sent = serde_json::to_value(&task).unwrap();
    assert_eq!(sent["editing_options"], json!({"intro_title": false}));
    assert_eq!(sent["max_duration"], 30);
}

#[test]
fn reads_tasks_leniently() {
    for (status, wanted) in [
        (json!("ready"), TaskStatus::Ready),
        (json!("error"), TaskStatus::Error),
        (json!("processing"), TaskStatus::Processing),
        (json!("completed"), TaskStatus::Processing),
        (json!(7), TaskStatus::Processing),
    ] {
        let task = json!({"id": "t", "status": status, "output_id": 5, "surprise": {}});
        let task: Task = serde_json::from_value(task).unwrap();
        assert_eq!((task.status, task.output_id), (wanted, None), "{status}");
    }
    for (fields, code, message) in [
        (json!({"id": "t", "error": "a"}), None, "a"),
        (json!({"id": "t", "error": "a", "error_message": "b", "error_code": "c"}), Some("c"), "b"),
        (json!({"id": "t", "error_code": "c"}), Some("c"), "c"),
        (json!({"id": "t", "error": {"x": 1}}), None, r#"{"x":1}"#),
        (json!({"id": "t", "error_code": null}), None, "Klap gave no reason"),
    ] {
        let failure = serde_json::from_value::<Task>(fields).unwrap().failure.told();
        assert_eq!((failure.code.as_deref(), failure.message.as_str()), (code, message));
    }
    assert!(serde_json::from_value::<Task>(json!({"status": "ready"})).is_err(), "without an id it is nothing");
}

#[test]
fn reads_projects_and_scores_on_either_scale() {
    for (score, wanted) in [
        (json!(0.85), Some(0.85)),
        (json!(85), Some(0.85)),
        (json!("85"), Some(0.85)),
        (json!(1), Some(1.0)),
        (json!(1000), Some(1.0)),
        (json!(-3), Some(0.0)),
        (json!(null), None),
        (json!("high"), None),
    ] {
        let project: Project = serde_json::from_value(json!({"id": "p", "virality_score": score})).unwrap();
        assert_eq!(project.score(), wanted, "{score}");
    }
    let project = json!({"id": "p", "duration_seconds": "52.5", "publication_captions": {"tiktok": "t", "x": null}});
    let project: Project = serde_json::from_value(project).unwrap();
    assert_eq!(project.duration, Some(52.5));
    assert_eq!(project.publication_captions.into_iter().collect::<Vec<_>>(), [("tiktok".to_owned(), "t".to_owned())]);
    let export: Export = serde_json::from_value(json!({"id": "e", "status": "ready", "src_url": null})).unwrap();
    assert_eq!((export.status, export.src_url), (TaskStatus::Ready, None));
}
