//! The fence by itself: what a lease, held, lapsed or another's, lets its holder write.

use cliprelay::job::{
    Event, Failure, Job, JobId, Lease, LeaseToken, Limits, Millis, NewJob, Origin, Outcome, Owner, ProjectId, Push,
    Receipt, Refused, Report, Settlement, apply,
};
use serde_json::json;

const T0: Millis = 1_800_000_000_000;
const UNTIL: Millis = T0 + 46_000;
const HOUR: Millis = 3_600_000;
const LIMITS: Limits = Limits {
    max_attempts: 3,
    job_timeout: 2 * HOUR,
    queue_timeout: 24 * HOUR,
    done_ttl: 24 * HOUR,
    failed_ttl: 168 * HOUR,
};

fn token(name: &str) -> LeaseToken {
    LeaseToken::new(name)
}

/// Its first step claimed by `holder`, with one paid call under way.
fn running() -> Job {
    let new = NewJob {
        id: JobId::new("job_1"),
        owner: Owner::new("ann"),
        project: ProjectId::new("p1"),
        kind: "clip",
        input: json!({}),
        step: "submit",
        plan: json!({"generation": 1}),
        stage: "Sending".to_owned(),
    };
    let job = Job::new(new, T0, LIMITS.queue_timeout);
    let lease = Lease { token: token("holder"), until: UNTIL, opening: "one".to_owned() };
    let job = apply(
        &job,
        &Event::Claim { push: Push { at: job.at, send: job.send }, lease, from: Origin::default() },
        T0,
        &LIMITS,
    )
    .unwrap();
    let intend = Event::Intend { token: token("holder"), effects: vec!["export:a:1".to_owned()], looked_up: false };
    apply(&job, &intend, T0, &LIMITS).unwrap()
}

/// Everything a holder may write of a job's state.
fn writes_of_state(by: &str) -> Vec<Event> {
    let token = token(by);
    let report = Report { progress: 40, stage: "further".to_owned() };
    let effects = vec!["export:a:1".to_owned()];
    let failure = Failure::retryable("x", "it did not work");
    let outcomes = [
        Outcome::Next { step: "await_task", after: 0 },
        Outcome::Wait { after: 0 },
        Outcome::Away { after: None, failure: failure.clone() },
        Outcome::Done,
        Outcome::Retry { failure: failure.clone(), after: None },
        Outcome::Fail { failure },
    ];
    let settle = |outcome| Event::Settle {
        token: token.clone(),
        settlement: Settlement { outcome, plan: Some(json!({})), report: report.clone(), refused: effects.clone() },
    };
    let checkpoint =
        |further| Event::Checkpoint { token: token.clone(), plan: json!({}), report: report.clone(), further };
    let intend = Event::Intend { token: token.clone(), effects: vec!["export:b:1".to_owned()], looked_up: true };
    let withdraw = Event::Withdraw { token: token.clone(), effects: effects.clone() };
    [intend, withdraw, checkpoint(true), checkpoint(false)].into_iter().chain(outcomes.map(settle)).collect()
}

fn receive(by: &str) -> Event {
    Event::Receive { token: token(by), receipt: Receipt { effect: "export:a:1".to_owned(), id: "exp_1".to_owned() } }
}

#[test]
fn a_holder_writes_state_as_long_as_its_lease_lasts() {
    for event in writes_of_state("holder") {
        assert!(apply(&running(), &event, UNTIL - 1, &LIMITS).is_ok(), "{event:?}");
    }
}

#[test]
fn a_lapsed_lease_writes_no_state_although_nobody_has_claimed_since() {
    // What was not paid may be said as long as nobody took the step.
    for event in writes_of_state("holder").into_iter().filter(|event| !matches!(event, Event::Withdraw { .. })) {
        for now in [UNTIL, UNTIL + 1, UNTIL + HOUR] {
            assert_eq!(apply(&running(), &event, now, &LIMITS), Err(Refused::Fenced), "{event:?}");
        }
    }
}

#[test]
fn another_lease_writes_no_state_at_any_time() {
    for event in writes_of_state("another") {
        for now in [T0, UNTIL - 1, UNTIL] {
            assert_eq!(apply(&running(), &event, now, &LIMITS), Err(Refused::Fenced), "{event:?}");
        }
    }
}

#[test]
fn a_receipt_is_taken_of_any_holder_at_any_time() {
    for (by, now) in [("holder", UNTIL - 1), ("holder", UNTIL), ("another", T0), ("another", UNTIL + HOUR)] {
        let next = apply(&running(), &receive(by), now, &LIMITS).unwrap();
        assert_eq!(next.ledger.receipt("export:a:1"), Some("exp_1"), "{by} at {now}");
        assert!(next.ledger.intents.is_empty(), "{by} at {now}");
        assert_eq!(next.state, running().state, "{by} at {now}");
    }
}
