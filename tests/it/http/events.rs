//! Server-sent events: the status at every visible change, from where the reader left off, to the job's end.

use crate::support::app::{ANN, TestApp};
use crate::support::driving::read;
use axum::http::Method;
use futures_util::StreamExt;
use serde_json::{Value, json};
use std::time::Duration;

struct Events {
    body: futures_util::stream::BoxStream<'static, Vec<u8>>,
    read: String,
}

impl Events {
    async fn open(app: &TestApp, job: &str, last: &str) -> Self {
        let path = format!("/api/process-klap/events?jobId={job}");
        let request = app.request(Method::GET, &path).bearer_auth(ANN).header("last-event-id", last);
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        assert_eq!(response.headers()["cache-control"], "no-store");
        let body = response.bytes_stream().map(|piece| piece.unwrap().to_vec()).boxed();
        Self { body, read: String::new() }
    }

    /// The next block; `None`: the stream has ended.
    async fn block(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.read.find("\n\n") {
                let block: String = self.read.drain(..end + 2).collect();
                return Some(block.trim_end().to_owned());
            }
            let piece = tokio::time::timeout(Duration::from_secs(20), self.body.next()).await.expect("in time")?;
            self.read.push_str(std::str::from_utf8(&piece).unwrap());
        }
    }

    /// The next event's id and data.
    async fn next(&mut self) -> Option<(String, Value)> {
        loop {
            let block = self.block().await?;
            if let Some((id, data)) = block.strip_prefix("id: ").and_then(|event| event.split_once("\ndata: ")) {
                return Some((id.to_owned(), serde_json::from_str(data).unwrap()));
            }
        }
    }
}

#[tokio::test]
async fn a_job_is_told_of_to_its_end() {
    let app = TestApp::start().await;
    let job = app.enqueue("p1", 2).await;
    let mut events = Events::open(&app, &job, "").await;
    assert_eq!(events.block().await.unwrap(), "retry: 1000");
    let watching = async {
        let mut all = Vec::new();
        while let Some(event) = events.next().await {
            all.push(event);
        }
        all
    };
    let (all, ()) = tokio::join!(watching, app.run());
    let progress: Vec<u64> = all.iter().map(|(_, status)| status["progress"].as_u64().unwrap()).collect();
    assert!(progress.is_sorted() && progress.last() == Some(&100), "{progress:?}");
    assert!(all.windows(2).all(|pair| pair[0].0 != pair[1].0), "nothing is told twice");
    let (last, status) = all.last().unwrap();
    assert_eq!(*status, app.status(&job).await);
    assert_eq!(status["status"], json!("completed"));
    // Who has seen the end is told nothing more; who has not, the end.
    let path = format!("/api/process-klap/events?jobId={job}");
    let again = app.request(Method::GET, &path).bearer_auth(ANN).header("last-event-id", last);
    assert_eq!(read(again).await.expect(204).body, Value::Null, "an EventSource comes back no more");
    let mut behind = Events::open(&app, &job, &all[0].0).await;
    assert_eq!(behind.next().await.unwrap().0, *last);
    assert!(behind.next().await.is_none());
}

#[tokio::test]
async fn a_reader_goes_on_where_it_left_off() {
    let app = TestApp::start().await;
    let job = app.enqueue("p1", 1).await;
    let (seen, _) = Events::open(&app, &job, "").await.next().await.unwrap();
    let mut again = Events::open(&app, &job, &seen).await;
    assert_eq!(again.block().await.unwrap(), "retry: 1000");
    app.cancel(&job).await.expect(200);
    let (id, status) = again.next().await.unwrap();
    assert_ne!(id, seen);
    assert_eq!(status["status"], json!("cancelled"), "the first event is the change");
    assert!(again.next().await.is_none());
}

#[tokio::test]
async fn stopping_ends_the_streams() {
    let app = TestApp::start().await;
    let job = app.enqueue("p1", 1).await;
    let mut events = Events::open(&app, &job, "").await;
    events.next().await.unwrap();
    app.engines[0].stopping().cancel();
    assert!(events.next().await.is_none());
}

#[tokio::test]
async fn too_many_are_told_so_and_a_place_left_is_free_again() {
    let app = TestApp::builder().watchers(1).start().await;
    let job = app.enqueue("p1", 1).await;
    let held = Events::open(&app, &job, "").await;
    for path in ["/api/process-klap/events?jobId=", "/api/process-klap?wait=1&jobId="] {
        let refused = app.get(&format!("{path}{job}")).await.expect(503);
        assert_eq!((refused.code(), refused.header("retry-after")), ("too_many_watchers", "5"));
    }
    app.status(&job).await;
    drop(held);
    let path = format!("/api/process-klap?wait=1&jobId={job}");
    crate::support::time::until("the place is free", async || app.get(&path).await.status == 200).await;
}
