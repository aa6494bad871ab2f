//! What a push means to the job it names.

use super::*;

const LEASE_END: Millis = T0 + 23 * SECOND;

/// At the second position of the first epoch, its message sent a second time.
fn second() -> Job {
    let job = waiting();
    after(&job, &spent(&job, true, 0), T0)
}

fn judged(job: &Job, epoch: u32, seq: u32, send: u32) -> Judgement {
    judge(job, Push { at: Position { epoch, seq }, send }, T0 + SECOND, OPENING, &LIMITS)
}

#[test]
fn a_push_is_judged_by_its_position_then_by_its_sending() {
    let job = second();
    assert_eq!((job.at, job.send), (Position { epoch: 1, seq: 2 }, 2));
    assert_eq!(judged(&job, 1, 1, 1), Judgement::OldNews);
    assert_eq!(judged(&job, 1, 1, 9), Judgement::OldNews, "however often that was sent");
    assert_eq!(judged(&job, 1, 2, 1), Judgement::Due, "an earlier sending of the same step does its work as well");
    assert_eq!(judged(&job, 1, 2, 2), Judgement::Due);
    assert_eq!(judged(&job, 1, 2, 3), Judgement::Forgotten, "the record of that sending is lost");
    assert_eq!(judged(&job, 1, 3, 1), Judgement::Forgotten);
    assert_eq!(judged(&job, 2, 1, 1), Judgement::Forgotten);
}

#[test]
fn a_final_job_has_moved_on_from_every_push_but_those_of_a_later_epoch() {
    let ended = [
        after(&second(), &Event::Cancel { by: By::Owner }, T0),
        after(&second(), &Event::Fail { failure: failure("broken"), by: By::Push }, T0),
        after(&running(), &settle("a", Outcome::Done), T0),
    ];
    for job in ended {
        for (seq, send) in [(1, 1), (2, 2), (2, 3), (3, 1)] {
            assert_eq!(judged(&job, 1, seq, send), Judgement::OldNews, "{seq}.{send} would revive {:?}", job.state);
        }
        assert_eq!(judged(&job, 2, 1, 1), Judgement::Forgotten, "a retry of it was recorded and lost");
    }
}

#[test]
fn a_lease_is_judged_by_its_end_and_by_the_opening_it_was_given_in() {
    let job = running();
    let judged = |now, opening| judge(&job, push(&job), now, opening, &LIMITS);
    assert_eq!(judged(T0, OPENING), Judgement::Leased { until: LEASE_END });
    assert_eq!(judged(LEASE_END - 1, OPENING), Judgement::Leased { until: LEASE_END });
    assert_eq!(judged(LEASE_END, OPENING), Judgement::Due);
    assert_eq!(judged(T0, "the next one"), Judgement::Due, "whoever held it is gone");
}

#[test]
fn time_and_attempts_end_a_job_but_not_under_a_running_delivery() {
    let mut job = running();
    job.deadline = T0 + 10 * SECOND;
    let at = |job: &Job, now| judge(job, push(job), now, OPENING, &LIMITS);
    assert_eq!(at(&job, T0 + 10 * SECOND), Judgement::Leased { until: LEASE_END });
    assert_eq!(at(&job, LEASE_END), Judgement::Expired);

    let mut job = running();
    job.attempts = LIMITS.max_attempts;
    assert_eq!(at(&job, T0), Judgement::Leased { until: LEASE_END });
    assert_eq!(at(&job, LEASE_END), Judgement::Exhausted);
    job.attempts -= 1;
    assert_eq!(at(&job, LEASE_END), Judgement::Due);

    let job = waiting();
    assert_eq!(at(&job, job.deadline - 1), Judgement::Due);
    assert_eq!(at(&job, job.deadline), Judgement::Expired);
}
