//! Thousands of random verbs given to both stores: the answers must be the same, whatever the order.

#![cfg(feature = "local")]

use super::connect;
use super::writes::{HOUR, create, ending, id, list, listed, memory, pointer, release, remember, swap};
use crate::support::redis::Server;
use bytes::Bytes;
use cliprelay::job::id::JobId;
use cliprelay::store::redb::RedbStore;
use cliprelay::store::{
    Commit, Committed, Counts, DueAt, Expected, Live, Place, PointerWrite, Record, Store, Tally, Turn,
};
use std::collections::BTreeMap;
use std::fmt::Debug;

const SEEDS: [u64; 4] = [1, 7, 1_000_003, 0x5eed];
const VERBS_PER_SEED: usize = 1500;

#[tokio::test]
async fn both_stores_answer_alike() {
    let server = Server::start();
    let redis = connect(&server);
    let mut told = BTreeMap::new();
    for seed in SEEDS {
        let redb = RedbStore::in_memory().unwrap();
        redis::cmd("FLUSHALL").exec(&mut server.connection()).unwrap();
        let mut random = Random(seed);
        let mut versions = BTreeMap::new();
        for step in 0..VERBS_PER_SEED {
            let verb = random.verb(step, &versions);
            let (one, other) = (verb.ask(&redis).await, verb.ask(&redb).await);
            assert_eq!(one, other, "seed {seed}, step {step}: {verb:?}");
            if let Verb::Commit(commit) = &verb {
                let version = redb.get(&commit.id).await.unwrap().record.map_or(0, |record| record.version);
                versions.insert(commit.id.clone(), version);
            }
            *told.entry(one.split([' ', '(']).next().unwrap().to_owned()).or_insert(0) += 1;
        }
    }
    // A run in which some answer hardly occurs compares nothing.
    for answer in [
        "Replayed",
        "Remembered",
        "Missing",
        "Conflict",
        "PointerTaken",
        "Full",
        "Over",
        "Applied",
        "Granted",
        "Denied",
    ] {
        assert!(told.get(answer).is_some_and(|times| *times > 20), "too few {answer}: {told:?}");
    }
}

/// Which version somebody who deletes believes is there.
#[derive(Debug, Clone, Copy)]
pub enum Age {
    Current,
    Earlier,
    Never,
}

impl Age {
    pub fn expected(self, there: Option<Record>) -> Expected {
        match (self, there) {
            (Self::Never, _) | (_, None) => Expected::Absent,
            (Self::Current, Some(record)) => Expected::Version(record.version),
            (Self::Earlier, Some(record)) => Expected::Version(record.version - 1),
        }
    }
}

/// Older than every job of that age.
pub fn place(age: u64) -> Place {
    Place::new(age, &JobId::new("job"))
}

#[derive(Debug)]
pub enum Verb {
    Commit(Box<Commit>),
    Get(String),
    Pointer(String),
    Recall(String),
    Tombstone(String),
    Due(usize),
    Delete(String, Age),
    Count(String),
    Counted(Vec<String>),
    Survey(usize),
    Take(Vec<String>),
    /// Whose, from which of the places on, how many.
    List(String, u64, usize),
}

impl Verb {
    /// The answer in words, without the time, which differs.
    pub async fn ask(&self, store: &dyn Store) -> String {
        fn words<T: Debug, E: Debug>(name: &str, answer: Result<T, E>) -> String {
            format!("{name} {:?}", answer.unwrap_or_else(|error| panic!("{name}: {error:?}")))
        }
        match self {
            Self::Commit(commit) => match store.commit(commit).await.unwrap() {
                Committed::Applied { version, now, due } => format!("Applied {version} {} {due:?}", now.is_some()),
                other => format!("{other:?}"),
            },
            Self::Get(name) => words("get", store.get(&id(name)).await.map(|read| read.record)),
            Self::Pointer(name) => words("pointer", store.pointer(&pointer(name)).await),
            Self::Recall(name) => words("recall", store.recall(&memory(name)).await),
            Self::Tombstone(name) => words("tombstone", store.tombstone(&id(name)).await),
            Self::Due(limit) => words("due", store.due(*limit).await.map(|due| due.jobs)),
            Self::Delete(name, age) => {
                let there = store.get(&id(name)).await.unwrap().record;
                words("delete", store.delete(&id(name), age.expected(there)).await)
            }
            Self::Count(name) => words("count", store.count(name, HOUR).await),
            Self::Counted(names) => {
                let used = store
                    .counted(names)
                    .await
                    .map(|all| all.iter().map(|one| one.map(|one| one.used)).collect::<Vec<_>>());
                words("counted", used)
            }
            Self::Survey(limit) => {
                let survey = store.survey(*limit).await;
                words("survey", survey.map(|survey| (survey.live, survey.due, survey.earliest_due, survey.records)))
            }
            Self::Take(names) => {
                let taken = store.take(&turns(names)).await.unwrap();
                let used: Vec<u64> = taken.windows.iter().map(|window| window.used).collect();
                format!("{} {used:?}", if taken.granted { "Granted" } else { "Denied" })
            }
            Self::List(owner, before, limit) => {
                let page = store.list(&list(owner), Some(&place(*before)), *limit).await;
                words("list", page.map(|page| (page.records, page.next)))
            }
        }
    }
}

