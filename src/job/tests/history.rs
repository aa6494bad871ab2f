//! What is told of what happens.

use super::*;
use crate::job::history::{Cause, Ended, Entry, KEPT, What};

/// What happened since the job was as in `before`.
fn told(before: &Job, after: &Job) -> Vec<Entry> {
    assert!(after.history.entries.starts_with(&before.history.entries), "what was told before has changed");
    after.history.entries[before.history.entries.len()..].to_vec()
}

fn whats(entries: &[Entry]) -> Vec<What> {
    entries.iter().map(|entry| entry.what).collect()
}

#[test]
fn a_step_is_told_from_its_message_to_its_end() {
    let accepted = queued();
    assert_eq!(whats(&accepted.history.entries), [What::Accepted]);
    assert_eq!(accepted.history.entries[0].at, T0);
    let published = after(&accepted, &sent(&accepted, "msg_1"), T0 + 10);
    let entry = &told(&accepted, &published)[0];
    assert_eq!((entry.what, entry.send, entry.message_id.as_deref()), (What::Published, Some(1), Some("msg_1")));
    let from = Origin { signed: Some(Signed::Next), request_id: Some("request-1".to_owned()) };
    let lease = Lease { token: token("a"), until: T0 + 23 * SECOND, opening: OPENING.to_owned() };
    let claimed = after(&published, &Event::Claim { push: push(&published), lease, from }, T0 + 20);
    let entry = &told(&published, &claimed)[0];
    assert_eq!((entry.what, entry.attempt, entry.signed_with), (What::Claimed, Some(1), Some(Signed::Next)));
    assert_eq!(entry.request_id.as_deref(), Some("request-1"));
    let intend = Event::Intend { token: token("a"), effects: vec!["submit:1".to_owned()], looked_up: false };
    let paid = after(&after(&claimed, &intend, T0 + 30), &receive("a", "task_1"), T0 + 40);
    let entries = told(&claimed, &paid);
    assert_eq!(whats(&entries), [What::Intended, What::Paid]);
    assert_eq!(entries[0].effect.as_deref(), Some("submit:1"));
    assert_eq!((entries[1].effect.as_deref(), entries[1].receipt.as_deref()), (Some("submit:1"), Some("task_1")));
    let ended = after(&paid, &settle("a", Outcome::Next { step: "await_task", after: 30_000 }), T0 + 1_020);
    let entry = &told(&paid, &ended)[0];
    assert_eq!((entry.what, entry.outcome, entry.after), (What::Ended, Some(Ended::Next), Some(30_000)));
    assert_eq!((entry.step.as_str(), entry.position), ("submit", accepted.at), "it is told of the step that ended");
    let last = ended.history.entries.len() - 1;
    assert_eq!(ended.history.took(last), Some(1_000), "from its claim to its end");
    assert!((0..last).all(|n| ended.history.took(n).is_none()), "nothing else has a duration");
    assert_eq!(ended.usage.messages, 1);
}

#[test]
fn every_end_of_a_step_is_told_with_its_reason() {
    let told_of = |outcome: Outcome| {
        let before = running();
        let after = after(&before, &settle("a", outcome), T0 + SECOND);
        let mut entries = told(&before, &after);
        assert_eq!(entries.len(), 1);
        let entry = entries.remove(0);
        (entry.outcome.unwrap(), entry.error.map(|error| error.code), entry.after)
    };
    let failure = || failure("away");
    let code = || Some("away".to_owned());
    assert_eq!(told_of(Outcome::Wait { after: 7_000 }), (Ended::Wait, None, Some(7_000)));
    assert_eq!(told_of(Outcome::Away { after: None, failure: failure() }), (Ended::Away, code(), Some(10_000)));
    assert_eq!(told_of(Outcome::Retry { after: Some(9_000), failure: failure() }), (Ended::Retry, code(), Some(9_000)));
    assert_eq!(told_of(Outcome::Done), (Ended::Done, None, None));
    assert_eq!(told_of(Outcome::Fail { failure: failure() }), (Ended::Fail, code(), None));
    let last = Job { attempts: LIMITS.max_attempts, ..running() };
    let failed = after(&last, &settle("a", Outcome::Retry { after: None, failure: failure() }), T0);
    assert_eq!(failed.history.entries.last().unwrap().outcome, Some(Ended::Fail), "the last attempt is used up");
}

#[test]
fn what_others_do_is_told_with_who_did_it() {
    let by = |job: &Job, event: &Event| {
        let next = after(job, event, T0 + SECOND);
        let entry = told(job, &next).pop().unwrap();
        (entry.what, entry.by)
    };
    assert_eq!(by(&waiting(), &Event::Cancel { by: By::Operator }), (What::Cancelled, Some(By::Operator)));
    let fail = Event::Fail { failure: failure("job_timeout"), by: By::Sweep };
    assert_eq!(by(&waiting(), &fail), (What::Failed, Some(By::Sweep)));
    assert_eq!(by(&failed(), &retry_by_hand()), (What::Retried, Some(By::Owner)));
    assert_eq!(by(&waiting(), &spent(&waiting(), false, 0)), (What::Spent, Some(By::Push)));
    let anew = after(&waiting(), &spent(&waiting(), true, 5_000), T0 + SECOND);
    let entry = anew.history.entries.last().unwrap();
    assert_eq!((entry.what, entry.send, entry.after), (What::SentAnew, Some(2), Some(5_000)));
    let retried = after(&failed(), &retry_by_hand(), T0 + SECOND);
    let entry = retried.history.entries.last().unwrap();
    assert_eq!((entry.position.epoch, entry.step.as_str()), (2, "export"), "it is told of the epoch it opened");
}

