//! What is live and due, and counters as they stand.

use super::RedisStore;
use crate::job::id::{JobId, Millis};
use crate::store::redis::link::{Repeat, Request};
use crate::store::{Error, Record, Survey, Window};
use bytes::Bytes;
use redis::{Cmd, pipe};
use std::time::Duration;

/// Now, live, due, the earliest due time, ids.
type Counted = (Millis, u64, u64, String, Vec<String>);

impl RedisStore {
    pub(super) async fn survey_of(&self, limit: usize) -> Result<Survey, Error> {
        let fill = |command: &mut Cmd| {
            command.arg(2).arg(self.names.live()).arg(self.names.due()).arg(limit);
        };
        let (now, live, due, earliest, ids): Counted = self.run(&self.survey, Repeat::Safe, fill).await?;
        let ids: Vec<JobId> = ids.into_iter().map(JobId::new).collect();
        let fields = self.fields(&ids).await?;
        let records = ids.into_iter().zip(fields).filter_map(|(id, (version, body))| {
            let (version, body) = version.zip(body)?;
            Some((id, Record { version, body: Bytes::from(body) }))
        });
        Ok(Survey { now, live, due, earliest_due: whole(&earliest), records: records.collect() })
    }

    pub(super) async fn counters(&self, names: &[String]) -> Result<Vec<Option<Window>>, Error> {
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let mut all = pipe();
        for name in names {
            let key = self.names.counter(name);
            all.cmd("GET").arg(&key).cmd("PTTL").arg(key);
        }
        let answers: Vec<Option<i64>> = self.link.ask(Request::Several(&all), Repeat::Safe).await?;
        let window = |pair: &[Option<i64>]| {
            let used = u64::try_from(pair[0]?).unwrap_or_default();
            Some(Window { used, left: Duration::from_millis(u64::try_from(pair[1]?).unwrap_or_default()) })
        };
        Ok(answers.chunks_exact(2).map(window).collect())
    }
}

/// Redis writes scores as it likes.
fn whole(score: &str) -> Option<Millis> {
    let score: f64 = score.parse().ok()?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a time of ours, in milliseconds")]
    (score >= 0.0).then_some(score as Millis)
}
