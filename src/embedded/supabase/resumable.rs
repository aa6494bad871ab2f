//! Resumable uploads (TUS 1.0.0): true HTTP statuses with plain text, unlike everything else in Storage.

use super::objects::{Object, Unwelcome, Upload, key};
use super::reply::{Answer, Refusal, text};
use super::wire::tus;
use super::{Error, Op, Supabase, now};
use axum::Router;
use axum::body::Body;
use axum::extract::{OriginalUri, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::options;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::HashMap;
use std::sync::Arc;
use uuid::Uuid;

mod chunk;

pub(super) fn routes() -> Router<Arc<Supabase>> {
    let upload = options(greet).patch(chunk::append).head(chunk::offset).delete(chunk::abandon);
    Router::new()
        .route("/storage/v1/upload/resumable", options(greet).post(create))
        .route("/storage/v1/upload/resumable/{id}", upload)
}

/// An unfinished upload. How far it is, only the file on the disk says.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Record {
    pub bucket: String,
    pub path: String,
    pub blob: String,
    pub length: u64,
    content_type: String,
    cache_control: String,
    metadata: Value,
    /// `Upload-Metadata` as it came, for HEAD.
    declared: String,
    begun_at: i64,
}

/// Finishes uploads whose last byte had arrived when we died.
pub(super) async fn recover(supabase: &Supabase) -> Result<(), Error> {
    for (key, record) in supabase.ledger.read(|entries| entries.scan::<Record>("upload/")).await? {
        if supabase.blobs.size(&record.blob).await? == record.length {
            supabase.complete(key, record).await?;
        }
    }
    Ok(())
}

impl Supabase {
    async fn complete(&self, upload: String, record: Record) -> Result<(), Error> {
        let object = Object {
            id: Uuid::new_v4().to_string(),
            blob: record.blob,
            size: record.length,
            content_type: record.content_type,
            cache_control: record.cache_control,
            metadata: record.metadata,
            created_at: now(),
            updated_at: now(),
        };
        let object_key = key(&record.bucket, &record.path);
        self.publish(object_key, object, move |entries| entries.delete(&upload)).await.map(drop)
    }

    /// The protocol's own conditions on every request, then the key.
    fn speaks_tus(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        if headers.get(tus::RESUMABLE).is_none_or(|version| version != tus::VERSION) {
            return Err(text(StatusCode::PRECONDITION_FAILED, "Tus-Resumable Required").into());
        }
        self.storage_key(headers)
    }
}

async fn greet() -> Response {
    const EXTENSIONS: &str = "creation,creation-with-upload,creation-defer-length,termination,expiration";
    let headers = [
        ("tus-version", tus::VERSION),
        ("tus-resumable", tus::VERSION),
        ("tus-extension", EXTENSIONS),
        ("tus-max-size", "536870912000"),
    ];
    (StatusCode::NO_CONTENT, headers).into_response()
}

async fn create(
    State(supabase): State<Arc<Supabase>>,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let (plan, body) = supabase.enter(Op::TusCreate, &headers, body).await?;
    supabase.speaks_tus(&headers)?;
    let record = supabase.declared(&headers).await?;
    let id = URL_SAFE_NO_PAD.encode(format!("{}/{}/{}", record.bucket, record.path, record.blob));
    supabase.ledger.counts(|counts| counts.uploads_begun += 1);
    let (key, kept) = (format!("upload/{id}"), record.clone());
    supabase.ledger.write(move |entries| entries.put(&key, &kept)).await?;
    let mut response = StatusCode::CREATED.into_response();
    if header_text(&headers, header::CONTENT_TYPE.as_str()) == Some(tus::OFFSET_BODY) {
        let replied = chunk::take(&supabase, &id, record, 0, &headers, (plan, body)).await?;
        response.headers_mut().extend(replied.headers().clone());
    } else {
        response = plan.finish(response);
    }
    let host = header_text(&headers, "x-forwarded-host").or_else(|| header_text(&headers, header::HOST.as_str()));
    let scheme = header_text(&headers, "x-forwarded-proto").unwrap_or("http");
    let location = format!("{scheme}://{}{}/{id}", host.unwrap_or("localhost"), uri.path());
    let location = HeaderValue::from_str(&location).unwrap_or(HeaderValue::from_static("/"));
    response.headers_mut().insert(header::LOCATION, location);
    response.headers_mut().insert(HeaderName::from_static(tus::RESUMABLE), HeaderValue::from_static(tus::VERSION));
    Ok(response)
}

