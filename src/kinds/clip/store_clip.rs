//! One clip from its source into storage: a single request below the resumable threshold, a resumable upload above it.
//! Storage is asked first what it already has, and at the end whether it has all of it.

use super::plan::Upload;
use crate::sabotage::{self, Sabotage};
use crate::services::Services;
use crate::services::source::{self, Opened};
use crate::services::supabase::{self, Access, CHUNK, ObjectInfo, Offset, Pieces, RESUMABLE_FROM, UploadUrl};
use std::time::Duration;
use tokio::sync::mpsc::UnboundedSender;
use tracing::field::Empty;
use tracing::{Instrument, Span};
use url::Url;

const CONTENT_TYPE: &str = "video/mp4";

/// One clip's transfer, about to begin.
pub(super) struct StoreClip {
    pub index: usize,
    pub url: Url,
    pub path: String,
    /// The clip's address for callers, if the bucket is private.
    pub private_url: String,
    /// A resumable upload that an earlier attempt began.
    pub upload: Option<Upload>,
    /// Told when a resumable upload begins, so that it can be written down while it goes on.
    pub begun: UnboundedSender<(usize, Upload)>,
}

/// How a transfer ended.
pub(super) struct Moved {
    pub path: String,
    /// Where the resumable upload stands now, if there is one.
    pub upload: Option<Upload>,
    /// The size storage confirmed and the clip's address, or what went wrong.
    pub end: Result<(u64, String), Trouble>,
}

#[derive(Debug)]
pub(super) enum Trouble {
    /// The vendor's file server is away.
    SourceAway { after: Option<Duration>, detail: String },
    /// Storage is away.
    StorageAway { after: Option<Duration>, detail: String },
    /// Counts against the clip; another attempt may mend it.
    Failed(String),
    /// No attempt can help this clip.
    Hopeless(String),
}

impl StoreClip {
    pub async fn run(mut self, services: &Services) -> (usize, Moved) {
        let span = tracing::debug_span!(
            "clip",
            clip.index = self.index,
            clip.outcome = Empty,
            clip.size = Empty,
            otel.status_code = Empty,
        );
        let end = self.transfer(services).instrument(span.clone()).await;
        self.tell(&span, &end);
        let upload = if end.is_ok() { None } else { self.upload };
        (self.index, Moved { path: self.path, upload, end })
    }

    fn tell(&self, span: &Span, end: &Result<(u64, String), Trouble>) {
        let outcome = match end {
            Ok(_) => "stored",
            Err(Trouble::SourceAway { .. }) => "source_away",
            Err(Trouble::StorageAway { .. }) => "storage_away",
            Err(Trouble::Failed(_)) => "failed",
            Err(Trouble::Hopeless(_)) => "hopeless",
        };
        span.record("clip.outcome", outcome);
        if let Ok((size, _)) = end {
            span.record("clip.size", *size);
            tracing::info!(clip.index = self.index, clip.size = *size, "clip stored");
        } else {
            span.record("otel.status_code", "error");
            tracing::warn!(clip.index = self.index, outcome, "clip not stored");
        }
    }

    async fn transfer(&mut self, services: &Services) -> Result<(u64, String), Trouble> {
        let storage = &services.supabase;
        let resumed = self.resume(storage).await?;
        let from = if sabotage::is(Sabotage::ResumeAtZero) { 0 } else { resumed };
        let opened = services.source.open(&self.url, from).await.map_err(from_source)?;
        let total = opened.total;
        if storage.info(&self.path).await.map_err(from_storage)?.is_none_or(|there| there.size != total) {
            if total < RESUMABLE_FROM {
                storage.put(&self.path, CONTENT_TYPE, total, opened.stream).await.map_err(from_storage)?;
            } else {
                self.send_in_chunks(storage, opened).await?;
            }
        }
        let stored = storage.info(&self.path).await.map_err(from_storage)?;
        let stored = if sabotage::is(Sabotage::Unconfirmed) {
            Some(ObjectInfo { size: total, ..ObjectInfo::default() })
        } else {
            stored
        };
        if stored.as_ref().is_none_or(|stored| stored.size != total) {
            // An upload that came to its end and to nothing never will: the next attempt begins another.
            self.upload = None;
        }
        match stored {
            Some(info) if info.size == total => {
                let url = match storage.access() {
                    Access::Public => storage.public_url(&self.path).map_err(from_storage)?.into(),
                    Access::Private => self.private_url.clone(),
                };
                Ok((total, url))
            }
            Some(info) => Err(Trouble::Failed(format!("storage has {} of {total} bytes", info.size))),
            None => {
                // All bytes were taken and nothing came of them: only a new upload can help.
                self.upload = None;
                Err(Trouble::Failed("storage does not have the clip it took".to_owned()))
            }
        }
    }

