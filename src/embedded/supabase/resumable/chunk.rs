//! One upload's life between its creation and its end: chunks, the question how far it is, and giving it up.

use super::super::faults::Plan;
use super::super::receive::{End, receive};
use super::super::reply::{Answer, Refusal, dropped, text};
use super::super::turns::Turn;
use super::super::wire::tus;
use super::super::{Error, Op, Supabase};
use super::{Record, header_text, upsert};
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::sync::Arc;

pub(super) async fn append(
    State(supabase): State<Arc<Supabase>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let (plan, body) = supabase.enter(Op::TusPatch, &headers, body).await?;
    supabase.speaks_tus(&headers)?;
    let early = |status, message: &'static str| Refusal::from(text(status, message));
    let refused = if header_text(&headers, header::CONTENT_TYPE.as_str()) != Some(tus::OFFSET_BODY) {
        early(StatusCode::BAD_REQUEST, "Invalid content-type")
    } else if let Some(at) = header_text(&headers, tus::OFFSET).and_then(|offset| offset.parse().ok()) {
        match supabase.upload(&id).await {
            Ok(record) => {
                // A caller who hangs up after the last byte does not keep the object from appearing.
                let taking = async move { take(&supabase, &id, record, at, &headers, (plan, body)).await };
                return tokio::spawn(taking).await.map_err(Error::from)?;
            }
            Err(refused) => refused,
        }
    } else {
        early(StatusCode::BAD_REQUEST, "Upload-Offset header required")
    };
    Err(supabase.refuse_unread(refused.into_response(), &headers, body).await)
}

/// Takes a chunk in at `at`, and finishes the upload with its last byte.
pub(super) async fn take(
    supabase: &Supabase,
    id: &str,
    record: Record,
    at: u64,
    headers: &HeaderMap,
    (plan, body): (Plan, Body),
) -> Answer {
    let turn = supabase.turn(id).await?;
    if let Some(refused) = supabase.chunk_refused(&record, at, headers).await? {
        return Err(supabase.refuse_unread(refused.into_response(), headers, body).await);
    }
    let mut file = supabase.blobs.append(&record.blob).await?;
    let (taken, end) = receive(body, &mut file, record.length - at, &plan, Some(&turn)).await?;
    drop(file);
    supabase.received(&record.bucket, &record.path, taken);
    let offset = at + taken;
    match end {
        End::Cut | End::Broken => return Err(dropped().into()),
        End::TooLong => {
            supabase.blobs.truncate(&record.blob, at).await?;
            return Err(text(StatusCode::PAYLOAD_TOO_LARGE, tus::LONGER).into());
        }
        End::Whole => {}
    }
    let mut response = (StatusCode::NO_CONTENT, [(tus::OFFSET, offset.to_string())]).into_response();
    if offset == record.length {
        // Another upload of the path may have won meanwhile.
        if let Some(refused) = supabase.judge(&record.as_upload(upsert(headers))).await? {
            supabase.blobs.truncate(&record.blob, at).await?;
            return Err(refused.resumable(&record).into());
        }
        supabase.complete(format!("upload/{id}"), record).await?;
        response = (StatusCode::NO_CONTENT, [(tus::OFFSET, offset.to_string()), ("tus-complete", "1".to_owned())])
            .into_response();
    }
    drop(turn);
    Ok(plan.finish(response))
}

pub(super) async fn offset(
    State(supabase): State<Arc<Supabase>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let (plan, _) = supabase.enter(Op::TusHead, &headers, body).await?;
    supabase.speaks_tus(&headers)?;
    let _turn = supabase.turn(&id).await?;
    let record = supabase.upload(&id).await?;
    let offset = supabase.blobs.size(&record.blob).await.map_err(Error::from)?;
    let headers = [
        (tus::OFFSET, offset.to_string()),
        (tus::LENGTH, record.length.to_string()),
        (tus::METADATA, record.declared),
        ("cache-control", "no-store".to_owned()),
        (tus::RESUMABLE, tus::VERSION.to_owned()),
    ];
    Ok(plan.finish((StatusCode::OK, headers).into_response()))
}

pub(super) async fn abandon(
    State(supabase): State<Arc<Supabase>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Answer {
    supabase.speaks_tus(&headers)?;
    let _turn = supabase.turn(&id).await?;
    let record = supabase.upload(&id).await?;
    let key = format!("upload/{id}");
    supabase.ledger.write(move |entries| entries.delete(&key)).await?;
    supabase.blobs.remove(&record.blob).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

impl Supabase {
    async fn turn(&self, id: &str) -> Result<Turn, Refusal> {
        let turn = self.turns.take(id).await;
        turn.ok_or_else(|| text(StatusCode::LOCKED, "The upload is locked by another client").into())
    }

    async fn upload(&self, id: &str) -> Result<Record, Refusal> {
        let parts = URL_SAFE_NO_PAD.decode(id).ok().and_then(|name| String::from_utf8(name).ok());
        if parts.is_none_or(|name| name.split('/').count() < 3) {
            return Err(text(StatusCode::BAD_REQUEST, "Invalid upload id").into());
        }
        let key = format!("upload/{id}");
        let oldest = jiff::Timestamp::now().as_second().saturating_sub_unsigned(self.options.upload_life.as_secs());
        let record = self.ledger.read(move |entries| entries.get::<Record>(&key)).await?;
        let record = record.filter(|record| record.begun_at > oldest);
        record.ok_or_else(|| text(StatusCode::NOT_FOUND, tus::NO_UPLOAD).into())
    }

    async fn chunk_refused(&self, record: &Record, at: u64, headers: &HeaderMap) -> Result<Option<Refusal>, Error> {
        if self.blobs.size(&record.blob).await? != at {
            return Ok(Some(text(StatusCode::CONFLICT, tus::CONFLICT).into()));
        }
        let length = header_text(headers, header::CONTENT_LENGTH.as_str()).and_then(|length| length.parse().ok());
        if length.is_some_and(|length: u64| length > record.length - at) {
            return Ok(Some(text(StatusCode::PAYLOAD_TOO_LARGE, tus::LONGER).into()));
        }
        let unwelcome = self.judge(&record.as_upload(upsert(headers))).await?;
        Ok(unwelcome.map(|unwelcome| unwelcome.resumable(record).into()))
    }
}
