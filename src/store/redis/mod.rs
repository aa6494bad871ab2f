//! The shared store: any Redis from version 6.2 on, or Upstash. Every verb but a list's and the survey is one round trip, and every write that must
//! be whole is one script. Decides nothing and reads no clock but the server's.

mod commit;
mod failure;
mod inspect;
mod link;
mod list;
mod options;
mod survey;

pub use options::{Dialect, InvalidOptions, Options};

use super::keys::{Names, expiry_ms};
use super::{
    Commit, Committed, Due, Error, Expected, ListKey, LogKey, MemoryKey, Page, Place, PointerKey, Read, Record, Store,
    Survey, Taken, Turn, Window,
};
use crate::job::id::{JobId, Millis};
use async_trait::async_trait;
use bytes::Bytes;
use failure::Failure;
use link::{Link, Repeat, Request, Timing};
use redis::{Cmd, FromRedisValue, Script, cmd, pipe};
use secrecy::ExposeSecret;
use std::time::Duration;

const COMMIT: &str =
    concat!(include_str!("lua/limits.lua"), include_str!("lua/listed.lua"), include_str!("lua/commit.lua"));
const COUNT: &str = include_str!("lua/count.lua");
const DELETE: &str = include_str!("lua/delete.lua");
const SURVEY: &str = include_str!("lua/survey.lua");
const NOTE: &str = include_str!("lua/note.lua");
const TAKE: &str = include_str!("lua/take.lua");
const UNLIST: &str = include_str!("lua/unlist.lua");
/// Lets Upstash lock only the keys a script names; a stock Redis refuses to load a script with it.
const KEY_LOCKING: &str = "#!lua flags=allow-key-locking\n";
/// How long [`Store::ping`]'s mark stays.
const MARK: Duration = Duration::from_mins(1);

pub struct RedisStore {
    link: Link,
    dialect: Dialect,
    names: Names,
    commit: Code,
    count: Code,
    delete: Code,
    note: Code,
    survey: Code,
    take: Code,
    unlist: Code,
}

/// A script's text, and the hash by which the server knows it once it was sent.
struct Code {
    text: String,
    hash: String,
}

impl RedisStore {
    /// Checks the options and connects to nothing: a service may start while its Redis is away.
    pub fn connect(options: &Options) -> Result<Self, InvalidOptions> {
        options.check()?;
        let timing = Timing { connect: options.connect_timeout, response: options.response_timeout };
        Ok(Self {
            dialect: options.dialect(),
            link: Link::new(options.url.expose_secret(), timing).map_err(|_| InvalidOptions::Url)?,
            names: Names::new(&options.prefix).ok_or(InvalidOptions::Prefix)?,
            commit: Code::new(COMMIT, options.dialect()),
            count: Code::new(COUNT, options.dialect()),
            delete: Code::new(DELETE, options.dialect()),
            note: Code::new(NOTE, options.dialect()),
            survey: Code::new(SURVEY, options.dialect()),
            take: Code::new(TAKE, options.dialect()),
            unlist: Code::new(UNLIST, options.dialect()),
        })
    }

    /// Requests sent to the server so far.
    pub fn round_trips(&self) -> u64 {
        self.link.round_trips()
    }

    async fn read<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, Error> {
        Ok(self.link.ask(Request::One(command), Repeat::Safe).await?)
    }

    /// One round trip, two when the server does not know the script (yet, or any more). `fill` adds the number of keys,
    /// the keys and the other arguments.
    async fn run<T, F>(&self, code: &Code, repeat: Repeat, fill: F) -> Result<T, Error>
    where
        T: FromRedisValue,
        F: Fn(&mut Cmd) + Sync,
    {
        let mut by_hash = cmd("EVALSHA");
        fill(by_hash.arg(&code.hash));
        match self.link.ask(Request::One(&by_hash), repeat).await {
            Err(failure) if failure.is_unknown_script() => {}
            answer => return Ok(answer?),
        }
        let mut by_text = cmd("EVAL");
        fill(by_text.arg(&code.text));
        Ok(self.link.ask(Request::One(&by_text), repeat).await?)
    }
}

impl Code {
    fn new(text: &str, dialect: Dialect) -> Self {
        let text = match dialect {
            Dialect::Stock => text.to_owned(),
            Dialect::Upstash => format!("{KEY_LOCKING}{text}"),
        };
        Self { hash: Script::new(&text).get_hash().to_owned(), text }
    }
}

#[async_trait]
impl Store for RedisStore {
    async fn get(&self, id: &JobId) -> Result<Read, Error> {
        let mut both = pipe();
        both.cmd("TIME").cmd("HMGET").arg(self.names.record(id)).arg("v").arg("b");
        let (time, (version, body)): ((u64, u64), (Option<u64>, Option<Vec<u8>>)) =
            self.link.ask(Request::Several(&both), Repeat::Safe).await?;
        let record = version.zip(body).map(|(version, body)| Record { version, body: Bytes::from(body) });
        Ok(Read { now: millis(time), record })
    }

