//! Dead letters: failed jobs joined with QStash's own, replayed and dropped.

use super::admin::{ask, audit, failed, ids, order};
use crate::support::app::TestApp;
use crate::support::driving::Loss;
use crate::support::queue::{Fate, Sent};
use cliprelay::embedded::klap::{Effect, Fault, Operation};
use cliprelay::services::qstash::{DeadLetter, Message};
use serde_json::{Value, json};
use std::time::Duration;

const LETTERS: &str = "/api/admin/dead-letters";

async fn letters(app: &TestApp) -> Vec<Value> {
    let answer = ask(app, LETTERS).await.expect(200);
    assert_eq!(answer.body["qstash"], json!("read"));
    answer.body["letters"].as_array().unwrap().clone()
}

/// Id, side, whether it can be replayed, and why.
fn told(letter: &Value) -> (&str, &str, bool, &str) {
    let text = |name: &str| letter[name].as_str().unwrap_or_default();
    (text("id"), text("side"), letter["replayable"] == true, text("why"))
}

async fn handle(app: &TestApp, action: &str, body: Value) -> Vec<(String, String, String)> {
    let answer = order(app, &format!("{LETTERS}/{action}"), Some(body)).await.expect(200);
    let text = |result: &Value, name: &str| result[name].as_str().unwrap().to_owned();
    let results = answer.body["results"].as_array().unwrap();
    results.iter().map(|result| (text(result, "id"), text(result, "outcome"), text(result, "detail"))).collect()
}

/// The message dies without its failure callback having come (yet).
fn dies_unheard(app: &TestApp, sent: &Sent) -> String {
    app.queue.set_fate(&sent.id, Fate::Dead);
    format!("dlq:{}", sent.dlq_id())
}

/// Something among the dead letters that is none of our messages.
fn foreign(app: &TestApp, name: &str, body: &str, label: Option<&str>) -> String {
    let message = Message {
        message_id: format!("msg_{name}"),
        url: app.worker_url.clone(),
        body: Some(body.to_owned()),
        label: label.map(str::to_owned),
        created_at: Some(1_725_323_658_779),
        ..Message::default()
    };
    let answer = json!({"success": false, "code": "unreadable_message", "error": "see https://x.example/a?key=secret"});
    let letter = DeadLetter {
        dlq_id: format!("1725323658779-{name}"),
        message,
        response_status: Some(489),
        response_body: Some(answer.to_string()),
        ..DeadLetter::default()
    };
    app.queue.inner().letters.push(letter);
    format!("dlq:1725323658779-{name}")
}

#[tokio::test]
async fn failed_jobs_and_qstashs_entries_are_joined_and_what_stands_alone_is_told() {
    let app = TestApp::start().await;
    // Failed, and its entry is settled with its callback.
    let alone = failed(&app, "alone").await;
    // Failed, and the callback did not come.
    let effect = Effect::Answer { status: 401, body: json!({}), retry_after: None, after_effect: false };
    app.sandbox.klap.inject(Fault { operation: Operation::CreateTask, times: 1, effect });
    app.clock.advance(Duration::from_secs(1));
    let both = app.enqueue("both", 1).await;
    let sent = app.queue.only();
    app.push(&sent).await.expect(489);
    dies_unheard(&app, &sent);
    let completed = app.enqueue("completed", 1).await;
    let first = app.queue.only();
    app.run().await;
    let of_completed = dies_unheard(&app, &first);
    let waits = app.enqueue("waits", 1).await;
    let of_waiting = dies_unheard(&app, &app.queue.only());
    let garbage = foreign(&app, "1", "no message", None);
    let found = letters(&app).await;
    assert_eq!(
        found.iter().map(told).collect::<Vec<_>>(),
        [
            (both.as_str(), "both", true, ""),
            (alone.as_str(), "job", true, ""),
            (garbage.as_str(), "qstash", false, "no version of this service wrote it"),
            (of_completed.as_str(), "qstash", false, "its job has completed"),
            (of_waiting.as_str(), "qstash", true, "its job waits for it"),
        ]
    );
    assert_eq!((&found[0]["dlqIds"], &found[0]["jobStatus"]), (&json!([sent.dlq_id()]), &json!("failed")));
    assert_eq!((&found[0]["cause"]["code"], &found[0]["step"]), (&json!("klap_unauthorized"), &json!("submit")));
    assert_eq!((&found[3]["jobId"], &found[4]["jobId"]), (&json!(completed), &json!(waits)));
    assert_eq!(found[2]["cause"], json!({"code": "unreadable_message", "message": "see https://x.example/a"}));
    assert_eq!(found[2]["failedAt"], json!("2024-09-03T00:34:18.779Z"), "QStash tells it in the entry's id");
    let groups = ask(&app, LETTERS).await.body["groups"].clone();
    assert_eq!((&groups[0]["code"], &groups[0]["count"]), (&json!("http_503"), &json!(2)));
    // Page by page it is the same.
    let mut paged = Vec::new();
    let mut query = String::new();
    loop {
        let page = ask(&app, &format!("{LETTERS}?limit=2{query}")).await.expect(200).body;
        paged.extend(page["letters"].as_array().unwrap().clone());
        let Some(next) = page["nextCursor"].as_str() else { break };
        query = format!("&cursor={next}");
    }
    let by_id = |letters: &[Value]| {
        let mut ids: Vec<String> = letters.iter().map(|letter| letter["id"].to_string()).collect();
        ids.sort();
        ids
    };
    assert_eq!(by_id(&paged), by_id(&found));
    app.queue.is_away(true);
    let away = ask(&app, LETTERS).await.expect(200).body;
    assert_eq!((&away["qstash"], away["letters"].as_array().unwrap().len()), (&json!("unavailable"), 2));
}

