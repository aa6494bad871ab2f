//! A page of a list: its entries in one round trip, their records in another.

use super::{RedisStore, millis};
use crate::job::id::JobId;
use crate::store::redis::link::{Repeat, Request};
use crate::store::{Error, ListKey, Page, Place, Record};
use bytes::Bytes;
use redis::{Cmd, pipe};

/// A record's version and body, if it is there.
pub(super) type Fields = (Option<u64>, Option<Vec<u8>>);

impl RedisStore {
    pub(super) async fn page(&self, list: &ListKey, before: Option<&Place>, limit: usize) -> Result<Page, Error> {
        let key = self.names.list(list);
        let from = before.map_or_else(|| "+".to_owned(), |place| format!("({}", place.as_str()));
        let mut newest = pipe();
        newest.cmd("TIME").cmd("ZREVRANGEBYLEX").arg(&key).arg(from).arg("-");
        // One more tells whether there are more.
        newest.arg("LIMIT").arg(0).arg(limit + 1);
        let (time, entries): ((u64, u64), Vec<String>) = self.link.ask(Request::Several(&newest), Repeat::Safe).await?;
        let more = entries.len() > limit;
        let mut places: Vec<Place> = entries.iter().filter_map(|entry| Place::parse(entry)).collect();
        places.truncate(limit);
        let next = if more { places.last().cloned() } else { None };
        let ids: Vec<JobId> = places.iter().map(Place::id).collect();
        let mut records = Vec::new();
        let mut gone = Vec::new();
        for (place, (version, body)) in places.iter().zip(self.fields(&ids).await?) {
            match version.zip(body) {
                Some((version, body)) => records.push((place.clone(), Record { version, body: Bytes::from(body) })),
                None => gone.push(place),
            }
        }
        if !gone.is_empty() {
            // What could not be dropped is met again.
            let _ = self.drop_gone(&key, &gone).await;
        }
        Ok(Page { now: millis(time), records, next })
    }

    pub(super) async fn fields(&self, ids: &[JobId]) -> Result<Vec<Fields>, Error> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let mut all = pipe();
        for id in ids {
            all.cmd("HMGET").arg(self.names.record(id)).arg("v").arg("b");
        }
        Ok(self.link.ask(Request::Several(&all), Repeat::Safe).await?)
    }

    /// By a script that looks again: a record may have been put back since it was missed.
    async fn drop_gone(&self, key: &str, gone: &[&Place]) -> Result<u64, Error> {
        let fill = |command: &mut Cmd| {
            command.arg(gone.len() + 1).arg(key);
            for place in gone {
                command.arg(self.names.record(&place.id()));
            }
            for place in gone {
                command.arg(place.as_str());
            }
        };
        self.run(&self.unlist, Repeat::Safe, fill).await
    }
}
