//! The store as its trait describes it, in memory: what a Redis would hold, without a Redis. It decides nothing about faults;
//! it can be emptied, lose one record, or be rolled back to what it held some writes ago.

use bytes::Bytes;
use cliprelay::job::{JobId, Millis};
use cliprelay::store::{
    Commit, Committed, DueAt, Expected, ListKey, Live, LogKey, MemoryKey, Page, Place, PointerKey, PointerWrite,
    Record, Survey, Taken, Turn, Window,
};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

/// How many writes back a failover can lose.
const KEPT: usize = 4;

#[derive(Debug, Clone)]
struct Row {
    record: Record,
    ops: VecDeque<String>,
    expires: Option<Millis>,
}

#[derive(Debug, Clone)]
struct Expiring<T> {
    value: T,
    expires: Option<Millis>,
}

#[derive(Debug, Clone, Default)]
struct Tables {
    records: BTreeMap<JobId, Row>,
    due: BTreeMap<JobId, Millis>,
    live: BTreeMap<JobId, Millis>,
    pointers: BTreeMap<String, Expiring<String>>,
    replies: BTreeMap<String, Expiring<Bytes>>,
    tombstones: BTreeMap<JobId, Expiring<u32>>,
    counters: BTreeMap<String, Expiring<u64>>,
    lists: BTreeMap<String, Expiring<BTreeSet<Place>>>,
    logs: BTreeMap<String, Expiring<VecDeque<Bytes>>>,
}

#[derive(Debug, Default)]
pub struct Model {
    tables: Tables,
    past: VecDeque<Tables>,
}

fn alive(expires: Option<Millis>, now: Millis) -> bool {
    expires.is_none_or(|expires| now < expires)
}

fn after(now: Millis, span: Duration) -> Millis {
    now + u64::try_from(span.as_millis()).unwrap_or(u64::MAX / 4).max(1)
}

impl Model {
    pub fn get(&self, id: &JobId, now: Millis) -> Option<Record> {
        self.tables.records.get(id).filter(|row| alive(row.expires, now)).map(|row| row.record.clone())
    }

    /// Nothing of this world is limited: its service is started without limits.
    pub fn commit(&mut self, commit: &Commit, now: Millis) -> Committed {
        assert_eq!((commit.counts.live_max, &commit.counts.tally), (None, &None));
        let row = self.tables.records.get(&commit.id).filter(|row| alive(row.expires, now));
        if let Some(row) = row.filter(|row| row.ops.iter().any(|op| op == commit.op.as_str())) {
            return Committed::Replayed(row.record.clone());
        }
        if let Some(remember) = &commit.remember
            && let Some(reply) = self.recall(&remember.key, now)
        {
            return Committed::Remembered(reply);
        }
        match (commit.expected, row) {
            (Expected::Version(_), None) => return Committed::Missing,
            (Expected::Version(version), Some(row)) if version != row.record.version => {
                return Committed::Conflict(row.record.clone());
            }
            (Expected::Absent, Some(row)) => return Committed::Conflict(row.record.clone()),
            (Expected::Version(_), Some(_)) | (Expected::Absent, None) => {}
        }
        if let PointerWrite::Swap { key, from, .. } = &commit.pointer {
            let holds = self.pointer(key, now);
            if holds != *from {
                return Committed::PointerTaken(holds);
            }
        }
        self.past.push_back(self.tables.clone());
        if self.past.len() > KEPT {
            self.past.pop_front();
        }
        self.apply(commit, now)
    }