/// Few enough that some are used up.
pub fn turns(names: &[String]) -> Vec<Turn> {
    names.iter().map(|name| Turn { name: format!("turn{name}"), window: HOUR, max: 9 }).collect()
}

/// splitmix64: the same seed, the same verbs, on every machine.
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }

    fn age(&mut self) -> Age {
        match self.below(4) {
            0 => Age::Earlier,
            1 => Age::Never,
            _ => Age::Current,
        }
    }

    fn name(&mut self, among: u64) -> String {
        self.below(among).to_string()
    }

    pub fn verb(&mut self, step: usize, versions: &BTreeMap<JobId, u64>) -> Verb {
        match self.below(28) {
            0 => Verb::Get(self.name(4)),
            1 => Verb::Pointer(self.name(2)),
            2 => Verb::Recall(self.name(40)),
            3 => Verb::Tombstone(self.name(4)),
            4 => Verb::Due(usize::try_from(self.below(5)).unwrap()),
            5 => Verb::Delete(self.name(4), self.age()),
            6 => Verb::Count(self.name(2)),
            7 => Verb::Take(
                (0..=self.below(2))
                    .map(|_| self.name(9))
                    .collect::<std::collections::BTreeSet<_>>()
                    .into_iter()
                    .collect(),
            ),
            8 | 9 => Verb::List(
                format!("{}{}", self.below(2), self.below(2)),
                self.below(12),
                usize::try_from(self.below(5)).unwrap(),
            ),
            10 | 11 => Verb::Survey(usize::try_from(self.below(4)).unwrap()),
            12 => Verb::Counted(vec![self.name(3), format!("turn{}", self.name(9)), format!("sum{}", self.name(3))]),
            _ => Verb::Commit(Box::new(self.commit(step, versions))),
        }
    }

    /// Mostly on the version there is, else hardly any would be applied.
    fn commit(&mut self, step: usize, versions: &BTreeMap<JobId, u64>) -> Commit {
        let name = self.name(4);
        let back = usize::try_from(self.below(40)).unwrap();
        // Now and then an operation of a while ago, which may be kept still or not.
        let op = if self.below(6) == 0 { step.saturating_sub(back) } else { step };
        let body = vec![u8::try_from(self.below(256)).unwrap(); usize::try_from(self.below(40)).unwrap()];
        let (owner, age) = (self.name(2), self.below(12));
        let read = versions.get(&id(&name)).copied().unwrap_or(0);
        Commit {
            version: read + 1 + self.below(3),
            expected: match (self.below(8), read) {
                (0, _) | (2.., 0) => Expected::Absent,
                (1, version) => Expected::Version(version + 1),
                (_, version) => Expected::Version(version),
            },
            body: Bytes::from(body),
            due: self.due(),
            expiry: (self.below(5) == 0).then(|| ending(HOUR, HOUR, 3)),
            pointer: self.pointer(),
            remember: (self.below(4) == 0).then(|| remember(&self.name(40), &name, HOUR)),
            listed: (0..self.below(3))
                .map(|n| listed(&format!("{owner}{n}"), Place::new(age, &id(&name)), HOUR))
                .collect(),
            peek_due: usize::try_from(self.below(4)).unwrap(),
            counts: self.counts(),
            ..create(&name, &op.to_string())
        }
    }

    fn counts(&mut self) -> Counts {
        let live = match self.below(6) {
            0 => Live::Ended,
            1 => Live::Until(self.below(6)),
            2 | 3 => Live::Until(4_000_000_000_000),
            _ => Live::Keep,
        };
        let add = i64::try_from(self.below(9)).unwrap() - 3;
        let most = (self.below(6) == 0).then(|| self.below(12));
        let tally = (self.below(3) == 0).then(|| Tally { name: format!("sum{}", self.name(3)), add, most, ttl: HOUR });
        Counts { live, live_max: (self.below(16) == 0).then(|| 1 + self.below(3)), tally }
    }

    fn due(&mut self) -> DueAt {
        match self.below(5) {
            0 => DueAt::Never,
            1 => DueAt::At(self.below(6)),
            2 => DueAt::At(4_000_000_000_000 + self.below(6)),
            _ => DueAt::Keep,
        }
    }

    fn pointer(&mut self) -> PointerWrite {
        let (key, value, to) = (self.name(2), self.name(3), self.name(3));
        match self.below(8) {
            0 => swap(&key, None, &to),
            1 | 2 => swap(&key, Some(&value), &to),
            3 => release(&key, &value),
            _ => PointerWrite::Keep,
        }
    }
}