impl Supabase {
    /// What a creation declares, judged as Storage would judge the object.
    async fn declared(&self, headers: &HeaderMap) -> Result<Record, Refusal> {
        let bad = |message: &str| Refusal::from(text(StatusCode::BAD_REQUEST, message));
        let length = header_text(headers, tus::LENGTH).and_then(|length| length.parse::<u64>().ok());
        let length = length.ok_or_else(|| bad("Upload-Length or Upload-Defer-Length header required"))?;
        let declared = header_text(headers, tus::METADATA).ok_or_else(|| bad("Metadata header is required"))?;
        let mut fields = fields(declared).ok_or_else(|| bad("Invalid upload-metadata"))?;
        let mut field = |name: &str| fields.remove(name);
        let (Some(bucket), Some(path)) = (field("bucketName"), field("objectName")) else {
            return Err(bad("Invalid upload-metadata"));
        };
        let record = Record {
            bucket,
            path,
            blob: Uuid::new_v4().to_string(),
            length,
            content_type: field("contentType").unwrap_or_else(|| "application/octet-stream".to_owned()),
            cache_control: field("cacheControl").unwrap_or_else(|| "no-cache".to_owned()),
            metadata: field("metadata").and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default(),
            declared: declared.to_owned(),
            begun_at: jiff::Timestamp::now().as_second(),
        };
        match self.judge(&record.as_upload(upsert(headers))).await? {
            Some(unwelcome) => Err(unwelcome.resumable(&record).into()),
            None => Ok(record),
        }
    }
}

impl Record {
    fn as_upload(&self, upsert: bool) -> Upload<'_> {
        Upload {
            bucket: &self.bucket,
            path: &self.path,
            content_type: &self.content_type,
            length: Some(self.length),
            upsert,
        }
    }
}

impl Unwelcome {
    fn resumable(&self, record: &Record) -> Response {
        match self {
            Self::BadKey => text(StatusCode::BAD_REQUEST, &format!("Invalid key: {}", record.path)),
            Self::NoBucket => text(StatusCode::NOT_FOUND, tus::NO_BUCKET),
            Self::TooLarge => text(StatusCode::PAYLOAD_TOO_LARGE, tus::TOO_LARGE),
            Self::Mime => {
                let message = format!("mime type {} is not supported", record.content_type);
                text(StatusCode::UNSUPPORTED_MEDIA_TYPE, &message)
            }
            Self::Exists => text(StatusCode::CONFLICT, tus::EXISTS),
        }
    }
}

/// `name base64,name base64`; a value may be missing.
fn fields(declared: &str) -> Option<HashMap<String, String>> {
    let field = |pair: &str| {
        let (name, value) = pair.trim().split_once(' ').unwrap_or((pair.trim(), ""));
        let value = String::from_utf8(STANDARD.decode(value.trim()).ok()?).ok()?;
        Some((name.to_owned(), value))
    };
    declared.split(',').map(field).collect()
}

/// `x-metadata` of a plain upload: base64 of a JSON object.
pub(super) fn metadata_json(encoded: Option<&str>) -> Value {
    let decoded = encoded.and_then(|encoded| STANDARD.decode(encoded).ok());
    decoded.and_then(|json| serde_json::from_slice(&json).ok()).unwrap_or_default()
}

/// Only the exact word counts, and only for this request.
fn upsert(headers: &HeaderMap) -> bool {
    header_text(headers, "x-upsert") == Some("true")
}

fn header_text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}