#[test]
fn what_changes_nothing_is_not_told() {
    let job = running();
    for event in
        [claim_at(Position { epoch: 1, seq: 9 }, "b", T0), sent(&waiting(), "late"), settle("other", Outcome::Done)]
    {
        assert!(apply(&job, &event, T0, &LIMITS).is_err(), "{event:?}");
    }
    let looked = after(&waiting(), &Event::Looked { push: push(&waiting()) }, T0);
    assert_eq!(looked.history, waiting().history, "a look finds nothing new");
}

#[test]
fn how_far_a_step_is_replaces_how_far_it_was() {
    let job = running();
    let once = after(&job, &checkpoint("a", 10, false), T0 + 1);
    let twice = after(&once, &checkpoint("a", 20, false), T0 + 2);
    assert_eq!(whats(&told(&job, &twice)), [What::Progressed]);
    assert_eq!(twice.history.entries.last().unwrap().at, T0 + 2);
}

#[test]
fn clips_that_land_are_told_before_the_end_that_tells_of_them() {
    let job = running();
    let mut further = after(&job, &checkpoint("a", 10, true), T0 + 1);
    further.history.stored(&Entry::new(&job, What::Stored, T0 + 1), vec!["p1_clip_0".to_owned()]);
    let mut ended = after(&further, &settle("a", Outcome::Next { step: "list", after: 0 }), T0 + 2);
    let landed = vec!["p1_clip_1".to_owned(), "p1_clip_2".to_owned()];
    ended.history.stored(&Entry::new(&job, What::Stored, T0 + 2), landed);
    let entries = told(&job, &ended);
    assert_eq!(whats(&entries), [What::Stored, What::Stored, What::Stored, What::Ended]);
    assert_eq!(entries[2].effect.as_deref(), Some("p1_clip_2"));
    assert_eq!(ended.history.took(ended.history.entries.len() - 1), Some(2));
}

#[test]
fn the_newest_are_kept_and_the_others_counted() {
    let mut job = running();
    for n in 0..300 {
        job = after(&job, &settle("a", Outcome::Wait { after: 0 }), T0 + n);
        job = after(&job, &claim_at(job.at, "a", T0 + n + 23 * SECOND), T0 + n);
    }
    assert_eq!(job.history.entries.len(), KEPT);
    assert_eq!(usize::try_from(job.history.cut).unwrap() + KEPT, 2 + 600);
    assert_eq!(job.history.entries.last().unwrap().what, What::Claimed);
    // An end whose claim is cut has no duration.
    let ended = job.history.entries.iter().position(|entry| entry.what == What::Ended).unwrap();
    assert_eq!((ended, job.history.took(ended)), (0, None));
    assert_eq!(wire::decode_record(&wire::encode_record(&job)).unwrap(), job);
    let size = serde_json::to_vec(&job.history).unwrap().len();
    assert!(size < 30_000, "{size} bytes at most times are a small part of a record");
}

#[test]
fn long_waiting_does_not_push_out_what_was_done() {
    let mut job = running();
    let (began, claimed) = (job.history.entries[0].clone(), job.history.entries[1].clone());
    for n in 0..300 {
        job = after(&job, &settle("a", Outcome::Wait { after: 0 }), T0 + n);
        job = after(&job, &sent(&job, &format!("msg_{n}")), T0 + n);
        job = after(&job, &claim_at(job.at, "a", T0 + n + 23 * SECOND), T0 + n);
    }
    let entries = &job.history.entries;
    assert!((KEPT - 2..=KEPT).contains(&entries.len()), "{}", entries.len());
    assert_eq!(usize::try_from(job.history.cut).unwrap() + entries.len(), 2 + 900);
    assert_eq!((&entries[0], &entries[1]), (&began, &claimed));
    let newest: Vec<_> = entries[entries.len() - 2..].iter().map(|entry| entry.what).collect();
    assert_eq!(newest, [What::Published, What::Claimed]);
    assert_eq!(entries[entries.len() - 2].message_id.as_deref(), Some("msg_299"));
}

#[test]
fn messages_carry_no_history_and_long_words_are_cut() {
    let long = Failure::retryable("broken", "x".repeat(5_000));
    let failed = after(&running(), &Event::Fail { failure: long, by: By::Push }, T0);
    let entry = failed.history.entries.last().unwrap();
    let Some(Cause { message, .. }) = &entry.error else { panic!("{entry:?}") };
    assert_eq!((message.len(), failed.error.as_ref().unwrap().message.len()), (300, 5_000));
    let retried = after(&failed, &retry_by_hand(), T0);
    let message = wire::Message::of(&retried, serde_json::Value::Null).encode();
    assert!(!String::from_utf8(message).unwrap().contains("accepted"));
}

#[test]
fn what_a_newer_build_tells_is_kept_out_of_harm() {
    let mut record: serde_json::Value = serde_json::from_slice(&wire::encode_record(&running())).unwrap();
    record["history"]["e"][0]["w"] = json!("teleported");
    record["history"]["e"][1]["k"] = json!("third");
    record["history"]["e"][1]["zz"] = json!({"more": 1});
    let job = wire::decode_record(record.to_string().as_bytes()).unwrap();
    assert_eq!(job.history.entries[0].what, What::Unknown);
    assert_eq!(job.history.entries[1].signed_with, Some(Signed::Unknown));
    record.as_object_mut().unwrap().remove("history");
    record.as_object_mut().unwrap().remove("usage");
    let old = wire::decode_record(record.to_string().as_bytes()).unwrap();
    assert!(old.history.is_empty() && old.usage.is_nothing());
}
