//! What only a file can do: be closed, opened again, opened twice, and grow.

use super::writes::{HOUR, applied, create, ending, id, memory, pointer, record, remember, swap, update};
use cliprelay::store::redb::{Clock, OpenError, RedbStore};
use cliprelay::store::{Commit, Committed, DueAt, Store};
use redb::{ReadableDatabase, ReadableTableMetadata, TableDefinition};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

#[tokio::test]
async fn everything_is_there_after_reopening() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let first = RedbStore::open(&path).unwrap();
    let all = Commit {
        due: DueAt::At(1),
        pointer: swap("p", None, "a"),
        remember: Some(remember("k", "reply", HOUR)),
        ..create("a", "a1")
    };
    applied(&first, all).await;
    applied(&first, Commit { expiry: Some(ending(HOUR, HOUR, 3)), ..create("b", "b1") }).await;
    first.count("n", HOUR).await.unwrap();
    let opening = first.opening().to_owned();
    drop(first);

    let again = RedbStore::open(&path).unwrap();
    assert_ne!(again.opening(), opening);
    assert_eq!(again.get(&id("a")).await.unwrap().record, Some(record(1, "a1")));
    assert_eq!(again.due(9).await.unwrap().jobs, [id("a")]);
    assert_eq!(again.pointer(&pointer("p")).await.unwrap().as_deref(), Some("a"));
    assert_eq!(again.recall(&memory("k")).await.unwrap().as_deref(), Some(&b"reply"[..]));
    assert_eq!(again.tombstone(&id("b")).await.unwrap(), Some(3));
    assert_eq!(again.count("n", HOUR).await.unwrap(), 2);
    assert_eq!(again.commit(&create("a", "a1")).await.unwrap(), Committed::Replayed(record(1, "a1")));
}

#[tokio::test]
async fn a_second_opening_is_refused_while_the_first_lasts() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let first = RedbStore::open(&path).unwrap();
    let error = RedbStore::open(&path).err().expect("a refusal");
    assert!(matches!(error, OpenError::InUse(_)), "{error}");
    assert!(error.to_string().contains("in use by another process"), "{error}");
    drop(first);
    RedbStore::open(&path).unwrap();
}

#[test]
fn a_file_of_something_else_or_of_a_later_release_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    std::fs::write(&path, b"not a store, but long enough to look at").unwrap();
    let error = RedbStore::open(&path).err().expect("a refusal");
    assert!(matches!(error, OpenError::Failed { .. }), "{error}");

    let later = folder.path().join("later");
    drop(RedbStore::open(&later).unwrap());
    let database = redb::Database::open(&later).unwrap();
    let write = database.begin_write().unwrap();
    write.open_table(TableDefinition::<&str, u64>::new("meta")).unwrap().insert("schema", 99).unwrap();
    write.commit().unwrap();
    drop(database);
    let error = RedbStore::open(&later).err().expect("a refusal");
    assert!(matches!(error, OpenError::Schema { found: 99, .. }), "{error}");
}

#[tokio::test]
async fn what_has_expired_is_removed_from_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let now = Arc::new(AtomicU64::new(1_000_000));
    let read = now.clone();
    let store = RedbStore::open_with_clock(&path, Clock::from_fn(move || read.load(Ordering::SeqCst))).unwrap();
    for n in 0..40 {
        let name = format!("a{n}");
        let soon = Duration::from_millis(10);
        let ended = Commit {
            expiry: Some(ending(soon, soon, 1)),
            remember: Some(remember(&name, "reply", soon)),
            ..create(&name, "op1")
        };
        applied(&store, ended).await;
    }
    // Put back before its end: the note about the old end must not take it along.
    applied(&store, update("a0", 1, "op2")).await;
    assert_eq!(store.get(&id("a1")).await.unwrap().record, Some(record(1, "op1")));
    now.fetch_add(10, Ordering::SeqCst);
    assert_eq!(store.get(&id("a1")).await.unwrap().record, None);
    for n in 0..10 {
        applied(&store, create(&format!("b{n}"), "op1")).await;
    }
    assert_eq!(store.get(&id("a0")).await.unwrap().record, Some(record(2, "op2")));
    drop(store);

    let database = redb::Database::open(&path).unwrap();
    let file = database.begin_read().unwrap();
    let rows = |name: &str| file.open_untyped_table(TableDefinition::<&str, ()>::new(name)).unwrap().len().unwrap();
    assert_eq!((rows("records"), rows("tombstones"), rows("replies"), rows("expiries")), (11, 0, 0, 0));
}
