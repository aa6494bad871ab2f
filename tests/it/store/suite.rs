//! What both stores must do, as far as it does not depend on time passing.

use super::writes::{HOUR, applied, create, ending, id, memory, pointer, record, release, remember, swap, update};
use bytes::Bytes;
use cliprelay::job::id::JobId;
use cliprelay::store::{Commit, Committed, DueAt, Expected, Store};
use std::collections::BTreeSet;
use std::sync::Arc;

pub async fn a_record_is_created_read_and_raised(store: Arc<dyn Store>) {
    assert_eq!(store.get(&id("a")).await.unwrap().record, None);
    assert_eq!(applied(&*store, create("a", "one")).await, 1);
    assert_eq!(applied(&*store, update("a", 1, "two")).await, 2);
    assert_eq!(store.get(&id("a")).await.unwrap().record, Some(record(2, "two")));
    assert_eq!(store.get(&id("b")).await.unwrap().record, None);
}

pub async fn bodies_are_opaque(store: Arc<dyn Store>) {
    let bodies = [Bytes::new(), Bytes::from_static(b"\0\xff\r\n {}\x01"), Bytes::from(vec![0xa5; 700_000])];
    for (version, body) in (0..).zip(bodies) {
        let commit = if version == 0 { create("a", "op0") } else { update("a", version, &format!("op{version}")) };
        applied(&*store, Commit { body: body.clone(), ..commit }).await;
        let read = store.get(&id("a")).await.unwrap().record.unwrap();
        assert!(read.body == body, "a body of {} bytes came back otherwise", body.len());
    }
}

pub async fn the_answers_come_in_their_order(store: Arc<dyn Store>) {
    applied(&*store, Commit { pointer: swap("p", None, "other"), ..create("other", "o1") }).await;
    applied(&*store, Commit { remember: Some(remember("k", "first", HOUR)), ..create("a", "a1") }).await;
    let taken = |commit: Commit| Commit { pointer: swap("p", None, "a"), ..commit };
    let remembered = |commit: Commit| Commit { remember: Some(remember("k", "second", HOUR)), ..commit };

    // Each is wrong in every way that comes later in the order.
    let replayed = remembered(taken(update("a", 9, "a1")));
    assert_eq!(store.commit(&replayed).await.unwrap(), Committed::Replayed(record(1, "a1")));
    let known = remembered(taken(update("a", 9, "a2")));
    assert_eq!(store.commit(&known).await.unwrap(), Committed::Remembered(Bytes::from("first")));
    assert_eq!(store.commit(&taken(update("none", 1, "n1"))).await.unwrap(), Committed::Missing);
    assert_eq!(store.commit(&taken(update("a", 9, "a2"))).await.unwrap(), Committed::Conflict(record(1, "a1")));
    assert_eq!(store.commit(&taken(create("a", "a2"))).await.unwrap(), Committed::Conflict(record(1, "a1")));
    let pointed = store.commit(&taken(update("a", 1, "a2"))).await.unwrap();
    assert_eq!(pointed, Committed::PointerTaken(Some("other".to_owned())));
    let nobody = Commit { pointer: swap("q", Some("x"), "a"), ..update("a", 1, "a2") };
    assert_eq!(store.commit(&nobody).await.unwrap(), Committed::PointerTaken(None));
    assert_eq!(applied(&*store, update("a", 1, "a2")).await, 2);
}

pub async fn a_refused_commit_changes_nothing(store: Arc<dyn Store>) {
    applied(&*store, Commit { pointer: swap("p", None, "other"), due: DueAt::At(5), ..create("a", "a1") }).await;
    let refused = Commit {
        due: DueAt::Never,
        expiry: Some(ending(HOUR, HOUR, 3)),
        pointer: swap("p", Some("wrong"), "a"),
        remember: Some(remember("k", "reply", HOUR)),
        ..update("a", 1, "a2")
    };
    assert_eq!(store.commit(&refused).await.unwrap(), Committed::PointerTaken(Some("other".to_owned())));
    assert_eq!(store.get(&id("a")).await.unwrap().record, Some(record(1, "a1")));
    assert_eq!(store.due(9).await.unwrap().jobs, [id("a")]);
    assert_eq!(store.tombstone(&id("a")).await.unwrap(), None);
    assert_eq!(store.pointer(&pointer("p")).await.unwrap().as_deref(), Some("other"));
    assert_eq!(store.recall(&memory("k")).await.unwrap(), None);
    // Nor is its operation remembered.
    assert_eq!(applied(&*store, update("a", 1, "a2")).await, 2);
}

