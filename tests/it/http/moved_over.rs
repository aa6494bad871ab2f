//! A frontend of a Next.js app that polled jobs under the same routes: what it sent is taken, and what it read is there.

use crate::support::app::{ANN, TestApp};
use crate::support::driving::{Answer, read};
use axum::http::Method;
use serde_json::{Value, json};

const PATH: &str = "/api/process-klap";
/// What it read of a clip; all but the last four may be of any value.
const CLIP: [&str; 16] = [
    "id",
    "title",
    "description",
    "duration",
    "score",
    "thumbnail",
    "viralityExplanation",
    "transcript",
    "publicationCaptions",
    "klapProjectId",
    "klapFolderId",
    "createdAt",
    "exportUrl",
    "exported",
    "storedInSupabase",
    "url",
];

async fn row(app: &TestApp, id: &str, video: Option<&str>) {
    let row = json!({"id": id, "user_id": "somebody", "video_url": video, "status": "new", "folders": null,
        "updated_at": null});
    app.sandbox.supabase.add_project_row("projects", row.as_object().unwrap().clone()).await.unwrap();
}

/// It showed `error` to its user, whatever the status.
#[track_caller]
fn told(answer: &Answer, status: u16) -> &str {
    assert_eq!(answer.status, status, "{:#}", answer.body);
    answer.body["error"].as_str().filter(|error| !error.is_empty()).expect("an error to show")
}

#[tokio::test]
async fn a_project_alone_is_enough() {
    let app = TestApp::start().await;
    row(&app, "p1", Some(app.sandbox.sample.as_str())).await;
    let first = app.post(PATH, &json!({"projectId": "p1"})).await.expect(202).body;
    assert_eq!((&first["success"], &first["message"]), (&json!(true), &json!("Clip generation queued")));
    let again = app.post(PATH, &json!({"projectId": "p1"})).await.expect(200).body;
    assert_eq!(again["message"], "Clips are already being processed");
    assert_eq!((&again["jobId"], &again["status"]), (&first["jobId"], &json!("queued")));
}

#[tokio::test]
async fn it_polls_by_the_project_until_the_clips_are_there() {
    let app = TestApp::start().await;
    row(&app, "p1", Some(app.sandbox.sample.as_str())).await;
    let options = json!({"targetClipCount": 2});
    app.post(PATH, &json!({"projectId": "p1", "options": options})).await.expect(202);
    let path = format!("{PATH}?projectId=p1");
    let waiting = app.get(&path).await.expect(200).body;
    assert_eq!((&waiting["success"], &waiting["status"]), (&json!(true), &json!("queued")));
    assert_eq!((&waiting["progress"], &waiting["error"]), (&json!(0), &Value::Null));
    app.run().await;
    let done = app.get(&path).await.expect(200).body;
    assert_eq!(
        (&done["success"], &done["status"], &done["progress"]),
        (&json!(true), &json!("completed"), &json!(100))
    );
    let clips = done["clips"].as_array().unwrap();
    assert_eq!(clips.len(), 2);
    for (index, clip) in clips.iter().enumerate() {
        for name in CLIP {
            assert!(clip.get(name).is_some(), "{name} is missing: {clip:#}");
        }
        assert_eq!(clip["id"], format!("p1_clip_{index}"));
        assert!((0.0..=1.0).contains(&clip["score"].as_f64().unwrap()), "{clip:#}");
        assert!(clip["exportUrl"].as_str().unwrap().starts_with("http"), "{clip:#}");
        assert_eq!((&clip["exported"], &clip["storedInSupabase"]), (&json!(true), &json!(true)));
    }
}

#[tokio::test]
async fn what_it_showed_as_an_error_is_one() {
    let app = TestApp::start().await;
    row(&app, "silent", None).await;
    assert_eq!(told(&app.get(&format!("{PATH}?projectId=nobody")).await, 404), "No job found for this project");
    told(&app.get(PATH).await, 400);
    told(&app.post(PATH, &json!({})).await, 422);
    told(&app.post(PATH, &json!({"projectId": "silent"})).await, 422);
    told(&app.post(PATH, &json!({"projectId": "missing"})).await, 404);
    told(&read(app.request(Method::POST, PATH).json(&json!({"projectId": "p1"}))).await, 401);
    // Exports are the service's own matter now.
    let exports = json!({"projectId": "p1", "clipIds": ["a"], "klapFolderId": "b"});
    told(&read(app.request(Method::PUT, PATH).bearer_auth(ANN).json(&exports)).await, 405);
}

#[tokio::test]
async fn its_cron_still_calls() {
    let app = TestApp::start().await;
    assert_eq!(app.cron().await["success"], true);
}
