//! QStash delivers at least once, perhaps many copies at once, to any of our processes.

use crate::support::app::TestApp;
use crate::support::driving::Answer;
use cliprelay::embedded::klap::{Effect, Fault, Operation};
use futures_util::future::join_all;
use serde_json::json;

const COPIES: usize = 50;

async fn at_once(app: &TestApp) -> Vec<Answer> {
    let body = app.queue.only().body;
    join_all((0..COPIES).map(|copy| app.push_to(copy % app.bases.len(), &body))).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn fifty_copies_of_a_push_over_two_processes_make_one_task() {
    let app = TestApp::builder().on_redis().routers(2).start().await;
    let job = app.enqueue("p1", 2).await;
    // Long enough that all copies arrive while the step runs; should they not, the rest of the test holds as well.
    let effect = Effect::Delay { millis: 1_500, after_effect: false };
    app.sandbox.klap.inject(Fault { operation: Operation::CreateTask, times: 1, effect });
    let first = app.queue.only();
    let answers = at_once(&app).await;
    let busy: Vec<&Answer> = answers.iter().filter(|answer| answer.status == 429).collect();
    assert!(answers.iter().all(|answer| [200, 429].contains(&answer.status)), "{answers:#?}");
    assert!(!busy.is_empty(), "no copy met another at work");
    for answer in busy {
        let after: u64 = answer.header("retry-after").parse().unwrap();
        // The lease of a paid call is 46 s, and one more.
        assert!((1..=47).contains(&after), "{after}");
    }
    assert_eq!(answers.iter().filter(|answer| answer.body == json!({"success": true})).count(), 1);
    let counts = app.sandbox.klap.counts().await.unwrap();
    assert_eq!((counts.tasks, counts.calls[&Operation::CreateTask]), (1, 1));
    app.queue.set_fate(&first.id, crate::support::queue::Fate::Delivered);

    // The same with each later step.
    while !app.job(&job).await.is_final() {
        let sent = app.queue.only();
        let answers = at_once(&app).await;
        assert!(answers.iter().all(|answer| [200, 429].contains(&answer.status)), "{answers:#?}");
        app.queue.set_fate(&sent.id, crate::support::queue::Fate::Delivered);
    }
    assert_eq!(app.status(&job).await["status"], json!("completed"));
    let counts = app.sandbox.klap.counts().await.unwrap();
    assert_eq!((counts.tasks, counts.exports_total), (1, 2));
    assert_eq!(app.sandbox.supabase.counts().uploads_finished, 2, "each clip is stored once");
    app.settled().await;
}
