//! However odd the requests, there are no more series for them.

use super::{Scrape, started};
use crate::support::app::{ANN, TestApp};
use axum::body::Body;
use axum::http::Request;
use serde_json::json;
use std::collections::BTreeSet;
use tower::ServiceExt;

const MANY: usize = 400;

/// One of each sort of request, all different from those of another number.
async fn odd(app: &TestApp, number: usize) {
    let job =
        json!({"projectId": format!("odd-{number}"), "videoUrl": format!("http://10.0.0.{}/v{number}", number % 256)});
    let requests = [
        ("GET", format!("/nothing/at/{number}"), String::new()),
        ("GET", format!("/api/clips/clip-{number}?jobId=job_{number}"), String::new()),
        ("GET", format!("/api/admin/jobs/job_{number}"), String::new()),
        ("GET", format!("/api/process-klap?projectId=odd-{number}"), String::new()),
        ("DELETE", format!("/api/process-klap?jobId=job_{number}"), String::new()),
        ("POST", "/api/process-klap".to_owned(), job.to_string()),
        ("POST", format!("/api/worker/klap?n={number}"), format!("{number}")),
        (["BREW", "PROPFIND", "MKCOL"][number % 3], format!("/{number}"), String::new()),
    ];
    for (method, path, body) in requests {
        let request = Request::builder().method(method).uri(path).header("authorization", format!("Bearer {ANN}"));
        let request = request.header("content-type", "application/json").header("upstash-region", format!("R{number}"));
        let request = request.header("upstash-signature", format!("a.{number}.c"));
        app.routers[0].clone().oneshot(request.body(Body::from(body)).unwrap()).await.unwrap();
    }
}

/// Without the values of buckets, which all are there once one is.
async fn series(app: &TestApp) -> BTreeSet<String> {
    Scrape::of(app).await.series.into_keys().collect()
}

#[tokio::test]
async fn odd_requests_add_no_series() {
    let app = started().await;
    for number in 0..3 {
        odd(&app, number).await;
    }
    app.enqueue("first", 1).await;
    app.run().await;
    // What a scrape itself leaves is in the next.
    series(&app).await;
    let before = series(&app).await;
    for number in 3..MANY {
        odd(&app, number).await;
    }
    for number in 0..5 {
        app.enqueue(&format!("job-{number}"), 1).await;
    }
    app.run().await;
    let after = series(&app).await;
    let new: Vec<_> = after.difference(&before).collect();
    assert!(new.is_empty(), "{} new series: {new:?}", new.len());
    assert!(after.len() < 1_500, "{} series", after.len());
    println!("{} series", after.len());
}
