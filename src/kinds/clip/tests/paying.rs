//! When the task is paid for, and when an export is paid again.

use super::*;
use crate::job::{Ledger, Receipt};

/// A ledger with unknown submits made in these epochs.
fn unknown(plan: &Plan, epochs: &[u32]) -> Ledger {
    let mut ledger = Ledger::default();
    for &epoch in epochs {
        ledger.intend(&plan.submit_effect(), Position { epoch, seq: 1 }, T0, false);
    }
    ledger
}

fn receipt(effect: &str, id: &str) -> Receipt {
    Receipt { effect: effect.to_owned(), id: id.to_owned() }
}

#[test]
fn an_unknown_submit_is_repeated_once_and_once_more_for_each_retry_by_a_person() {
    let plan = Plan::beginning();
    let decided = |epochs: &[u32], epoch| plan.submit(&unknown(&plan, epochs), epoch);
    assert_eq!(decided(&[], 1), Submit::Pay);
    assert_eq!(decided(&[1], 1), Submit::Pay);
    assert_eq!(decided(&[1, 1], 1), Submit::GiveUp);
    assert_eq!(decided(&[1, 1], 2), Submit::Pay);
    assert_eq!(decided(&[1, 1, 2], 2), Submit::GiveUp);
    assert_eq!(decided(&[1, 1, 2], 3), Submit::Pay);
    assert_eq!(decided(&[1, 1, 2, 3], 3), Submit::GiveUp);
}

#[test]
fn a_task_made_anew_in_a_later_epoch_is_repeated_once_like_the_first() {
    let mut plan = Plan::beginning();
    let mut ledger = unknown(&plan, &[1, 1]);
    plan.begin_again();
    assert_eq!(plan.submit_effect(), "submit:2");
    for expected in [Submit::Pay, Submit::Pay, Submit::GiveUp] {
        assert_eq!(plan.submit(&ledger, 3), expected);
        ledger.intend("submit:2", Position { epoch: 3, seq: 1 }, T0, false);
    }
}

#[test]
fn a_receipt_settles_it_whatever_else_is_unknown() {
    let plan = Plan::beginning();
    let mut ledger = unknown(&plan, &[1, 1, 1]);
    ledger.receive(&receipt("submit:1", "task_1"));
    assert_eq!(plan.submit(&ledger, 1), Submit::Have("task_1".to_owned()));
    let again = Plan { generation: 2, ..Plan::beginning() };
    assert_eq!(again.submit(&ledger, 1), Submit::Pay, "another task's receipt is not this one's");
}

#[test]
fn a_rebuilt_job_has_used_up_its_one_repetition_in_any_epoch() {
    for epoch in [1, 2, 5] {
        let Start { plan, possibly_paid, .. } = rebuild(&[], &Value::Null);
        let at = Position { epoch, seq: 1 };
        let (plan, mut ledger) = (Plan::read(&plan).unwrap(), Ledger::default());
        for effect in &possibly_paid {
            ledger.intend(effect, at, T0, true);
        }
        assert_eq!(plan.submit(&ledger, epoch), Submit::Pay);
        ledger.intend(&plan.submit_effect(), at, T0, false);
        assert_eq!(ledger.possible_duplicates, 1, "it may have been billed before");
        assert_eq!(plan.submit(&ledger, epoch), Submit::GiveUp, "in epoch {epoch}");
    }
}

#[test]
fn an_export_in_error_is_paid_once_more_and_once_more_for_a_retry() {
    let mut clip = exported("a", ClipState::Exporting);
    clip.upload = Some(Upload { url: "https://upload".to_owned(), total: 9, offset: 3 });
    assert_eq!(clip.export_effect(), "export:a:1");
    clip.export_failed("no voice");
    assert_eq!((clip.state, clip.export_effect().as_str(), &clip.export), (ClipState::Pending, "export:a:2", &None));
    assert_eq!((clip.upload.as_ref(), clip.error.as_deref()), (None, Some("no voice")));
    clip.export = Some("second".to_owned());
    clip.export_failed("no voice either");
    assert_eq!((clip.state, clip.error.as_deref()), (ClipState::Failed, Some("no voice either")));

    let mut plan = plan_of(vec![clip]);
    plan.revive_clips();
    let clip = &mut plan.clips[0];
    assert_eq!((clip.state, clip.export_effect().as_str()), (ClipState::Pending, "export:a:3"), "other paid work");
    clip.export_failed("nor now");
    assert_eq!(clip.state, ClipState::Failed, "a retry allows one more, not two");
}

/// What a retry says that it pays for again.
fn again(job: &Job) -> Option<String> {
    reopen(job).unwrap().pays_again
}

#[test]
fn a_retry_that_makes_a_new_task_says_that_it_pays_again() {
    let failed = |code: &str, step| failed_at(step, Failure::retryable(code, "gone"), &plan_of(Vec::new()));
    for code in ["klap_task_failed", "klap_task_lost"] {
        let mut job = failed(code, "await_task");
        job.ledger.receive(&receipt("submit:1", "task_1"));
        assert_eq!(again(&job).as_deref(), Some("a new task at Klap"), "{code}");
    }
    let mut unknown_twice = failed("klap_submit_unknown", "submit");
    unknown_twice.ledger = unknown(&Plan::beginning(), &[1, 1]);
    assert_eq!(again(&unknown_twice).as_deref(), Some("a new task at Klap"), "one may have been paid");
    unknown_twice.ledger.receive(&receipt("submit:1", "task_1"));
    assert_eq!(again(&unknown_twice), None, "it has turned up");
    assert_eq!(again(&failed("klap_unauthorized", "submit")), None, "nothing was paid before");
    let mut late = failed("job_timeout", "await_task");
    late.ledger.receive(&receipt("submit:1", "task_1"));
    assert_eq!(again(&late), None, "the task is looked at further");
}

#[test]
fn a_retry_that_pays_for_exports_again_says_so() {
    let in_error = |id: &str| Clip { generation: 3, paid_again: true, ..clip(id, ClipState::Failed) };
    let job = |clips| failed_at("transfer", Failure::retryable("no_clips_stored", "none"), &plan_of(clips));
    assert_eq!(again(&job(vec![stored("a"), in_error("b")])).as_deref(), Some("a clip's export once more"));
    let two = job(vec![in_error("a"), in_error("b"), exported("c", ClipState::Failed)]);
    assert_eq!(again(&two).as_deref(), Some("the exports of 2 clips once more"));
    assert_eq!(again(&job(vec![exported("a", ClipState::Failed)])), None, "it is fetched again");
    assert_eq!(again(&job(vec![clip("a", ClipState::Failed)])), None, "it was never paid");
}
