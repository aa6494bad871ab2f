//! The one live message: publishing it, looking for it, sending it anew, and when that falls due.

use super::*;

fn due_in(job: &Job, now: Millis) -> u64 {
    (job.due().expect("a live job falls due") - now) / SECOND
}

#[test]
fn what_is_not_published_is_due_at_once() {
    let job = queued();
    assert!(job.unsent());
    assert_eq!(job.due(), Some(T0));
    let later = after(&running(), &settle("a", Outcome::Wait { after: 60 * MINUTE }), T0);
    assert_eq!(later.due(), Some(T0), "however late it is to be delivered");
}

#[test]
fn a_published_message_is_looked_for_after_1_5_and_then_every_15_minutes() {
    let mut job = queued();
    job = after(&job, &sent(&job, "msg_1"), T0);
    let mut looks = vec![due_in(&job, T0)];
    for _ in 0..4 {
        job = after(&job, &Event::Looked { push: push(&job) }, T0);
        looks.push(due_in(&job, T0));
    }
    assert_eq!(looks, [60, 300, 900, 900, 900]);
    let delayed = after(&running(), &settle("a", Outcome::Wait { after: 10 * MINUTE }), T0);
    let delayed = after(&delayed, &sent(&delayed, "msg_2"), T0);
    assert_eq!(due_in(&delayed, T0), 11 * 60, "counted from its delivery");
}

#[test]
fn a_publish_is_noted_once_with_the_id_its_answer_brought() {
    let unsent = queued();
    let job = after(&unsent, &sent(&unsent, "msg_1"), T0);
    assert!(job.message.sent && !job.unsent());
    assert_eq!(apply(&job, &sent(&job, "msg_1"), T0, &LIMITS), Err(Refused::Nothing));
    assert_eq!(apply(&job, &sent(&job, "msg_other"), T0, &LIMITS), Err(Refused::Nothing));
    let claimed = running();
    assert_eq!(claimed.message.message_id, None, "claimed before the publish was answered");
    assert_eq!(after(&claimed, &sent(&claimed, "msg_1"), T0).message.message_id.as_deref(), Some("msg_1"));
}

#[test]
fn each_sending_anew_has_its_own_deduplication_id_and_looks_later() {
    let mut job = queued();
    let mut ids = vec![job.deduplication_id()];
    let mut looks = Vec::new();
    for round in 0..4 {
        let now = T0 + round * MINUTE;
        job = after(&job, &sent(&job, "msg"), now);
        looks.push(due_in(&job, now));
        job = after(&job, &spent(&job, true, 2 * SECOND), now);
        assert_eq!(job.message.not_before, now + 2 * SECOND);
        assert!(job.unsent() && !job.message.spent && job.message.message_id.is_none());
        job.message.not_before = now;
        ids.push(job.deduplication_id());
    }
    assert_eq!(ids, ["job_1.1.1.1", "job_1.1.1.2", "job_1.1.1.3", "job_1.1.1.4", "job_1.1.1.5"]);
    assert_eq!(looks, [60, 300, 900, 900]);
    assert_eq!(job.state, State::Queued, "nobody has claimed it yet");
}

#[test]
fn news_of_an_earlier_sending_changes_nothing() {
    let first = queued();
    let second = after(&first, &spent(&first, true, 0), T0);
    for stale in [sent(&first, "msg_1"), spent(&first, true, 0), Event::Looked { push: push(&first) }] {
        assert_eq!(apply(&second, &stale, T0, &LIMITS), Err(Refused::OldNews));
    }
}

#[test]
fn a_message_spent_under_a_lease_is_noted_once_and_looked_at_when_the_lease_ends() {
    let job = running();
    assert_eq!(due_in(&job, T0), 23 + 60);
    let noted = after(&job, &spent(&job, false, 0), T0);
    assert_eq!((&noted.state, noted.send, noted.message.dlq_id.as_deref()), (&job.state, 1, Some("dlq_1")));
    assert_eq!(due_in(&noted, T0), 23);
    assert_eq!(apply(&noted, &spent(&noted, false, 0), T0, &LIMITS), Err(Refused::Nothing));
    let anonymous = Event::Spent { push: push(&noted), by: By::Push, dlq_id: None, lease_over: false, after: 0 };
    assert_eq!(apply(&noted, &anonymous, T0, &LIMITS), Err(Refused::Nothing));
    let over = after(&noted, &spent(&noted, true, SECOND), T0 + MINUTE);
    assert_eq!((&over.state, over.send, over.attempts), (&State::Waiting, 2, 1));
    assert_eq!(over.message.not_before, T0 + MINUTE + SECOND);
}

#[test]
fn a_failed_attempt_is_left_to_redelivery_unless_its_message_is_spent() {
    let retry = settle("a", Outcome::Retry { failure: failure("again"), after: None });
    let job = running();
    let job = after(&job, &sent(&job, "msg_1"), T0);
    let redelivered = after(&job, &retry, T0);
    assert_eq!((redelivered.at.seq, redelivered.send, redelivered.unsent()), (1, 1, false));
    assert_eq!(redelivered.message.not_before, T0 + 5 * SECOND);
    assert_eq!(due_in(&redelivered, T0), 5 + 60);
    let spent = after(&job, &spent(&job, false, 0), T0);
    let anew = after(&spent, &retry, T0);
    assert_eq!((anew.at.seq, anew.send, anew.unsent()), (1, 2, true));
    assert_eq!((anew.message.not_before, anew.message.spent, anew.due()), (T0 + 5 * SECOND, false, Some(T0)));
    let asked = settle("a", Outcome::Retry { failure: failure("again"), after: Some(42 * SECOND) });
    assert_eq!(after(&job, &asked, T0).message.not_before, T0 + 42 * SECOND);
}

#[test]
fn nothing_is_due_later_than_the_deadline_or_the_lease_that_outlives_it() {
    let mut job = waiting();
    job.deadline = T0 + 30 * SECOND;
    assert_eq!(job.leased_until, T0, "its holder has ended");
    assert_eq!(due_in(&job, T0), 30);
    job.leased_until = T0 + 45 * SECOND;
    assert_eq!(due_in(&job, T0), 45);
}

#[test]
fn watchers_are_told_when_something_can_change() {
    let next = |job: &Job| job.next_update_at(T0).map(|at| at - T0);
    assert_eq!(next(&running()), Some(SECOND));
    assert_eq!(next(&queued()), Some(SECOND), "at the earliest in a second");
    let later = after(&running(), &settle("a", Outcome::Wait { after: 30 * SECOND }), T0);
    assert_eq!(next(&later), Some(30 * SECOND));
    assert_eq!(next(&failed()), None);
}

#[test]
fn a_pointer_names_the_job_and_its_epoch() {
    assert_eq!(queued().pointer(), "job_1.1");
    assert_eq!(after(&failed(), &retry_by_hand(), T0).pointer(), "job_1.2");
}

#[test]
fn a_late_delivery_proves_nothing_of_the_message_sent_anew() {
    let first = waiting();
    let spent = Event::Spent { push: push(&first), by: By::Push, dlq_id: None, lease_over: true, after: SECOND };
    let anew = after(&first, &spent, T0);
    assert!(anew.unsent());
    let by_the_first = after(&anew, &claim_at(anew.at, "a", T0 + MINUTE), T0);
    assert!(by_the_first.unsent(), "the second message is recorded and not known to be out");
    let lease = Lease { token: token("a"), until: T0 + MINUTE, opening: OPENING.to_owned() };
    let by_the_second = after(&anew, &Event::Claim { push: push(&anew), lease, from: Origin::default() }, T0);
    assert!(!by_the_second.unsent());
}
