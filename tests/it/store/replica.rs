//! What a replica that lags behind may cost: an older status, never a lost or a doubled write.

use super::connect;
use super::writes::{applied, create, id, record, update};
use crate::support::processes::until;
use crate::support::redis::{Server, query};
use cliprelay::store::{Committed, Store};

#[tokio::test]
async fn what_was_decided_on_an_old_reading_is_not_written() {
    let (primary, replica) = (Server::start(), Server::start());
    let (writes, reads) = (connect(&primary), connect(&replica));
    query::<String>(&replica, &["REPLICAOF", "127.0.0.1", &primary.port().to_string()]);
    applied(&writes, create("a", "a1")).await;
    let keys: Vec<String> = query(&primary, &["KEYS", "*"]);
    let all = [&["EXISTS"], &keys.iter().map(String::as_str).collect::<Vec<_>>()[..]].concat();
    until("it follows", async || (query::<usize>(&replica, &all) == keys.len()).then_some(())).await;
    // From here on it hears of nothing.
    query::<String>(&replica, &["REPLICAOF", "NO", "ONE"]);
    applied(&writes, update("a", 1, "a2")).await;

    let old = reads.get(&id("a")).await.unwrap().record.unwrap();
    assert_eq!(old, record(1, "a1"), "the reading is old");
    // Whoever acts on it is told what is true instead, and goes on from there.
    match writes.commit(&update("a", old.version, "a3")).await.unwrap() {
        Committed::Conflict { .. } => {}
        other => panic!("{other:?}"),
    }
    assert_eq!(writes.get(&id("a")).await.unwrap().record, Some(record(2, "a2")));
    // One that was not there yet on the replica is not made a second time.
    applied(&writes, create("b", "b1")).await;
    assert_eq!(reads.get(&id("b")).await.unwrap().record, None);
    assert!(!matches!(writes.commit(&create("b", "b2")).await.unwrap(), Committed::Applied { .. }));
    assert_eq!(writes.get(&id("b")).await.unwrap().record, Some(record(1, "b1")));
}
