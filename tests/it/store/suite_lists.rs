//! What both stores must do about lists.

use super::connect;
use super::writes::{HOUR, applied, create, ending, id, list, listed, record, swap, until, update};
use crate::support::redis::Server;
use cliprelay::job::id::{Millis, OpId};
use cliprelay::store::{Commit, Committed, Expected, LISTED_MAX, Listed, Page, Place, Store, keys};
use std::sync::Arc;
use std::time::Duration;

fn place(age: Millis, name: &str) -> Place {
    Place::new(age, &id(name))
}

/// A new job in Ann's list.
fn job(age: Millis, name: &str) -> Commit {
    Commit { listed: vec![listed("ann", place(age, name), HOUR)], ..create(name, &format!("{name}1")) }
}

async fn page(store: &dyn Store, before: Option<&Place>, limit: usize) -> Page {
    store.list(&list("ann"), before, limit).await.unwrap()
}

fn names(page: &Page) -> Vec<String> {
    page.records.iter().map(|(place, _)| place.id().as_str().trim_start_matches("job_").to_owned()).collect()
}

pub async fn a_list_is_paged_from_the_newest_on(store: Arc<dyn Store>) {
    for (age, name) in [(7, "b"), (7, "c"), (1_800_000_000_000, "d"), (5, "a")] {
        applied(&*store, job(age, name)).await;
    }
    let other = Commit { listed: vec![listed("bob", place(9, "x"), HOUR)], ..create("x", "x1") };
    applied(&*store, other).await;
    let all = page(&*store, None, 9).await;
    assert_eq!((names(&all), &all.next), (["d", "c", "b", "a"].map(str::to_owned).to_vec(), &None));
    assert_eq!(all.records[1], (place(7, "c"), record(1, "c1")));
    let first = page(&*store, None, 2).await;
    assert_eq!((names(&first), &first.next), (vec!["d".to_owned(), "c".to_owned()], &Some(place(7, "c"))));
    // What comes in between moves nothing, and a job that is written again keeps its place.
    applied(&*store, job(1_900_000_000_000, "e")).await;
    applied(&*store, Commit { listed: vec![listed("ann", place(7, "b"), HOUR)], ..update("b", 1, "b2") }).await;
    let second = page(&*store, first.next.as_ref(), 2).await;
    assert_eq!((names(&second), &second.next), (vec!["b".to_owned(), "a".to_owned()], &None));
    assert_eq!(second.records[0].1, record(2, "b2"));
    assert_eq!(names(&page(&*store, Some(&place(5, "a")), 2).await), Vec::<String>::new());
}

pub async fn a_commit_lists_its_job_in_several_lists(store: Arc<dyn Store>) {
    let all = |place, most| Listed { list: keys::all_jobs(), place, most, keep: HOUR };
    for (age, name) in [(1, "a"), (2, "b"), (3, "c"), (4, "d")] {
        let listed = vec![listed("ann", place(age, name), HOUR), all(place(age, name), 2)];
        applied(&*store, Commit { listed, ..create(name, name) }).await;
    }
    assert_eq!(names(&page(&*store, None, 9).await), ["d", "c", "b", "a"]);
    let newest = store.list(&keys::all_jobs(), None, 9).await.unwrap();
    assert_eq!(names(&newest), ["d", "c"], "each list has its own length");
    // Written again it is no further entry, and of an entry that was dropped there is room for another.
    let again = Commit { listed: vec![all(place(3, "c"), 2)], ..update("c", 1, "c2") };
    applied(&*store, again).await;
    assert!(store.delete(&id("d"), Expected::Version(1)).await.unwrap());
    assert_eq!(names(&store.list(&keys::all_jobs(), None, 9).await.unwrap()), ["c"]);
    applied(&*store, Commit { listed: vec![all(place(2, "b"), 2)], ..update("b", 1, "b2") }).await;
    assert_eq!(names(&store.list(&keys::all_jobs(), None, 9).await.unwrap()), ["c", "b"]);
    assert!(store.list(&keys::failed_jobs(), None, 9).await.unwrap().records.is_empty());
}

pub async fn a_refused_commit_lists_nothing(store: Arc<dyn Store>) {
    applied(&*store, Commit { pointer: swap("p", None, "other"), ..job(1, "a") }).await;
    let refused = Commit { pointer: swap("p", None, "b"), ..job(2, "b") };
    assert!(matches!(store.commit(&refused).await.unwrap(), Committed::PointerTaken(_)));
    assert_eq!(names(&page(&*store, None, 9).await), ["a"]);
}

pub async fn entries_without_a_record_are_dropped(store: Arc<dyn Store>) {
    for (age, name) in [(1, "a"), (2, "b"), (3, "c")] {
        applied(&*store, job(age, name)).await;
    }
    assert!(store.delete(&id("b"), Expected::Version(1)).await.unwrap());
    let first = page(&*store, None, 2).await;
    assert_eq!((names(&first), first.next), (vec!["c".to_owned()], Some(place(2, "b"))), "it was looked at");
    // Dropped: it does not come back with a record that does not say so.
    applied(&*store, create("b", "b2")).await;
    assert_eq!(names(&page(&*store, None, 9).await), ["c", "a"]);
}

pub async fn a_list_ends_some_time_after_its_last_entry(store: Arc<dyn Store>) {
    let soon = Duration::from_millis(150);
    let short = Commit { listed: vec![listed("ann", place(1, "a"), soon)], ..create("a", "a1") };
    applied(&*store, short.clone()).await;
    until("the list goes", || async { page(&*store, None, 9).await.records.is_empty() }).await;
    assert_eq!(store.get(&id("a")).await.unwrap().record, Some(record(1, "a1")));
    // Listed again for longer: when the mark has gone, the first entry would have.
    applied(&*store, Commit { expected: Expected::Version(1), version: 2, op: OpId::new("a2"), ..short.clone() }).await;
    applied(&*store, Commit { op: OpId::new("a3"), ..job(1, "a") }.over(2)).await;
    applied(&*store, Commit { expiry: Some(ending(soon, HOUR, 1)), ..create("mark", "m1") }).await;
    until("the mark goes", || async { store.get(&id("mark")).await.unwrap().record.is_none() }).await;
    assert_eq!(names(&page(&*store, None, 9).await), ["a"]);
}

trait Over {
    fn over(self, version: u64) -> Self;
}

impl Over for Commit {
    fn over(self, version: u64) -> Self {
        Self { expected: Expected::Version(version), version: version + 1, ..self }
    }
}

/// More than a list holds, in turn.
async fn overfull(store: &dyn Store) {
    let more = 3;
    let last = u64::try_from(LISTED_MAX).unwrap() + more;
    for age in 1..=last {
        applied(store, job(age, &age.to_string())).await;
    }
    let whole = page(store, None, LISTED_MAX + 10).await;
    assert_eq!((whole.records.len(), &whole.next), (LISTED_MAX, &None));
    assert_eq!(whole.records.first().unwrap().0, place(last, &last.to_string()));
    assert_eq!(whole.records.last().unwrap().0, place(more + 1, &(more + 1).to_string()));
}

#[tokio::test]
async fn redis_keeps_the_newest_of_a_list() {
    overfull(&connect(&Server::start())).await;
}

#[cfg(feature = "local")]
#[tokio::test]
async fn redb_keeps_the_newest_of_a_list() {
    overfull(&cliprelay::store::redb::RedbStore::in_memory().unwrap()).await;
}
