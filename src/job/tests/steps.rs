//! Claims, attempts, waits, deadlines and ends.

use super::*;

fn retry() -> Outcome {
    Outcome::Retry { failure: failure("again"), after: None }
}

fn away(after: Option<Millis>) -> Outcome {
    Outcome::Away { after, failure: failure("away") }
}

/// Claimed so many times in a row, each but the last cut off.
fn claimed(times: u32) -> Job {
    (0..times).fold(queued(), |job, _| after(&job, &claim("a", T0 + 23 * SECOND), T0))
}

#[test]
fn a_claim_adds_an_attempt_and_the_first_one_starts_the_clock() {
    let job = claimed(1);
    assert_eq!((job.attempts, job.started_at, job.deadline), (1, Some(T0), T0 + LIMITS.job_timeout));
    assert!(job.message.sent, "a claim is proof of sending");
    let later = T0 + 30 * SECOND;
    let again = after(&job, &claim("b", later + 23 * SECOND), later);
    assert_eq!((again.attempts, again.started_at, again.deadline), (2, Some(T0), T0 + LIMITS.job_timeout));
    assert_eq!(again.lease(later, OPENING).map(|lease| lease.token.as_str()), Some("b"));
    assert_eq!(apply(&again, &settle("a", Outcome::Done), later, &LIMITS), Err(Refused::Fenced));
    let shorter = after(&again, &claim("c", later + SECOND), later);
    assert_eq!(shorter.leased_until, later + 23 * SECOND, "an earlier holder may still be at work");
}

#[test]
fn a_job_queued_has_its_own_deadline() {
    assert_eq!(queued().deadline, T0 + LIMITS.queue_timeout);
    let later = T0 + 60 * MINUTE;
    let job = after(&queued(), &claim("a", later + SECOND), later);
    assert_eq!(job.deadline, later + LIMITS.job_timeout, "waiting in the queue takes nothing from it");
}

#[test]
fn what_gets_somewhere_counts_attempts_anew() {
    let attempts = |event: &Event| after(&claimed(2), event, T0).attempts;
    assert_eq!(attempts(&settle("a", Outcome::Next { step: "list", after: 0 })), 0);
    assert_eq!(attempts(&settle("a", Outcome::Wait { after: 0 })), 0);
    assert_eq!(attempts(&settle("a", away(None))), 0);
    assert_eq!(attempts(&checkpoint("a", 10, true)), 0);
    assert_eq!(attempts(&checkpoint("a", 10, false)), 2, "writing down is not getting somewhere");
    assert_eq!(attempts(&settle("a", retry())), 2);
    assert_eq!(attempts(&spent(&claimed(2), true, 0)), 2, "nor is being sent anew");
}

#[test]
fn used_up_attempts_fail_the_job_with_the_last_error() {
    let second = after(&claimed(2), &settle("a", retry()), T0);
    assert_eq!((&second.state, &second.error), (&State::Waiting, &Some(failure("again"))));
    let third = after(&claimed(3), &settle("a", retry()), T0);
    assert_eq!((&third.state, &third.error), (&State::Failed, &Some(failure("again"))));
    assert_eq!(third.finished_at, Some(T0));
    let lenient = Limits { max_attempts: 4, ..LIMITS };
    assert_eq!(apply(&claimed(3), &settle("a", retry()), T0, &lenient).unwrap().state, State::Waiting);
}

#[test]
fn a_step_that_got_somewhere_before_it_failed_has_all_its_attempts_again() {
    let job = after(&claimed(3), &checkpoint("a", 10, true), T0);
    assert_eq!(after(&job, &settle("a", retry()), T0).state, State::Waiting);
}

#[test]
fn a_committed_step_opens_the_next_position() {
    let job = after(&claimed(2), &settle("a", Outcome::Next { step: "list", after: 5 * SECOND }), T0 + SECOND);
    assert_eq!((job.at, job.send, job.step.as_str()), (Position { epoch: 1, seq: 2 }, 1, "list"));
    assert_eq!(job.message, Outgoing::new(T0 + 6 * SECOND, T0 + SECOND));
    assert!(job.unsent());
    assert_eq!(job.plan, json!({"settled": true}));
    let same = after(&claimed(1), &settle("a", Outcome::Wait { after: SECOND }), T0);
    assert_eq!((same.at.seq, same.step.as_str()), (2, "submit"), "a wait is the same step at a new position");
}

