//! Every state and every event: the whole table, to be read as one.

use super::*;
use std::fmt::Write;

/// The state an event leads to, or in brackets why it changes nothing.
const TABLE: &str = "
event                 queued      running     waiting     done        failed      cancelled
claim                 running     running     running     (final)     (final)     (final)
claim of another step (old news)  (old news)  (old news)  (final)     (final)     (final)
intend                (fenced)    running     (fenced)    (final)     (final)     (final)
intend, fenced        (fenced)    (fenced)    (fenced)    (final)     (final)     (final)
intend, paid          (fenced)    (paid)      (fenced)    (final)     (final)     (final)
withdraw              (fenced)    running     (fenced)    (final)     (final)     (final)
receive               queued      running     waiting     done        failed      cancelled
receive, fenced       queued      running     waiting     done        failed      cancelled
receive, known        (nothing)   (nothing)   (nothing)   (nothing)   (nothing)   (nothing)
checkpoint            (fenced)    running     (fenced)    (final)     (final)     (final)
checkpoint, fenced    (fenced)    (fenced)    (fenced)    (final)     (final)     (final)
settle: next          (fenced)    waiting     (fenced)    (final)     (final)     (final)
settle: wait          (fenced)    waiting     (fenced)    (final)     (final)     (final)
settle: away          (fenced)    waiting     (fenced)    (final)     (final)     (final)
settle: retry         (fenced)    waiting     (fenced)    (final)     (final)     (final)
settle: done          (fenced)    done        (fenced)    (final)     (final)     (final)
settle: fail          (fenced)    failed      (fenced)    (final)     (final)     (final)
settle, fenced        (fenced)    (fenced)    (fenced)    (final)     (final)     (final)
fail                  failed      failed      failed      (final)     (final)     (final)
sent                  queued      running     waiting     (final)     (final)     (final)
sent, of another send (old news)  (old news)  (old news)  (final)     (final)     (final)
spent                 queued      waiting     waiting     (final)     (final)     (final)
spent, leased         queued      running     waiting     (final)     (final)     (final)
spent, of another     (old news)  (old news)  (old news)  (final)     (final)     (final)
looked                queued      running     waiting     (final)     (final)     (final)
looked, for another   (old news)  (old news)  (old news)  (final)     (final)     (final)
cancel                cancelled   cancelled   cancelled   (final)     (final)     (final)
retry by hand         (unfailed)  (unfailed)  (unfailed)  (unfailed)  waiting     (unfailed)
";

