//! Examples, each of which a test holds against its shape.

use serde_json::{Value, json};

const JOB: &str = "job_0193f2c87b7c7d0a8e0c1b2a3d4e5f60";

pub fn asked() -> Value {
    json!({
        "projectId": "my-project",
        "videoUrl": "https://example.com/talk.mp4",
        "options": {"language": "en", "maxClipCount": 5, "captions": true},
    })
}

pub fn letters() -> Value {
    json!({"ids": [JOB, "dlq:1725323658779-0"], "dryRun": true})
}

pub fn job() -> Value {
    let url = "https://abcdefgh.supabase.co/storage/v1/object/public/videos/clips/my-project/1.mp4";
    json!({
        "jobId": JOB,
        "projectId": "my-project",
        "status": "processing",
        "stage": "Storing the clips",
        "progress": 72,
        "attempts": 0,
        "error": null,
        "errorDetail": null,
        "clips": [{
            "id": "my-project_clip_0",
            "title": "The one thing nobody tells you",
            "description": "It opens with a question.",
            "duration": 31.4,
            "score": 0.87,
            "viralityExplanation": "It opens with a question.",
            "transcript": "So what is it that nobody tells you?",
            "publicationCaptions": null,
            "thumbnail": null,
            "url": url,
            "exportUrl": url,
            "exported": true,
            "size": 4_194_304,
            "status": "stored",
            "error": null,
            "klapProjectId": "k7Fh2a",
            "klapFolderId": "u1Xw9s",
            "storedInSupabase": true,
            "createdAt": "2026-11-23T12:07:41.000Z",
        }],
        "clipsFailed": 0,
        "possibleDuplicateCharge": 0,
        "nextUpdateAt": "2026-11-23T12:10:00.000Z",
        "createdAt": "2026-11-23T12:00:00.000Z",
        "updatedAt": "2026-11-23T12:09:30.250Z",
        "completedAt": null,
    })
}

pub fn enqueued() -> Value {
    let mut told = changed_to("queued", "Clip generation queued");
    told["deduplicated"] = json!(false);
    told
}

pub fn changed() -> Value {
    changed_to("cancelled", "Cancelled")
}

fn changed_to(status: &str, message: &str) -> Value {
    json!({
        "success": true,
        "message": message,
        "jobId": JOB,
        "projectId": "my-project",
        "status": status,
        "progress": 0,
        "statusUrl": format!("/api/process-klap?jobId={JOB}"),
    })
}

pub fn event() -> Value {
    let mut status = job();
    status["success"] = json!(true);
    json!(format!("retry: 1000\n\nid: 5d41402abc4b2a76\ndata: {status}\n\n"))
}

pub fn message() -> Value {
    json!({"v": 1, "jobId": JOB, "epoch": 1, "seq": 1, "send": 1})
}

pub fn callback() -> Value {
    json!({
        "sourceMessageId": "msg_26hZCxZCuWyyTWPmSVBrNB882AH",
        "url": "https://clips.example.com/api/worker/klap",
        "sourceBody": "eyJ2IjoxfQ==",
        "dlqId": "1725323658779-0",
        "status": 503,
    })
}