#[test]
fn waits_for_a_vendor_grow_until_it_answers() {
    let mut job = queued();
    let mut waits = Vec::new();
    for _ in 0..7 {
        job = after(&job, &claim_at(job.at, "a", T0 + SECOND), T0);
        job = after(&job, &settle("a", away(None)), T0);
        waits.push((job.message.not_before - T0) / SECOND);
    }
    assert_eq!(waits, [10, 20, 40, 80, 160, 300, 300]);
    assert_eq!((job.waits, job.error.as_ref()), (7, Some(&failure("away"))));
    let job = after(&job, &claim_at(job.at, "a", T0 + SECOND), T0);
    let asked = |wish| after(&job, &settle("a", away(Some(wish))), T0).message.not_before - T0;
    assert_eq!(asked(70 * SECOND), 70 * SECOND, "the vendor's own wish comes first");
    assert_eq!(asked(SECOND), 10 * SECOND, "but no look costs a message sooner than ours would");
    let answered = after(&job, &settle("a", Outcome::Wait { after: 0 }), T0);
    assert_eq!((answered.waits, answered.error), (0, None));
}

#[test]
fn ends_say_what_they_are() {
    let job = after(&claimed(2), &settle("a", away(None)), T0);
    let job = after(&job, &claim_at(job.at, "a", T0 + MINUTE), T0);
    assert!(job.error.is_some());
    let ended = |event: &Event| {
        let job = after(&job, event, T0 + SECOND);
        assert_eq!((job.finished_at, job.due(), job.next_update_at(T0)), (Some(T0 + SECOND), None, None));
        (job.stage.clone(), job.progress, job.error.is_some())
    };
    assert_eq!(ended(&settle("a", Outcome::Done)), ("Clips are ready".to_owned(), 100, false));
    assert_eq!(ended(&Event::Cancel { by: By::Owner }), ("Cancelled".to_owned(), 40, false));
    assert_eq!(ended(&Event::Fail { failure: failure("broken"), by: By::Push }), ("Failed".to_owned(), 40, true));
}

#[test]
fn progress_never_falls_nor_passes_a_hundred() {
    let job = after(&running(), &checkpoint("a", 30, true), T0);
    let back = after(&job, &checkpoint("a", 20, true), T0);
    assert_eq!((back.progress, back.stage.as_str()), (30, "at 20"));
    assert_eq!(after(&back, &checkpoint("a", 200, true), T0).progress, 100);
}

#[test]
fn ended_jobs_stay_by_how_they_ended() {
    let done = after(&running(), &settle("a", Outcome::Done), T0);
    assert_eq!(done.remaining_ttl(T0, &LIMITS), Some(LIMITS.done_ttl));
    assert_eq!(done.remaining_ttl(T0 + MINUTE, &LIMITS), Some(LIMITS.done_ttl - MINUTE));
    assert_eq!(
        done.remaining_ttl(T0 + 2 * LIMITS.done_ttl, &LIMITS),
        Some(SECOND),
        "deleted soon, never kept for good"
    );
    assert_eq!(failed().remaining_ttl(T0, &LIMITS), Some(LIMITS.failed_ttl));
    assert_eq!(
        after(&queued(), &Event::Cancel { by: By::Owner }, T0).remaining_ttl(T0, &LIMITS),
        Some(LIMITS.done_ttl)
    );
    assert_eq!(waiting().remaining_ttl(T0, &LIMITS), None, "a live job has no end to its stay");
}

#[test]
fn a_person_opens_a_new_epoch_that_waits_for_the_old_lease() {
    let mut job = after(&running(), &receive("a", "task_1"), T0);
    job = after(&job, &checkpoint("a", 30, true), T0);
    job = after(&job, &Event::Fail { failure: failure("broken"), by: By::Push }, T0);
    let now = T0 + 5 * SECOND;
    let reopened = after(&job, &retry_by_hand(), now);
    assert_eq!((reopened.at, reopened.send), (Position { epoch: 2, seq: 1 }, 1));
    assert_eq!(reopened.message, Outgoing::new(T0 + 23 * SECOND, now), "published now, delivered after the lease");
    assert_eq!(
        (reopened.step.as_str(), &reopened.plan, reopened.stage.as_str()),
        ("export", &json!({"revived": true}), "Exporting")
    );
    assert_eq!((reopened.attempts, reopened.waits, &reopened.error, reopened.finished_at), (0, 0, &None, None));
    assert_eq!((reopened.progress, &reopened.ledger), (30, &job.ledger), "what is paid stays paid");
    assert_eq!((reopened.started_at, reopened.deadline), (None, now + LIMITS.queue_timeout));
    let claimed = after(&reopened, &claim_at(reopened.at, "b", now + MINUTE), now + MINUTE);
    assert_eq!(claimed.deadline, now + MINUTE + LIMITS.job_timeout, "the epoch has a deadline of its own");
    let long_after = after(&job, &retry_by_hand(), T0 + 60 * MINUTE);
    assert_eq!(long_after.message.not_before, T0 + 60 * MINUTE);
}

#[test]
fn time_as_written_never_runs_backwards() {
    let job = after(&running(), &checkpoint("a", 1, true), T0 + SECOND);
    assert_eq!(after(&job, &checkpoint("a", 2, true), T0).updated_at, T0 + SECOND);
}
