//! Nothing happens for a push that is not QStash's, or not for this address.

use crate::support::app::TestApp;
use crate::support::driving::{Answer, read};
use crate::support::queue::{CURRENT, NEXT};
use base64::Engine;
use base64::engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD};
use bytes::Bytes;
use cliprelay::clock::unix_seconds;
use cliprelay::services::qstash::signature::sign;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::{Digest, Sha256, Sha512};

/// A token made by hand.
fn token(header: &Value, claims: &Value, key: &str) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", part(header), part(claims));
    let mac = if header["alg"] == "HS512" {
        let mut mac = Hmac::<Sha512>::new_from_slice(key.as_bytes()).unwrap();
        mac.update(signed.as_bytes());
        mac.finalize().into_bytes().to_vec()
    } else {
        let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).unwrap();
        mac.update(signed.as_bytes());
        mac.finalize().into_bytes().to_vec()
    };
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(mac))
}

/// As the cloud makes them: empty audience, padded hash, `nbf` of the year 1.
fn claims(url: &str, body: &[u8]) -> Value {
    let now = unix_seconds();
    json!({"aud": "", "body": URL_SAFE.encode(Sha256::digest(body)), "exp": now + 300, "iat": now, "iss": "Upstash",
        "jti": "jwt_hand", "nbf": -62_135_596_800_i64, "sub": url})
}

async fn push(app: &TestApp, path: &str, body: &Bytes, token: Option<String>) -> Answer {
    let mut request = app.request(axum::http::Method::POST, path).body(body.clone());
    if let Some(token) = token {
        request = request.header("upstash-signature", token);
    }
    read(request).await
}

#[tokio::test]
async fn a_push_is_believed_by_its_signature_alone() {
    let app = TestApp::start().await;
    let job = app.enqueue("p1", 1).await;
    let body = app.queue.only().body;
    let url = app.worker_url.clone();
    let hs256 = json!({"alg": "HS256", "typ": "JWT"});
    let good = claims(&url, &body);
    let with = |member: &str, value: Value| {
        let mut claims = good.clone();
        claims[member] = value;
        token(&hs256, &claims, CURRENT)
    };
    let now = unix_seconds();
    let mut changed = token(&hs256, &good, CURRENT).into_bytes();
    let middle = changed.len() / 2;
    changed[middle] = if changed[middle] == b'A' { b'B' } else { b'A' };
    let mut no_exp = good.clone();
    no_exp.as_object_mut().unwrap().remove("exp");
    let refused = [
        ("unsigned", None),
        ("empty", Some(String::new())),
        ("no token", Some("Bearer x".to_owned())),
        ("a changed byte", Some(String::from_utf8(changed).unwrap())),
        ("another body", Some(with("body", json!(URL_SAFE.encode(Sha256::digest(b"other")))))),
        ("another address", Some(with("sub", json!(app.failed_url)))),
        ("another host", Some(with("sub", json!("http://example.com/api/worker/klap")))),
        ("another issuer", Some(with("iss", json!("Somebody")))),
        ("expired", Some(with("exp", json!(now - 31)))),
        ("no end", Some(token(&hs256, &no_exp, CURRENT))),
        ("not yet", Some(with("nbf", json!(now + 120)))),
        ("HS512", Some(token(&json!({"alg": "HS512", "typ": "JWT"}), &good, CURRENT))),
        ("alg none", Some(token(&json!({"alg": "none", "typ": "JWT"}), &good, CURRENT))),
        ("an unknown key", Some(token(&hs256, &good, "sig_somebody"))),
    ];
    let (before, asked) = (app.record(&job).await, app.watch.calls());
    for (name, token) in refused {
        for path in ["/api/worker/klap", "/api/worker/klap/failed"] {
            let answer = push(&app, path, &body, token.clone()).await;
            // For the failure route that one is the right address, but the body is no callback.
            if (name, path) == ("another address", "/api/worker/klap/failed") {
                continue;
            }
            assert_eq!((answer.status, answer.code()), (401, "bad_signature"), "{name} at {path}");
            assert_eq!(answer.header("content-type"), "application/problem+json");
        }
    }
    assert_eq!(app.watch.calls(), asked, "the store was asked although no signature held");
    assert_eq!(app.record(&job).await, before);

    push(&app, "/api/worker/klap", &body, Some(token(&hs256, &good, CURRENT))).await.expect(200);
    assert_ne!(app.record(&job).await, before, "the same shape, rightly signed, is a push");
    let body = app.queue.waiting().last().unwrap().body.clone();
    let unpadded = json!(URL_SAFE_NO_PAD.encode(Sha256::digest(&body)));
    let mut next = claims(&url, &body);
    next["body"] = unpadded;
    push(&app, "/api/worker/klap", &body, Some(token(&hs256, &next, NEXT))).await.expect(200);
    assert_eq!(app.job(&job).await.step, "list", "the next key opens too, and a hash without padding");
}

#[tokio::test]
async fn what_the_request_says_of_its_host_proves_nothing() {
    let app = TestApp::start().await;
    let _ = app.enqueue("p1", 1).await;
    let body = app.queue.only().body;
    let token = sign(&CURRENT.into(), "http://evil.example/api/worker/klap", &body, unix_seconds(), "j");
    let request = app.request(axum::http::Method::POST, "/api/worker/klap").body(body);
    let request = request.header("upstash-signature", token).header("host", "evil.example");
    let request = request.header("x-forwarded-host", "evil.example");
    read(request).await.expect(401);
}

#[tokio::test]
async fn the_cron_opens_to_either_secret_only() {
    use crate::support::app::{ANN, CRON_SECRET, WORKER_SECRET};
    use axum::http::Method;
    let app = TestApp::start().await;
    for secret in ["", "wrong", ANN] {
        let request = app.request(Method::POST, "/api/cron/klap").header("authorization", format!("Bearer {secret}"));
        read(request).await.expect(401);
    }
    read(app.request(Method::GET, "/api/cron/klap")).await.expect(401);
    assert_eq!(app.watch.calls(), 0);
    for (method, secret) in [(Method::GET, CRON_SECRET), (Method::POST, WORKER_SECRET)] {
        let swept = read(app.request(method, "/api/cron/klap").bearer_auth(secret)).await.expect(200).body;
        let mut members: Vec<&String> = swept.as_object().unwrap().keys().collect();
        members.sort();
        assert_eq!(members, ["failed", "purged", "republished", "revived", "success", "tookMs"]);
    }
}
