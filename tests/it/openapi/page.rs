//! The document to read.

use crate::support::app::TestApp;
use crate::support::driving::read;
use axum::http::Method;
use cliprelay::http::{ROUTES, openapi};

#[tokio::test]
async fn the_page_tells_every_operation_and_fetches_nothing() {
    let app = TestApp::start().await;
    let answer = app.request(Method::GET, "/api/docs").send().await.unwrap();
    let policy = answer.headers()["content-security-policy"].to_str().unwrap().to_owned();
    assert!(policy.starts_with("default-src 'none'; style-src 'sha256-") && !policy.contains("unsafe"), "{policy}");
    let page = answer.text().await.unwrap();
    for &route in ROUTES {
        assert!(page.contains(&format!("<code>{route}</code>")), "{route}");
    }
    for (_, methods) in openapi::document()["paths"].as_object().unwrap() {
        for operation in methods.as_object().unwrap().values() {
            let id = operation["operationId"].as_str().unwrap();
            assert_eq!(page.matches(&format!("id=\"{id}\"")).count(), 1, "{id}");
        }
    }
    for foreign in ["<script", "src=", "<link", "@import", "url(", "style=", "onclick"] {
        assert!(!page.contains(foreign), "{foreign}");
    }
    // Each link within the page leads somewhere.
    for link in page.split("href=\"#").skip(1).map(|rest| rest.split('"').next().unwrap()) {
        assert!(page.contains(&format!("id=\"{link}\"")), "#{link}");
    }
}

#[tokio::test]
async fn the_document_is_served_as_it_is_committed() {
    let app = TestApp::start().await;
    let served = read(app.request(Method::GET, "/api/openapi.json")).await.expect(200);
    assert_eq!(&served.body, openapi::document());
}
