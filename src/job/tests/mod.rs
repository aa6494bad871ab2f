//! What is true of every job, whatever its kind. The pieces the tests put their jobs together from are here.

mod failures;
mod history;
mod judging;
mod paid;
mod random;
mod sends;
mod steps;
mod table;

use super::*;
use serde_json::json;

/// When every job here is accepted.
pub(super) const T0: Millis = 1_795_435_200_000;
pub(super) const SECOND: Millis = 1_000;
pub(super) const MINUTE: Millis = 60 * SECOND;

pub(super) const LIMITS: Limits = Limits {
    max_attempts: 3,
    job_timeout: 120 * MINUTE,
    queue_timeout: 1_440 * MINUTE,
    done_ttl: 1_440 * MINUTE,
    failed_ttl: 7 * 1_440 * MINUTE,
};

/// The opening of the store under which the leases here are given.
pub(super) const OPENING: &str = "opening";

pub(super) fn queued() -> Job {
    let new = NewJob {
        id: JobId::new("job_1"),
        owner: Owner::new("ann"),
        project: ProjectId::new("p1"),
        kind: "clip",
        input: json!({"videoUrl": "https://example.com/a.mp4"}),
        step: "submit",
        plan: json!({"generation": 1}),
        stage: "Sending".to_owned(),
    };
    Job::new(new, T0, LIMITS.queue_timeout)
}

/// Claimed at `T0` under the token `a` for 23 s.
pub(super) fn running() -> Job {
    after(&queued(), &claim("a", T0 + 23 * SECOND), T0)
}

/// Between steps, its message published.
pub(super) fn waiting() -> Job {
    let job = after(&running(), &settle("a", Outcome::Next { step: "await_task", after: 0 }), T0);
    after(&job, &sent(&job, "msg_2"), T0)
}

pub(super) fn failed() -> Job {
    after(&running(), &Event::Fail { failure: failure("broken"), by: By::Push }, T0)
}

pub(super) fn token(name: &str) -> LeaseToken {
    LeaseToken::new(name)
}

pub(super) fn failure(code: &str) -> Failure {
    Failure::retryable(code, "it did not work")
}

pub(super) fn receipt(id: &str) -> Receipt {
    Receipt { effect: "submit:1".to_owned(), id: id.to_owned() }
}

pub(super) fn push(job: &Job) -> Push {
    Push { at: job.at, send: job.send }
}

pub(super) fn report(progress: u8) -> Report {
    Report { progress, stage: format!("at {progress}") }
}

/// A claim of the first step.
pub(super) fn claim(by: &str, until: Millis) -> Event {
    claim_at(Position { epoch: 1, seq: 1 }, by, until)
}

pub(super) fn claim_at(at: Position, by: &str, until: Millis) -> Event {
    Event::Claim {
        push: Push { at, send: 1 },
        lease: Lease { token: token(by), until, opening: OPENING.to_owned() },
        from: Origin::default(),
    }
}

pub(super) fn settle(by: &str, outcome: Outcome) -> Event {
    let settlement =
        Settlement { outcome, plan: Some(json!({"settled": true})), report: report(40), refused: Vec::new() };
    Event::Settle { token: token(by), settlement }
}

pub(super) fn checkpoint(by: &str, progress: u8, further: bool) -> Event {
    Event::Checkpoint { token: token(by), plan: json!({"half": true}), report: report(progress), further }
}

pub(super) fn receive(by: &str, id: &str) -> Event {
    Event::Receive { token: token(by), receipt: receipt(id) }
}

pub(super) fn sent(job: &Job, message_id: &str) -> Event {
    Event::Sent { push: push(job), message_id: message_id.to_owned() }
}

pub(super) fn spent(job: &Job, lease_over: bool, after: Millis) -> Event {
    Event::Spent { push: push(job), by: By::Push, dlq_id: Some("dlq_1".to_owned()), lease_over, after }
}

pub(super) fn retry_by_hand() -> Event {
    Event::Retry { step: "export", plan: json!({"revived": true}), stage: "Exporting".to_owned(), by: By::Owner }
}

/// The job after an event that must be accepted.
pub(super) fn after(job: &Job, event: &Event, now: Millis) -> Job {
    apply(job, event, now, &LIMITS).unwrap_or_else(|refused| panic!("{event:?} was refused: {refused}"))
}
