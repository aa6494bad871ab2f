//! Objects: storing, looking up, listing and removing them.

use super::ledger::Writing;
use super::receive::{End, receive};
use super::reply::{Answer, Refusal, dropped, storage};
use super::{Error, Op, Supabase, buckets, now, reply, resumable, wire};
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Method, header};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use uuid::Uuid;

pub(super) fn routes() -> Router<Arc<Supabase>> {
    let object = post(store).put(store).get(super::serve::authenticated).delete(remove);
    Router::new()
        .route("/storage/v1/object/{bucket}/{*path}", object)
        .route("/storage/v1/object/info/{bucket}/{*path}", get(info))
        .route("/storage/v1/object/info/public/{bucket}/{*path}", get(info))
        .route("/storage/v1/object/list/{bucket}", post(list))
}

/// A whole object's record.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Object {
    /// Stays the same when the object is replaced.
    pub id: String,
    /// The name of its file; another for each version.
    pub blob: String,
    pub size: u64,
    pub content_type: String,
    pub cache_control: String,
    pub metadata: Value,
    pub created_at: String,
    pub updated_at: String,
}

pub(super) fn key(bucket: &str, path: &str) -> String {
    format!("object/{bucket}/{path}")
}

/// What an upload declares about itself.
pub(super) struct Upload<'a> {
    pub bucket: &'a str,
    pub path: &'a str,
    pub content_type: &'a str,
    /// Without it the size limit is not applied, as in the real thing.
    pub length: Option<u64>,
    pub upsert: bool,
}

/// Why an upload is refused before its body is read.
pub(super) enum Unwelcome {
    BadKey,
    NoBucket,
    TooLarge,
    Mime,
    Exists,
}

impl Supabase {
    pub(super) async fn judge(&self, upload: &Upload<'_>) -> Result<Option<Unwelcome>, Error> {
        let legal = |c: char| c.is_ascii_alphanumeric() || "_-.',!*&$@=;:+?/() ".contains(c);
        if upload.path.is_empty() || !upload.path.chars().all(legal) {
            return Ok(Some(Unwelcome::BadKey));
        }
        let (id, object) = (upload.bucket.to_owned(), key(upload.bucket, upload.path));
        let found =
            self.ledger.read(move |entries| Ok((buckets::find(entries, &id)?, entries.get::<Object>(&object)?)));
        let (Some(bucket), object) = found.await? else { return Ok(Some(Unwelcome::NoBucket)) };
        let limit = bucket.file_size_limit.into_iter().chain(self.faults.size_limit()).min();
        let allowed = |types: &Vec<String>| types.iter().any(|allowed| *allowed == upload.content_type);
        Ok(if limit.zip(upload.length).is_some_and(|(limit, length)| length > limit) {
            Some(Unwelcome::TooLarge)
        } else if !bucket.allowed_mime_types.as_ref().is_none_or(allowed) {
            Some(Unwelcome::Mime)
        } else if object.is_some() && !upload.upsert {
            Some(Unwelcome::Exists)
        } else {
            None
        })
    }

    /// Makes finished bytes visible: file first, then, in one write, the object's record and whatever goes with it.
    pub(super) async fn publish(
        &self,
        key: String,
        mut object: Object,
        also: impl FnOnce(&mut Writing<'_>) -> Result<(), Error> + Send + 'static,
    ) -> Result<Object, Error> {
        self.blobs.finish(&object.blob).await?;
        self.ledger.counts(|counts| counts.uploads_finished += 1);
        let write = move |entries: &mut Writing<'_>| {
            let old = entries.get::<Object>(&key)?;
            if let Some(old) = &old {
                object.id.clone_from(&old.id);
                object.created_at.clone_from(&old.created_at);
            }
            entries.put(&key, &object)?;
            also(entries)?;
            Ok((old, object))
        };
        let (old, object) = self.ledger.write(write).await?;
        if let Some(old) = old.filter(|old| old.blob != object.blob) {
            self.blobs.remove(&old.blob).await?;
        }
        Ok(object)
    }

    pub(super) fn received(&self, bucket: &str, path: &str, bytes: u64) {
        self.ledger.counts(|counts| *counts.bytes_received.entry(format!("{bucket}/{path}")).or_default() += bytes);
    }
}

/// Removes files that a crash left without a record.
pub(super) async fn sweep(supabase: &Supabase) -> Result<(), Error> {
    let named = supabase.ledger.read(|entries| {
        let objects = entries.scan::<Object>("object/")?.into_iter().map(|(_, object)| object.blob);
        let uploads = entries.scan::<resumable::Record>("upload/")?.into_iter().map(|(_, upload)| upload.blob);
        Ok(objects.chain(uploads).collect::<BTreeSet<_>>())
    });
    Ok(supabase.blobs.retain(&named.await?).await?)
}

