//! A process may end at any write. Here it ends just before and just after each one of a whole job, and another goes on.

use crate::support::app::TestApp;
use crate::support::queue::Sent;
use crate::support::watched::Moment;
use std::time::Duration;

const CLIPS: usize = 2;
/// Longer than any lease.
const LEASE: Duration = Duration::from_mins(6);

/// Runs a job whose process is cut off at its `nth` write; whether it came that far.
async fn dies_at(app: &TestApp, project: &str, nth: usize, moment: Moment) -> bool {
    let before = app.sandbox.klap.counts().await.unwrap();
    let objects = app.sandbox.supabase.objects().await.unwrap().len();
    let job = app.enqueue(project, u32::try_from(CLIPS).unwrap()).await;
    let mut left = Some(nth);
    while !app.job(&job).await.is_final() {
        let Some(sent) = app.queue.waiting().into_iter().next() else {
            // Committed but not published, and nobody will push: the sweep's.
            app.clock.advance(Duration::from_mins(20));
            app.cron().await;
            assert!(!app.queue.waiting().is_empty(), "{moment:?} write {nth}: nobody will look at the job again");
            continue;
        };
        if let Some(writes) = left {
            left = cut_off_or_run(app, &sent, writes, moment).await;
            continue;
        }
        app.deliver(&sent).await;
    }
    app.run().await;
    let record = app.job(&job).await;
    let name = format!("{moment:?} write {nth}: {record:#?}");
    assert_eq!(record.state.public(), "completed", "{name}");
    let after = app.sandbox.klap.counts().await.unwrap();
    let paid_again = u64::from(record.ledger.possible_duplicates);
    assert!(paid_again <= 1, "{name}");
    assert!(after.tasks - before.tasks <= 1 + paid_again, "a task was paid again unsaid: {name}");
    let paid: u64 = after.exports_total - before.exports_total;
    assert_eq!(paid, CLIPS as u64, "an export was paid again: {name}");
    let stored = app.sandbox.supabase.objects().await.unwrap().len() - objects;
    assert_eq!(stored, CLIPS, "{name}");
    left.is_none()
}

/// What is left of `writes` after this push; `None` once the process is dead.
async fn cut_off_or_run(app: &TestApp, sent: &Sent, writes: usize, moment: Moment) -> Option<usize> {
    let before = app.watch.commits();
    let reply = app.cut_off(sent, writes, moment).await;
    if reply.is_none() {
        app.clock.advance(LEASE);
        return None;
    }
    app.queue.set_fate(&sent.id, crate::support::queue::Fate::Delivered);
    Some(writes - (app.watch.commits() - before))
}

async fn dies_everywhere(moment: Moment) {
    let app = TestApp::start().await;
    let mut nth = 0;
    while dies_at(&app, &format!("p{nth}"), nth, moment).await {
        nth += 1;
    }
    assert!(nth > 20, "only {nth} writes were met");
    app.settled().await;
}

#[tokio::test]
async fn a_process_may_end_before_any_write() {
    dies_everywhere(Moment::Before).await;
}

#[tokio::test]
async fn a_process_may_end_after_any_write() {
    dies_everywhere(Moment::After).await;
}

#[tokio::test]
async fn the_rest_of_a_dead_processes_lease_is_waited_for() {
    let app = TestApp::start().await;
    let job = app.enqueue("p1", 1).await;
    let sent = app.queue.only();
    // Dead right after the claim.
    assert!(app.cut_off(&sent, 0, Moment::After).await.is_none());
    app.clock.advance(Duration::from_secs(40));
    let busy = app.push(&sent).await.expect(429);
    assert_eq!(busy.header("retry-after"), "7", "the lease's other 6 s and one more");
    app.clock.advance(Duration::from_secs(7));
    app.push(&sent).await.expect(200);
    app.queue.set_fate(&sent.id, crate::support::queue::Fate::Delivered);
    assert_eq!(app.job(&job).await.ledger.possible_duplicates, 0, "no paid call was begun");
    app.run().await;
    app.settled().await;
}