    /// Where an upload begun earlier stands; 0 if there is none (any more).
    async fn resume(&mut self, storage: &supabase::Supabase) -> Result<u64, Trouble> {
        let Some(upload) = &mut self.upload else { return Ok(0) };
        match storage.resumable_offset(&UploadUrl::kept(&upload.url)).await.map_err(from_storage)? {
            Offset::At(offset) if offset <= upload.total => {
                upload.offset = offset;
                Ok(offset)
            }
            Offset::At(_) | Offset::Gone => {
                self.upload = None;
                Ok(0)
            }
        }
    }

    async fn send_in_chunks(&mut self, storage: &supabase::Supabase, opened: Opened) -> Result<(), Trouble> {
        let total = opened.total;
        if self.upload.as_ref().is_some_and(|upload| upload.total != total) {
            self.upload = None;
            return Err(Trouble::Failed("the clip's file changed its size in the middle of the upload".to_owned()));
        }
        let url = if let Some(upload) = &self.upload {
            UploadUrl::kept(&upload.url)
        } else {
            let url = storage.resumable_create(&self.path, CONTENT_TYPE, total).await.map_err(from_storage)?;
            let upload = Upload { url: url.as_str().to_owned(), total, offset: 0 };
            self.upload = Some(upload.clone());
            // The receiver outlives every transfer; if it is gone, so are we.
            let _ = self.begun.send((self.index, upload));
            url
        };
        let mut pieces = Pieces::new(opened.stream);
        let mut offset = opened.offset;
        while offset < total {
            let length = CHUNK.min(total - offset);
            let sent = storage.resumable_send(&url, offset, length, &mut pieces).await;
            let confirmed = match sent {
                Ok(confirmed) => confirmed,
                Err(error) => return Err(self.broken(storage, &url, error).await),
            };
            if confirmed != offset + length {
                self.stands_at(confirmed);
                return Err(Trouble::Failed(format!(
                    "storage confirmed {confirmed} instead of {} bytes",
                    offset + length
                )));
            }
            offset = confirmed;
            self.stands_at(offset);
        }
        Ok(())
    }

    /// After a broken chunk storage says how much of it arrived; the next attempt goes on there, unless what was sent is
    /// no video: then nothing of it is kept.
    async fn broken(&mut self, storage: &supabase::Supabase, url: &UploadUrl, error: supabase::Error) -> Trouble {
        let is_no_video = matches!(
            &error,
            supabase::Error::Content(cause) if matches!(cause.downcast_ref(), Some(source::Error::NotAVideo { .. }))
        );
        if is_no_video {
            self.upload = None;
            return from_storage(error);
        }
        if matches!(error, supabase::Error::Gone | supabase::Error::Exists) {
            self.upload = None;
            return Trouble::Failed(error.to_string());
        }
        match storage.resumable_offset(url).await {
            Ok(Offset::At(offset)) => self.stands_at(offset),
            Ok(Offset::Gone) => self.upload = None,
            Err(_) => {}
        }
        from_storage(error)
    }

    fn stands_at(&mut self, offset: u64) {
        if let Some(upload) = &mut self.upload {
            upload.offset = offset;
        }
    }
}

fn from_source(error: source::Error) -> Trouble {
    match error {
        source::Error::Away { after, detail } => Trouble::SourceAway { after, detail },
        source::Error::Expired { .. } | source::Error::NotAVideo { .. } | source::Error::Truncated { .. } => {
            Trouble::Failed(error.to_string())
        }
        source::Error::Blocked(_) | source::Error::TooLarge { .. } => Trouble::Hopeless(error.to_string()),
    }
}

fn from_storage(error: supabase::Error) -> Trouble {
    match error {
        supabase::Error::Away { after, detail } => Trouble::StorageAway { after, detail },
        // The source's own error, seen through the upload that read it.
        supabase::Error::Content(cause) => match cause.downcast::<source::Error>() {
            Ok(cause) => from_source(*cause),
            Err(cause) => Trouble::Failed(cause.to_string()),
        },
        supabase::Error::TooLarge(_) => Trouble::Hopeless(error.to_string()),
        supabase::Error::Unauthorized(_)
        | supabase::Error::NotFound { .. }
        | supabase::Error::Refused { .. }
        | supabase::Error::OffsetConflict
        | supabase::Error::Gone
        | supabase::Error::Exists
        | supabase::Error::Contended => Trouble::Failed(error.to_string()),
    }
}
