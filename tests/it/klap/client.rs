//! Each way a call can fail, and what the client makes of it.
use std::time::Duration;

use cliprelay::embedded::klap::Pace;
use cliprelay::services::klap::{Error, NewTask};
use serde_json::json;

use super::{LONG, Sandbox, client};

#[tokio::test]
async fn sorts_every_answer_by_what_it_costs() {
    let sandbox = Sandbox::new(Pace::IMMEDIATE).await;
    let task = sandbox.sample_task().await;
    let refused = |status, code: Option<&str>, message: &str| Error::Refused {
        status,
        code: code.map(str::to_owned),
        message: message.to_owned(),
    };
    let after = |seconds| Some(Duration::from_secs(seconds));
    for (answer, wanted) in [
        (json!({"status": 401}), Error::Unauthorized),
        (json!({"status": 403, "body": "<h1>no</h1>"}), Error::Unauthorized),
        (json!({"status": 404}), Error::NotFound),
        (json!({"status": 429}), Error::Busy { after: None }),
        (json!({"status": 429, "retryAfter": "7"}), Error::Busy { after: after(7) }),
        (json!({"status": 429, "retryAfter": "999999999"}), Error::Busy { after: after(3600) }),
        (json!({"status": 429, "retryAfter": "Thu, 31 Dec 2099 23:59:59 GMT"}), Error::Busy { after: after(3600) }),
        (json!({"status": 429, "retryAfter": "Mon, 01 Jan 2001 00:00:00 GMT"}), Error::Busy { after: after(0) }),
        (json!({"status": 429, "retryAfter": "soon"}), Error::Busy { after: None }),
        (json!({"status": 503, "retryAfter": "9"}), Error::Unavailable { status: 503, after: after(9) }),
        (
            json!({"status": 422, "body": {"message": "unprocessable-entity", "error_code": "video_too_long"}}),
            refused(422, Some("video_too_long"), "unprocessable-entity"),
        ),
        (json!({"status": 400, "body": {"error": {"a": 1}}}), refused(400, None, r#"{"a":1}"#)),
        (json!({"status": 413, "body": "too\nlarge, kak_test"}), refused(413, None, "too large, [key]")),
        (json!({"status": 307}), refused(307, None, "")),
        (json!({"status": 500, "body": "oops"}), Error::Unknown("HTTP 500: oops".to_owned())),
        (json!({"status": 502}), Error::Unknown("HTTP 502:".to_owned())),
        (json!({"status": 504}), Error::Unknown("HTTP 504:".to_owned())),
    ] {
        sandbox.fault("create_task", json!({"answer": answer})).await;
        assert_eq!(sandbox.klap.create_task(&task, LONG).await.unwrap_err(), wanted, "{answer}");
    }
    let huge = json!({"answer": {"status": 400, "body": "x".repeat(1_000_000)}});
    sandbox.fault("task", huge).await;
    let Error::Refused { message, .. } = sandbox.klap.task("any").await.unwrap_err() else { panic!("refused") };
    assert_eq!(message.len(), 300);
    assert_eq!(sandbox.stand.counts().await.unwrap().tasks, 0, "nothing of all this was billed");
}

#[tokio::test]
async fn unknown_outcomes_are_told_from_certain_ones() {
    let sandbox = Sandbox::new(Pace::IMMEDIATE).await;
    let task = sandbox.sample_task().await;
    for (effect, timeout, billed) in [
        (json!({"drop": {}}), LONG, 0),
        (json!({"drop": {"afterEffect": true}}), LONG, 1),
        (json!({"delay": {"millis": 600_000, "afterEffect": true}}), Duration::from_millis(500), 2),
        (json!({"answer": {"status": 200, "body": "<html>", "afterEffect": true}}), LONG, 3),
        (json!({"answer": {"status": 201, "body": {"no": "id"}}}), LONG, 3),
    ] {
        sandbox.fault("create_task", effect.clone()).await;
        let error = sandbox.klap.create_task(&task, timeout).await.unwrap_err();
        assert!(matches!(error, Error::Unknown(_)) && error.may_be_billed(), "{effect}: {error:?}");
        assert_eq!(sandbox.stand.counts().await.unwrap().tasks, billed, "{effect}");
    }
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nobody = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    drop(listener);
    let error = client(&nobody, "kak_test").create_task(&task, LONG).await.unwrap_err();
    assert!(matches!(error, Error::NotSent(_)) && !error.may_be_billed(), "{error:?}");
    assert!(!format!("{error} {error:?} {:?}", sandbox.klap).contains("kak_test"));
}

#[tokio::test]
async fn finds_an_export_whose_reply_was_lost() {
    let sandbox = Sandbox::new(Pace::IMMEDIATE).await;
    let (task, projects) = sandbox.finished(&sandbox.sample_task().await).await;
    let (folder, project) = (task.output_id.unwrap(), projects[0].id.clone());
    let other = sandbox.klap.export(&folder, &projects[1].id, LONG).await.unwrap();
    sandbox.fault("export", json!({"drop": {"afterEffect": true}})).await;
    assert!(sandbox.klap.export(&folder, &project, LONG).await.unwrap_err().may_be_billed());
    let found = sandbox.klap.exports(&folder, &project).await.unwrap();
    assert_eq!(found.len(), 1);
    assert_ne!(found[0].id, other.id);
    // A server that ignores the filter must not make us take another clip's export for ours.
    let all = json!([{"id": "a", "project_id": "another"}, {"id": "b", "project_id": project}]);
    sandbox.fault("exports", json!({"answer": {"status": 200, "body": {"data": all}}})).await;
    let found = sandbox.klap.exports(&folder, &project).await.unwrap();
    assert_eq!(found.iter().map(|export| export.id.as_str()).collect::<Vec<_>>(), ["b"]);
    assert_eq!(sandbox.stand.counts().await.unwrap().exports[&project], 1);
}

#[tokio::test]
async fn ids_cannot_leave_their_segment() {
    let sandbox = Sandbox::new(Pace::IMMEDIATE).await;
    for id in ["", ".", "..", "../exports", "a/b", "a?b", "a#b", "%2e%2e", "ä ö"] {
        assert_eq!(sandbox.klap.task(id).await.unwrap_err(), Error::NotFound, "{id}");
        assert_eq!(sandbox.klap.export_status("f", id, "e").await.unwrap_err(), Error::NotFound, "{id}");
    }
    let stranger = client(&sandbox.base, "");
    assert_eq!(stranger.create_task(&NewTask::default(), LONG).await.unwrap_err(), Error::Unauthorized);
}
