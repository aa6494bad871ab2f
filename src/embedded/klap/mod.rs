//! A stand-in for Klap: its API v2 over real HTTP, on this machine, with real clips.
//!
//! It fetches the video it is given, finds cut points in it and renders exports by cutting that very file, so what our client
//! downloads plays. It is stateful (one redb file and the media beside it; an unfinished render is done again after a
//! restart), keeps Klap's habits (processing for a while, ready with an empty folder, nothing idempotent, everything billed),
//! fails on request and counts what it was asked. It must never answer anything Klap would not, except under
//! `/klap/control`, and by itself never fetches from anywhere but this machine.
//!
//! | path | what |
//! |---|---|
//! | `/klap/v2/…` | the API |
//! | `/klap/files/{export}.mp4` | rendered exports, without a key, with ranges |
//! | `/klap/videos/{name}` | videos lent to it with [`Klap::add_video`] |
//! | `/klap/control/{faults,counts,pace}` | for tests and operators |
mod api;
mod call;
mod control;
mod counts;
mod faults;
mod fetch;
mod files;
mod pace;
mod records;
mod task;
mod work;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use secrecy::SecretString;
use url::Url;

pub use counts::{Counts, Operation};
pub use faults::{Effect, Fault};
pub use pace::{Pace, Wait};

use counts::Tally;
use faults::Faults;
use records::Records;
use work::Work;

/// Where it keeps its things and how it behaves.
#[derive(Debug, Clone)]
pub struct Options {
    /// A folder of its own; made if missing.
    pub data: PathBuf,
    pub pace: Pace,
    /// The only key accepted; any non-empty one if `None`.
    pub api_key: Option<SecretString>,
    /// Fetch videos from hosts other than this machine.
    pub fetch_from_anywhere: bool,
    /// The largest video it takes, in bytes.
    pub source_bytes_max: u64,
}

impl Options {
    /// The defaults: quick, any key, videos from this machine only, up to 4 GiB.
    pub fn new(data: impl Into<PathBuf>) -> Self {
        Self {
            data: data.into(),
            pace: Pace::default(),
            api_key: None,
            fetch_from_anywhere: false,
            source_bytes_max: 4 * 1024 * 1024 * 1024,
        }
    }
}

/// Why it cannot do its work.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{}: {source}", path.display())]
    Io { path: PathBuf, source: std::io::Error },
    #[error("the Klap stand-in's records: {0}")]
    Records(#[from] Box<redb::Error>),
    #[error("the Klap stand-in's records hold something unreadable: {0}")]
    Json(#[from] serde_json::Error),
    #[error("the Klap stand-in's HTTP client: {0}")]
    Http(#[from] reqwest::Error),
    #[error("a video's name must be 1 to 128 letters, digits, '-', '_' or '.', not beginning with a dot")]
    VideoName,
    #[error("the Klap stand-in does not know its own address yet")]
    NoPublicBase,
    #[error("the Klap stand-in was interrupted")]
    Interrupted,
}

/// The stand-in. Share it by `Arc`; [`Klap::router`] serves it.
#[derive(Debug)]
pub struct Klap {
    options: Options,
    pace: RwLock<Pace>,
    public_base: RwLock<Option<Url>>,
    records: Records,
    http: reqwest::Client,
    faults: Faults,
    tally: Tally,
    work: Mutex<Work>,
}

impl Klap {
    /// Opens or makes its data folder and goes on with what was unfinished. A rustls provider must be installed.
    pub async fn open(options: Options) -> Result<Arc<Self>, Error> {
        for folder in ["sources", "renders"] {
            let path = options.data.join(folder);
            tokio::fs::create_dir_all(&path).await.map_err(|source| Error::Io { path, source })?;
        }
        let records = Records::open(options.data.join("klap.redb")).await?;
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .connect_timeout(Duration::from_secs(5))
            .read_timeout(Duration::from_secs(20))
            .build()?;
        let klap = Arc::new(Self {
            pace: RwLock::new(options.pace),
            public_base: RwLock::new(None),
            records,
            http,
            faults: Faults::default(),
            tally: Tally::default(),
            work: Mutex::default(),
            options,
        });
        work::resume(&klap).await?;
        Ok(klap)
    }

    /// Everything it answers, under `/klap`: merge it into the listener's router.
    pub fn router(self: Arc<Self>) -> axum::Router {
        api::routes().merge(files::routes()).merge(control::routes()).with_state(self)
    }

    /// Tells it where it is reachable, `http://127.0.0.1:9000`: the links it gives out begin with that.
    pub fn set_public_base(&self, base: Url) {
        *self.public_base.write().unwrap_or_else(PoisonError::into_inner) = Some(base);
    }

    /// Lends it a video, which is then at the answered address (below the public base) and stays where it is.
    pub async fn add_video(&self, name: &str, path: &Path) -> Result<Url, Error> {
        if !files::is_name(name) {
            return Err(Error::VideoName);
        }
        let io = |source| Error::Io { path: path.to_owned(), source };
        let path = tokio::fs::canonicalize(path).await.map_err(io)?;
        self.records.put(&format!("video/{name}"), &path).await?;
        self.link(&["klap", "videos", name])
    }

    /// Lets the next calls go wrong.
    pub fn inject(&self, fault: Fault) {
        self.faults.add(fault);
    }

    /// What it was asked and what that would have cost.
    pub async fn counts(&self) -> Result<Counts, Error> {
        counts::counts(self).await
    }

    pub fn set_pace(&self, pace: Pace) {
        *self.pace.write().unwrap_or_else(PoisonError::into_inner) = pace;
    }

    /// Stops its background work at once, as a crash would; what was unfinished goes on when it is opened again.
    pub async fn close(&self) {
        let mut work = std::mem::take(&mut *self.work.lock().unwrap_or_else(PoisonError::into_inner));
        work.shutdown().await;
    }

    fn pace(&self) -> Pace {
        *self.pace.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn link(&self, segments: &[&str]) -> Result<Url, Error> {
        let base = self.public_base.read().unwrap_or_else(PoisonError::into_inner).clone();
        let mut url = base.ok_or(Error::NoPublicBase)?;
        url.path_segments_mut().map_err(|()| Error::NoPublicBase)?.pop_if_empty().extend(segments);
        Ok(url)
    }

    fn source_file(&self, task: &str) -> PathBuf {
        self.options.data.join("sources").join(format!("{task}.mp4"))
    }

    fn render_file(&self, export: &str) -> PathBuf {
        self.options.data.join("renders").join(format!("{export}.mp4"))
    }
}

/// The time, in milliseconds since 1970.
fn now() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}
