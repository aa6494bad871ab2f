//! What a job knows of its paid calls.

use super::*;

const AT: Position = Position { epoch: 1, seq: 1 };

#[test]
fn a_call_that_repeats_an_unknown_one_is_counted_unless_it_was_looked_up() {
    let mut ledger = Ledger::default();
    ledger.intend("submit:1", AT, T0, false);
    assert_eq!((ledger.unknown("submit:1"), ledger.possible_duplicates), (1, 0));
    ledger.intend("submit:1", AT, T0, false);
    assert_eq!((ledger.unknown("submit:1"), ledger.possible_duplicates), (2, 1));
    ledger.intend("submit:1", AT, T0, true);
    assert_eq!((ledger.unknown("submit:1"), ledger.possible_duplicates), (3, 1));
    ledger.intend("export:a:1", AT, T0, false);
    assert_eq!(ledger.possible_duplicates, 1, "other work is no repetition");
}

#[test]
fn a_known_refusal_closes_the_latest_call_only() {
    let mut ledger = Ledger::default();
    for (epoch, made_at) in [(1, T0), (2, T0 + MINUTE)] {
        ledger.intend("submit:1", Position { epoch, seq: 1 }, made_at, false);
    }
    assert_eq!(ledger.unknown_since("submit:1"), Some(1));
    ledger.close("submit:1");
    assert_eq!(ledger.intents.iter().map(|intent| intent.made_at).collect::<Vec<_>>(), [T0]);
    ledger.close("submit:1");
    ledger.close("submit:1");
    assert_eq!((ledger.unknown("submit:1"), ledger.unknown_since("submit:1")), (0, None));
}

#[test]
fn the_first_receipt_is_the_one_in_use_and_none_is_thrown_away() {
    let mut ledger = Ledger::default();
    ledger.intend("submit:1", AT, T0, false);
    ledger.receive(&receipt("task_1"));
    ledger.receive(&receipt("task_2"));
    ledger.receive(&receipt("task_1"));
    assert_eq!(ledger.receipt("submit:1"), Some("task_1"));
    assert_eq!(ledger.receipt("submit:2"), None);
    assert_eq!(ledger.receipts, [receipt("task_1"), receipt("task_2")]);
    assert_eq!(ledger.unknown("submit:1"), 0);
}

#[test]
fn a_receipt_counts_the_attempts_of_its_holder_anew_and_of_nobody_else() {
    let job = running();
    assert_eq!(job.attempts, 1);
    assert_eq!(after(&job, &receive("a", "task_1"), T0).attempts, 0);
    let late = after(&job, &receive("an earlier holder", "task_1"), T0);
    assert_eq!((late.attempts, late.ledger.receipt("submit:1")), (1, Some("task_1")));
}

#[test]
fn refusals_are_written_with_the_settlement() {
    let intend = Event::Intend { token: token("a"), effects: vec!["e:1".into(), "e:2".into()], looked_up: false };
    let job = after(&running(), &intend, T0);
    let written = &job.ledger.intents[0];
    assert_eq!((written.effect.as_str(), written.at, written.made_at), ("e:1", AT, T0));
    let withdrawn = after(&job, &Event::Withdraw { token: token("a"), effects: vec!["e:1".into()] }, T0);
    assert_eq!((withdrawn.ledger.unknown("e:1"), withdrawn.ledger.unknown("e:2")), (0, 1), "a call not made after all");
    let settlement = Settlement {
        outcome: Outcome::Wait { after: 0 },
        plan: Some(json!({})),
        report: report(1),
        refused: vec!["e:2".to_owned()],
    };
    let job = after(&job, &Event::Settle { token: token("a"), settlement }, T0);
    assert_eq!((job.ledger.unknown("e:1"), job.ledger.unknown("e:2")), (1, 0));
}
