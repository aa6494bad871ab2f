//! What both stores must do as time passes. A test waits for something that has gone, never for a span of time.

use super::writes::{
    HOUR, applied, create, ending, id, memory, pointer, record, release, remember, swap, until, update,
};
use bytes::Bytes;
use cliprelay::store::{Commit, Committed, DueAt, Expected, Store};
use std::sync::Arc;
use std::time::Duration;

const SOON: Duration = Duration::from_millis(150);

pub async fn a_final_commit_ends_everything_of_the_job(store: Arc<dyn Store>) {
    applied(&*store, Commit { pointer: swap("p", None, "a"), due: DueAt::At(1), ..create("a", "a1") }).await;
    let last = Commit {
        due: DueAt::Never,
        expiry: Some(ending(SOON, HOUR, 4)),
        pointer: release("p", "a"),
        ..update("a", 1, "a2")
    };
    applied(&*store, last).await;
    assert_eq!(store.tombstone(&id("a")).await.unwrap(), Some(4));
    until("the record goes", || async { store.get(&id("a")).await.unwrap().record.is_none() }).await;
    until("its pointer goes", || async { store.pointer(&pointer("p")).await.unwrap().is_none() }).await;
    assert_eq!(store.tombstone(&id("a")).await.unwrap(), Some(4));
    assert_eq!(store.commit(&update("a", 2, "a3")).await.unwrap(), Committed::Missing);

    applied(&*store, Commit { expiry: Some(ending(HOUR, SOON, 1)), ..create("b", "b1") }).await;
    until("a tombstone goes", || async { store.tombstone(&id("b")).await.unwrap().is_none() }).await;
    assert_eq!(store.get(&id("b")).await.unwrap().record, Some(record(1, "b1")));
}

pub async fn a_later_commit_lifts_the_expiry(store: Arc<dyn Store>) {
    applied(&*store, Commit { pointer: swap("p", None, "a"), ..create("a", "a1") }).await;
    let last = Commit { expiry: Some(ending(SOON, HOUR, 1)), pointer: release("p", "a"), ..update("a", 1, "a2") };
    applied(&*store, last).await;
    let again = Commit { pointer: swap("p", Some("a"), "a"), ..update("a", 2, "a3") };
    assert_eq!(applied(&*store, again).await, 3);
    assert_eq!(store.tombstone(&id("a")).await.unwrap(), None);

    // Ended later, with the same span: when it has gone, the first would have.
    applied(&*store, Commit { expiry: Some(ending(SOON, HOUR, 1)), ..create("mark", "m1") }).await;
    until("the mark goes", || async { store.get(&id("mark")).await.unwrap().record.is_none() }).await;
    assert_eq!(store.get(&id("a")).await.unwrap().record, Some(record(3, "a3")));
    assert_eq!(store.pointer(&pointer("p")).await.unwrap().as_deref(), Some("a"));
}

pub async fn putting_back_a_forgotten_job_removes_its_tombstone(store: Arc<dyn Store>) {
    applied(&*store, Commit { expiry: Some(ending(HOUR, HOUR, 1)), ..create("a", "a1") }).await;
    assert!(store.delete(&id("a"), Expected::Version(1)).await.unwrap());
    assert_eq!(store.tombstone(&id("a")).await.unwrap(), Some(1));
    applied(&*store, create("a", "a2")).await;
    assert_eq!(store.tombstone(&id("a")).await.unwrap(), None);
}

pub async fn a_pointer_taken_by_an_ended_job_goes_with_its_record(store: Arc<dyn Store>) {
    let ended = Commit { expiry: Some(ending(SOON, HOUR, 1)), pointer: swap("p", None, "a"), ..create("a", "a1") };
    applied(&*store, ended).await;
    until("the record goes", || async { store.get(&id("a")).await.unwrap().record.is_none() }).await;
    until("the pointer goes", || async { store.pointer(&pointer("p")).await.unwrap().is_none() }).await;
}

