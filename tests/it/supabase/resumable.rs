use super::{Stand, content, in_time, piece, serve};
use axum::Router;
use axum::http::StatusCode;
use axum::routing::{any, post};
use cliprelay::services::supabase::{CHUNK, Error, Offset, Pieces, Supabase, UploadUrl};
use serde_json::json;
use std::sync::{Arc, Mutex};
use std::time::Duration;

const SIZE: u64 = 20 * 1024 * 1024;

/// Sends chunks from where the server stands until the end or the first error.
async fn go_on(client: &Supabase, upload: &UploadUrl, size: u64) -> Result<(), Error> {
    let Offset::At(mut offset) = client.resumable_offset(upload).await? else { return Err(Error::Gone) };
    let mut pieces = Pieces::new(content(offset, size));
    while offset < size {
        offset = client.resumable_send(upload, offset, CHUNK.min(size - offset), &mut pieces).await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_dropped_connection_costs_only_what_the_server_had_not_kept() {
    let stand = Stand::start().await;
    let upload = stand.client.resumable_create("p/b.mp4", "video/mp4", SIZE).await.unwrap();
    let mut pieces = Pieces::new(content(0, SIZE));
    assert_eq!(stand.client.resumable_send(&upload, 0, CHUNK, &mut pieces).await.unwrap(), CHUNK);
    stand.fault("tus_patch", json!({"kind": "drop", "afterBytes": 3_000_000})).await;
    let error = in_time(stand.client.resumable_send(&upload, CHUNK, CHUNK, &mut pieces)).await.unwrap_err();
    assert!(matches!(error, Error::Away { .. }), "{error:?}");
    assert_eq!(stand.client.resumable_offset(&upload).await.unwrap(), Offset::At(CHUNK + 3_000_000));
    assert_eq!(stand.client.info("p/b.mp4").await.unwrap(), None, "not visible before its last byte");

    // The upload's name survives in a record, as JSON.
    let kept: UploadUrl = serde_json::from_str(&serde_json::to_string(&upload).unwrap()).unwrap();
    in_time(go_on(&stand.client, &kept, SIZE)).await.unwrap();
    assert_eq!(stand.client.info("p/b.mp4").await.unwrap().unwrap().size, SIZE);
    assert!(stand.stored("p/b.mp4").await == piece(0, SIZE));
    assert_eq!(stand.standin.counts().bytes_received["videos/p/b.mp4"], SIZE, "no byte was sent twice");
    assert_eq!(stand.client.resumable_offset(&kept).await.unwrap(), Offset::Gone);
}

#[tokio::test]
async fn a_lost_reply_to_the_last_chunk_shows_as_gone_and_stored() {
    let stand = Stand::start().await;
    let upload = stand.client.resumable_create("p/b.mp4", "video/mp4", 1_000).await.unwrap();
    stand.fault("tus_patch", json!({"kind": "drop_after_effect"})).await;
    assert!(matches!(go_on(&stand.client, &upload, 1_000).await, Err(Error::Away { .. })));
    assert_eq!(stand.client.resumable_offset(&upload).await.unwrap(), Offset::Gone);
    assert_eq!(stand.client.info("p/b.mp4").await.unwrap().unwrap().size, 1_000);
}

#[tokio::test]
async fn a_chunk_for_another_offset_is_a_conflict_and_changes_nothing() {
    let stand = Stand::start().await;
    let upload = stand.client.resumable_create("p/b.mp4", "video/mp4", SIZE).await.unwrap();
    let mut ahead = Pieces::new(content(100, SIZE));
    let error = in_time(stand.client.resumable_send(&upload, 100, CHUNK, &mut ahead)).await.unwrap_err();
    assert!(matches!(error, Error::OffsetConflict), "{error:?}");
    assert_eq!(stand.client.resumable_offset(&upload).await.unwrap(), Offset::At(0));
    for len in [0, CHUNK + 1] {
        let sent = stand.client.resumable_send(&upload, 0, len, &mut Pieces::new(content(0, SIZE))).await;
        assert!(matches!(sent, Err(Error::Refused { .. })), "{len}");
    }
}

#[tokio::test]
async fn an_existing_object_is_replaced_because_every_chunk_asks_for_it() {
    let stand = Stand::start().await;
    stand.client.put("p/b.mp4", "video/mp4", 10, content(0, 10)).await.unwrap();
    let upload = stand.client.resumable_create("p/b.mp4", "video/mp4", 70_000).await.unwrap();
    let url = format!(
        "{}/storage/v1/upload/resumable/{}",
        stand.url,
        serde_json::to_value(&upload).unwrap().as_str().unwrap()
    );
    let bare =
        stand.http.patch(url).bearer_auth(super::KEY).header("tus-resumable", "1.0.0").header("upload-offset", "0");
    let bare =
        bare.header("content-type", "application/offset+octet-stream").body(piece(0, 70_000)).send().await.unwrap();
    assert_eq!((bare.status().as_u16(), bare.text().await.unwrap().as_str()), (409, "The resource already exists"));
    go_on(&stand.client, &upload, 70_000).await.unwrap();
    assert!(stand.stored("p/b.mp4").await == piece(0, 70_000));
}

#[tokio::test]
async fn a_second_client_takes_a_stalled_upload_over() {
    let stand = Stand::start().await;
    let upload = stand.client.resumable_create("p/b.mp4", "video/mp4", 100_000).await.unwrap();
    let (first, second) = (stand.client.clone(), stand.client.clone());
    let (started, mut reached) = tokio::sync::mpsc::unbounded_channel();
    let held = upload.clone();
    let stalled = tokio::spawn(async move {
        use futures_util::{StreamExt, stream};
        let body = content(0, 50_000).chain(
            stream::once(async move {
                started.send(()).unwrap();
                std::future::pending().await
            })
            .boxed(),
        );
        first.resumable_send(&held, 0, 100_000, &mut Pieces::new(body.boxed())).await
    });
    reached.recv().await.unwrap();
    // The first half may still be on its way; only a completed take-over answers.
    let offset = in_time(second.resumable_offset(&upload)).await.unwrap();
    assert!(matches!(offset, Offset::At(0..=50_000)), "{offset:?}");
    in_time(go_on(&second, &upload, 100_000)).await.unwrap();
    assert!(stand.stored("p/b.mp4").await == piece(0, 100_000));
    stalled.abort();
}

#[tokio::test]
async fn an_upload_that_has_expired_is_gone() {
    let data = tempfile::tempdir().unwrap();
    let options = super::standin::Options { upload_life: Duration::ZERO, ..super::standin_options(data.path()) };
    let stand = Stand::with(options, Some(data)).await;
    let upload = stand.client.resumable_create("p/b.mp4", "video/mp4", 9).await.unwrap();
    assert_eq!(stand.client.resumable_offset(&upload).await.unwrap(), Offset::Gone);
    let mut pieces = Pieces::new(content(0, 9));
    let error = stand.client.resumable_send(&upload, 0, 9, &mut pieces).await.unwrap_err();
    assert!(matches!(error, Error::Gone), "{error:?}");
}

#[tokio::test]
async fn the_key_does_not_follow_a_location_to_another_host() {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&asked);
    let head = move |uri: axum::http::Uri| async move {
        seen.lock().unwrap().push(uri.path().to_owned());
        (StatusCode::OK, [("upload-offset", "5")])
    };
    let create = |location: &'static str| move || async move { (StatusCode::CREATED, [("location", location)]) };
    let app = Router::new()
        .route("/a/storage/v1/upload/resumable", post(create("https://evil.example/storage/v1/upload/resumable/dmlk")))
        .route("/b/storage/v1/upload/resumable", post(create("https://evil.example/steal?key")))
        .route("/c/storage/v1/upload/resumable", post(create("/storage/v1/upload/resumable/..")))
        .fallback(any(head));
    let base = serve(app).await;
    let client = super::client(&base.join("a").unwrap(), super::KEY);
    let upload = client.resumable_create("p/b.mp4", "video/mp4", 9).await.unwrap();
    assert_eq!(client.resumable_offset(&upload).await.unwrap(), Offset::At(5));
    assert_eq!(*asked.lock().unwrap(), ["/a/storage/v1/upload/resumable/dmlk"]);
    for bad in ["b", "c"] {
        let client = super::client(&base.join(bad).unwrap(), super::KEY);
        assert!(client.resumable_create("p/b.mp4", "video/mp4", 9).await.is_err(), "{bad}");
    }
}