pub async fn the_last_eight_operations_are_replayed(store: Arc<dyn Store>) {
    applied(&*store, create("a", "op1")).await;
    for version in 1..9 {
        applied(&*store, update("a", version, &format!("op{}", version + 1))).await;
    }
    for kept in 2..=9 {
        let again = store.commit(&update("a", kept - 1, &format!("op{kept}"))).await.unwrap();
        assert_eq!(again, Committed::Replayed(record(9, "op9")), "op{kept}");
    }
    assert_eq!(store.commit(&create("a", "op1")).await.unwrap(), Committed::Conflict(record(9, "op9")));
    // A part of an operation's name is another operation; another job's does not count.
    assert_eq!(store.commit(&update("a", 1, "op")).await.unwrap(), Committed::Conflict(record(9, "op9")));
    assert_eq!(applied(&*store, create("b", "op9")).await, 1);
}

pub async fn a_pointer_is_swapped_only_from_what_it_holds(store: Arc<dyn Store>) {
    applied(&*store, Commit { pointer: swap("p", None, "a"), ..create("a", "a1") }).await;
    let second = Commit { pointer: swap("p", None, "b"), ..create("b", "b1") };
    assert_eq!(store.commit(&second).await.unwrap(), Committed::PointerTaken(Some("a".to_owned())));
    assert_eq!(store.get(&id("b")).await.unwrap().record, None);
    applied(&*store, Commit { pointer: swap("p", Some("a"), "b"), ..create("b", "b2") }).await;
    assert_eq!(store.pointer(&pointer("p")).await.unwrap().as_deref(), Some("b"));
    // To let go of what one does not hold, or without an end of one's own, leaves it as it is.
    applied(&*store, Commit { pointer: release("p", "b"), ..update("a", 1, "a2") }).await;
    assert_eq!(store.pointer(&pointer("p")).await.unwrap().as_deref(), Some("b"));
}

pub async fn of_many_claims_of_a_pointer_one_wins(store: Arc<dyn Store>) {
    let claims = (0..32).map(|n| {
        let name = format!("job{n}");
        Commit { pointer: swap("p", None, &name), ..create(&name, &name) }
    });
    let answers = all_at_once(&store, claims.collect()).await;
    let winners: Vec<usize> =
        answers.iter().enumerate().filter(|(_, answer)| is_applied(answer)).map(|(n, _)| n).collect();
    let [winner] = winners[..] else { panic!("{winners:?} won") };
    let holder = store.pointer(&pointer("p")).await.unwrap();
    assert_eq!(holder, Some(format!("job{winner}")));
    let taken = answers.iter().filter(|answer| **answer == Committed::PointerTaken(holder.clone())).count();
    assert_eq!(taken, 31);
}

pub async fn of_many_commits_on_a_version_one_is_applied(store: Arc<dyn Store>) {
    applied(&*store, create("a", "first")).await;
    let commits = (0..64).map(|n| update("a", 1, &format!("op{n}"))).collect();
    let answers = all_at_once(&store, commits).await;
    assert_eq!(answers.iter().filter(|answer| is_applied(answer)).count(), 1);
    let now = store.get(&id("a")).await.unwrap().record.unwrap();
    assert_eq!(now.version, 2);
    assert_eq!(answers.iter().filter(|answer| **answer == Committed::Conflict(now.clone())).count(), 63);
}

pub async fn a_key_remembers_the_first_reply(store: Arc<dyn Store>) {
    assert_eq!(store.recall(&memory("k")).await.unwrap(), None);
    applied(&*store, Commit { remember: Some(remember("k", "first", HOUR)), ..create("a", "a1") }).await;
    let second = Commit { remember: Some(remember("k", "second", HOUR)), ..create("b", "b1") };
    assert_eq!(store.commit(&second).await.unwrap(), Committed::Remembered(Bytes::from("first")));
    assert_eq!(store.get(&id("b")).await.unwrap().record, None);
    assert_eq!(store.recall(&memory("k")).await.unwrap(), Some(Bytes::from("first")));
}

