//! What both stores must do about turns, live jobs and tallies.

use super::writes::{HOUR, applied, create, id, pointer, swap, until, update};
use cliprelay::store::{Commit, Committed, Counts, Live, Store, Tally, Turn};
use std::sync::Arc;
use std::time::Duration;

const SOON: Duration = Duration::from_millis(150);
/// Some time in the next century.
const LATER: u64 = 4_000_000_000_000;

fn turn(name: &str, max: u64) -> Turn {
    Turn { name: name.to_owned(), window: HOUR, max }
}

async fn taken(store: &Arc<dyn Store>, turns: &[Turn]) -> (bool, Vec<u64>) {
    let taken = store.take(turns).await.unwrap();
    assert!(taken.windows.iter().all(|window| window.left <= HOUR && window.left > HOUR / 2), "{taken:?}");
    (taken.granted, taken.windows.iter().map(|window| window.used).collect())
}

pub async fn turns_are_taken_from_all_windows_or_from_none(store: Arc<dyn Store>) {
    let both = [turn("ann", 2), turn("net", 3)];
    assert_eq!(taken(&store, &both).await, (true, vec![1, 1]));
    assert_eq!(taken(&store, &both).await, (true, vec![2, 2]));
    assert_eq!(taken(&store, &both).await, (false, vec![2, 2]));
    assert_eq!(taken(&store, &[turn("bob", 2), turn("net", 3)]).await, (true, vec![1, 3]));
    assert_eq!(taken(&store, &[turn("bob", 2), turn("net", 3)]).await, (false, vec![1, 3]));
    assert_eq!(taken(&store, &[turn("bob", 2)]).await, (true, vec![2]));
    let now = store.take(&[turn("zoe", 1)]).await.unwrap().now;
    assert!(now <= store.get(&id("a")).await.unwrap().now && now > 1_500_000_000_000);
}

pub async fn of_many_turns_at_once_as_many_are_granted_as_there_are(store: Arc<dyn Store>) {
    let turns = [turn("ann", 7), turn("net", 100)];
    let answers = futures_util::future::join_all((0..40).map(|_| store.take(&turns))).await;
    let granted = answers.iter().filter(|answer| answer.as_ref().unwrap().granted).count();
    assert_eq!(granted, 7);
    assert_eq!(taken(&store, &turns).await, (false, vec![7, 7]));
}

pub async fn a_window_is_over_after_its_time(store: Arc<dyn Store>) {
    let short = [Turn { window: SOON, ..turn("short", 1) }];
    assert!(store.take(&short).await.unwrap().granted);
    // Being refused must not stretch it.
    until("a turn is granted again", || async { store.take(&short).await.unwrap().granted }).await;
}

fn live(live: Live, live_max: Option<u64>) -> Counts {
    Counts { live, live_max, tally: None }
}

pub async fn so_many_jobs_are_live_and_no_more(store: Arc<dyn Store>) {
    let opening = |name: &str| Commit { counts: live(Live::Until(LATER), Some(2)), ..create(name, name) };
    applied(&*store, opening("a")).await;
    applied(&*store, opening("b")).await;
    assert_eq!(store.commit(&opening("c")).await.unwrap(), Committed::Full);
    // The same job is counted once, and one that has ended not at all.
    applied(&*store, Commit { counts: live(Live::Until(LATER + 1), None), ..update("a", 1, "a2") }).await;
    applied(&*store, Commit { counts: live(Live::Ended, None), ..update("a", 2, "a3") }).await;
    applied(&*store, opening("c")).await;
    assert_eq!(store.commit(&opening("d")).await.unwrap(), Committed::Full);
    // Nobody has told of this one's end, but it must have come.
    applied(&*store, Commit { counts: live(Live::Until(1), None), ..update("c", 1, "c2") }).await;
    applied(&*store, opening("d")).await;
}

fn adding(name: &str, add: i64, most: Option<u64>) -> Commit {
    let tally = Tally { name: "day".to_owned(), add, most, ttl: HOUR };
    Commit { counts: Counts { tally: Some(tally), ..Counts::default() }, ..create(name, name) }
}

pub async fn a_tally_takes_no_more_than_it_may(store: Arc<dyn Store>) {
    applied(&*store, adding("a", 800, Some(1_000))).await;
    assert_eq!(store.commit(&adding("b", 201, Some(1_000))).await.unwrap(), Committed::Over);
    applied(&*store, adding("b", 200, Some(1_000))).await;
    applied(&*store, adding("c", 5_000, None)).await;
    applied(&*store, adding("d", -5_500, None)).await;
    assert_eq!(store.commit(&adding("e", 501, Some(1_000))).await.unwrap(), Committed::Over);
    // Never below nothing.
    applied(&*store, adding("e", -90_000, None)).await;
    applied(&*store, adding("f", 1_000, Some(1_000))).await;
    assert_eq!(store.commit(&adding("g", 1, Some(1_000))).await.unwrap(), Committed::Over);
    // The same write again is counted once.
    assert!(matches!(store.commit(&adding("f", 1_000, None)).await.unwrap(), Committed::Replayed(_)));
    applied(&*store, adding("h", -1, None)).await;
    applied(&*store, adding("g", 1, Some(1_000))).await;
}

pub async fn of_many_commits_no_more_are_counted_than_may_be(store: Arc<dyn Store>) {
    let commits: Vec<_> = (0..40).map(|n| adding(&format!("job{n}"), 100, Some(750))).collect();
    let answers = futures_util::future::join_all(commits.iter().map(|commit| store.commit(commit))).await;
    let applied = answers.iter().filter(|answer| matches!(answer, Ok(Committed::Applied { .. }))).count();
    assert_eq!(applied, 7);
    assert_eq!(answers.iter().filter(|answer| matches!(answer, Ok(Committed::Over))).count(), 33);
}

pub async fn a_refused_commit_counts_nothing(store: Arc<dyn Store>) {
    applied(&*store, Commit { pointer: swap("p", None, "x"), ..adding("a", 10, None) }).await;
    let taken = Commit { pointer: swap("p", None, "y"), ..adding("b", 990, None) };
    let taken = Commit { counts: Counts { live: Live::Until(LATER), ..taken.counts.clone() }, ..taken };
    assert!(matches!(store.commit(&taken).await.unwrap(), Committed::PointerTaken(_)), "that comes first");
    let over = Commit {
        counts: Counts { live: Live::Until(LATER), ..adding("c", 991, Some(1_000)).counts },
        ..create("c", "c")
    };
    let over = Commit { pointer: swap("q", None, "c"), ..over };
    assert_eq!(store.commit(&over).await.unwrap(), Committed::Over);
    assert_eq!(store.pointer(&pointer("q")).await.unwrap(), None);
    assert_eq!(store.get(&id("c")).await.unwrap().record, None);
    applied(&*store, Commit { counts: live(Live::Until(LATER), Some(1)), ..create("d", "d") }).await;
    applied(&*store, adding("e", 990, Some(1_000))).await;
}
