//! A store that tells how long each verb took and what came of it, and is otherwise the store it stands before.

use super::{
    Commit, Committed, Due, Error, Expected, ListKey, LogKey, MemoryKey, Page, Place, PointerKey, Read, Store, Survey,
    Taken, Turn, Window,
};
use crate::job::id::JobId;
use crate::measure::{self, Told, Verb};
use async_trait::async_trait;
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

pub struct Measured(pub Arc<dyn Store>);

/// Tells of an answer also when nobody waited for it: then it is not known.
struct Asked {
    verb: Verb,
    begun: Instant,
    told: Told,
}

impl Drop for Asked {
    fn drop(&mut self) {
        measure::stored(self.verb, self.told, self.begun.elapsed());
    }
}

async fn ask<T>(verb: Verb, answer: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    let mut asked = Asked { verb, begun: Instant::now(), told: Told::Unknown };
    let answer = answer.await;
    asked.told = match &answer {
        Ok(_) => Told::Ok,
        Err(Error::Unavailable(_)) => Told::Unavailable,
        Err(Error::Unknown(_)) => Told::Unknown,
    };
    answer
}

#[async_trait]
impl Store for Measured {
    async fn get(&self, id: &JobId) -> Result<Read, Error> {
        ask(Verb::Get, self.0.get(id)).await
    }

    async fn commit(&self, commit: &Commit) -> Result<Committed, Error> {
        ask(Verb::Commit, self.0.commit(commit)).await
    }

    async fn pointer(&self, key: &PointerKey) -> Result<Option<String>, Error> {
        ask(Verb::Pointer, self.0.pointer(key)).await
    }

    async fn recall(&self, key: &MemoryKey) -> Result<Option<Bytes>, Error> {
        ask(Verb::Recall, self.0.recall(key)).await
    }

    async fn tombstone(&self, id: &JobId) -> Result<Option<u32>, Error> {
        ask(Verb::Tombstone, self.0.tombstone(id)).await
    }

    async fn due(&self, limit: usize) -> Result<Due, Error> {
        ask(Verb::Due, self.0.due(limit)).await
    }

    async fn delete(&self, id: &JobId, expected: Expected) -> Result<bool, Error> {
        ask(Verb::Delete, self.0.delete(id, expected)).await
    }

    async fn list(&self, list: &ListKey, before: Option<&Place>, limit: usize) -> Result<Page, Error> {
        ask(Verb::List, self.0.list(list, before, limit)).await
    }

    async fn survey(&self, limit: usize) -> Result<Survey, Error> {
        ask(Verb::Survey, self.0.survey(limit)).await
    }

    async fn count(&self, name: &str, window: Duration) -> Result<u64, Error> {
        ask(Verb::Count, self.0.count(name, window)).await
    }

    async fn counted(&self, names: &[String]) -> Result<Vec<Option<Window>>, Error> {
        ask(Verb::Counted, self.0.counted(names)).await
    }

    async fn take(&self, turns: &[Turn]) -> Result<Taken, Error> {
        ask(Verb::Take, self.0.take(turns)).await
    }

    async fn note(&self, log: &LogKey, entry: &[u8], keep: usize, ttl: Duration) -> Result<(), Error> {
        ask(Verb::Note, self.0.note(log, entry, keep, ttl)).await
    }

    async fn notes(&self, log: &LogKey, limit: usize) -> Result<Vec<Bytes>, Error> {
        ask(Verb::Notes, self.0.notes(log, limit)).await
    }

    async fn ping(&self) -> Result<(), Error> {
        ask(Verb::Ping, self.0.ping()).await
    }

    fn opening(&self) -> &str {
        self.0.opening()
    }
}
