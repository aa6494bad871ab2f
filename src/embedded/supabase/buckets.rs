//! Buckets.

use super::ledger::Entries;
use super::reply::{Answer, storage};
use super::wire::Bucket;
use super::{Error, Supabase, now, reply, values};
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::{Json, Router};
use redb::ReadableTable;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::sync::Arc;

pub(super) fn routes() -> Router<Arc<Supabase>> {
    Router::new()
        .route("/storage/v1/bucket", post(create).get(list))
        .route("/storage/v1/bucket/{id}", get(one).put(update))
}

/// Makes the buckets that exist from the start.
pub(super) async fn seed(supabase: &Supabase) -> Result<(), Error> {
    let buckets = supabase.options.buckets.clone();
    let seed = move |entries: &mut super::ledger::Writing<'_>| {
        for id in buckets {
            let key = format!("bucket/{id}");
            if entries.get::<Bucket>(&key)?.is_none() {
                let name = id.clone();
                let bucket = Bucket {
                    id,
                    name,
                    public: true,
                    file_size_limit: None,
                    allowed_mime_types: None,
                    created_at: now(),
                };
                entries.put(&key, &bucket)?;
            }
        }
        Ok(())
    };
    supabase.ledger.write(seed).await
}

/// A bucket's record, inside a transaction.
pub(super) fn find<T>(entries: &Entries<T>, id: &str) -> Result<Option<Bucket>, Error>
where
    T: ReadableTable<&'static str, &'static [u8]>,
{
    entries.get(&format!("bucket/{id}"))
}

#[derive(Deserialize)]
struct NewBucket {
    id: Option<String>,
    name: String,
    #[serde(default)]
    public: bool,
    file_size_limit: Option<u64>,
    allowed_mime_types: Option<Vec<String>>,
}

async fn create(State(supabase): State<Arc<Supabase>>, headers: HeaderMap, Json(new): Json<NewBucket>) -> Answer {
    supabase.storage_key(&headers)?;
    let name = new.name.clone();
    let bucket = Bucket {
        id: new.id.unwrap_or_else(|| new.name.clone()),
        name: new.name,
        public: new.public,
        file_size_limit: new.file_size_limit,
        allowed_mime_types: new.allowed_mime_types,
        created_at: now(),
    };
    let created = supabase.ledger.write(move |entries| {
        let free = find(entries, &bucket.id)?.is_none();
        if free {
            entries.put(&format!("bucket/{}", bucket.id), &bucket)?;
        }
        Ok(free)
    });
    if created.await? {
        Ok(Json(json!({"name": name})).into_response())
    } else {
        Err(storage(409, "Duplicate", "The resource already exists", "BucketAlreadyExists").into())
    }
}

async fn list(State(supabase): State<Arc<Supabase>>, headers: HeaderMap) -> Answer {
    supabase.storage_key(&headers)?;
    let buckets = supabase.ledger.read(|entries| entries.scan::<Bucket>("bucket/")).await?;
    Ok(Json(values(buckets)).into_response())
}

async fn one(State(supabase): State<Arc<Supabase>>, headers: HeaderMap, Path(id): Path<String>) -> Answer {
    supabase.storage_key(&headers)?;
    match supabase.ledger.read(move |entries| find(entries, &id)).await? {
        Some(bucket) => Ok(Json(bucket).into_response()),
        None => Err(reply::no_bucket().into()),
    }
}

/// What is not named stays as it is; `null` takes a limit away.
async fn update(
    State(supabase): State<Arc<Supabase>>,
    headers: HeaderMap,
    Path(id): Path<String>,
    Json(change): Json<Map<String, Value>>,
) -> Answer {
    supabase.storage_key(&headers)?;
    let updated = supabase.ledger.write(move |entries| {
        let Some(mut bucket) = find(entries, &id)? else { return Ok(false) };
        if let Some(public) = change.get("public").and_then(Value::as_bool) {
            bucket.public = public;
        }
        if let Some(limit) = change.get("file_size_limit") {
            bucket.file_size_limit = limit.as_u64();
        }
        if let Some(types) = change.get("allowed_mime_types") {
            bucket.allowed_mime_types = serde_json::from_value(types.clone())?;
        }
        entries.put(&format!("bucket/{id}"), &bucket)?;
        Ok(true)
    });
    if updated.await? {
        Ok(Json(json!({"message": "Successfully updated"})).into_response())
    } else {
        Err(reply::no_bucket().into())
    }
}
