//! Giving objects out: to the key's holder, to everyone from a public bucket, and to whoever has a signed address.

use super::faults::Op;
use super::objects::Object;
use super::reply::{Answer, storage};
use super::{Error, Supabase, buckets, reply, signed, wire};
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::json;
use std::io::SeekFrom;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncSeekExt};
use tokio_util::io::ReaderStream;

pub(super) fn routes() -> Router<Arc<Supabase>> {
    Router::new()
        .route("/storage/v1/object/authenticated/{bucket}/{*path}", get(authenticated))
        .route("/storage/v1/object/public/{bucket}/{*path}", get(public))
        .route("/storage/v1/object/sign/{bucket}/{*path}", post(sign).get(by_signature))
}

type Named = Path<(String, String)>;

/// With the key. `HEAD` comes here too; a missing object then has no body, as axum strips it.
pub(super) async fn authenticated(
    State(supabase): State<Arc<Supabase>>,
    Path((bucket, path)): Named,
    headers: HeaderMap,
) -> Answer {
    supabase.storage_key(&headers)?;
    let object = supabase.object(&bucket, &path).await?;
    Ok(supabase.give(&object, &headers).await?)
}

async fn public(State(supabase): State<Arc<Supabase>>, Path((bucket, path)): Named, headers: HeaderMap) -> Answer {
    let id = bucket.clone();
    let found = supabase.ledger.read(move |entries| buckets::find(entries, &id)).await?;
    if !found.is_some_and(|bucket| bucket.public) {
        return Err(reply::no_bucket().into());
    }
    let object = supabase.object(&bucket, &path).await?;
    Ok(supabase.give(&object, &headers).await?)
}

async fn sign(
    State(supabase): State<Arc<Supabase>>,
    Path((bucket, path)): Named,
    headers: HeaderMap,
    Json(asked): Json<wire::Sign>,
) -> Answer {
    let (plan, _) = supabase.enter(Op::Sign, &headers, Body::empty()).await?;
    supabase.storage_key(&headers)?;
    supabase.object(&bucket, &path).await?;
    let until = jiff::Timestamp::now().as_second().saturating_add_unsigned(asked.expires_in);
    let name = format!("{bucket}/{path}");
    let token = signed::token(&supabase.signing_key().await?, &name, until)?;
    let signed_url = format!("/object/sign/{name}?token={token}");
    Ok(plan.finish(Json(wire::Signed { signed_url }).into_response()))
}

#[derive(Deserialize)]
struct Token {
    #[serde(default)]
    token: String,
}

async fn by_signature(
    State(supabase): State<Arc<Supabase>>,
    Path((bucket, path)): Named,
    Query(Token { token }): Query<Token>,
    headers: HeaderMap,
) -> Answer {
    let now = jiff::Timestamp::now().as_second();
    if let Err(why) = signed::check(&supabase.signing_key().await?, &token, &format!("{bucket}/{path}"), now) {
        return Err(storage(400, "InvalidJWT", why, "InvalidJWT").into());
    }
    let object = supabase.object(&bucket, &path).await?;
    Ok(supabase.give(&object, &headers).await?)
}

impl Supabase {
    async fn give(&self, object: &Object, headers: &HeaderMap) -> Result<Response, Error> {
        let fixed = [
            (header::CONTENT_TYPE, object.content_type.clone()),
            (header::CACHE_CONTROL, object.cache_control.clone()),
            (header::ETAG, object.etag()),
            (header::ACCEPT_RANGES, "bytes".to_owned()),
        ];
        let text = |name| headers.get(name).and_then(|value: &header::HeaderValue| value.to_str().ok());
        if text("if-none-match") == Some(object.etag().as_str()) {
            return Ok((StatusCode::NOT_MODIFIED, fixed).into_response());
        }
        let Some((start, end)) = text("range").map_or(Some((0, object.size)), |range| span(range, object.size)) else {
            let body = json!({
                "statusCode": "416", "error": "invalid_range", "message": "Range not satisfiable", "code": "InvalidRange",
            });
            let whole = [(header::CONTENT_RANGE, format!("bytes */{}", object.size))];
            return Ok((StatusCode::RANGE_NOT_SATISFIABLE, whole, Json(body)).into_response());
        };
        let mut file = self.blobs.read(&object.blob).await?;
        file.seek(SeekFrom::Start(start)).await?;
        let body = Body::from_stream(ReaderStream::with_capacity(file.take(end - start), 64 * 1024));
        let length = [(header::CONTENT_LENGTH, (end - start).to_string())];
        if headers.contains_key(header::RANGE) {
            let last = end.saturating_sub(1);
            let range = [(header::CONTENT_RANGE, format!("bytes {start}-{last}/{}", object.size))];
            return Ok((StatusCode::PARTIAL_CONTENT, fixed, length, range, body).into_response());
        }
        Ok((fixed, length, body).into_response())
    }
}

/// The bytes a single range asks for, end exclusive; `None` if there are none. What is no single range asks for all.
fn span(range: &str, size: u64) -> Option<(u64, u64)> {
    let Some((first, last)) = range.strip_prefix("bytes=").and_then(|range| range.split_once('-')) else {
        return Some((0, size));
    };
    let (start, end) = match (first.parse::<u64>(), last.parse::<u64>()) {
        (Ok(start), Ok(last)) => (start, last.saturating_add(1).min(size)),
        (Ok(start), Err(_)) if last.is_empty() => (start, size),
        (Err(_), Ok(suffix)) if first.is_empty() => (size.saturating_sub(suffix), size),
        _ => return Some((0, size)),
    };
    (start < end).then_some((start, end))
}
