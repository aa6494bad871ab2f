//! What the stand-in confirmed is there after it died: its runtime is thrown away in the middle, nothing is closed in order.

use super::{client, content, piece, standin, standin_options};
use cliprelay::services::supabase::{CHUNK, Offset, Pieces, Supabase};
use serde_json::json;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Runtime;

/// Opens the stand-in on a runtime of its own; waits until the one before has let go of the ledger.
async fn start(data: &Path) -> (Runtime, Arc<standin::Supabase>, Supabase) {
    let runtime = Runtime::new().unwrap();
    let options = standin_options(data);
    let opening = runtime.spawn(async move {
        let standin = loop {
            match standin::open(options.clone()).await {
                Ok(standin) => break standin,
                Err(standin::Error::Ledger(redb::Error::DatabaseAlreadyOpen)) => tokio::task::yield_now().await,
                Err(error) => panic!("{error}"),
            }
        };
        let url = super::serve(standin::router(Arc::clone(&standin))).await;
        (standin, url)
    });
    let (standin, url) = tokio::time::timeout(Duration::from_secs(30), opening).await.unwrap().unwrap();
    (runtime, standin, client(&url, super::KEY))
}

#[tokio::test]
async fn objects_rows_counts_and_half_an_upload_outlive_it() {
    let data = tempfile::tempdir().unwrap();
    let size = CHUNK + 1_000_000;
    let (runtime, standin, client) = start(data.path()).await;
    client.put("a.mp4", "video/mp4", 5_000, content(0, 5_000)).await.unwrap();
    let row = serde_json::from_value(json!({"id": "p1", "user_id": "u", "video_url": null, "status": "new"})).unwrap();
    standin.add_project_row("projects", row).await.unwrap();
    let upload = client.resumable_create("b.mp4", "video/mp4", size).await.unwrap();
    client.resumable_send(&upload, 0, CHUNK, &mut Pieces::new(content(0, size))).await.unwrap();
    drop((standin, client));
    runtime.shutdown_background();

    // An upload that had all its bytes when we died, but was not yet an object.
    let (runtime, standin, client) = start(data.path()).await;
    assert_eq!(client.info("a.mp4").await.unwrap().unwrap().size, 5_000);
    assert_eq!(client.project("p1").await.unwrap().unwrap().owner.as_deref(), Some("u"));
    assert_eq!(client.info("b.mp4").await.unwrap(), None);
    assert_eq!(client.resumable_offset(&upload).await.unwrap(), Offset::At(CHUNK));
    drop((standin, client));
    runtime.shutdown_background();
    let half = std::fs::read_dir(data.path().join("incoming")).unwrap().next().unwrap().unwrap().path();
    let mut whole = std::fs::read(&half).unwrap();
    whole.extend_from_slice(&piece(CHUNK, size));
    std::fs::write(&half, whole).unwrap();
    std::fs::write(data.path().join("blobs/stray"), "nobody's").unwrap();

    let (runtime, standin, client) = start(data.path()).await;
    assert_eq!(client.info("b.mp4").await.unwrap().unwrap().size, size);
    assert_eq!(client.resumable_offset(&upload).await.unwrap(), Offset::Gone);
    assert!(!data.path().join("blobs/stray").exists(), "files without a record are swept");
    let counts = standin.counts();
    assert_eq!((counts.uploads_begun, counts.uploads_finished, counts.bytes_received["videos/a.mp4"]), (2, 2, 5_000));
    drop((standin, client));
    runtime.shutdown_background();
}