pub async fn due_jobs_come_earliest_first(store: Arc<dyn Store>) {
    let later = store.get(&id("a")).await.unwrap().now + 3_600_000;
    for (name, at) in [("c", 30), ("a", 20), ("d", later), ("b", 20), ("e", 10)] {
        applied(&*store, Commit { due: DueAt::At(at), ..create(name, "op1") }).await;
    }
    assert_eq!(store.due(10).await.unwrap().jobs, ids(&["e", "a", "b", "c"]));
    assert_eq!(store.due(2).await.unwrap().jobs, ids(&["e", "a"]));
    assert_eq!(store.due(0).await.unwrap().jobs, ids(&[]));
    applied(&*store, Commit { due: DueAt::At(40), ..update("e", 1, "op2") }).await;
    applied(&*store, Commit { due: DueAt::Never, ..update("a", 1, "op2") }).await;
    applied(&*store, update("b", 1, "op2")).await;
    assert_eq!(store.due(10).await.unwrap().jobs, ids(&["b", "c", "e"]));
}

pub async fn a_commit_can_peek_at_due_jobs(store: Arc<dyn Store>) {
    for name in ["a", "b", "c"] {
        applied(&*store, Commit { due: DueAt::At(7), ..create(name, "op1") }).await;
    }
    let peek = |commit: Commit, peek_due| Commit { peek_due, ..commit };
    let Committed::Applied { now, due, .. } = store.commit(&peek(update("a", 1, "op2"), 2)).await.unwrap() else {
        panic!("not applied")
    };
    assert_eq!(due, ids(&["a", "b"]));
    assert!(now.is_some());
    // What the commit itself does to the index is done before it looks.
    let moved = Commit { due: DueAt::Never, ..peek(update("a", 2, "op3"), 9) };
    let Committed::Applied { due, .. } = store.commit(&moved).await.unwrap() else { panic!("not applied") };
    assert_eq!(due, ids(&["b", "c"]));
    let unasked = store.commit(&peek(update("a", 3, "op4"), 0)).await.unwrap();
    assert_eq!(unasked, Committed::Applied { version: 4, now: None, due: Vec::new() });
}

pub async fn deleting_takes_the_record_and_its_due_entry(store: Arc<dyn Store>) {
    applied(&*store, Commit { due: DueAt::At(1), ..create("a", "a1") }).await;
    applied(&*store, Commit { expiry: Some(ending(HOUR, HOUR, 2)), ..update("a", 1, "a2") }).await;
    assert!(!store.delete(&id("a"), Expected::Version(1)).await.unwrap(), "written since");
    assert!(!store.delete(&id("a"), Expected::Absent).await.unwrap(), "it is there");
    assert!(store.get(&id("a")).await.unwrap().record.is_some());
    assert!(store.delete(&id("a"), Expected::Version(2)).await.unwrap());
    assert_eq!(store.get(&id("a")).await.unwrap().record, None);
    assert_eq!(store.due(9).await.unwrap().jobs, ids(&[]));
    assert_eq!(store.tombstone(&id("a")).await.unwrap(), Some(2));
    assert!(store.delete(&id("a"), Expected::Absent).await.unwrap());
    assert_eq!(store.commit(&update("a", 2, "a3")).await.unwrap(), Committed::Missing);
    assert_eq!(applied(&*store, create("a", "a4")).await, 1);
}

fn ids(names: &[&str]) -> Vec<JobId> {
    names.iter().map(|name| id(name)).collect()
}

fn is_applied(answer: &Committed) -> bool {
    matches!(answer, Committed::Applied { .. })
}

async fn all_at_once(store: &Arc<dyn Store>, commits: Vec<Commit>) -> Vec<Committed> {
    let distinct: BTreeSet<&str> = commits.iter().map(|commit| commit.op.as_str()).collect();
    assert_eq!(distinct.len(), commits.len());
    let answers = commits.iter().map(|commit| async { store.commit(commit).await.unwrap() });
    futures_util::future::join_all(answers).await
}
