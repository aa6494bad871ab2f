//! What both stores must tell of all that is live and due.

use super::writes::{applied, create, ending, id, record, update};
use cliprelay::store::{Commit, Counts, DueAt, Expected, Live, Store};
use std::sync::Arc;
use std::time::Duration;

/// Some time in the next century.
const LATER: u64 = 4_000_000_000_000;

fn live(live: Live) -> Counts {
    Counts { live, ..Counts::default() }
}

pub async fn what_is_live_and_due_is_counted(store: Arc<dyn Store>) {
    let nothing = store.survey(9).await.unwrap();
    assert_eq!((nothing.live, nothing.due, nothing.earliest_due, nothing.records), (0, 0, None, vec![]));
    let opened = |name: &str, due| Commit { counts: live(Live::Until(LATER)), due, ..create(name, name) };
    applied(&*store, opened("a", DueAt::At(7))).await;
    applied(&*store, opened("b", DueAt::At(5))).await;
    applied(&*store, opened("c", DueAt::At(LATER))).await;
    let all = store.survey(9).await.unwrap();
    assert_eq!((all.live, all.due, all.earliest_due), (3, 2, Some(5)));
    assert!(all.now <= store.get(&id("a")).await.unwrap().now && all.now > 1_500_000_000_000);
    applied(&*store, Commit { counts: live(Live::Ended), due: DueAt::Never, ..update("b", 1, "b2") }).await;
    let fewer = store.survey(9).await.unwrap();
    assert_eq!((fewer.live, fewer.due, fewer.earliest_due), (2, 1, Some(7)));
    // Nobody has told of this one's end, but it must have come.
    applied(&*store, Commit { counts: live(Live::Until(1)), ..update("a", 1, "a2") }).await;
    assert_eq!(store.survey(9).await.unwrap().live, 1);
    assert!(store.delete(&id("c"), Expected::Version(1)).await.unwrap());
    assert_eq!(store.survey(9).await.unwrap().earliest_due, Some(7));
}

pub async fn records_of_the_live_are_read(store: Arc<dyn Store>) {
    for (name, until) in [("a", LATER + 2), ("b", LATER), ("c", LATER + 1)] {
        applied(&*store, Commit { counts: live(Live::Until(until)), ..create(name, name) }).await;
    }
    applied(&*store, create("d", "d")).await;
    let told = async |limit| store.survey(limit).await.unwrap().records;
    assert_eq!(told(2).await, [(id("b"), record(1, "b")), (id("c"), record(1, "c"))]);
    assert_eq!(told(0).await, []);
    // One that is lost counts, and cannot be told.
    let brief = ending(Duration::from_millis(1), Duration::from_secs(9), 1);
    applied(&*store, Commit { expiry: Some(brief), ..update("b", 1, "b2") }).await;
    super::writes::until("the record goes", || async { store.get(&id("b")).await.unwrap().record.is_none() }).await;
    assert_eq!(store.survey(9).await.unwrap().live, 3);
    assert_eq!(told(9).await, [(id("c"), record(1, "c")), (id("a"), record(1, "a"))]);
}
