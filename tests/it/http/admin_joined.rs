//! Failed jobs joined with more dead letters at QStash than are read at once, and with a slow one.

use super::admin::{ask, failed, order};
use crate::support::app::TestApp;
use cliprelay::embedded::klap::{Effect, Fault, Operation};
use cliprelay::services::qstash::{DeadLetter, Message};
use serde_json::json;
use std::time::{Duration, Instant};

const LETTERS: &str = "/api/admin/dead-letters";

/// Among the dead letters, under this label.
fn labelled(app: &TestApp, name: &str, label: &str) {
    let message = Message {
        message_id: format!("msg_{name}"),
        url: app.worker_url.clone(),
        body: Some("no message".to_owned()),
        label: Some(label.to_owned()),
        ..Message::default()
    };
    let letter = DeadLetter { dlq_id: format!("1725323658779-{name}"), message, ..DeadLetter::default() };
    app.queue.inner().letters.push(letter);
}

#[tokio::test]
async fn no_more_of_qstash_is_read_than_is_needed() {
    let app = TestApp::start().await;
    let jobs = [failed(&app, "p1").await, failed(&app, "p2").await, failed(&app, "p3").await];
    for job in &jobs {
        labelled(&app, job, job);
    }
    for n in 0..600 {
        labelled(&app, &n.to_string(), "job_of_another");
    }
    app.queue.inner().letters_asked = 0;
    let page = ask(&app, &format!("{LETTERS}?limit=2")).await.expect(200).body;
    assert_eq!((page["letters"].as_array().unwrap().len(), &page["letters"][0]["side"]), (2, &json!("both")));
    assert_eq!(app.queue.inner().letters_asked, 1, "both were in the first page, and more jobs follow");
    // Whose entry is not among those read at once is asked about by itself.
    labelled(&app, "last", "nobody");
    app.queue.inner().letters.rotate_left(3);
    let whole = ask(&app, LETTERS).await.expect(200).body;
    assert!(whole["letters"].as_array().unwrap().iter().all(|letter| letter["side"] == "both"), "{whole:#}");
    assert_eq!((&whole["qstash"], whole["nextCursor"].is_string()), (&json!("read"), true));
    assert_eq!(app.queue.inner().letters_asked, 1 + 5 + 3);
}

#[tokio::test]
async fn a_slow_qstash_holds_the_failed_jobs_up_for_eight_seconds_and_no_longer() {
    let app = TestApp::start().await;
    for n in 0..10 {
        failed(&app, &format!("p{n}")).await;
    }
    for n in 0..600 {
        labelled(&app, &n.to_string(), "job_of_another");
    }
    app.queue.inner().letters_take = Duration::from_millis(1_800);
    let began = Instant::now();
    let page = ask(&app, LETTERS).await.expect(200).body;
    assert!(began.elapsed() < Duration::from_secs(12), "{:?}", began.elapsed());
    assert_eq!((&page["qstash"], page["letters"].as_array().unwrap().len()), (&json!("unavailable"), 10));
    assert!(page["nextCursor"].is_string(), "the rest of QStash's can be asked for");
}

#[tokio::test]
async fn a_replay_that_pays_again_says_so_before_and_after() {
    let app = TestApp::start().await;
    let job = app.enqueue("p1", 1).await;
    let effect = Effect::Fail { code: "internal".to_owned(), message: "it broke".to_owned() };
    app.sandbox.klap.inject(Fault { operation: Operation::CreateTask, times: 1, effect });
    app.run().await;
    app.clock.advance(Duration::from_mins(1));
    let unpaid = failed(&app, "p2").await;
    let letters = ask(&app, LETTERS).await.expect(200).body["letters"].clone();
    assert_eq!((&letters[0]["paysAgain"], &letters[1]["paysAgain"]), (&json!(null), &json!("a new task at Klap")));
    for (id, expected) in [(&job, json!("a new task at Klap")), (&unpaid, json!(null))] {
        let whole = ask(&app, &format!("/api/admin/jobs/{id}")).await.expect(200).body;
        assert_eq!(whole["job"]["paysAgain"], expected);
    }
    for dry in [true, false] {
        let body = json!({"ids": [job, unpaid], "dryRun": dry});
        let told = order(&app, &format!("{LETTERS}/replay"), Some(body)).await.expect(200).body["results"].clone();
        let pays = |n: usize| told[n]["detail"].as_str().unwrap().contains(", and pays for a new task at Klap");
        assert!(pays(0) && !pays(1), "{told:#}");
    }
    app.run().await;
    assert_eq!(app.sandbox.klap.counts().await.unwrap().tasks, 3);
    let whole = ask(&app, &format!("/api/admin/jobs/{job}")).await.expect(200).body;
    assert_eq!((&whole["job"]["status"], &whole["job"]["paysAgain"]), (&json!("completed"), &json!(null)));
    app.settled().await;
}

#[tokio::test]
async fn all_of_qstashs_own_are_seen_to_page_after_page() {
    let app = TestApp::start().await;
    for n in 0..70 {
        labelled(&app, &n.to_string(), &format!("job_{n}"));
    }
    let mut body = json!({"all": true, "dryRun": true});
    for expected in [(50, true), (20, false)] {
        let page = order(&app, &format!("{LETTERS}/drop"), Some(body.clone())).await.expect(200).body;
        let told = (page["results"].as_array().unwrap().len(), page["nextCursor"].is_string());
        assert_eq!((told, &page["qstash"]), (expected, &json!("read")));
        body["cursor"] = page["nextCursor"].clone();
    }
    app.queue.is_away(true);
    let away = order(&app, &format!("{LETTERS}/drop"), Some(json!({"all": true}))).await.expect(200).body;
    assert_eq!((&away["results"], &away["more"], &away["qstash"]), (&json!([]), &json!(false), &json!("unavailable")));
}