/// A job in each of the states, with one receipt.
fn jobs() -> [(&'static str, Job); 6] {
    let unsent = after(&running(), &settle("a", Outcome::Wait { after: 0 }), T0);
    let ended = |outcome| after(&running(), &settle("a", outcome), T0);
    let jobs = [
        ("queued", queued()),
        ("running", running()),
        ("waiting", unsent),
        ("done", ended(Outcome::Done)),
        ("failed", ended(Outcome::Fail { failure: failure("broken") })),
        ("cancelled", after(&running(), &Event::Cancel { by: By::Owner }, T0)),
    ];
    jobs.map(|(name, job)| (name, after(&job, &receive("x", "known"), T0)))
}

fn events(job: &Job) -> Vec<(&'static str, Event)> {
    let other = Push { at: job.at, send: job.send + 1 };
    let intend = |by| Event::Intend { token: token(by), effects: vec!["submit:2".into()], looked_up: false };
    let paid = Event::Intend { token: token("a"), effects: vec!["submit:1".into()], looked_up: false };
    let away = Outcome::Away { after: None, failure: failure("away") };
    let retry = Outcome::Retry { failure: failure("again"), after: None };
    let fail = Outcome::Fail { failure: failure("broken") };
    let next_step = Position { epoch: job.at.epoch, seq: job.at.seq + 1 };
    vec![
        ("claim", claim_at(job.at, "b", T0 + MINUTE)),
        ("claim of another step", claim_at(next_step, "b", T0 + MINUTE)),
        ("intend", intend("a")),
        ("intend, fenced", intend("b")),
        ("intend, paid", paid),
        ("withdraw", Event::Withdraw { token: token("a"), effects: vec!["submit:2".into()] }),
        ("receive", receive("a", "new")),
        ("receive, fenced", receive("b", "new")),
        ("receive, known", receive("a", "known")),
        ("checkpoint", checkpoint("a", 10, true)),
        ("checkpoint, fenced", checkpoint("b", 10, true)),
        ("settle: next", settle("a", Outcome::Next { step: "list", after: 0 })),
        ("settle: wait", settle("a", Outcome::Wait { after: 0 })),
        ("settle: away", settle("a", away)),
        ("settle: retry", settle("a", retry)),
        ("settle: done", settle("a", Outcome::Done)),
        ("settle: fail", settle("a", fail)),
        ("settle, fenced", settle("b", Outcome::Done)),
        ("fail", Event::Fail { failure: failure("broken"), by: By::Push }),
        ("sent", sent(job, "msg_9")),
        ("sent, of another send", Event::Sent { push: other, message_id: "msg_9".into() }),
        ("spent", spent(job, true, 0)),
        ("spent, leased", spent(job, false, 0)),
        ("spent, of another", Event::Spent { push: other, by: By::Push, dlq_id: None, lease_over: true, after: 0 }),
        ("looked", Event::Looked { push: push(job) }),
        ("looked, for another", Event::Looked { push: other }),
        ("cancel", Event::Cancel { by: By::Owner }),
        ("retry by hand", retry_by_hand()),
    ]
}

fn name(state: &State) -> &'static str {
    match state {
        State::Queued => "queued",
        State::Running { .. } => "running",
        State::Waiting => "waiting",
        State::Done => "done",
        State::Failed => "failed",
        State::Cancelled => "cancelled",
    }
}

fn refusal(refused: Refused) -> &'static str {
    match refused {
        Refused::Final => "(final)",
        Refused::NotFailed => "(unfailed)",
        Refused::Fenced => "(fenced)",
        Refused::OldNews => "(old news)",
        Refused::Nothing => "(nothing)",
        Refused::Paid => "(paid)",
    }
}

#[test]
fn every_state_answers_every_event() {
    let jobs = jobs();
    let mut table = format!("\n{:22}", "event");
    let columns = jobs.iter().fold(String::new(), |line, (state, _)| format!("{line}{state:12}"));
    writeln!(table, "{}", columns.trim_end()).unwrap();
    for row in 0..events(&jobs[0].1).len() {
        let mut line = format!("{:22}", events(&jobs[0].1)[row].0);
        for (_, job) in &jobs {
            let answer = match apply(job, &events(job)[row].1, T0 + SECOND, &LIMITS) {
                Ok(next) => name(&next.state),
                Err(refused) => refusal(refused),
            };
            write!(line, "{answer:12}").unwrap();
        }
        writeln!(table, "{}", line.trim_end()).unwrap();
    }
    assert_eq!(table, TABLE, "\n{table}");
}

#[test]
fn an_end_takes_in_receipts_and_nothing_else_of_them() {
    for (_, job) in jobs().into_iter().filter(|(_, job)| job.is_final()) {
        let late = after(&job, &receive("a", "late"), T0 + MINUTE);
        assert_eq!(late.ledger.receipts.last(), Some(&receipt("late")));
        let (ledger, history) = (job.ledger.clone(), job.history.clone());
        let as_before = Job { ledger, history, updated_at: job.updated_at, ..late };
        assert_eq!(as_before, job);
    }
}

#[test]
fn the_states_callers_know_are_five() {
    let public = jobs().map(|(_, job)| job.state.public());
    assert_eq!(public, ["queued", "processing", "processing", "completed", "failed", "cancelled"]);
}