#[tokio::test]
async fn a_forgotten_jobs_message_is_put_back_and_sent_anew() {
    let app = TestApp::builder().on_redis().start().await;
    let job = app.enqueue("p1", 1).await;
    let letter = dies_unheard(&app, &app.queue.only());
    app.lose(Loss::Everything);
    assert_eq!(
        letters(&app).await.iter().map(told).collect::<Vec<_>>(),
        [(letter.as_str(), "qstash", true, "its job's record is missing")]
    );
    let dry = handle(&app, "replay", json!({"ids": [letter], "dryRun": true})).await;
    assert_eq!((dry[0].1.as_str(), app.record(&job).await), ("wouldReplay", None), "a dry run changes nothing");
    let done = handle(&app, "replay", json!({"ids": [letter]})).await;
    assert_eq!(done[0].1, "replayed", "{done:?}");
    let sent = app.queue.only();
    assert_eq!((sent.deduplication.as_str(), sent.delay), (format!("{job}.1.1.2").as_str(), 0), "anew, and now");
    assert_eq!(letters(&app).await, Vec::<Value>::new(), "its entry is taken away");
    let whole = ask(&app, &format!("/api/admin/jobs/{job}")).await.body;
    let whats: Vec<&str> =
        whole["timeline"].as_array().unwrap().iter().map(|entry| entry["what"].as_str().unwrap()).collect();
    assert_eq!(whats, ["rebuilt", "sentAnew", "published"]);
    assert_eq!(whole["timeline"][1]["by"], json!("operator"));
    app.run().await;
    assert_eq!(app.status(&job).await["status"], json!("completed"));
    app.settled().await;
}

