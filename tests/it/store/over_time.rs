//! Thousands of random verbs, and time that is moved between them by hand, given to the embedded store and to a plain
//! model of the contract: records, pointers, replies, tombstones and counters that end, and a due index that does not.

use super::differential::{Age, Random, Verb, place, turns};
use super::writes::{HOUR, id, list, memory, pointer};
use bytes::Bytes;
use cliprelay::job::id::JobId;
use cliprelay::store::redb::{Clock, RedbStore};
use cliprelay::store::{
    Commit, Committed, Counts, DueAt, Expected, Live, Place, PointerWrite, Record, Store, Tally, Turn,
};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

const SEEDS: [u64; 4] = [2, 11, 1_000_033, 0xfade];
const VERBS_PER_SEED: usize = 1_200;
const START: u64 = 1_795_435_200_000;
const MINUTE: u64 = 60_000;
const HOUR_MS: u64 = 60 * MINUTE;

/// Something and when it ends.
type Ending<T> = (T, Option<u64>);

struct Kept {
    record: Record,
    ops: Vec<String>,
}

/// The contract of `store/mod.rs`, over maps.
#[derive(Default)]
struct Model {
    now: u64,
    records: BTreeMap<JobId, Ending<Kept>>,
    due: BTreeMap<JobId, u64>,
    pointers: BTreeMap<String, Ending<String>>,
    replies: BTreeMap<String, Ending<Bytes>>,
    tombstones: BTreeMap<JobId, Ending<u32>>,
    counters: BTreeMap<String, Ending<u64>>,
    live: BTreeMap<JobId, u64>,
    listed: BTreeMap<(String, Place), Ending<()>>,
}

impl Model {
    fn advance(&mut self, now: u64) {
        fn end<K: Ord, T>(map: &mut BTreeMap<K, Ending<T>>, now: u64) {
            map.retain(|_, (_, ends)| ends.is_none_or(|ends| ends > now));
        }
        self.now = now;
        end(&mut self.records, now);
        end(&mut self.pointers, now);
        end(&mut self.replies, now);
        end(&mut self.tombstones, now);
        end(&mut self.counters, now);
        end(&mut self.listed, now);
    }

    fn record(&self, id: &JobId) -> Option<Record> {
        self.records.get(id).map(|(kept, _)| kept.record.clone())
    }

    fn holder(&self, key: &str) -> Option<String> {
        self.pointers.get(key).map(|(holder, _)| holder.clone())
    }

    fn due(&self, limit: usize) -> Vec<JobId> {
        let mut due: Vec<_> =
            self.due.iter().filter(|(_, at)| **at <= self.now).map(|(id, at)| (*at, id.clone())).collect();
        due.sort();
        due.into_iter().map(|(_, id)| id).take(limit).collect()
    }

    fn delete(&mut self, id: &JobId, age: Age) -> bool {
        let there = self.record(id);
        if age.expected(there.clone()).version() != there.map(|record| record.version) {
            return false;
        }
        self.records.remove(id);
        self.due.remove(id);
        true
    }

    fn list(&mut self, owner: &str, before: &Place, limit: usize) -> (Vec<(Place, Record)>, Option<Place>) {
        let (from, to) = ((list(owner).0, Place::new(0, &JobId::new(""))), (list(owner).0, before.clone()));
        let older: Vec<Place> = self.listed.range(from..to).rev().map(|((_, place), _)| place.clone()).collect();
        let next = if older.len() > limit && limit > 0 { Some(older[limit - 1].clone()) } else { None };
        let mut records = Vec::new();
        for place in older.into_iter().take(limit) {
            match self.record(&place.id()) {
                Some(record) => records.push((place, record)),
                None => drop(self.listed.remove(&(list(owner).0, place))),
            }
        }
        (records, next)
    }

    fn count(&mut self, name: &str) -> u64 {
        let count = self.counters.get(name).map_or(0, |(count, _)| *count) + 1;
        self.counters.insert(name.to_owned(), (count, Some(self.now + HOUR_MS)));
        count
    }

    fn turn(&mut self, name: &str) -> u64 {
        let ends = Some(self.now + HOUR_MS);
        let (count, _) = self.counters.entry(name.to_owned()).and_modify(|(count, _)| *count += 1).or_insert((1, ends));
        *count
    }

    fn survey(&self, limit: usize) -> (u64, u64, Option<u64>, Vec<(JobId, Record)>) {
        let mut live: Vec<_> = self.live.iter().filter(|(_, until)| **until > self.now).collect();
        live.sort_by_key(|(id, until)| (**until, (*id).clone()));
        let records = live.iter().take(limit).filter_map(|(id, _)| Some(((*id).clone(), self.record(id)?)));
        let due = self.due.values().filter(|at| **at <= self.now).count() as u64;
        (live.len() as u64, due, self.due.values().min().copied(), records.collect())
    }

