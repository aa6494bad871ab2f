//! Every key, what it holds and when it goes. One place, because keys outlive deploys: a name changed here is a job lost.
//!
//! Redis puts the prefix in braces before each, so that all of them hash to one slot and one script may touch them.
//!
//! | key                          | value                                                   | gone                         |
//! |------------------------------|---------------------------------------------------------|------------------------------|
//! | `job:<id>`                   | hash: `v` version, `b` body, `o` operations, `x` expires | [`Expiry::record`] or delete |
//! | `due`                        | sorted set: job id by due time in milliseconds          | entry by entry               |
//! | `ended:<id>`                 | the epoch in which the job ended                        | [`Expiry::tombstone`]        |
//! | `project:<owner, project>`   | id of the project's current job                         | with that job's record       |
//! | `reply:<owner, key>`         | reply remembered under an idempotency key               | [`Remember::ttl`]            |
//! | `jobs:<owner>`               | sorted set, all of score 0: creation time and job id    | [`Listed::keep`] after the last entry |
//! | `list:all`, `list:failed`    | the same of all owners' jobs; of those that failed, by when they did | as `jobs:<owner>` |
//! | `count:sweeps`               | rounds of the sweep                                     | a day after the last         |
//! | `count:rate:owner:<owner>`, `count:rate:address:<address>` | turns taken from a window | the window after the first   |
//! | `count:spend:<day>`          | cents counted on that UTC day                           | [`Tally::ttl`]               |
//! | `live`                       | sorted set: job id by when it has ended at the latest   | entry by entry               |
//! | `log:<name>`                 | list, newest first: `audit`, what operators did; `sweeps`, what rounds mended | [`Store::note`]'s `ttl` after the last entry |
//! | `writable`                   | nothing; written by [`Store::ping`]                     | one minute                   |
//!
//! [`Expiry::record`]: super::Expiry::record
//! [`Expiry::tombstone`]: super::Expiry::tombstone
//! [`Listed::keep`]: super::Listed::keep
//! [`Remember::ttl`]: super::Remember::ttl
//! [`Store::note`]: super::Store::note
//! [`Store::ping`]: super::Store::ping
//! [`Tally::ttl`]: super::Tally::ttl

use super::{ListKey, LogKey, MemoryKey, PointerKey};
use crate::job::id::{JobId, Owner, ProjectId};
use std::time::Duration;

/// A century: longer is a mistake, and would overflow what Redis accepts in the middle of a script.
const EXPIRY_MS_MAX: u64 = 100 * 365 * 24 * 60 * 60 * 1000;

/// Before the name of a list that is no owner's: no owner's name has a control character.
const OF_ALL: char = '\u{1}';

/// The pointer from an owner's project to its current job.
pub fn pointer(owner: &Owner, project: &ProjectId) -> PointerKey {
    PointerKey(owned(owner, project.as_str()))
}

/// The reply remembered for an owner's idempotency key.
pub fn memory(owner: &Owner, idempotency_key: &str) -> MemoryKey {
    MemoryKey(owned(owner, idempotency_key))
}

/// The window of an owner's requests for work.
pub fn owner_rate(owner: &Owner) -> String {
    format!("rate:owner:{owner}")
}

/// The window of the requests from an address, or a network, written as text.
pub fn address_rate(network: &str) -> String {
    format!("rate:address:{network}")
}

/// Rounds of the sweep.
pub const ROUNDS: &str = "sweeps";
/// How long after the last round their number is forgotten, which also tells when that was.
pub const ROUNDS_COUNTED: Duration = Duration::from_hours(24);

/// What was spent on a day, counted from the epoch.
pub fn spent_on(day: u64) -> String {
    format!("spend:{day}")
}

/// The list of an owner's jobs.
pub fn list(owner: &Owner) -> ListKey {
    ListKey(owner.as_str().to_owned())
}

/// What rounds of the sweep mended.
pub fn sweeps() -> LogKey {
    LogKey("sweeps".to_owned())
}

