//! Supabase: where clips are stored and the project's row is kept. Owns three conversations (Storage, its resumable uploads,
//! PostgREST) and the sorting of their three kinds of error.
//!
//! The service key opens everything, so it goes to the configured host only, never into a log, an error or an address. Clips
//! are streamed from whoever holds them; a refusal is read while sending, because the server answers early and then stops
//! reading. The project's row belongs to other people too: it is merged, never written as a whole.

mod buckets;
mod call;
mod columns;
mod error;
mod inspect;
mod pieces;
mod resumable;
mod rows;
mod send;
mod storage;
pub mod wire;

pub use buckets::{BucketSettings, CLIP_TYPE};
pub use columns::{BadColumns, Columns};
pub use error::Error;
pub use pieces::Pieces;
pub use resumable::{CHUNK, Offset, RESUMABLE_FROM, UploadUrl};
pub use rows::{Merge, MergedClips, ProjectRow};
pub use storage::ObjectInfo;

use crate::measure::Service;
use crate::services::outbound::Http;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use std::time::Duration;
use url::Url;

/// Where and as whom.
#[derive(Debug, Clone)]
pub struct Options {
    /// The project's URL without `/storage/v1`; a path before it is kept.
    pub url: Url,
    /// A legacy `service_role` JWT or an `sb_secret_` key.
    pub service_key: SecretString,
    pub bucket: String,
    pub access: Access,
    pub table: String,
    pub columns: Columns,
    pub timeouts: Timeouts,
}

/// Who may read the bucket's objects by their plain address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    Public,
    /// Only who holds a signed address.
    Private,
}

#[derive(Debug, Clone)]
pub struct Timeouts {
    /// One small call, from the request to the end of its reply.
    pub call: Duration,
    /// Between two pieces of an upload, on either side.
    pub idle: Duration,
    /// From an upload's last byte to its reply.
    pub stored: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { call: Duration::from_secs(15), idle: Duration::from_secs(30), stored: Duration::from_mins(1) }
    }
}

/// Options that no call could be made with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    #[error("the Supabase URL must be http or https")]
    Url,
    #[error("the Supabase key has characters that no key has")]
    Key,
    #[error("`{0}` is not a bucket's name")]
    Bucket(String),
    #[error("`{0}` is not a table's name")]
    Table(String),
}

/// The client: one bucket, one table. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Supabase {
    /// For storage.
    http: Http,
    /// For the table.
    rows: Http,
    key: HeaderMap,
    options: Options,
}

impl Supabase {
    /// `http` must follow no redirects (see [`outbound::client`](crate::services::outbound::client)).
    pub fn new(http: impl Into<Http>, options: Options) -> Result<Self, Unusable> {
        if !matches!(options.url.scheme(), "http" | "https") {
            return Err(Unusable::Url);
        }
        if !storage::is_bucket(&options.bucket) {
            return Err(Unusable::Bucket(options.bucket));
        }
        if !columns::is_identifier(&options.table) {
            return Err(Unusable::Table(options.table));
        }
        let key = key_headers(&options.service_key)?;
        let http = http.into().to(Service::Storage);
        Ok(Self { rows: http.clone().to(Service::Rows), http, key, options })
    }

    /// `{url}/{segments…}`, each segment encoded by itself.
    fn at<'a>(&self, segments: impl IntoIterator<Item = &'a str>) -> Url {
        let mut url = self.options.url.clone();
        url.set_query(None);
        url.set_fragment(None);
        // An http or https URL always has a path.
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(segments);
        }
        url
    }
}

/// New keys are no tokens and go into `apikey` alone; a legacy key is a token as well.
fn key_headers(key: &SecretString) -> Result<HeaderMap, Unusable> {
    let key = key.expose_secret();
    let secret = |text: &str| {
        let mut value = HeaderValue::from_str(text).map_err(|_| Unusable::Key)?;
        value.set_sensitive(true);
        Ok(value)
    };
    let mut headers = HeaderMap::new();
    headers.insert(HeaderName::from_static("apikey"), secret(key)?);
    if !key.starts_with("sb_") {
        headers.insert(AUTHORIZATION, secret(&format!("Bearer {key}"))?);
    }
    Ok(headers)
}
