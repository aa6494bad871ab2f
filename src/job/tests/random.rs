//! Any events in any order: what stays true.

use super::*;
use proptest::prelude::*;
use std::collections::HashSet;

/// One thing that happens, told without knowing the job it happens to.
#[derive(Debug, Clone)]
enum Happening {
    Claim { by: u8 },
    Intend { by: u8 },
    Withdraw { by: u8 },
    Receive { by: u8, id: u8 },
    Checkpoint { by: u8, progress: u8, further: bool },
    Settle { by: u8, progress: u8, outcome: Outcome },
    Fail,
    Sent { send: i8 },
    Spent { send: i8, dlq: bool },
    Looked,
    Cancel,
    Retry,
}

fn outcome() -> impl Strategy<Value = Outcome> {
    let after = || 0..400_000_u64;
    prop_oneof![
        4 => after().prop_map(|after| Outcome::Next { step: "list", after }),
        4 => after().prop_map(|after| Outcome::Wait { after }),
        4 => proptest::option::of(after()).prop_map(|after| Outcome::Away { after, failure: failure("away") }),
        6 => proptest::option::of(after()).prop_map(|after| Outcome::Retry { failure: failure("again"), after }),
        1 => Just(Outcome::Done),
        1 => Just(Outcome::Fail { failure: failure("broken") }),
    ]
}

fn happening() -> impl Strategy<Value = Happening> {
    let by = || 0..3_u8;
    let send = || prop_oneof![6 => Just(0_i8), 1 => Just(-1), 1 => Just(1)];
    prop_oneof![
        12 => by().prop_map(|by| Happening::Claim { by }),
        3 => by().prop_map(|by| Happening::Intend { by }),
        1 => by().prop_map(|by| Happening::Withdraw { by }),
        3 => (by(), 0..4_u8).prop_map(|(by, id)| Happening::Receive { by, id }),
        3 => (by(), any::<u8>(), any::<bool>())
            .prop_map(|(by, progress, further)| Happening::Checkpoint { by, progress, further }),
        12 => (by(), any::<u8>(), outcome())
            .prop_map(|(by, progress, outcome)| Happening::Settle { by, progress, outcome }),
        1 => Just(Happening::Fail),
        6 => send().prop_map(|send| Happening::Sent { send }),
        6 => (send(), any::<bool>()).prop_map(|(send, dlq)| Happening::Spent { send, dlq }),
        3 => Just(Happening::Looked),
        1 => Just(Happening::Cancel),
        3 => Just(Happening::Retry),
    ]
}

/// The event as the flow would make it of the job as it is; `None` where the flow would not act.
fn event(job: &Job, happening: &Happening, now: Millis) -> Option<Event> {
    let holder = |by: &u8| token(&by.to_string());
    let near = |send: &i8| Push { at: job.at, send: job.send.saturating_add_signed((*send).into()) };
    Some(match happening {
        Happening::Claim { by } => {
            if judge(job, push(job), now, OPENING, &LIMITS) != Judgement::Due {
                return None;
            }
            claim_at(job.at, &by.to_string(), now + 23 * SECOND)
        }
        Happening::Intend { by } => {
            Event::Intend { token: holder(by), effects: vec!["submit:1".to_owned()], looked_up: false }
        }
        Happening::Withdraw { by } => Event::Withdraw { token: holder(by), effects: vec!["submit:1".to_owned()] },
        Happening::Receive { by, id } => receive(&by.to_string(), &id.to_string()),
        Happening::Checkpoint { by, progress, further } => checkpoint(&by.to_string(), *progress, *further),
        Happening::Settle { by, progress, outcome } => {
            let (outcome, plan, refused) = (outcome.clone(), json!({"at": progress}), vec!["submit:1".to_owned()]);
            let settlement = Settlement { outcome, plan: Some(plan), report: report(*progress), refused };
            Event::Settle { token: holder(by), settlement }
        }
        Happening::Fail => Event::Fail { failure: failure("broken"), by: By::Push },
        Happening::Sent { send } => Event::Sent { push: near(send), message_id: "msg".to_owned() },
        Happening::Spent { send, dlq } => Event::Spent {
            push: near(send),
            by: By::Push,
            dlq_id: dlq.then(|| "dlq".to_owned()),
            lease_over: job.lease(now, OPENING).is_none(),
            after: SECOND,
        },
        Happening::Looked => Event::Looked { push: push(job) },
        Happening::Cancel => Event::Cancel { by: By::Owner },
        Happening::Retry => retry_by_hand(),
    })
}

