//! `PUBLIC_URL` that leads elsewhere, a worker that believes too much or too little, and an issuer without keys.

use super::{CURRENT, NEXT, SECRET, Stand, nobody, of, server};
use crate::support::issuer::{Issuer, Signer};
use axum::http::StatusCode;
use axum::response::Redirect;
use axum::routing::get;
use axum::{Json, Router};
use cliprelay::app::doctor::State::{Fail, Ok, Skipped, Warn};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn nothing_answers_there() {
    let mut stand = Stand::without_service().await;
    let report = stand.finds("service.public-url", Fail, &["PUBLIC_URL", "/api/health"]).await;
    assert_eq!(of(&report, "service.signed").state, Skipped);
    // A certificate that nobody could believe, for there is no TLS at all.
    let plain = server(Router::new()).await;
    stand.set("PUBLIC_URL", &plain.replace("http:", "https:"));
    stand.finds("service.public-url", Fail, &["PUBLIC_URL", "certificate"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_server_answers_there() {
    let mut stand = Stand::without_service().await;
    stand.set("PUBLIC_URL", &server(Router::new().fallback(|| async { "hello" })).await);
    stand.finds("service.public-url", Fail, &["no Cliprelay", "PUBLIC_URL"]).await;
    stand.set("PUBLIC_URL", &stand.env()["QSTASH_URL"].clone());
    stand.finds("service.public-url", Fail, &["no Cliprelay", "PUBLIC_URL"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_leads_on_to_another_address() {
    let mut stand = Stand::without_service().await;
    let onward = || async { Redirect::permanent("https://www.example.com/api/health?token=planted") };
    stand.set("PUBLIC_URL", &server(Router::new().fallback(onward)).await);
    stand
        .finds("service.public-url", Fail, &["PUBLIC_URL", "https://www.example.com/api/health", "does not follow"])
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_hosts_protection_stands_before_it() {
    let mut stand = Stand::without_service().await;
    let protected = || async { (StatusCode::UNAUTHORIZED, [("server", "Vercel")], "<h1>Authentication Required</h1>") };
    stand.set("PUBLIC_URL", &server(Router::new().fallback(protected)).await);
    stand.finds("service.public-url", Fail, &["VERCEL_AUTOMATION_BYPASS_SECRET", "protection"]).await;
    // The other routes are let through, the worker is not.
    let health = || async { Json(json!({"status": "ok", "version": env!("CARGO_PKG_VERSION")})) };
    let gate = Router::new().route("/api/health", get(health)).fallback(protected);
    stand.set("PUBLIC_URL", &server(gate).await);
    stand.finds("service.unsigned", Fail, &["/api/worker/klap", "protection"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_version_answers_and_its_worker_believes_everybody() {
    let mut stand = Stand::without_service().await;
    let health = || async { Json(json!({"status": "ok", "version": "0.0.9"})) };
    let gullible = Router::new().route("/api/health", get(health)).fallback(|| async { "done" });
    stand.set("PUBLIC_URL", &server(gullible).await);
    let report = stand.finds("service.public-url", Warn, &["0.0.9", "Deploy"]).await;
    assert_eq!(of(&report, "service.unsigned").state, Fail);
}

/// The service runs; this environment is not its own.
#[tokio::test(flavor = "multi_thread")]
async fn the_service_has_other_keys_or_another_address() {
    let mut stand = Stand::start().await;
    stand.set("QSTASH_CURRENT_SIGNING_KEY", "sig_planted_other");
    stand.finds("service.signed", Fail, &["PUBLIC_URL", "QSTASH_CURRENT_SIGNING_KEY", "restart"]).await;
    stand.set("QSTASH_CURRENT_SIGNING_KEY", CURRENT);
    let address = stand.env()["PUBLIC_URL"].replace("127.0.0.1", "localhost");
    stand.set("PUBLIC_URL", &address);
    let report = stand.finds("service.signed", Fail, &["PUBLIC_URL"]).await;
    assert_eq!(of(&report, "service.public-url").state, Ok);
}

#[tokio::test(flavor = "multi_thread")]
async fn published_keys_and_secrets_outside_this_machine() {
    let mut stand = Stand::without_service().await;
    stand.set("PUBLIC_URL", "https://clips.invalid");
    stand.set("QSTASH_CURRENT_SIGNING_KEY", "sig_7kYjw48mhY7kAjqNGcy6cr29RJ6r");
    stand.finds("config", Fail, &["QSTASH_CURRENT_SIGNING_KEY", "published"]).await;
    stand.set("QSTASH_CURRENT_SIGNING_KEY", CURRENT);
    stand.set("WORKER_SECRET", "cliprelay-dev");
    stand.finds("config", Fail, &["WORKER_SECRET", "published", "openssl rand"]).await;
    stand.set("WORKER_SECRET", SECRET);
    stand.set("CRON_SECRET", "planted");
    stand.finds("config", Fail, &["CRON_SECRET", "fewer than 16", "openssl rand"]).await;
    stand.set("CRON_SECRET", "planted-caf\u{e9}-of-some-length");
    stand.finds("config", Fail, &["CRON_SECRET", "no header can carry"]).await;
    stand.unset("CRON_SECRET");
    stand.set("AUTH", "none");
    stand.finds("config", Fail, &["AUTH", "must not be none"]).await;
    stand.set("AUTH", "api-key");
    stand.set("AUTH_ISSUER", "https://issuer.example.com");
    stand.finds("config", Warn, &["AUTH_ISSUER", "no effect"]).await;
    assert_ne!(CURRENT, NEXT);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_issuers_keys_are_not_to_be_had() {
    let mut stand = Stand::without_service().await;
    stand.set("AUTH", "jwks");
    stand.unset("API_KEYS");
    stand.set("AUTH_ISSUER", "http://127.0.0.1/auth/v1");
    stand.set("AUTH_JWKS_URL", &nobody().await);
    stand.finds("auth", Fail, &["AUTH_JWKS_URL"]).await;
    // As of a project that still signs with its legacy secret.
    let issuer = Issuer::start(&[]).await;
    stand.set("AUTH_JWKS_URL", issuer.url.as_str());
    stand.finds("auth", Fail, &["ES256", "AUTH=hs256", "AUTH_HS256_SECRET"]).await;
    issuer.publishes(&[Signer::es256().jwk("k1")]);
    stand.finds("auth", Warn, &["AUTH_AUDIENCE"]).await;
    stand.set("AUTH_AUDIENCE", "authenticated");
    stand.finds("auth", Ok, &["1 usable"]).await;
    stand.set("AUTH_ISSUER", "https://other.example.com/auth/v1");
    stand.finds("auth", Warn, &["AUTH_ISSUER"]).await;
    issuer.answers(200, "<html>");
    stand.finds("auth", Fail, &["AUTH_JWKS_URL"]).await;
}