    fn refusal(&self, commit: &Commit) -> Option<Committed> {
        let found = self.records.get(&commit.id).map(|(kept, _)| kept);
        if let Some(found) = found.filter(|found| found.ops.iter().any(|op| op == commit.op.as_str())) {
            return Some(Committed::Replayed(found.record.clone()));
        }
        let known = commit.remember.as_ref().and_then(|remember| self.replies.get(&remember.key.0));
        if let Some((reply, _)) = known {
            return Some(Committed::Remembered(reply.clone()));
        }
        match (commit.expected, found) {
            (Expected::Version(_), None) => return Some(Committed::Missing),
            (expected, Some(found)) if expected.version() != Some(found.record.version) => {
                return Some(Committed::Conflict(found.record.clone()));
            }
            _ => {}
        }
        match &commit.pointer {
            PointerWrite::Swap { key, from, .. } if self.holder(&key.0) != *from => {
                Some(Committed::PointerTaken(self.holder(&key.0)))
            }
            _ => self.limited(&commit.counts),
        }
    }

    fn limited(&self, counts: &Counts) -> Option<Committed> {
        let live = self.live.values().filter(|until| **until > self.now).count() as u64;
        if counts.live_max.is_some_and(|max| live >= max) {
            return Some(Committed::Full);
        }
        let tally = counts.tally.as_ref()?;
        tally.most.is_some_and(|most| self.sum(tally) > most).then_some(Committed::Over)
    }

    /// What a tally would be.
    fn sum(&self, tally: &Tally) -> u64 {
        self.counters.get(&tally.name).map_or(0, |(sum, _)| *sum).saturating_add_signed(tally.add)
    }

    fn count_along(&mut self, commit: &Commit) {
        match commit.counts.live {
            Live::Keep => {}
            Live::Until(until) => drop(self.live.insert(commit.id.clone(), until)),
            Live::Ended => drop(self.live.remove(&commit.id)),
        }
        if let Some(tally) = &commit.counts.tally {
            self.counters.insert(tally.name.clone(), (self.sum(tally), Some(self.now + HOUR_MS)));
        }
    }

    fn take(&mut self, turns: &[Turn]) -> String {
        let mut used: Vec<u64> =
            turns.iter().map(|turn| self.counters.get(&turn.name).map_or(0, |(used, _)| *used)).collect();
        let granted = turns.iter().zip(&used).all(|(turn, used)| *used < turn.max);
        if granted {
            used = turns.iter().map(|turn| self.turn(&turn.name)).collect();
        }
        format!("{} {used:?}", if granted { "Granted" } else { "Denied" })
    }

    fn commit(&mut self, commit: &Commit) -> Committed {
        if let Some(refusal) = self.refusal(commit) {
            return refusal;
        }
        let before = self.records.remove(&commit.id);
        let (is_new, was_ending) = (before.is_none(), before.as_ref().is_some_and(|(_, ends)| ends.is_some()));
        let version = commit.version;
        let mut ops = before.map(|(kept, _)| kept.ops).unwrap_or_default();
        ops.insert(0, commit.op.as_str().to_owned());
        ops.truncate(8);
        let ends = commit.expiry.map(|expiry| self.now + u64::try_from(expiry.record.as_millis()).unwrap());
        let record = Record { version, body: commit.body.clone() };
        self.records.insert(commit.id.clone(), (Kept { record, ops }, ends));
        if let Some(expiry) = commit.expiry {
            let ends = self.now + u64::try_from(expiry.tombstone.as_millis()).unwrap();
            self.tombstones.insert(commit.id.clone(), (expiry.epoch, Some(ends)));
        } else if is_new || was_ending {
            self.tombstones.remove(&commit.id);
        }
        match &commit.pointer {
            PointerWrite::Swap { key, to, .. } => drop(self.pointers.insert(key.0.clone(), (to.clone(), ends))),
            PointerWrite::Release { key, value } if ends.is_some() && self.holder(&key.0).as_ref() == Some(value) => {
                self.pointers.insert(key.0.clone(), (value.clone(), ends));
            }
            PointerWrite::Release { .. } | PointerWrite::Keep => {}
        }
        if let Some(remember) = &commit.remember {
            let ends = self.now + u64::try_from(remember.ttl.as_millis()).unwrap();
            self.replies.insert(remember.key.0.clone(), (remember.reply.clone(), Some(ends)));
        }
        self.count_along(commit);
        for listed in &commit.listed {
            let ends = self.now + u64::try_from(listed.keep.as_millis()).unwrap();
            self.listed.insert((listed.list.0.clone(), listed.place.clone()), ((), Some(ends)));
        }
        match commit.due {
            DueAt::Keep => {}
            DueAt::At(at) => drop(self.due.insert(commit.id.clone(), at)),
            DueAt::Never => drop(self.due.remove(&commit.id)),
        }
        let told = commit.peek_due > 0 || is_new;
        Committed::Applied { version, now: told.then_some(self.now), due: self.due(commit.peek_due) }
    }

