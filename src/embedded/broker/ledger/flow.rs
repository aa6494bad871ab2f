//! Flow-control keys on disk: their limits, as the newest message or a pin set them.

use super::super::message::{Flow, FlowLimits, Millis};
use super::{FLOWS, decode, encode};
use redb::{Error, ReadTransaction, ReadableTable, WriteTransaction};
use serde::{Deserialize, Serialize};

/// A key's use is written down no more often than this.
const USED_EVERY: Millis = 60 * 60_000;

/// A flow-control key at rest.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setting {
    pub limits: FlowLimits,
    pub paused: bool,
    /// Newer messages do not change the parallelism.
    pub pinned_parallelism: bool,
    /// Nor the rate and its period.
    pub pinned_rate: bool,
    pub used_at: Millis,
    /// Counts the changes.
    pub revision: u64,
}

impl Setting {
    fn take_over(&mut self, limits: FlowLimits) {
        if !self.pinned_parallelism {
            self.limits.parallelism = limits.parallelism;
        }
        if !self.pinned_rate {
            (self.limits.rate, self.limits.period) = (limits.rate, limits.period);
        }
    }

    /// Sets limits that newer messages do not change; what is not given stays as it is.
    pub fn pin(&mut self, limits: FlowLimits) {
        if limits.parallelism.is_some() {
            self.limits.parallelism = limits.parallelism;
            self.pinned_parallelism = true;
        }
        if limits.rate.is_some() {
            (self.limits.rate, self.limits.period) = (limits.rate, limits.period);
            self.pinned_rate = true;
        }
    }

    /// Whether it is worth keeping when nothing uses it.
    pub fn is_set_by_hand(&self) -> bool {
        self.paused || self.pinned_parallelism || self.pinned_rate
    }
}

pub fn get(txn: &ReadTransaction, user: &str, key: &str) -> Result<Option<Setting>, Error> {
    txn.open_table(FLOWS)?.get((user, key))?.map(|stored| decode(stored.value())).transpose()
}

pub fn each(txn: &ReadTransaction, mut call: impl FnMut(&str, &str, Setting)) -> Result<(), Error> {
    for entry in txn.open_table(FLOWS)?.iter()? {
        let (name, stored) = entry?;
        let (user, key) = name.value();
        call(user, key, decode(stored.value())?);
    }
    Ok(())
}

/// A new message with this key: what holds from now on. One without limits leaves them as they are.
pub fn meet(txn: &WriteTransaction, user: &str, flow: &Flow, now: Millis) -> Result<Setting, Error> {
    let known = current(txn, user, &flow.key)?;
    let mut setting = known.clone().unwrap_or_default();
    if flow.limits != FlowLimits::default() {
        setting.take_over(flow.limits);
    }
    if known.is_none_or(|known| known.limits != setting.limits || now - known.used_at > USED_EVERY) {
        setting.used_at = now;
        write(txn, user, &flow.key, &mut setting)?;
    }
    Ok(setting)
}

/// Changes it by hand; a key not seen before is made, so that limits can be pinned ahead.
pub fn change(
    txn: &WriteTransaction,
    (user, key): (&str, &str),
    now: Millis,
    change: impl FnOnce(&mut Setting),
) -> Result<Setting, Error> {
    let mut setting = current(txn, user, key)?.unwrap_or_default();
    setting.used_at = now;
    change(&mut setting);
    write(txn, user, key, &mut setting)?;
    Ok(setting)
}

fn current(txn: &WriteTransaction, user: &str, key: &str) -> Result<Option<Setting>, Error> {
    txn.open_table(FLOWS)?.get((user, key))?.map(|stored| decode(stored.value())).transpose()
}

fn write(txn: &WriteTransaction, user: &str, key: &str, setting: &mut Setting) -> Result<(), Error> {
    setting.revision += 1;
    txn.open_table(FLOWS)?.insert((user, key), encode(setting)?.as_slice())?;
    Ok(())
}