/// What must hold between a job and what an event made of it.
fn check(before: &Job, event: &Event, next: &Job) {
    assert!((next.at, next.send) >= (before.at, before.send), "it went back");
    assert!(next.ledger.receipts.starts_with(&before.ledger.receipts), "a receipt is lost");
    assert!(next.progress >= before.progress && next.progress <= 100);
    assert!(next.updated_at >= before.updated_at);
    assert!(next.attempts <= LIMITS.max_attempts, "an attempt too many");
    assert_eq!(next.is_final(), next.finished_at.is_some());
    assert_eq!(next.is_final(), next.due().is_none(), "a live job is never out of the sweep's sight");
    assert!(next.due().is_none_or(|due| due <= next.deadline.max(next.leased_until)));
    assert_eq!(next.state == State::Failed, next.is_final() && next.error.is_some());
    if before.is_final() {
        match event {
            Event::Receive { .. } => assert_eq!(next.state, before.state, "an end has changed"),
            Event::Retry { .. } => assert_eq!((&before.state, next.at.epoch), (&State::Failed, before.at.epoch + 1)),
            _ => panic!("{event:?} changed a final job"),
        }
    }
    let stored = wire::encode_record(next);
    assert_eq!(&wire::decode_record(&stored).unwrap(), next, "it does not survive being stored");
    assert_eq!(
        wire::Message::decode(&wire::Message::of(next, serde_json::Value::Null).encode()).unwrap().push(),
        push(next)
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_order_of_events_breaks_a_job(
        happenings in prop::collection::vec((happening(), prop_oneof![3 => 0..2_000_u64, 1 => 0..200_000_u64]), 1..80)
    ) {
        let mut job = queued();
        let mut now = T0;
        let mut published = HashSet::from([job.deduplication_id()]);
        for (happening, passed) in happenings {
            now += passed;
            let Some(event) = event(&job, &happening, now) else { continue };
            let Ok(next) = apply(&job, &event, now, &LIMITS) else { continue };
            prop_assert_eq!(&apply(&job, &event, now, &LIMITS).unwrap(), &next, "the same arguments, another job");
            check(&job, &event, &next);
            if next.unsent() && (!job.unsent() || job.deduplication_id() != next.deduplication_id()) {
                prop_assert!(published.insert(next.deduplication_id()), "a deduplication id is used for other work");
            }
            job = next;
        }
    }

    #[test]
    fn a_job_ends_however_its_steps_fail(fails in prop::collection::vec(any::<bool>(), 200)) {
        let mut job = queued();
        let mut now = T0;
        for fails in fails {
            now += 61 * SECOND;
            match judge(&job, push(&job), now, OPENING, &LIMITS) {
                Judgement::Expired | Judgement::Exhausted => {
                    job = after(&job, &Event::Fail { failure: failure("over"), by: By::Push }, now);
                    break;
                }
                Judgement::OldNews => break,
                Judgement::Leased { .. } | Judgement::Forgotten => unreachable!("leases are over by now"),
                Judgement::Due => {}
            }
            job = after(&job, &claim_at(job.at, "a", now + SECOND), now);
            let outcome = if fails {
                Outcome::Retry { failure: failure("again"), after: None }
            } else {
                Outcome::Away { after: Some(SECOND), failure: failure("away") }
            };
            job = after(&job, &settle("a", outcome), now);
        }
        prop_assert_eq!(&job.state, &State::Failed);
        prop_assert!(now <= T0 + 61 * SECOND + LIMITS.job_timeout + 61 * SECOND);
    }
}
