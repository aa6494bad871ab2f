//! A stand-in for Supabase: Storage with resumable uploads, and the few calls of PostgREST we make, with their odd errors.
//!
//! It owns a folder: objects and unfinished uploads as files, everything else in one ledger. What it has confirmed survives
//! `kill -9`; an object is visible only when it is whole. It must never be kinder than the real thing: refusals come early
//! and unread, the right to replace is asked for on every chunk, and a filter that matches nothing is a success.

mod blobs;
mod buckets;
mod control;
mod counts;
mod faults;
mod filter;
mod ledger;
mod merge;
mod objects;
mod receive;
mod reply;
mod resumable;
mod rows;
mod serve;
mod signed;
mod turns;

pub use counts::Counts;
pub use faults::{Fault, Op, Planned};

use crate::services::supabase::wire;
use axum::Router;
use axum::http::{HeaderMap, header};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// How the stand-in is set up.
#[derive(Debug, Clone)]
pub struct Options {
    /// Its folder; made if it is missing. One process at a time.
    pub data: PathBuf,
    /// The only key accepted; without it any key is, but none at all is refused.
    pub key: Option<SecretString>,
    /// Buckets that exist from the start, all public.
    pub buckets: Vec<String>,
    /// Tables that exist; rows have no schema but the columns that rows of the table have.
    pub tables: Vec<String>,
    /// The tables' primary key.
    pub id_column: String,
    /// Whether that key is a `uuid`, so that anything else in a filter is an SQL error.
    pub uuid_ids: bool,
    /// How long a second client of an upload waits before it takes the upload over.
    pub patience: Duration,
    /// How long the connection of a refused upload is kept open and unread.
    pub hold_unread: Duration,
    /// How long an unfinished upload may be resumed.
    pub upload_life: Duration,
}

impl Options {
    /// A bucket `videos`, a table `projects`, any key.
    pub fn new(data: impl Into<PathBuf>) -> Self {
        Self {
            data: data.into(),
            key: None,
            buckets: vec!["videos".to_owned()],
            tables: vec!["projects".to_owned()],
            id_column: "id".to_owned(),
            uuid_ids: false,
            patience: Duration::from_secs(3),
            hold_unread: Duration::from_secs(10),
            upload_life: Duration::from_hours(24),
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the Supabase stand-in cannot use its folder: {0}")]
    Files(#[from] std::io::Error),
    #[error("the Supabase stand-in cannot use its ledger: {0}")]
    Ledger(#[from] redb::Error),
    #[error("the Supabase stand-in cannot read its own record: {0}")]
    Record(#[from] serde_json::Error),
    #[error("a row needs a text in its column `{0}`")]
    RowWithoutId(String),
    #[error("the Supabase stand-in is shutting down")]
    Stopping(#[from] tokio::task::JoinError),
}

/// The stand-in's state; the router and whoever seeds it share it.
pub struct Supabase {
    options: Options,
    ledger: ledger::Ledger,
    blobs: blobs::Blobs,
    faults: faults::Faults,
    turns: turns::Turns,
}

/// Opens the folder, finishes what a crash left between two writes, and makes the buckets.
pub async fn open(options: Options) -> Result<Arc<Supabase>, Error> {
    let blobs = blobs::Blobs::open(&options.data).await?;
    let ledger = ledger::Ledger::open(options.data.join("ledger.redb")).await?;
    let turns = turns::Turns::new(options.patience);
    let supabase = Arc::new(Supabase { options, ledger, blobs, faults: faults::Faults::default(), turns });
    buckets::seed(&supabase).await?;
    resumable::recover(&supabase).await?;
    objects::sweep(&supabase).await?;
    Ok(supabase)
}

/// Everything under `/storage/v1`, `/rest/v1` and `/control`, to be nested where the caller likes.
pub fn router(supabase: Arc<Supabase>) -> Router {
    Router::new()
        .merge(buckets::routes())
        .merge(objects::routes())
        .merge(serve::routes())
        .merge(resumable::routes())
        .merge(rows::routes())
        .merge(control::routes())
        .with_state(supabase)
}

impl Supabase {
    /// Adds a row, or replaces the one of its id.
    pub async fn add_project_row(&self, table: &str, row: Map<String, Value>) -> Result<(), Error> {
        let column = &self.options.id_column;
        let id = row.get(column).and_then(Value::as_str);
        let id = id.ok_or_else(|| Error::RowWithoutId(column.clone()))?;
        let key = rows::key(table, id);
        self.ledger.write(move |entries| entries.put(&key, &row)).await
    }

    /// All rows of a table, by id.
    pub async fn rows(&self, table: &str) -> Result<Vec<Map<String, Value>>, Error> {
        let prefix = rows::key(table, "");
        self.ledger.read(move |entries| entries.scan(&prefix)).await.map(values)
    }

    /// Paths (with bucket) and sizes of all whole objects.
    pub async fn objects(&self) -> Result<Vec<(String, u64)>, Error> {
        let objects = self.ledger.read(|entries| entries.scan::<objects::Object>("object/")).await?;
        let named = |(key, object): (String, objects::Object)| (key["object/".len()..].to_owned(), object.size);
        Ok(objects.into_iter().map(named).collect())
    }

    /// Plans a fault; see [`Fault`].
    pub fn plan(&self, planned: Planned) {
        self.faults.plan(planned);
    }

    pub fn counts(&self) -> Counts {
        self.ledger.counts(|counts| counts.clone())
    }

    /// Whether a request shows a key as the gateway wants it: a new key in `apikey`, a token as bearer.
    fn admits(&self, headers: &HeaderMap) -> bool {
        let text = |name| headers.get(name).and_then(|value: &header::HeaderValue| value.to_str().ok());
        let bearer = text("authorization").and_then(|value| value.strip_prefix("Bearer "));
        let apikey = text("apikey");
        match &self.options.key {
            None => bearer.or(apikey).is_some_and(|key| !key.is_empty()),
            Some(key) if key.expose_secret().starts_with("sb_") => {
                let key = Some(key.expose_secret());
                apikey == key && (bearer.is_none() || bearer == key)
            }
            Some(key) => bearer == Some(key.expose_secret()),
        }
    }

    fn shows_key(headers: &HeaderMap) -> bool {
        headers.contains_key(header::AUTHORIZATION) || headers.contains_key("apikey")
    }
}

fn values<T>(entries: Vec<(String, T)>) -> Vec<T> {
    entries.into_iter().map(|(_, value)| value).collect()
}

/// The stand-in's clock, as Postgres prints it.
fn now() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S%.6f+00:00").to_string()
}
