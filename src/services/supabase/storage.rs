//! Objects in the bucket.

use super::{Access, Error, Pieces, Supabase, wire};
use bytes::Bytes;
use futures_util::Stream;
use reqwest::Method;
use reqwest::header::{CACHE_CONTROL, CONTENT_TYPE};
use std::time::Duration;
use url::Url;

/// How long browsers and edges may keep a clip: its path never changes its meaning.
pub(super) const CACHE: &str = "max-age=3600";

/// What storage says about an object.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ObjectInfo {
    /// Bytes.
    pub size: u64,
    pub content_type: Option<String>,
    pub etag: Option<String>,
}

impl Supabase {
    /// Looks an object up; `None` if it is not there.
    pub async fn info(&self, path: &str) -> Result<Option<ObjectInfo>, Error> {
        let url = self.object(&["info"], path)?;
        let reply = self.call(self.request(Method::GET, url)).await?;
        match reply.ok(Error::storage) {
            Ok(reply) => {
                let info: wire::Info = reply.json()?;
                Ok(Some(ObjectInfo { size: info.size, content_type: info.content_type, etag: info.etag }))
            }
            Err(Error::NotFound { code, .. }) if code == "NoSuchKey" => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Stores an object in one request, replacing one of that path. For fewer than
    /// [`RESUMABLE_FROM`](super::RESUMABLE_FROM) bytes. Repeatable; nothing is visible unless all `size` bytes arrived.
    pub async fn put<S, E>(&self, path: &str, content_type: &str, size: u64, stream: S) -> Result<(), Error>
    where
        S: Stream<Item = Result<Bytes, E>> + Unpin,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        if size == 0 {
            return Err(Error::refused("empty", "an empty object would be stored without a word"));
        }
        let request = self.request(Method::POST, self.object(&[], path)?);
        let request =
            request.header(CONTENT_TYPE, content_type).header(CACHE_CONTROL, CACHE).header("x-upsert", "true");
        self.send(request, size, &mut Pieces::new(stream)).await?.ok(Error::storage)?;
        Ok(())
    }

    /// The address for everyone, if the bucket is public; no call is made.
    pub fn public_url(&self, path: &str) -> Result<Url, Error> {
        self.object(&["public"], path)
    }

    /// How the bucket is configured to be read; storage is not asked.
    pub fn access(&self) -> Access {
        self.options.access
    }

    pub async fn bucket_is_public(&self) -> Result<bool, Error> {
        let url = self.at(["storage", "v1", "bucket", &self.options.bucket]);
        let reply = self.call(self.request(Method::GET, url)).await?.ok(Error::storage)?;
        Ok(reply.json::<wire::Bucket>()?.public)
    }

    /// An address that works for everyone until it expires (whole seconds, at least one).
    pub async fn signed_url(&self, path: &str, expires: Duration) -> Result<Url, Error> {
        let body = wire::Sign { expires_in: expires.as_secs().max(1) };
        let request = self.request(Method::POST, self.object(&["sign"], path)?).json(&body);
        let reply = self.call(request).await?.ok(Error::storage)?;
        let signed = reply.json::<wire::Signed>()?.signed_url;
        // Relative to the storage root; only its query is news, the path is the one just asked for.
        let query = signed.split_once('?').map(|(_, query)| query).filter(|query| query.contains("token="));
        let query = query.ok_or_else(|| Error::unreadable("a signed address without a token"))?;
        let mut url = self.object(&["sign"], path)?;
        url.set_query(Some(query));
        Ok(url)
    }

    fn object(&self, kind: &[&str], path: &str) -> Result<Url, Error> {
        check_path(path)?;
        let segments = ["storage", "v1", "object"].into_iter().chain(kind.iter().copied());
        Ok(self.at(segments.chain([self.options.bucket.as_str()]).chain(path.split('/'))))
    }
}

pub(super) fn is_bucket(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 100
        && name != "."
        && name != ".."
        && name.chars().all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c))
}

/// The characters storage takes, and no segment that an address would swallow.
pub(super) fn check_path(path: &str) -> Result<(), Error> {
    let legal = |c: char| c.is_ascii_alphanumeric() || "_-.',!*&$@=;:+?/() ".contains(c);
    let whole = |segment: &str| !matches!(segment, "" | "." | "..");
    if path.len() <= 1000 && path.chars().all(legal) && path.split('/').all(whole) {
        Ok(())
    } else {
        Err(Error::refused("InvalidKey", "not a path that storage takes"))
    }
}