#[tokio::test]
async fn a_failed_job_is_replayed_from_its_step_and_its_entries_go() {
    let app = TestApp::start().await;
    let job = failed(&app, "p1").await;
    let busy = failed(&app, "p2").await;
    let other = app.enqueue("p2", 1).await;
    let entry = foreign(&app, "2", "{}", Some(&job));
    let before = (app.record(&job).await, app.queue.all().len());
    let dry = handle(&app, "replay", json!({"all": true, "dryRun": true})).await;
    assert!(dry.iter().all(|(.., outcome, _)| outcome == "wouldReplay") && dry.len() == 2, "{dry:?}");
    assert_eq!((app.record(&job).await, app.queue.all().len()), before, "nothing has changed");
    assert_eq!(app.queue.inner().letters_deleted.len(), 2, "but what callbacks had settled");
    assert_eq!(audit(&app).await, []);
    // Two at once: one is first.
    let ask_it = || handle(&app, "replay", json!({"ids": [job]}));
    let (one, two) = tokio::join!(ask_it(), ask_it());
    let mut outcomes = [one[0].1.as_str(), two[0].1.as_str()];
    outcomes.sort_unstable();
    assert_eq!(outcomes, ["replayed", "skipped"], "{one:?} {two:?}");
    assert!(app.queue.inner().letters_deleted.contains(&entry.trim_start_matches("dlq:").to_owned()));
    assert_eq!(app.queue.waiting().iter().filter(|sent| sent.deduplication == format!("{job}.2.1.1")).count(), 1);
    let rest = handle(&app, "replay", json!({"ids": [busy, "job_none", "dlq:none", other]})).await;
    let outcomes: Vec<_> = rest.iter().map(|(_, outcome, detail)| (outcome.as_str(), detail.as_str())).collect();
    assert_eq!(
        outcomes,
        [
            ("failed", format!("another job of its project is running: {other}").as_str()),
            ("skipped", "there is no such job"),
            ("skipped", "QStash has no such dead letter"),
            ("skipped", "the job is queued"),
        ]
    );
    assert_eq!(audit(&app).await[0], ("replay".into(), "4 letters".into(), "3 skipped, 1 failed".into()));
    app.run().await;
    for job in [&job, &other] {
        assert_eq!(app.status(job).await["status"], json!("completed"));
    }
    // What failed, went on and ended is no dead letter any more.
    assert_eq!(letters(&app).await.iter().map(|letter| letter["id"].clone()).collect::<Vec<_>>(), [json!(busy)]);
    app.settled().await;
}

#[tokio::test]
async fn what_failed_twice_is_one_letter() {
    let app = TestApp::start().await;
    let job = failed(&app, "p1").await;
    let effect = Effect::Answer { status: 401, body: json!({}), retry_after: None, after_effect: false };
    app.sandbox.klap.inject(Fault { operation: Operation::CreateTask, times: 1, effect });
    app.clock.advance(Duration::from_secs(5));
    handle(&app, "replay", json!({"ids": [job]})).await;
    app.run().await;
    assert_eq!(letters(&app).await.len(), 1);
    assert_eq!(app.job(&job).await.at.epoch, 2);
}

#[tokio::test]
async fn all_of_one_cause_are_dropped_and_the_others_stay() {
    let app = TestApp::start().await;
    let job = failed(&app, "p1").await;
    let garbage = foreign(&app, "3", "no message", None);
    let dry = handle(&app, "drop", json!({"all": true, "code": "klap_unauthorized", "dryRun": true})).await;
    assert_eq!((dry.len(), dry[0].1.as_str()), (1, "wouldDrop"));
    assert!(app.record(&job).await.is_some());
    let done = handle(&app, "drop", json!({"all": true, "code": "klap_unauthorized"})).await;
    assert_eq!((done.len(), done[0].0.as_str(), done[0].1.as_str()), (1, job.as_str(), "dropped"));
    assert!(app.record(&job).await.is_none(), "with a failed job goes its record");
    assert_eq!(letters(&app).await.iter().map(told).map(|letter| letter.0).collect::<Vec<_>>(), [garbage.as_str()]);
    assert_eq!(handle(&app, "drop", json!({"ids": [garbage]})).await[0].1, "dropped");
    assert_eq!(letters(&app).await, Vec::<Value>::new());
    assert_eq!(handle(&app, "drop", json!({"all": true})).await, []);
    let noted: Vec<_> = audit(&app).await.into_iter().map(|(action, target, _)| (action, target)).collect();
    assert_eq!(noted, [("drop".to_owned(), garbage), ("drop".to_owned(), job)]);
}

#[tokio::test]
async fn so_many_letters_are_seen_to_at_once_and_the_rest_when_asked_again() {
    let app = TestApp::start().await;
    for n in 0..60 {
        failed(&app, &format!("p{n}")).await;
    }
    let mut body = json!({"all": true, "dryRun": true});
    let first = order(&app, &format!("{LETTERS}/replay"), Some(body.clone())).await.expect(200).body;
    assert_eq!((first["results"].as_array().unwrap().len(), &first["more"]), (50, &json!(true)));
    body["cursor"] = first["nextCursor"].clone();
    let rest = order(&app, &format!("{LETTERS}/replay"), Some(body)).await.expect(200).body;
    assert_eq!((rest["results"].as_array().unwrap().len(), &rest["more"]), (10, &json!(false)));
    assert_eq!(ids(&ask(&app, "/api/admin/jobs?status=failed&limit=100").await).len(), 60);
}