    fn apply(&mut self, commit: &Commit, now: Millis) -> Committed {
        let tables = &mut self.tables;
        let before = tables.records.remove(&commit.id).filter(|row| alive(row.expires, now));
        let version = commit.version;
        let is_new = before.is_none();
        let was_expiring = before.as_ref().is_some_and(|row| row.expires.is_some());
        let mut ops = before.map(|row| row.ops).unwrap_or_default();
        ops.push_front(commit.op.as_str().to_owned());
        ops.truncate(8);
        let expires = commit.expiry.map(|expiry| after(now, expiry.record));
        let record = Record { version, body: commit.body.clone() };
        tables.records.insert(commit.id.clone(), Row { record, ops, expires });
        match commit.expiry {
            Some(expiry) => {
                let grave = Expiring { value: expiry.epoch, expires: Some(after(now, expiry.tombstone)) };
                tables.tombstones.insert(commit.id.clone(), grave);
            }
            None if was_expiring || is_new => drop(tables.tombstones.remove(&commit.id)),
            None => {}
        }
        match &commit.pointer {
            PointerWrite::Keep => {}
            PointerWrite::Swap { key, to, .. } => {
                tables.pointers.insert(key.0.clone(), Expiring { value: to.clone(), expires });
            }
            PointerWrite::Release { key, value } => {
                if let Some(held) = tables.pointers.get_mut(&key.0).filter(|held| held.value == *value)
                    && expires.is_some()
                {
                    held.expires = expires;
                }
            }
        }
        if let Some(remember) = &commit.remember {
            let reply = Expiring { value: remember.reply.clone(), expires: Some(after(now, remember.ttl)) };
            tables.replies.insert(remember.key.0.clone(), reply);
        }
        for listed in &commit.listed {
            let list = tables.lists.remove(&listed.list.0).filter(|list| alive(list.expires, now));
            let mut places = list.map(|list| list.value).unwrap_or_default();
            places.insert(listed.place.clone());
            while places.len() > listed.most {
                places.pop_first();
            }
            let expires = Some(after(now, listed.keep));
            tables.lists.insert(listed.list.0.clone(), Expiring { value: places, expires });
        }
        match commit.counts.live {
            Live::Keep => {}
            Live::Until(until) => drop(tables.live.insert(commit.id.clone(), until)),
            Live::Ended => drop(tables.live.remove(&commit.id)),
        }
        match commit.due {
            DueAt::Keep => {}
            DueAt::At(at) => drop(tables.due.insert(commit.id.clone(), at)),
            DueAt::Never => drop(tables.due.remove(&commit.id)),
        }
        let due = if commit.peek_due == 0 { Vec::new() } else { self.due(commit.peek_due, now) };
        Committed::Applied { version, now: (is_new || commit.peek_due > 0).then_some(now), due }
    }

    pub fn pointer(&self, key: &PointerKey, now: Millis) -> Option<String> {
        self.tables.pointers.get(&key.0).filter(|held| alive(held.expires, now)).map(|held| held.value.clone())
    }

    pub fn recall(&self, key: &MemoryKey, now: Millis) -> Option<Bytes> {
        self.tables.replies.get(&key.0).filter(|held| alive(held.expires, now)).map(|held| held.value.clone())
    }

    pub fn tombstone(&self, id: &JobId, now: Millis) -> Option<u32> {
        self.tables.tombstones.get(id).filter(|grave| alive(grave.expires, now)).map(|grave| grave.value)
    }

    /// When somebody must look at the job.
    pub fn due_of(&self, id: &JobId) -> Option<Millis> {
        self.tables.due.get(id).copied()
    }

    pub fn due(&self, limit: usize, now: Millis) -> Vec<JobId> {
        let mut due: Vec<_> =
            self.tables.due.iter().filter(|(_, at)| **at <= now).map(|(id, at)| (*at, id.clone())).collect();
        due.sort();
        due.into_iter().take(limit).map(|(_, id)| id).collect()
    }

    pub fn delete(&mut self, id: &JobId, expected: Expected, now: Millis) -> bool {
        let version = self.get(id, now).map(|record| record.version);
        if version != expected.version() {
            return false;
        }
        self.tables.records.remove(id);
        self.tables.due.remove(id);
        true
    }

    pub fn list(&mut self, list: &ListKey, before: Option<&Place>, limit: usize, now: Millis) -> Page {
        let held = self.tables.lists.get(&list.0).filter(|held| alive(held.expires, now));
        let older = |place: &&Place| before.is_none_or(|before| *place < before);
        let older = held.into_iter().flat_map(|held| held.value.iter().rev()).filter(older);
        let mut places: Vec<Place> = older.take(limit + 1).cloned().collect();
        let more = places.len() > limit;
        places.truncate(limit);
        let next = if more { places.last().cloned() } else { None };
        let mut records = Vec::new();
        for place in places {
            match self.get(&place.id(), now) {
                Some(record) => records.push((place, record)),
                None => drop(self.tables.lists.get_mut(&list.0).map(|held| held.value.remove(&place))),
            }
        }
        Page { now, records, next }
    }