async fn store(
    State(supabase): State<Arc<Supabase>>,
    Path((bucket, path)): Path<(String, String)>,
    method: Method,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let (plan, body) = supabase.enter(Op::Put, &headers, body).await?;
    supabase.storage_key(&headers)?;
    let text = |name| headers.get(name).and_then(|value: &header::HeaderValue| value.to_str().ok());
    let upload = Upload {
        bucket: &bucket,
        path: &path,
        content_type: text("content-type").unwrap_or("application/octet-stream"),
        length: text("content-length").and_then(|length| length.parse().ok()),
        upsert: method == Method::PUT || text("x-upsert") == Some("true"),
    };
    if let Some(unwelcome) = supabase.judge(&upload).await? {
        return Err(supabase.refuse_unread(unwelcome.storage(&upload), &headers, body).await);
    }
    let mut object = Object {
        id: Uuid::new_v4().to_string(),
        blob: Uuid::new_v4().to_string(),
        size: 0,
        content_type: upload.content_type.to_owned(),
        cache_control: text("cache-control").unwrap_or("no-cache").to_owned(),
        metadata: resumable::metadata_json(text("x-metadata")),
        created_at: now(),
        updated_at: now(),
    };
    supabase.ledger.counts(|counts| counts.uploads_begun += 1);
    let mut file = supabase.blobs.append(&object.blob).await?;
    let (size, end) = receive(body, &mut file, u64::MAX, &plan, None).await?;
    drop(file);
    supabase.received(&bucket, &path, size);
    if end != End::Whole {
        supabase.blobs.remove(&object.blob).await?;
        return Err(dropped().into());
    }
    object.size = size;
    let object = supabase.publish(key(&bucket, &path), object, |_| Ok(())).await?;
    let stored = wire::Stored { key: format!("{bucket}/{path}"), id: object.id };
    Ok(plan.finish(Json(stored).into_response()))
}

impl Unwelcome {
    fn storage(&self, upload: &Upload<'_>) -> axum::response::Response {
        match self {
            Self::BadKey => reply::bad_key(upload.path),
            Self::NoBucket => reply::no_bucket(),
            Self::TooLarge => {
                let message = "The object exceeded the maximum allowed size";
                storage(413, "Payload too large", message, "EntityTooLarge")
            }
            Self::Mime => {
                let message = format!("mime type {} is not supported", upload.content_type);
                storage(415, "invalid_mime_type", &message, "InvalidMimeType")
            }
            Self::Exists => reply::exists(),
        }
    }
}

async fn info(
    State(supabase): State<Arc<Supabase>>,
    Path((bucket, path)): Path<(String, String)>,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let (plan, _) = supabase.enter(Op::Info, &headers, body).await?;
    supabase.storage_key(&headers)?;
    let object = supabase.object(&bucket, &path).await?;
    let body = json!({
        "id": object.id, "name": path, "version": object.blob, "bucket_id": bucket, "size": object.size,
        "content_type": object.content_type, "cache_control": object.cache_control, "etag": object.etag(),
        "metadata": object.metadata, "last_modified": object.updated_at, "created_at": object.created_at,
    });
    Ok(plan.finish(Json(body).into_response()))
}

impl Supabase {
    pub(super) async fn object(&self, bucket: &str, path: &str) -> Result<Object, Refusal> {
        let (id, object) = (bucket.to_owned(), key(bucket, path));
        let found =
            self.ledger.read(move |entries| Ok((buckets::find(entries, &id)?, entries.get::<Object>(&object)?)));
        match found.await? {
            (None, _) => Err(reply::no_bucket().into()),
            (_, None) => Err(reply::no_object().into()),
            (_, Some(object)) => Ok(object),
        }
    }
}

impl Object {
    pub(super) fn etag(&self) -> String {
        format!("\"{}\"", self.blob.replace('-', ""))
    }
}

async fn remove(
    State(supabase): State<Arc<Supabase>>,
    Path((bucket, path)): Path<(String, String)>,
    headers: HeaderMap,
) -> Answer {
    supabase.storage_key(&headers)?;
    let object = supabase.object(&bucket, &path).await?;
    supabase.ledger.write(move |entries| entries.delete(&key(&bucket, &path))).await?;
    supabase.blobs.remove(&object.blob).await?;
    Ok(Json(json!({"message": "Successfully deleted"})).into_response())
}

#[derive(Deserialize)]
struct Listing {
    #[serde(default)]
    prefix: String,
    #[serde(default = "hundred")]
    limit: usize,
    #[serde(default)]
    offset: usize,
}

fn hundred() -> usize {
    100
}

/// One folder: its objects, and its folders as names without an id.
async fn list(
    State(supabase): State<Arc<Supabase>>,
    Path(bucket): Path<String>,
    headers: HeaderMap,
    Json(listing): Json<Listing>,
) -> Answer {
    supabase.storage_key(&headers)?;
    let folder = match listing.prefix.trim_matches('/') {
        "" => String::new(),
        folder => format!("{folder}/"),
    };
    let prefix = key(&bucket, &folder);
    let objects = supabase.ledger.read({
        let prefix = prefix.clone();
        move |entries| entries.scan::<Object>(&prefix)
    });
    let mut names = BTreeMap::new();
    for (key, object) in objects.await? {
        let rest = &key[prefix.len()..];
        match rest.split_once('/') {
            Some((folder, _)) => names.insert(folder.to_owned(), json!({"name": folder, "id": null, "metadata": null})),
            None => names.insert(rest.to_owned(), object.listed(rest)),
        };
    }
    let page: Vec<Value> = names.into_values().skip(listing.offset).take(listing.limit).collect();
    Ok(Json(page).into_response())
}

impl Object {
    fn listed(&self, name: &str) -> Value {
        json!({
            "name": name, "id": self.id, "updated_at": self.updated_at, "created_at": self.created_at,
            "last_accessed_at": self.updated_at,
            "metadata": {
                "eTag": self.etag(), "size": self.size, "mimetype": self.content_type,
                "cacheControl": self.cache_control, "contentLength": self.size,
            },
        })
    }
}