    async fn commit(&self, commit: &Commit) -> Result<Committed, Error> {
        // Sent twice, the second is answered as a replay: the operation's id sees to that.
        let fill = |command: &mut Cmd| commit::write(command, &self.names, commit);
        let answer = self.run(&self.commit, Repeat::Safe, fill).await?;
        commit::read(answer, commit)
            .ok_or_else(|| Error::Unknown("Redis answered what no script of ours says".to_owned()))
    }

    async fn pointer(&self, key: &PointerKey) -> Result<Option<String>, Error> {
        self.read(cmd("GET").arg(self.names.pointer(key))).await
    }

    async fn recall(&self, key: &MemoryKey) -> Result<Option<Bytes>, Error> {
        let reply: Option<Vec<u8>> = self.read(cmd("GET").arg(self.names.memory(key))).await?;
        Ok(reply.map(Bytes::from))
    }

    async fn tombstone(&self, id: &JobId) -> Result<Option<u32>, Error> {
        self.read(cmd("GET").arg(self.names.tombstone(id))).await
    }

    async fn due(&self, limit: usize) -> Result<Due, Error> {
        let mut both = pipe();
        // The earliest are read whatever the time, and sifted here: the time is not known before the answer.
        both.cmd("TIME").cmd("ZRANGE").arg(self.names.due()).arg(0).arg(limit).arg("WITHSCORES");
        let (time, earliest): ((u64, u64), Vec<(String, f64)>) =
            self.link.ask(Request::Several(&both), Repeat::Safe).await?;
        let now = millis(time);
        #[expect(clippy::cast_precision_loss, reason = "milliseconds stay below 2^53 for a long time yet")]
        let due = earliest.into_iter().take(limit).filter(|(_, at)| *at <= now as f64);
        Ok(Due { now, jobs: due.map(|(id, _)| JobId::new(id)).collect() })
    }

    async fn delete(&self, id: &JobId, expected: Expected) -> Result<bool, Error> {
        let fill = |command: &mut Cmd| {
            command.arg(2).arg(self.names.record(id)).arg(self.names.due());
            match expected.version() {
                None => command.arg(""),
                Some(version) => command.arg(version),
            };
            command.arg(id.as_str());
        };
        // Sent twice, the second would answer that nothing is as expected although the first deleted it.
        self.run(&self.delete, Repeat::Never, fill).await
    }

    async fn list(&self, list: &ListKey, before: Option<&Place>, limit: usize) -> Result<Page, Error> {
        self.page(list, before, limit).await
    }

    async fn count(&self, name: &str, window: Duration) -> Result<u64, Error> {
        let fill = |command: &mut Cmd| {
            command.arg(1).arg(self.names.counter(name)).arg(expiry_ms(window));
        };
        self.run(&self.count, Repeat::Never, fill).await
    }

    async fn take(&self, turns: &[Turn]) -> Result<Taken, Error> {
        let fill = |command: &mut Cmd| {
            command.arg(turns.len());
            for turn in turns {
                command.arg(self.names.counter(&turn.name));
            }
            for turn in turns {
                command.arg(turn.max).arg(expiry_ms(turn.window));
            }
        };
        // After a pause of hours the first command meets a closed socket: better a turn taken twice than a request refused.
        let answer: Vec<u64> = self.run(&self.take, Repeat::Safe, fill).await?;
        let windows = answer.get(2..).unwrap_or_default().chunks_exact(2);
        let windows = windows.map(|each| Window { used: each[0], left: Duration::from_millis(each[1]) }).collect();
        match answer[..] {
            [now, granted, ..] => Ok(Taken { now, granted: granted == 1, windows }),
            _ => Err(Error::Unknown("Redis answered what no script of ours says".to_owned())),
        }
    }

    async fn note(&self, log: &LogKey, entry: &[u8], keep: usize, ttl: Duration) -> Result<(), Error> {
        let fill = |command: &mut Cmd| {
            command.arg(1).arg(self.names.log(log)).arg(entry).arg(keep.max(1) - 1).arg(expiry_ms(ttl));
        };
        // Better an entry that stands there twice than one that is missing.
        self.run(&self.note, Repeat::Safe, fill).await
    }

    async fn notes(&self, log: &LogKey, limit: usize) -> Result<Vec<Bytes>, Error> {
        // To Redis the last is the one before the first, where none is wanted.
        let Some(last) = limit.checked_sub(1) else { return Ok(Vec::new()) };
        let entries: Vec<Vec<u8>> = self.read(cmd("LRANGE").arg(self.names.log(log)).arg(0).arg(last)).await?;
        Ok(entries.into_iter().map(Bytes::from).collect())
    }

    async fn survey(&self, limit: usize) -> Result<Survey, Error> {
        self.survey_of(limit).await
    }

    async fn counted(&self, names: &[String]) -> Result<Vec<Option<Window>>, Error> {
        self.counters(names).await
    }

    async fn ping(&self) -> Result<(), Error> {
        let mark = self.names.writable();
        self.read(cmd("SET").arg(mark).arg("").arg("PX").arg(expiry_ms(MARK))).await
    }

    /// Always the same: many processes share it, and none of them ends the others' leases.
    fn opening(&self) -> &'static str {
        "redis"
    }
}

/// Redis tells the time in seconds and microseconds.
fn millis((seconds, micros): (u64, u64)) -> Millis {
    seconds * 1000 + micros / 1000
}