pub async fn versions_are_their_writers(store: Arc<dyn Store>) {
    assert_eq!(applied(&*store, Commit { version: 70, ..create("a", "a1") }).await, 70);
    assert_eq!(applied(&*store, Commit { version: 90, ..update("a", 70, "a2") }).await, 90);
    let again = store.commit(&Commit { version: 5, ..create("a", "a3") }).await.unwrap();
    assert!(matches!(again, Committed::Conflict(_)), "{again:?}");
}

pub async fn a_pointer_held_by_another_is_not_released(store: Arc<dyn Store>) {
    applied(&*store, Commit { pointer: swap("p", None, "b"), ..create("b", "b1") }).await;
    let last = Commit { expiry: Some(ending(SOON, HOUR, 1)), pointer: release("p", "a"), ..create("a", "a1") };
    applied(&*store, last).await;
    until("the record goes", || async { store.get(&id("a")).await.unwrap().record.is_none() }).await;
    assert_eq!(store.pointer(&pointer("p")).await.unwrap().as_deref(), Some("b"));
}

pub async fn a_reply_is_forgotten_after_its_time(store: Arc<dyn Store>) {
    applied(&*store, Commit { remember: Some(remember("k", "first", SOON)), ..create("a", "a1") }).await;
    until("the reply goes", || async { store.recall(&memory("k")).await.unwrap().is_none() }).await;
    applied(&*store, Commit { remember: Some(remember("k", "second", HOUR)), ..create("b", "b1") }).await;
    assert_eq!(store.recall(&memory("k")).await.unwrap(), Some(Bytes::from("second")));
}

pub async fn a_counter_starts_anew_some_time_after_its_last_use(store: Arc<dyn Store>) {
    for expected in 1..=3 {
        assert_eq!(store.count("ann", HOUR).await.unwrap(), expected);
    }
    assert_eq!(store.count("bob", HOUR).await.unwrap(), 1);
    let counted = async |name: &str| store.counted(&[name.to_owned()]).await.unwrap()[0];
    assert_eq!(counted("nobody").await, None);
    for expected in 1..=2 {
        assert_eq!(store.count("short", SOON).await.unwrap(), expected);
        assert!(counted("short").await.is_none_or(|window| window.used == expected && window.left <= SOON));
    }
    until("the counter is forgotten", || async { counted("short").await.is_none() }).await;
    assert_eq!(store.count("short", HOUR).await.unwrap(), 1);
    // From the last time it was used: whoever knows the window knows when that was.
    assert_eq!(store.count("short", 2 * HOUR).await.unwrap(), 2);
    let all = store.counted(&["short".to_owned(), "bob".to_owned()]).await.unwrap();
    assert!(all[0].is_some_and(|window| window.left > HOUR && window.left <= 2 * HOUR), "{all:?}");
    assert!(all[1].is_some_and(|window| window.used == 1 && window.left <= HOUR), "{all:?}");
    assert_eq!(store.counted(&[]).await.unwrap(), []);
}

pub async fn time_is_told_and_does_not_go_back(store: Arc<dyn Store>) {
    let mut before = 0;
    for round in 0..5 {
        let read = store.get(&id("a")).await.unwrap().now;
        let due = store.due(1).await.unwrap().now;
        let created = store.commit(&create(&format!("a{round}"), "op1")).await.unwrap();
        let Committed::Applied { now: Some(created), .. } = created else { panic!("{created:?} tells no time") };
        assert!(before <= read && read <= due && due <= created, "{before} {read} {due} {created}");
        before = created;
    }
    // Neither seconds nor microseconds: some time in this century.
    assert!((1_500_000_000_000..4_200_000_000_000).contains(&before), "{before}");
}

pub async fn ping_and_opening_answer(store: Arc<dyn Store>) {
    store.ping().await.unwrap();
    assert!(!store.opening().is_empty());
    assert_eq!(store.opening(), store.opening());
}
