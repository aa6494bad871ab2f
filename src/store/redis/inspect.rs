//! What a Redis tells of itself, for whoever checks a set-up. Reads only; what a server keeps to itself is none.

use super::{Dialect, Error, Failure, RedisStore, millis};
use crate::job::id::Millis;
use crate::store::redis::link::{Repeat, Request};
use redis::cmd;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

impl RedisStore {
    /// The server's time, and how long it took to ask.
    pub async fn time(&self) -> Result<(Millis, Duration), Error> {
        let asked = Instant::now();
        let time: (u64, u64) = self.read(&cmd("TIME")).await?;
        Ok((millis(time), asked.elapsed()))
    }

    /// `INFO`, by field.
    pub async fn info(&self) -> Result<BTreeMap<String, String>, Error> {
        let text: String = self.read(&cmd("INFO")).await?;
        let fields = text.lines().filter_map(|line| line.split_once(':'));
        Ok(fields.map(|(name, value)| (name.to_owned(), value.trim().to_owned())).collect())
    }

    /// A setting; none if the server has none of this name or does not tell.
    pub async fn setting(&self, name: &str) -> Result<Option<String>, Error> {
        let mut asked = cmd("CONFIG");
        asked.arg("GET").arg(name);
        match self.link.ask::<Vec<String>>(Request::One(&asked), Repeat::Safe).await {
            Ok(pair) => Ok(pair.into_iter().nth(1)),
            Err(Failure::Refused { .. }) => Ok(None),
            Err(failure) => Err(failure.into()),
        }
    }

    pub fn dialect(&self) -> Dialect {
        self.dialect
    }
}
