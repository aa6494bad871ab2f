use super::{Stand, content, serve, standin, standin_options};
use axum::http::HeaderMap;
use cliprelay::services::supabase::Error;
use std::sync::{Arc, Mutex};

/// The two key headers of one call, as the server sees them.
async fn shown(key: &str) -> (Option<String>, Option<String>) {
    let seen = Arc::new(Mutex::new(HeaderMap::new()));
    let to = Arc::clone(&seen);
    let app = axum::Router::new().fallback(move |headers: HeaderMap| async move { *to.lock().unwrap() = headers });
    let client = super::client(&serve(app).await, key);
    let _ = client.project("p1").await;
    let seen = seen.lock().unwrap();
    let text = |name| seen.get(name).map(|value| value.to_str().unwrap().to_owned());
    (text("apikey"), text("authorization"))
}

#[tokio::test]
async fn a_new_key_is_no_token_and_a_legacy_key_is_one() {
    assert_eq!(shown("sb_secret_abc").await, (Some("sb_secret_abc".to_owned()), None));
    assert_eq!(shown("eyJx.y.z").await, (Some("eyJx.y.z".to_owned()), Some("Bearer eyJx.y.z".to_owned())));
}

#[tokio::test]
async fn a_new_key_opens_everything_and_a_wrong_one_nothing() {
    let data = tempfile::tempdir().unwrap();
    let options = standin::Options { key: Some("sb_secret_right".into()), ..standin_options(data.path()) };
    let stand = Stand::with(options, Some(data)).await;
    let right = super::client(&stand.url, "sb_secret_right");
    right.put("a.mp4", "video/mp4", 3, content(0, 3)).await.unwrap();
    right.resumable_create("b.mp4", "video/mp4", 3).await.unwrap();
    assert_eq!(right.project("p1").await.unwrap(), None);
    for key in ["sb_secret_wrong", "eyJwrong"] {
        let wrong = super::client(&stand.url, key);
        let errors = [
            wrong.put("a.mp4", "video/mp4", 3, content(0, 3)).await.unwrap_err(),
            wrong.info("a.mp4").await.unwrap_err(),
            wrong.resumable_create("b.mp4", "video/mp4", 3).await.map(drop).unwrap_err(),
            wrong.project("p1").await.map(drop).unwrap_err(),
        ];
        for error in errors {
            assert!(matches!(error, Error::Unauthorized(_)), "{error:?}");
            assert!(!format!("{error:?} {error}").contains(key), "an error tells the key");
        }
        assert!(!format!("{wrong:?}").contains(key), "the client's Debug tells the key");
    }
}