/// The list of everybody's jobs.
pub fn all_jobs() -> ListKey {
    ListKey(format!("{OF_ALL}all"))
}

/// The list of the jobs that failed, each at the time when it did. Those that were tried again since are in it still.
pub fn failed_jobs() -> ListKey {
    ListKey(format!("{OF_ALL}failed"))
}

/// What operators did.
pub fn audit() -> LogKey {
    LogKey("audit".to_owned())
}

/// The owner's length in front keeps two owners apart whatever characters their names are made of.
fn owned(owner: &Owner, name: &str) -> String {
    format!("{}:{owner}:{name}", owner.as_str().len())
}

/// A life span as the stores count it: whole milliseconds, at least one (zero would be an error halfway through).
pub(super) fn expiry_ms(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX).clamp(1, EXPIRY_MS_MAX)
}

/// The names in Redis, all with one hash tag.
#[derive(Debug, Clone)]
pub(super) struct Names {
    tag: String,
}

impl Names {
    /// `prefix` must not be empty or hold braces: then there would be no common slot.
    pub(super) fn new(prefix: &str) -> Option<Self> {
        let usable = !prefix.is_empty() && !prefix.contains(['{', '}']);
        usable.then(|| Self { tag: format!("{{{prefix}}}") })
    }

    pub(super) fn record(&self, id: &JobId) -> String {
        format!("{}job:{id}", self.tag)
    }

    pub(super) fn due(&self) -> String {
        format!("{}due", self.tag)
    }

    pub(super) fn tombstone(&self, id: &JobId) -> String {
        format!("{}ended:{id}", self.tag)
    }

    pub(super) fn pointer(&self, key: &PointerKey) -> String {
        format!("{}project:{}", self.tag, key.0)
    }

    pub(super) fn memory(&self, key: &MemoryKey) -> String {
        format!("{}reply:{}", self.tag, key.0)
    }

    pub(super) fn list(&self, key: &ListKey) -> String {
        match key.0.strip_prefix(OF_ALL) {
            Some(name) => format!("{}list:{name}", self.tag),
            None => format!("{}jobs:{}", self.tag, key.0),
        }
    }

    pub(super) fn log(&self, key: &LogKey) -> String {
        format!("{}log:{}", self.tag, key.0)
    }

    pub(super) fn counter(&self, name: &str) -> String {
        format!("{}count:{name}", self.tag)
    }

    pub(super) fn live(&self) -> String {
        format!("{}live", self.tag)
    }

    pub(super) fn writable(&self) -> String {
        format!("{}writable", self.tag)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners_never_meet() {
        let key = |owner: &str, name: &str| memory(&Owner::new(owner), name).0;
        assert_ne!(key("a:b", "c"), key("a", "b:c"));
        assert_ne!(key("1:a", "b"), key("1", "a:b"));
        assert_eq!(pointer(&Owner::new("ann"), &ProjectId::new("p")).0, "3:ann:p");
    }

    #[test]
    fn lists_of_all_are_no_owners() {
        let names = Names::new("cliprelay:").unwrap();
        assert_eq!(names.list(&all_jobs()), "{cliprelay:}list:all");
        assert_eq!(names.list(&failed_jobs()), "{cliprelay:}list:failed");
        for owner in ["all", "list:all", "failed"] {
            assert_eq!(names.list(&list(&Owner::new(owner))), format!("{{cliprelay:}}jobs:{owner}"));
        }
    }

    #[test]
    fn one_slot_or_none() {
        assert!(Names::new("").is_none());
        assert!(Names::new("a}b").is_none());
        assert_eq!(Names::new("cliprelay:").unwrap().due(), "{cliprelay:}due");
    }

    #[test]
    fn life_spans_stay_in_range() {
        assert_eq!(expiry_ms(Duration::ZERO), 1);
        assert_eq!(expiry_ms(Duration::from_secs(2)), 2000);
        assert_eq!(expiry_ms(Duration::MAX), EXPIRY_MS_MAX);
    }
}
