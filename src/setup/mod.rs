//! Making a set-up what it has to be, where that can be done from here: the schedule that wakes the sweep, and the bucket for
//! clips. First a plan, which only looks; then what was agreed to. What is right already is left alone, so a second run
//! has nothing to do. The database's own part is SQL for its owner: it is told whether it was run.

mod bucket;
mod schedule;

pub use bucket::Bucket;
pub use schedule::{MINUTES, Schedule, cron};

use crate::services::qstash::{self, NewSchedule};
use crate::services::supabase::{self, BucketSettings, Supabase};

/// What is wanted. A part that is not wanted, or not configured, is none.
pub struct Setup {
    pub schedule: Option<Schedule>,
    pub bucket: Option<Bucket>,
    /// Whose merge function is looked for.
    pub database: Option<Supabase>,
}

/// What is to be done about one part.
#[derive(Debug, Clone)]
pub struct Step {
    pub what: &'static str,
    pub act: Act,
    /// In words, without secrets.
    pub detail: String,
}

#[derive(Debug, Clone)]
pub enum Act {
    /// It is as it should be.
    Nothing,
    /// It is not for us to do: `detail` says how.
    ByHand,
    Schedule(NewSchedule),
    Unschedule(String),
    CreateBucket(BucketSettings),
    ChangeBucket(BucketSettings),
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the schedule: {0}")]
    QStash(#[from] qstash::Error),
    #[error("the bucket: {0}")]
    Supabase(#[from] supabase::Error),
}

impl Error {
    /// Whether nobody was reached who could have said no.
    pub fn is_away(&self) -> bool {
        matches!(self, Self::QStash(qstash::Error::Away { .. }) | Self::Supabase(supabase::Error::Away { .. }))
    }
}

impl Step {
    fn nothing(what: &'static str, detail: impl Into<String>) -> Self {
        Self { what, act: Act::Nothing, detail: detail.into() }
    }

    /// Whether it would change something.
    pub fn changes(&self) -> bool {
        !matches!(self.act, Act::Nothing | Act::ByHand)
    }

    /// One word for it.
    pub fn verb(&self) -> &'static str {
        match &self.act {
            Act::Nothing => "keep",
            Act::ByHand => "by hand",
            Act::Schedule(_) | Act::CreateBucket(_) => "put",
            Act::ChangeBucket(_) => "change",
            Act::Unschedule(_) => "remove",
        }
    }
}

impl Setup {
    /// Looks, and says what it would do.
    pub async fn plan(&self) -> Result<Vec<Step>, Error> {
        let mut steps = Vec::new();
        if let Some(schedule) = &self.schedule {
            steps.push(schedule.plan().await?);
        }
        if let Some(bucket) = &self.bucket {
            steps.extend(bucket.plan().await?);
        }
        if let Some(database) = &self.database {
            steps.push(migration(database).await);
        }
        Ok(steps)
    }

    pub async fn apply(&self, step: &Step) -> Result<(), Error> {
        match (&step.act, &self.schedule, &self.bucket) {
            (Act::Schedule(new), Some(schedule), _) => schedule.client.put_schedule(new).await?,
            (Act::Unschedule(id), Some(schedule), _) => drop(schedule.client.delete_schedule(id).await?),
            (Act::CreateBucket(settings), _, Some(bucket)) => match bucket.client.create_bucket(settings).await {
                // Somebody was faster: what it is like is seen with the next plan.
                Ok(()) | Err(supabase::Error::Exists) => {}
                Err(error) => return Err(error.into()),
            },
            (Act::ChangeBucket(settings), _, Some(bucket)) => bucket.client.update_bucket(settings).await?,
            _ => {}
        }
        Ok(())
    }
}

const MIGRATION: &str = "migration";
const FILE: &str = "infra/supabase/20261123000000_cliprelay.sql";

async fn migration(database: &Supabase) -> Step {
    let run = format!(
        "psql \"$DATABASE_URL\" -f {FILE} (Supabase dashboard, Connect, shows the address), or paste the file into its SQL \
         editor"
    );
    match database.can_merge().await {
        Ok(true) => Step::nothing(MIGRATION, "it has been run"),
        Ok(false) => Step { what: MIGRATION, act: Act::ByHand, detail: format!("it has not been run: {run}") },
        Err(error) => {
            Step { what: MIGRATION, act: Act::ByHand, detail: format!("{error}; if it has not been run: {run}") }
        }
    }
}
