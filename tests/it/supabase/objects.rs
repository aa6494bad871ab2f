use super::{Stand, content, in_time, piece};
use bytes::Bytes;
use cliprelay::services::supabase::Error;
use futures_util::{StreamExt, stream};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

#[tokio::test]
async fn an_object_is_stored_replaced_looked_up_and_played() {
    let stand = Stand::start().await;
    let path = "p1/clips/a b+c.mp4";
    assert_eq!(stand.client.info(path).await.unwrap(), None);
    stand.client.put(path, "video/mp4", 120_001, content(0, 120_001)).await.unwrap();
    stand.client.put(path, "video/mp4", 90_000, content(5, 90_005)).await.unwrap();
    let info = stand.client.info(path).await.unwrap().unwrap();
    assert_eq!((info.size, info.content_type.as_deref()), (90_000, Some("video/mp4")));
    assert!(stand.stored(path).await == piece(5, 90_005));
    assert!(stand.client.bucket_is_public().await.unwrap());

    let range =
        stand.http.get(stand.client.public_url(path).unwrap()).header("range", "bytes=10-19").send().await.unwrap();
    assert_eq!(range.status(), 206);
    assert_eq!(range.headers()["content-range"], "bytes 10-19/90000");
    assert!(range.bytes().await.unwrap() == piece(15, 25));

    let signed = stand.client.signed_url(path, Duration::from_mins(1)).await.unwrap();
    let played = stand.http.get(signed.clone()).send().await.unwrap();
    assert!(played.status() == 200 && played.bytes().await.unwrap() == piece(5, 90_005));
    let mut tampered = signed;
    tampered.set_path(&tampered.path().replace("a%20b", "other"));
    let refused: Value = stand.http.get(tampered).send().await.unwrap().json().await.unwrap();
    assert_eq!(refused["code"], "InvalidJWT");
    assert_eq!(stand.standin.objects().await.unwrap(), [(format!("videos/{path}"), 90_000)]);
}

#[tokio::test]
async fn a_refusal_is_read_while_sending() {
    let stand = Stand::start().await;
    for size in [5_000_000, 200_000_000] {
        let refusal = json!({"kind": "refuse", "status": 400,
            "body": r#"{"statusCode":"415","error":"invalid_mime_type","message":"no","code":"InvalidMimeType"}"#});
        stand.fault("put", refusal).await;
        let taken = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&taken);
        let body = content(0, size).inspect(move |piece| {
            count.fetch_add(piece.as_ref().map_or(0, Bytes::len) as u64, Ordering::Relaxed);
        });
        let error = in_time(stand.client.put("a.mp4", "video/mp4", size, body)).await.unwrap_err();
        assert!(matches!(&error, Error::Refused { code, .. } if code == "InvalidMimeType"), "{error:?}");
        assert!(size == 5_000_000 || taken.load(Ordering::Relaxed) < size, "all was sent to a server that refused it");
    }
    // The connection of the refused upload is not one for the next call.
    assert_eq!(in_time(stand.client.info("a.mp4")).await.unwrap(), None);
}

#[tokio::test]
async fn a_limit_refuses_unread() {
    let stand = Stand::start().await;
    stand.order(json!({"sizeLimit": 4_000_000})).await;
    let error =
        in_time(stand.client.put("a.mp4", "video/mp4", 100_000_000, content(0, 100_000_000))).await.unwrap_err();
    assert!(matches!(error, Error::TooLarge(_)), "{error:?}");
    stand.client.put("a.mp4", "video/mp4", 4_000_000, content(0, 4_000_000)).await.unwrap();
}

#[tokio::test]
async fn a_server_that_stops_taking_bytes_is_away() {
    let stand = Stand::start().await;
    stand.fault("put", json!({"kind": "stall", "ms": 60_000})).await;
    let hasty = super::client_with(&stand.url, super::KEY, Duration::from_millis(200));
    let error = in_time(hasty.put("a.mp4", "video/mp4", 100_000_000, content(0, 100_000_000))).await.unwrap_err();
    assert!(matches!(error, Error::Away { .. }), "{error:?}");
}

#[tokio::test]
async fn nothing_is_visible_unless_all_of_it_arrived() {
    let stand = Stand::start().await;
    stand.fault("put", json!({"kind": "drop", "afterBytes": 70_000})).await;
    let error = in_time(stand.client.put("a.mp4", "video/mp4", 500_000, content(0, 500_000))).await.unwrap_err();
    assert!(matches!(error, Error::Away { .. }), "{error:?}");
    assert_eq!(stand.client.info("a.mp4").await.unwrap(), None);

    let short = in_time(stand.client.put("a.mp4", "video/mp4", 500_000, content(0, 400_000))).await.unwrap_err();
    assert!(matches!(short, Error::Content(_)), "{short:?}");
    let broken = content(0, 100_000).map(Ok::<_, std::io::Error>).map(|piece| Ok(piece?.unwrap()));
    let broken = broken.chain(stream::iter([Err(std::io::Error::other("the source broke"))]));
    let error = in_time(stand.client.put("a.mp4", "video/mp4", 500_000, broken)).await.unwrap_err();
    let Error::Content(cause) = error else { panic!("{error:?}") };
    assert!(cause.downcast_ref::<std::io::Error>().is_some(), "the sender's own error comes back");
    assert_eq!(stand.client.info("a.mp4").await.unwrap(), None);
    assert!(stand.standin.objects().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_lost_reply_is_mended_by_looking_or_repeating() {
    let stand = Stand::start().await;
    stand.fault("put", json!({"kind": "drop_after_effect"})).await;
    let error = stand.client.put("a.mp4", "video/mp4", 1_000, content(0, 1_000)).await.unwrap_err();
    assert!(matches!(error, Error::Away { .. }), "{error:?}");
    assert_eq!(stand.client.info("a.mp4").await.unwrap().unwrap().size, 1_000);
    stand.client.put("a.mp4", "video/mp4", 1_000, content(0, 1_000)).await.unwrap();
    let counts = stand.standin.counts();
    assert_eq!((counts.uploads_begun, counts.uploads_finished, counts.bytes_received["videos/a.mp4"]), (2, 2, 2_000));
}

#[tokio::test]
async fn paths_that_an_address_would_bend_are_refused_here() {
    let stand = Stand::start().await;
    for path in ["", "/a", "a/", "a//b", "../a", "a/../../b", "a/./b", "ü.mp4", "a%2fb", "a\\b", "a#b"] {
        let error = stand.client.put(path, "video/mp4", 3, content(0, 3)).await.unwrap_err();
        assert!(matches!(&error, Error::Refused { code, .. } if code == "InvalidKey"), "{path}: {error:?}");
        assert!(stand.client.public_url(path).is_err(), "{path}");
    }
    assert!(stand.client.put("a.mp4", "video/mp4", 0, content(0, 0)).await.is_err());
    assert!(stand.standin.counts().calls.is_empty(), "no call was made");
}