    /// In the words of [`Verb::ask`].
    fn ask(&mut self, verb: &Verb) -> String {
        match verb {
            Verb::Commit(commit) => match self.commit(commit) {
                Committed::Applied { version, now, due } => format!("Applied {version} {} {due:?}", now.is_some()),
                other => format!("{other:?}"),
            },
            Verb::Get(name) => format!("get {:?}", self.record(&id(name))),
            Verb::Pointer(name) => format!("pointer {:?}", self.holder(&pointer(name).0)),
            Verb::Recall(name) => format!("recall {:?}", self.replies.get(&memory(name).0).map(|(reply, _)| reply)),
            Verb::Tombstone(name) => format!("tombstone {:?}", self.tombstones.get(&id(name)).map(|(epoch, _)| epoch)),
            Verb::Due(limit) => format!("due {:?}", self.due(*limit)),
            Verb::Delete(name, age) => format!("delete {:?}", self.delete(&id(name), *age)),
            Verb::Take(names) => self.take(&turns(names)),
            Verb::List(owner, before, limit) => format!("list {:?}", self.list(owner, &place(*before), *limit)),
            Verb::Count(name) => format!("count {:?}", self.count(name)),
            Verb::Counted(names) => {
                let used = names.iter().map(|name| self.counters.get(name).map(|(used, _)| *used));
                format!("counted {:?}", used.collect::<Vec<_>>())
            }
            Verb::Survey(limit) => format!("survey {:?}", self.survey(*limit)),
        }
    }
}

#[tokio::test]
async fn the_embedded_store_is_its_contract_as_time_passes() {
    let mut told: BTreeMap<String, u32> = BTreeMap::new();
    for seed in SEEDS {
        let now = Arc::new(AtomicU64::new(START));
        let read = now.clone();
        let store = RedbStore::in_memory_with_clock(Clock::from_fn(move || read.load(Ordering::SeqCst))).unwrap();
        let mut model = Model::default();
        let mut random = Random(seed);
        for step in 0..VERBS_PER_SEED {
            // Mostly none; to the millisecond at which something ends; or a while.
            let at = model.now.max(START);
            let ends = model.records.values().filter_map(|(_, ends)| *ends).chain(model.due.values().copied());
            let next = ends.filter(|ends| *ends > at).min().unwrap_or(at);
            let to = match random.below(12) {
                0 => next,
                1 => next.saturating_sub(1).max(at),
                2 => at + random.below(40) * MINUTE,
                _ => at,
            };
            now.store(to.min(at + 2 * HOUR_MS), Ordering::SeqCst);
            model.advance(to.min(at + 2 * HOUR_MS));
            let versions = model.records.iter().map(|(id, (kept, _))| (id.clone(), kept.record.version)).collect();
            let mut verb = random.verb(step, &versions);
            if let Verb::Commit(commit) = &mut verb {
                soon(commit, &mut random, model.now);
            }
            let (expected, answer) = (model.ask(&verb), verb.ask(&store).await);
            assert_eq!(answer, expected, "seed {seed}, step {step}: {verb:?}");
            *told.entry(expected).or_default() += 1;
        }
        // Everything ends, and what is to be looked at stays listed.
        let late = model.now + 1_000 * HOUR_MS;
        now.store(late, Ordering::SeqCst);
        model.advance(late);
        for name in ["0", "1", "2", "3"] {
            assert_eq!(store.get(&id(name)).await.unwrap().record, model.record(&id(name)));
        }
        assert_eq!(store.due(9).await.unwrap().jobs, model.due(9));
    }
    let begins =
        |words: &str| told.iter().filter(|(answer, _)| answer.starts_with(words)).map(|(_, times)| times).sum::<u32>();
    for answer in [
        "Replayed",
        "Remembered",
        "Missing",
        "Conflict",
        "PointerTaken",
        "Applied",
        "delete true",
        "delete false",
        "tombstone Some",
        "list ([(",
        "survey (2",
    ] {
        assert!(begins(answer) > 10, "too few {answer}: {told:?}");
    }
}

/// What lies far ahead for the other random run comes while this one lasts.
fn soon(commit: &mut Commit, random: &mut Random, now: u64) {
    if matches!(commit.due, DueAt::At(at) if at > now) {
        commit.due = DueAt::At(now + random.below(120) * MINUTE);
    }
    if let Some(expiry) = &mut commit.expiry {
        expiry.record = HOUR / (1 + u32::try_from(random.below(6)).unwrap());
    }
}
