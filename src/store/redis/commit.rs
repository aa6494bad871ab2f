//! A commit as the script reads it, and the script's answer as a [`Committed`]. See `lua/commit.lua` for both.

use crate::job::id::{JobId, Millis};
use crate::store::keys::{Names, expiry_ms};
use crate::store::{Commit, Committed, Counts, DueAt, Expiry, Listed, Live, PointerWrite, Record};
use bytes::Bytes;
use redis::{Cmd, FromRedisValue, Value, from_redis_value};

/// Adds the number of keys, the keys and the other arguments.
pub(super) fn write(command: &mut Cmd, names: &Names, commit: &Commit) {
    write_keys(command, names, commit);
    command.arg(commit.op.as_str());
    match commit.expected.version() {
        None => command.arg(""),
        Some(version) => command.arg(version),
    };
    command.arg(commit.version);
    command.arg(commit.body.as_ref());
    match commit.due {
        DueAt::Keep => command.arg("keep"),
        DueAt::Never => command.arg("never"),
        DueAt::At(at) => command.arg(at),
    };
    command.arg(commit.id.as_str()).arg(commit.peek_due);
    match commit.expiry {
        None => command.arg("").arg("").arg(""),
        Some(Expiry { record, tombstone, epoch }) => {
            command.arg(expiry_ms(record)).arg(expiry_ms(tombstone)).arg(epoch)
        }
    };
    match &commit.pointer {
        PointerWrite::Swap { from: None, to, .. } => command.arg("claim").arg("").arg(to),
        PointerWrite::Swap { from: Some(from), to, .. } => command.arg("swap").arg(from).arg(to),
        // Without an expiry there is nothing to expire with.
        PointerWrite::Release { value, .. } if commit.expiry.is_some() => command.arg("release").arg(value).arg(""),
        PointerWrite::Release { .. } | PointerWrite::Keep => command.arg("keep").arg("").arg(""),
    };
    match &commit.remember {
        None => command.arg("").arg(""),
        Some(remember) => command.arg(expiry_ms(remember.ttl)).arg(remember.reply.as_ref()),
    };
    write_counts(command, &commit.counts);
    for Listed { place, most, keep, .. } in &commit.listed {
        command.arg(place.as_str()).arg(expiry_ms(*keep)).arg(format!("-{}", most + 1));
    }
}

fn write_counts(command: &mut Cmd, counts: &Counts) {
    match counts.live {
        Live::Keep => command.arg("keep"),
        Live::Ended => command.arg("ended"),
        Live::Until(until) => command.arg(until),
    };
    let or_none = |number: Option<u64>| number.map_or_else(String::new, |number| number.to_string());
    command.arg(or_none(counts.live_max));
    match &counts.tally {
        None => command.arg("").arg("").arg(""),
        Some(tally) => command.arg(tally.add).arg(or_none(tally.most)).arg(expiry_ms(tally.ttl)),
    };
}

/// Seven and the lists, each declared, because servers lock by them; one not needed is the record again.
fn write_keys(command: &mut Cmd, names: &Names, commit: &Commit) {
    let record = names.record(&commit.id);
    let needs_due = commit.due != DueAt::Keep || commit.peek_due > 0;
    let pointer = match &commit.pointer {
        PointerWrite::Keep => None,
        PointerWrite::Swap { key, .. } | PointerWrite::Release { key, .. } => Some(names.pointer(key)),
    };
    let memory = commit.remember.as_ref().map(|remember| names.memory(&remember.key));
    let counts = &commit.counts;
    let needs_live = counts.live != Live::Keep || counts.live_max.is_some();
    let tally = counts.tally.as_ref().map(|tally| names.counter(&tally.name));
    command.arg(7 + commit.listed.len()).arg(&record);
    command.arg(if needs_due { names.due() } else { record.clone() });
    command.arg(names.tombstone(&commit.id));
    command.arg(pointer.as_ref().unwrap_or(&record)).arg(memory.as_ref().unwrap_or(&record));
    command.arg(if needs_live { names.live() } else { record.clone() }).arg(tally.as_ref().unwrap_or(&record));
    for listed in &commit.listed {
        command.arg(names.list(&listed.list));
    }
}

/// `None` if no answer of ours looks like this.
pub(super) fn read(answer: Vec<Value>, commit: &Commit) -> Option<Committed> {
    let mut answer = answer.into_iter();
    let word: String = next(&mut answer)?;
    Some(match word.as_str() {
        "replayed" => Committed::Replayed(record(&mut answer)?),
        "remembered" => Committed::Remembered(bytes(&mut answer)?),
        "missing" => Committed::Missing,
        "conflict" => Committed::Conflict(record(&mut answer)?),
        // A holder that is nobody ends the answer early.
        "full" => Committed::Full,
        "over" => Committed::Over,
        "taken" => Committed::PointerTaken(next(&mut answer)),
        "applied" => {
            let now: Option<Millis> = next(&mut answer)?;
            let due: Vec<String> = next(&mut answer)?;
            Committed::Applied { version: commit.version, now, due: due.into_iter().map(JobId::new).collect() }
        }
        _ => return None,
    })
}

fn record(answer: &mut impl Iterator<Item = Value>) -> Option<Record> {
    Some(Record { version: next(answer)?, body: bytes(answer)? })
}

fn bytes(answer: &mut impl Iterator<Item = Value>) -> Option<Bytes> {
    next::<Vec<u8>>(answer).map(Bytes::from)
}

fn next<T: FromRedisValue>(answer: &mut impl Iterator<Item = Value>) -> Option<T> {
    answer.next().and_then(|value| from_redis_value(value).ok())
}
