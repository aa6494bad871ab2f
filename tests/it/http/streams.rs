//! Streams of events that last: signs of life, an end in time, and readers that do not read.

use crate::support::app::{ANN, TestApp};
use crate::support::time::until;
use axum::body::Body;
use axum::http::{Method, Request};
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use serde_json::{Value, json};
use std::time::Duration;
use tower::ServiceExt;

type Stream = BoxStream<'static, Bytes>;

/// A stream without a socket: what is not asked for is nowhere taken.
async fn open(app: &TestApp, job: &str) -> Stream {
    let request = Request::builder()
        .method(Method::GET)
        .uri(format!("/api/process-klap/events?jobId={job}"))
        .header("authorization", format!("Bearer {ANN}"));
    let response = app.routers[0].clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    assert_eq!(response.status(), 200);
    response.into_body().into_data_stream().map(Result::unwrap).boxed()
}

/// The next piece, in real time.
async fn piece(stream: &mut Stream) -> Option<String> {
    let piece = tokio::time::timeout(Duration::from_secs(20), stream.next()).await.expect("in time")?;
    Some(String::from_utf8(piece.to_vec()).unwrap())
}

fn status(event: &str) -> Value {
    let (_, data) = event.split_once("\ndata: ").unwrap_or_else(|| panic!("no event: {event}"));
    serde_json::from_str::<Value>(data).unwrap()["status"].clone()
}

/// Time goes on for those who sleep; the embedded store answers from a thread, for which nobody sleeps.
async fn pass(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}

#[tokio::test]
async fn a_comment_every_fifteen_seconds_shows_that_the_other_is_there() {
    let app = TestApp::start().await;
    let job = app.enqueue("p1", 1).await;
    let mut stream = open(&app, &job).await;
    assert_eq!(piece(&mut stream).await.unwrap(), "retry: 1000\n\n");
    assert_eq!(status(&piece(&mut stream).await.unwrap()), json!("queued"));
    for _ in 0..3 {
        pass(Duration::from_secs(14)).await;
        let early = tokio::time::timeout(Duration::from_millis(100), stream.next()).await;
        assert!(early.is_err(), "too soon: {early:?}");
        pass(Duration::from_secs(1)).await;
        assert_eq!(piece(&mut stream).await.unwrap(), ":\n\n");
    }
}

#[tokio::test]
async fn a_stream_ends_after_its_time() {
    let app = TestApp::builder().streams(Duration::from_millis(300)).start().await;
    let job = app.enqueue("p1", 1).await;
    let mut stream = open(&app, &job).await;
    let begun = std::time::Instant::now();
    let mut told = Vec::new();
    while let Some(piece) = piece(&mut stream).await {
        told.push(piece);
    }
    assert_eq!(told.len(), 2, "how to come back, and what is there: {told:?}");
    assert!(begun.elapsed() >= Duration::from_millis(200), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_slow_reader_skips_to_the_end_and_holds_up_nobody() {
    let app = TestApp::start().await;
    let job = app.enqueue("p1", 2).await;
    let mut slow = open(&app, &job).await;
    assert_eq!(piece(&mut slow).await.unwrap(), "retry: 1000\n\n");
    let changes = app.watch.commits();
    app.run().await;
    assert!(app.watch.commits() - changes > 6, "too little happens here");
    let mut told = Vec::new();
    while let Some(piece) = piece(&mut slow).await {
        told.push(status(&piece));
    }
    // One that was ready, one that was being sent, and the last.
    assert!(told.len() <= 3, "{told:?}");
    assert_eq!(told.last(), Some(&json!("completed")));
}

#[tokio::test]
async fn a_reader_that_takes_nothing_loses_its_place() {
    let app = TestApp::builder().watchers(1).start().await;
    let job = app.enqueue("p1", 1).await;
    let path = format!("/api/process-klap?wait=1&jobId={job}");
    let stuck = open(&app, &job).await;
    // Its first event stands in the way of the next.
    until("it stands", async || app.get(&path).await.code() == "too_many_watchers").await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    pass(Duration::from_secs(29)).await;
    assert_eq!(app.get(&path).await.expect(503).code(), "too_many_watchers");
    pass(Duration::from_secs(2)).await;
    until("its place is free", async || app.get(&path).await.status == 200).await;
    drop(stuck);
}
