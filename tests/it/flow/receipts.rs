//! A paid id is never thrown away: written after the step was cut off, after its lease, after the job's end, and read by
//! whoever comes next.

use super::frozen::{Frozen, LEASE, is_success, pass};
use crate::support::app::TestApp;
use crate::support::queue::{Fate, Sent};
use crate::support::watched::Moment;
use cliprelay::embedded::klap::Operation;
use cliprelay::job::{Job, State};
use serde_json::json;
use std::time::Duration;

/// Write 0 of these steps is the claim, 1 the intent, 2 the first receipt.
const RECEIPT: usize = 2;
const STEPS: [&str; 2] = ["submit", "export"];
const CLIPS: u32 = 3;

/// A job whose worker waits for the store to take its first receipt of that step; all paid calls of it are answered.
async fn about_to_write(app: &TestApp, step: &str, moment: Moment) -> (String, Sent, Frozen) {
    let job = app.enqueue("p1", CLIPS).await;
    app.run_to(&job, step).await;
    let sent = app.queue.only();
    let mut frozen = Frozen::at(app, &sent, RECEIPT, moment).await;
    let exports = if step == "submit" { 0 } else { u64::from(CLIPS) };
    let paid = async || app.sandbox.klap.counts().await.unwrap().exports_total == exports;
    frozen.hears(app, "every export is paid", paid).await;
    (job, sent, frozen)
}

/// So many ids are known of the step's paid calls.
fn knows_all(job: &Job, step: &str, name: &str) {
    let prefix = format!("{step}:");
    let known = job.ledger.receipts.iter().filter(|receipt| receipt.effect.starts_with(&prefix)).count();
    let expected = if step == "submit" { 1 } else { CLIPS as usize };
    assert_eq!(known, expected, "{name}: {:#?}", job.ledger);
    assert!(job.ledger.intents.is_empty(), "{name}: {:#?}", job.ledger);
}

/// The job goes on to its end without paying for anything again, or asking Klap what was paid.
async fn completes(app: &TestApp, job: &str, name: &str) {
    app.run().await;
    let record = app.job(job).await;
    assert_eq!((&record.state, record.ledger.possible_duplicates), (&State::Done, 0), "{name}: {record:#?}");
    let counts = app.sandbox.klap.counts().await.unwrap();
    assert_eq!((counts.tasks, counts.exports_total), (1, u64::from(CLIPS)), "{name}");
    assert_eq!(counts.calls.get(&Operation::Exports), None, "{name}: receipts make looking up needless");
    app.settled().await;
}

#[tokio::test]
async fn receipts_that_a_step_could_not_write_while_it_ran_are_written_when_it_is_cut_off() {
    for step in STEPS {
        for moment in [Moment::Before, Moment::After] {
            let name = format!("{step} {moment:?}");
            let app = TestApp::start().await;
            let (job, _, frozen) = about_to_write(&app, step, moment).await;
            // The store never answers that write. The step's limit and its lease go by.
            pass(&app, LEASE).await;
            let reply = frozen.go_on_without_an_answer().await;
            assert!(!is_success(&reply), "{name}: {reply:?}");
            knows_all(&app.job(&job).await, step, &name);
            completes(&app, &job, &name).await;
        }
    }
}

#[tokio::test]
async fn the_limit_of_a_step_does_not_cut_off_a_receipt_that_the_lease_still_has_time_for() {
    for step in STEPS {
        let app = TestApp::start().await;
        let (job, sent, frozen) = about_to_write(&app, step, Moment::Before).await;
        // The step may take 40 s, its lease 46 s: the write is answered in between, and all goes on as if nothing were.
        pass(&app, Duration::from_secs(43)).await;
        let before = app.watch.commits();
        let reply = frozen.wake().await;
        assert!(is_success(&reply), "{step}: {reply:?}");
        knows_all(&app.job(&job).await, step, step);
        let receipts = if step == "submit" { 0 } else { CLIPS as usize - 1 };
        assert_eq!(app.watch.commits() - before, receipts + 2, "{step}: nothing is written twice");
        app.queue.set_fate(&sent.id, Fate::Delivered);
        completes(&app, &job, step).await;
    }
}

#[tokio::test]
async fn a_worker_that_wakes_after_its_lease_keeps_its_receipts_for_the_next_attempt() {
    for step in STEPS {
        let app = TestApp::start().await;
        let (job, _, frozen) = about_to_write(&app, step, Moment::Before).await;
        pass(&app, LEASE).await;
        let reply = frozen.wake().await;
        assert!(!is_success(&reply), "{step}: {reply:?}");
        knows_all(&app.job(&job).await, step, step);
        completes(&app, &job, step).await;
    }
}

#[tokio::test]
async fn receipts_are_written_beside_another_delivery_at_work_and_used_by_the_next() {
    for step in STEPS {
        let app = TestApp::start().await;
        let (job, sent, frozen) = about_to_write(&app, step, Moment::Before).await;
        pass(&app, LEASE).await;
        assert!(app.cut_off(&sent, 0, Moment::After).await.is_none(), "another delivery has claimed the step");
        let before = app.job(&job).await;
        let reply = frozen.wake().await;
        assert!(!is_success(&reply), "{step}: {reply:?}");
        let after = app.job(&job).await;
        knows_all(&after, step, step);
        let held = (&after.state, after.at, after.attempts, &after.plan);
        assert_eq!(
            held,
            (&before.state, before.at, before.attempts, &before.plan),
            "{step}: only the receipts are new"
        );
        app.clock.advance(LEASE);
        completes(&app, &job, step).await;
    }
}

#[tokio::test]
async fn receipts_that_come_after_cancelling_are_kept() {
    for step in STEPS {
        let app = TestApp::start().await;
        let (job, sent, frozen) = about_to_write(&app, step, Moment::Before).await;
        pass(&app, LEASE).await;
        app.cancel(&job).await.expect(200);
        app.queue.set_fate(&sent.id, Fate::Delivered);
        frozen.wake().await;
        let record = app.job(&job).await;
        assert_eq!(record.state, State::Cancelled);
        knows_all(&record, step, step);
        app.settled().await;
    }
}

#[tokio::test]
async fn receipts_that_come_in_a_later_epoch_are_kept_and_used_there() {
    for step in STEPS {
        let app = TestApp::start().await;
        let (job, sent, frozen) = about_to_write(&app, step, Moment::Before).await;
        pass(&app, Duration::from_hours(3)).await;
        assert_eq!(app.cron().await["failed"], json!(1));
        app.queue.set_fate(&sent.id, Fate::Delivered);
        app.retry(&job).await.expect(202);
        frozen.wake().await;
        let record = app.job(&job).await;
        assert_eq!((record.at.epoch, &record.state), (2, &State::Waiting));
        knows_all(&record, step, step);
        completes(&app, &job, step).await;
    }
}

#[tokio::test]
async fn a_receipt_for_a_record_that_has_expired_does_not_bring_the_job_back() {
    let app = TestApp::start().await;
    let (job, sent, frozen) = about_to_write(&app, "submit", Moment::Before).await;
    pass(&app, LEASE).await;
    app.cancel(&job).await.expect(200);
    app.queue.set_fate(&sent.id, Fate::Delivered);
    pass(&app, Duration::from_hours(25)).await;
    assert!(app.record(&job).await.is_none());
    frozen.wake().await;
    assert!(app.record(&job).await.is_none(), "nobody could use it, and nobody would ever delete it");
    app.settled().await;
}
