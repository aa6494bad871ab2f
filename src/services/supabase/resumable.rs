//! Resumable uploads (TUS), for all but small objects: an upload survives our death and goes on at the byte the server has.

use super::storage::{CACHE, check_path};
use super::wire::tus;
use super::{Error, Pieces, Supabase};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::Stream;
use reqwest::header::{CONTENT_TYPE, LOCATION};
use reqwest::{Method, RequestBuilder};
use serde::{Deserialize, Serialize};
use url::Url;

/// From this many bytes on an upload should be resumable.
pub const RESUMABLE_FROM: u64 = 6 * 1024 * 1024;
/// What hosted Supabase demands of every chunk but the last, in bytes.
pub const CHUNK: u64 = 6_291_456;

/// A begun upload, to be kept with the job; good for up to a day. It names the upload, not a host: the key never follows
/// wherever a reply points.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UploadUrl(String);

impl UploadUrl {
    /// One that was kept as text.
    pub fn kept(id: impl Into<String>) -> Self {
        Self(id.into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// How far an upload is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offset {
    /// The server has this many bytes.
    At(u64),
    /// Unknown or expired: begin again.
    Gone,
}

impl Supabase {
    /// Begins an upload that will replace an object of that path when its last byte arrives, and not before.
    pub async fn resumable_create(&self, path: &str, content_type: &str, size: u64) -> Result<UploadUrl, Error> {
        check_path(path)?;
        let fields = [
            ("bucketName", self.options.bucket.as_str()),
            ("objectName", path),
            ("contentType", content_type),
            ("cacheControl", CACHE),
        ];
        let metadata = fields.map(|(name, value)| format!("{name} {}", STANDARD.encode(value))).join(",");
        let request = self.tus(Method::POST, self.at(["storage", "v1", "upload", "resumable"]));
        let request = request.header(tus::LENGTH, size).header(tus::METADATA, metadata);
        let reply = self.call(request).await?.ok(Error::resumable)?;
        let location = reply.header(LOCATION.as_str()).and_then(upload_id);
        location.map(UploadUrl).ok_or_else(|| Error::unreadable("an upload without a usable Location"))
    }

    /// Asks how far an upload is.
    pub async fn resumable_offset(&self, upload: &UploadUrl) -> Result<Offset, Error> {
        let reply = self.call(self.tus(Method::HEAD, self.upload(upload))).await?;
        match reply.ok(Error::resumable) {
            Ok(reply) => match reply.header(tus::OFFSET).and_then(|offset| offset.parse().ok()) {
                Some(offset) => Ok(Offset::At(offset)),
                None => Err(Error::unreadable("no offset")),
            },
            Err(Error::Gone) => Ok(Offset::Gone),
            Err(error) => Err(error),
        }
    }

    /// Sends one chunk of `len` bytes (exactly [`CHUNK`], or what is left of the object) for `offset`, and answers the offset
    /// the server confirms. After [`Error::OffsetConflict`], [`Error::Away`] or [`Error::Content`] ask for the offset and go
    /// on from there.
    pub async fn resumable_send<S, E>(
        &self,
        upload: &UploadUrl,
        offset: u64,
        len: u64,
        pieces: &mut Pieces<S>,
    ) -> Result<u64, Error>
    where
        S: Stream<Item = Result<Bytes, E>> + Unpin,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        if len == 0 || len > CHUNK {
            return Err(Error::refused("chunk", format!("a chunk has 1 to {CHUNK} bytes, not {len}")));
        }
        let request = self.tus(Method::PATCH, self.upload(upload));
        let request = request.header(CONTENT_TYPE, tus::OFFSET_BODY).header(tus::OFFSET, offset);
        let reply = self.send(request, len, pieces).await?.ok(Error::resumable)?;
        let confirmed = reply.header(tus::OFFSET).and_then(|offset| offset.parse().ok());
        confirmed.ok_or_else(|| Error::unreadable("no offset"))
    }

    /// The right to replace must be claimed on each request, not only on the first.
    fn tus(&self, method: Method, url: Url) -> RequestBuilder {
        self.request(method, url).header(tus::RESUMABLE, tus::VERSION).header("x-upsert", "true")
    }

    fn upload(&self, upload: &UploadUrl) -> Url {
        self.at(["storage", "v1", "upload", "resumable", upload.0.as_str()])
    }
}

/// The last segment of a Location, which is all we keep of it.
fn upload_id(location: &str) -> Option<String> {
    let path = location.split(['?', '#']).next()?;
    let (before, id) = path.rsplit_once('/')?;
    let legal = |c: char| c.is_ascii_alphanumeric() || "_-=.~".contains(c);
    let named = !id.is_empty() && !matches!(id, "." | "..") && id.chars().all(legal);
    (named && before.ends_with("/upload/resumable")).then(|| id.to_owned())
}
