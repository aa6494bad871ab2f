//! What both stores must do about logs.

use super::writes::{HOUR, until};
use bytes::Bytes;
use cliprelay::store::{LogKey, Store};
use std::sync::Arc;
use std::time::Duration;

fn log(name: &str) -> LogKey {
    LogKey(name.to_owned())
}

async fn texts(store: &dyn Store, name: &str, limit: usize) -> Vec<String> {
    let entries = store.notes(&log(name), limit).await.unwrap();
    entries.iter().map(|entry| String::from_utf8_lossy(entry).into_owned()).collect()
}

pub async fn a_log_keeps_its_newest_entries(store: Arc<dyn Store>) {
    assert_eq!(texts(&*store, "a", 9).await, Vec::<String>::new());
    for n in 1..=5 {
        store.note(&log("a"), format!("entry {n}").as_bytes(), 3, HOUR).await.unwrap();
    }
    assert_eq!(texts(&*store, "a", 9).await, ["entry 5", "entry 4", "entry 3"]);
    assert_eq!(texts(&*store, "a", 2).await, ["entry 5", "entry 4"]);
    assert_eq!(texts(&*store, "a", 0).await, Vec::<String>::new());
    // Kept for fewer from now on; none at all is none but the newest.
    store.note(&log("a"), b"entry 6", 0, HOUR).await.unwrap();
    assert_eq!(texts(&*store, "a", 9).await, ["entry 6"]);
}

pub async fn entries_are_opaque_and_logs_apart(store: Arc<dyn Store>) {
    let odd: &[u8] = &[0, 255, b'\n', 13, 0];
    store.note(&log("a"), odd, 9, HOUR).await.unwrap();
    store.note(&log("a"), b"", 9, HOUR).await.unwrap();
    store.note(&log("ab"), b"other", 9, HOUR).await.unwrap();
    assert_eq!(store.notes(&log("a"), 9).await.unwrap(), [Bytes::new(), Bytes::from_static(&[0, 255, b'\n', 13, 0])]);
    assert_eq!(texts(&*store, "ab", 9).await, ["other"]);
    assert_eq!(texts(&*store, "", 9).await, Vec::<String>::new());
}

pub async fn of_many_notes_at_once_all_are_there(store: Arc<dyn Store>) {
    let texts_noted: Vec<String> = (10..50).map(|n| n.to_string()).collect();
    let (first, noted) = (log("a"), texts_noted.iter());
    for answer in futures_util::future::join_all(noted.map(|text| store.note(&first, text.as_bytes(), 100, HOUR))).await
    {
        answer.unwrap();
    }
    let mut found = texts(&*store, "a", 100).await;
    found.sort();
    assert_eq!(found, texts_noted);
}

pub async fn a_log_ends_some_time_after_its_last_entry(store: Arc<dyn Store>) {
    let soon = Duration::from_millis(150);
    store.note(&log("short"), b"one", 9, soon).await.unwrap();
    until("the log goes", || async { texts(&*store, "short", 9).await.is_empty() }).await;
    // An entry after it begins anew, and for longer stays while another comes and goes.
    store.note(&log("short"), b"two", 9, HOUR).await.unwrap();
    store.note(&log("mark"), b"mark", 9, soon).await.unwrap();
    until("the mark goes", || async { texts(&*store, "mark", 9).await.is_empty() }).await;
    assert_eq!(texts(&*store, "short", 9).await, ["two"]);
}
