//! A clip as callers and the project's row see it.

use super::*;
use crate::kinds::clip::view::stored_clips;

fn job(clips: Vec<Clip>) -> Job {
    failed_at("transfer", Failure::retryable("job_timeout", "late"), &plan_of(clips))
}

#[test]
fn a_stored_clip_has_the_shape_the_pages_read() {
    let clip = Clip {
        title: "The start".to_owned(),
        duration: Some(31.5),
        score: Some(0.82),
        virality_explanation: Some("It opens with a question.".to_owned()),
        transcript: Some("Why bread?".to_owned()),
        captions: Some(json!({"tiktok": "Bread!"})),
        created_at: Some("2026-11-23T10:00:00Z".to_owned()),
        error: Some("of an earlier attempt".to_owned()),
        ..stored("klap_1")
    };
    let url = "https://example.supabase.co/storage/v1/object/public/videos/p1/clips/job_1/klap_1-klap_1_export.mp4";
    let expected = json!({
        "id": "p1_clip_0", "title": "The start", "description": "It opens with a question.", "duration": 31.5,
        "score": 0.82, "viralityExplanation": "It opens with a question.", "transcript": "Why bread?",
        "publicationCaptions": {"tiktok": "Bread!"}, "thumbnail": null, "url": url, "exportUrl": url, "exported": true,
        "size": 1234, "status": "stored", "error": null, "klapProjectId": "klap_1", "klapFolderId": "folder_1",
        "storedInSupabase": true, "createdAt": "2026-11-23T10:00:00Z"
    });
    assert_eq!(view(&job(vec![clip])).clips, [expected]);
}

#[test]
fn a_clip_that_is_not_stored_has_no_address() {
    let mut hopeless = exported("b", ClipState::Exporting);
    hopeless.give_up("too large");
    let View { clips, clips_failed, .. } = view(&job(vec![clip("a", ClipState::Pending), hopeless]));
    assert_eq!(clips_failed, 1);
    let told = clips.iter().map(|clip| (&clip["status"], &clip["error"], &clip["exported"])).collect::<Vec<_>>();
    assert_eq!(
        told,
        [(&json!("pending"), &json!(null), &json!(false)), (&json!("failed"), &json!("too large"), &json!(true))]
    );
    for clip in &clips {
        assert_eq!((&clip["url"], &clip["exportUrl"], &clip["size"]), (&Value::Null, &Value::Null, &Value::Null));
        assert_eq!((&clip["score"], &clip["storedInSupabase"]), (&json!(0.5), &json!(false)));
    }
}

#[test]
fn the_projects_row_is_given_what_storage_has_confirmed_and_nothing_else() {
    let job = job(vec![exported("a", ClipState::Storing), stored("b"), clip("c", ClipState::Failed)]);
    let clips = stored_clips(&job, &Plan::read(&job.plan).unwrap());
    let ids: Vec<_> = clips.iter().map(|clip| (clip["id"].as_str(), clip["klapProjectId"].as_str())).collect();
    assert_eq!(ids, [(Some("p1_clip_1"), Some("b"))], "its id is its place among all clips");
}

#[test]
fn states_are_written_as_callers_know_them() {
    use ClipState::{Exporting, Failed, Pending, Stored, Storing};
    let names = [Pending, Exporting, Storing, Stored, Failed].map(|state| serde_json::to_value(state).unwrap());
    assert_eq!(names, ["pending", "exporting", "storing", "stored", "failed"]);
}