    pub fn survey(&self, limit: usize, now: Millis) -> Survey {
        let mut live: Vec<_> = self.tables.live.iter().filter(|(_, until)| **until > now).collect();
        live.sort_by_key(|(id, until)| (**until, (*id).clone()));
        let records = live.iter().take(limit).filter_map(|(id, _)| Some(((*id).clone(), self.get(id, now)?)));
        let due = self.tables.due.values().filter(|at| **at <= now).count() as u64;
        let earliest_due = self.tables.due.values().min().copied();
        Survey { now, live: live.len() as u64, due, earliest_due, records: records.collect() }
    }

    pub fn counted(&self, names: &[String], now: Millis) -> Vec<Option<Window>> {
        let window = |name: &String| {
            let counter = self.tables.counters.get(name).filter(|counter| alive(counter.expires, now))?;
            Some(Window { used: counter.value, left: Duration::from_millis(counter.expires? - now) })
        };
        names.iter().map(window).collect()
    }

    pub fn count(&mut self, name: &str, window: Duration, now: Millis) -> u64 {
        let count = self.tables.counters.get(name).filter(|count| alive(count.expires, now));
        let value = count.map_or(0, |count| count.value);
        let expires = Some(after(now, window));
        let count = Expiring { value: value + 1, expires };
        let value = count.value;
        self.tables.counters.insert(name.to_owned(), count);
        value
    }

    pub fn take(&mut self, turns: &[Turn], now: Millis) -> Taken {
        let mut windows = Vec::new();
        for turn in turns {
            let counter = self.tables.counters.get(&turn.name).filter(|counter| alive(counter.expires, now));
            let left =
                counter.and_then(|counter| counter.expires).map_or(turn.window, |at| Duration::from_millis(at - now));
            windows.push(Window { used: counter.map_or(0, |counter| counter.value), left });
        }
        let granted = turns.iter().zip(&windows).all(|(turn, window)| window.used < turn.max);
        for (turn, window) in turns.iter().zip(&mut windows).filter(|_| granted) {
            window.used += 1;
            let counter = Expiring {
                value: window.used,
                expires: Some(now + u64::try_from(window.left.as_millis()).unwrap_or(0)),
            };
            self.tables.counters.insert(turn.name.clone(), counter);
        }
        Taken { now, granted, windows }
    }

    pub fn note(&mut self, log: &LogKey, entry: &[u8], keep: usize, ttl: Duration, now: Millis) {
        let held = self.tables.logs.remove(&log.0).filter(|held| alive(held.expires, now));
        let mut entries = held.map(|held| held.value).unwrap_or_default();
        entries.push_front(Bytes::copy_from_slice(entry));
        entries.truncate(keep.max(1));
        self.tables.logs.insert(log.0.clone(), Expiring { value: entries, expires: Some(after(now, ttl)) });
    }

    pub fn notes(&self, log: &LogKey, limit: usize, now: Millis) -> Vec<Bytes> {
        let held = self.tables.logs.get(&log.0).filter(|held| alive(held.expires, now));
        held.into_iter().flat_map(|held| held.value.iter().take(limit).cloned()).collect()
    }

    /// A failover to an empty one.
    pub fn forget(&mut self) {
        self.tables = Tables::default();
        self.past.clear();
    }

    /// One record is evicted.
    pub fn evict(&mut self, id: &JobId) {
        self.tables.records.remove(id);
        self.past.clear();
    }

    /// A failover to one that has not seen the last writes; how many are lost.
    pub fn roll_back(&mut self, writes: usize) -> usize {
        let lost = writes.min(self.past.len());
        for _ in 0..lost {
            if let Some(before) = self.past.pop_back() {
                self.tables = before;
            }
        }
        lost
    }
}
