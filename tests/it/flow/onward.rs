//! All dead letters seen to, request after request, while what is replayed fails again. No time at all for a request, so that
//! each sees to one letter.

use crate::http::admin::failed;
use crate::support::app::TestApp;
use crate::support::queue::Fate;
use cliprelay::embedded::klap::{Effect, Fault, Operation};
use cliprelay::flow::{Chosen, Done, Handled, Handling};
use cliprelay::services::qstash::{DeadLetter, Message};
use serde_json::json;
use std::collections::BTreeSet;
use std::time::Duration;

/// More requests than any of these needs.
const ROUNDS: usize = 40;

/// To the end; between two requests time passes, and if it is to, pushes come.
async fn all(app: &TestApp, handling: Handling, dry_run: bool, pushes: bool) -> Vec<Handled> {
    let (mut from, mut results) = (None, Vec::new());
    for _ in 0..ROUNDS {
        let chosen = Chosen::All { code: None, from };
        let done = app.engines[0].handle(handling, chosen, dry_run, Duration::ZERO).await.unwrap();
        assert!(done.results.len() <= 1, "{:?}", done.results);
        results.extend(done.results);
        if !done.more {
            return results;
        }
        from = done.next;
        app.clock.advance(Duration::from_secs(1));
        if pushes {
            app.run().await;
        }
    }
    panic!("after {ROUNDS} requests it is not over: {results:#?}");
}

fn ids(results: &[Handled]) -> BTreeSet<&str> {
    results.iter().map(|result| result.id.as_str()).collect()
}

async fn create_calls(app: &TestApp) -> u64 {
    app.sandbox.klap.counts().await.unwrap().calls[&Operation::CreateTask]
}

/// Something among the dead letters that is none of our messages, and died then.
fn foreign(app: &TestApp, at: u64) -> String {
    let message = Message {
        message_id: format!("msg_of_{at}"),
        url: app.worker_url.clone(),
        body: Some("no message".to_owned()),
        ..Message::default()
    };
    let letter = DeadLetter { dlq_id: format!("{at}-0"), message, ..DeadLetter::default() };
    app.queue.inner().letters.push(letter);
    format!("dlq:{at}-0")
}

#[tokio::test]
async fn what_is_replayed_and_fails_again_is_replayed_once_in_a_run() {
    let app = TestApp::start().await;
    for n in 0..5 {
        failed(&app, &format!("p{n}")).await;
    }
    let effect = Effect::Answer { status: 401, body: json!({}), retry_after: None, after_effect: false };
    app.sandbox.klap.inject(Fault { operation: Operation::CreateTask, times: 1_000, effect });
    let dry = all(&app, Handling::Replay, true, false).await;
    assert_eq!((dry.len(), ids(&dry).len()), (5, 5), "each is told, and once: {dry:#?}");
    let before = create_calls(&app).await;
    let done = all(&app, Handling::Replay, false, true).await;
    assert!(done.iter().all(|result| result.done == Done::Replayed), "{done:#?}");
    assert_eq!((done.len(), ids(&done).len()), (5, 5));
    assert_eq!(create_calls(&app).await - before, 5, "Klap was asked once for each");
    assert_eq!(all(&app, Handling::Replay, true, false).await.len(), 5, "another run meets them again");
}

#[tokio::test]
async fn qstashs_own_are_met_once_in_a_run_and_newer_ones_not_at_all() {
    let app = TestApp::start().await;
    let mut jobs = Vec::new();
    for n in 0..3 {
        jobs.push(app.enqueue(&format!("p{n}"), 1).await);
        app.queue.set_fate(&app.queue.only().id, Fate::Dead);
    }
    let old = [foreign(&app, 1_000_000_000_000), foreign(&app, 1_000_000_000_001)];
    let newer = foreign(&app, app.clock.now() + 3_600_000);
    let dry = all(&app, Handling::Drop, true, false).await;
    assert_eq!((dry.len(), ids(&dry).len()), (5, 5), "{dry:#?}");
    assert!(old.iter().all(|id| ids(&dry).contains(id.as_str())) && !ids(&dry).contains(newer.as_str()));
    let done = all(&app, Handling::Replay, false, false).await;
    app.run().await;
    assert_eq!((done.len(), ids(&done).len()), (3, 3), "{done:#?}");
    for job in &jobs {
        assert_eq!(app.status(job).await["status"], json!("completed"));
    }
    assert_eq!(all(&app, Handling::Drop, false, false).await.len(), 2);
    assert_eq!(app.queue.inner().letters_deleted.iter().filter(|id| newer.ends_with(id.as_str())).count(), 0);
}
