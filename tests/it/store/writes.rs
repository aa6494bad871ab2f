//! Commits in few words: a default one, and what differs.

use bytes::Bytes;
use cliprelay::job::id::{JobId, OpId, Owner, ProjectId};
use cliprelay::store::{
    Commit, Committed, Counts, DueAt, Expected, Expiry, LISTED_MAX, ListKey, Listed, MemoryKey, Place, PointerKey,
    PointerWrite, Record, Remember, Store, keys,
};
use std::future::Future;
use std::time::Duration;

pub const HOUR: Duration = Duration::from_hours(1);
/// Longer than anything here takes; shorter than a stuck test may hang.
const PATIENCE: Duration = Duration::from_secs(20);

pub fn id(name: &str) -> JobId {
    JobId::new(format!("job_{name}"))
}

pub fn pointer(project: &str) -> PointerKey {
    keys::pointer(&Owner::new("ann"), &ProjectId::new(project))
}

pub fn memory(key: &str) -> MemoryKey {
    keys::memory(&Owner::new("ann"), key)
}

pub fn list(owner: &str) -> ListKey {
    keys::list(&Owner::new(owner))
}

pub fn listed(owner: &str, place: Place, keep: Duration) -> Listed {
    Listed { list: list(owner), place, most: LISTED_MAX, keep }
}

pub fn create(name: &str, op: &str) -> Commit {
    Commit {
        id: id(name),
        op: OpId::new(op),
        expected: Expected::Absent,
        version: 1,
        body: Bytes::from(format!("by {op}")),
        due: DueAt::Keep,
        expiry: None,
        pointer: PointerWrite::Keep,
        remember: None,
        listed: Vec::new(),
        peek_due: 0,
        counts: Counts::default(),
    }
}

pub fn update(name: &str, version: u64, op: &str) -> Commit {
    Commit { expected: Expected::Version(version), version: version + 1, ..create(name, op) }
}

pub fn swap(project: &str, from: Option<&str>, to: &str) -> PointerWrite {
    PointerWrite::Swap { key: pointer(project), from: from.map(str::to_owned), to: to.to_owned() }
}

pub fn release(project: &str, value: &str) -> PointerWrite {
    PointerWrite::Release { key: pointer(project), value: value.to_owned() }
}

pub fn remember(key: &str, reply: &str, ttl: Duration) -> Remember {
    Remember { key: memory(key), reply: Bytes::from(reply.to_owned()), ttl }
}

pub fn ending(record: Duration, tombstone: Duration, epoch: u32) -> Expiry {
    Expiry { record, tombstone, epoch }
}

pub fn record(version: u64, op: &str) -> Record {
    Record { version, body: Bytes::from(format!("by {op}")) }
}

/// Commits what must be applied; the new version.
pub async fn applied(store: &dyn Store, commit: Commit) -> u64 {
    match store.commit(&commit).await.unwrap() {
        Committed::Applied { version, .. } => version,
        other => panic!("{commit:?} was answered {other:?}"),
    }
}

/// Waits until `condition` holds.
pub async fn until<F: Future<Output = bool>>(what: &str, mut condition: impl FnMut() -> F) {
    let patiently = async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, patiently).await.unwrap_or_else(|_| panic!("never happened: {what}"));
}
