//! The issuer's keys: kept, asked for anew when they must be, and done without while the issuer is away.

use super::access::{app, look};
use crate::support::app::TestApp;
use crate::support::issuer::{ANN, AUDIENCE, ISSUER, Issuer, Signer, supabase};
use cliprelay::clock::unix_seconds;
use futures_util::future::join_all;

/// The service at a stopped clock, and its time.
async fn stopped(issuer: &Issuer) -> (TestApp, i64) {
    let (app, start) = (app(issuer.auth(ISSUER, Some(AUDIENCE))).await, unix_seconds());
    app.at(start);
    (app, start)
}

#[tokio::test]
async fn new_keys_are_found_and_old_ones_forgotten() {
    let (old, new) = (Signer::rs256(), Signer::es256());
    let issuer = Issuer::start(&[old.jwk("old")]).await;
    let (app, start) = stopped(&issuer).await;
    let ahead = |seconds| app.at(start + seconds);
    look(&app, &old.token("old", &supabase(ANN))).await.expect(404);
    issuer.publishes(&[old.jwk("old"), new.jwk("new")]);
    ahead(11);
    look(&app, &new.token("new", &supabase(ANN))).await.expect(404);
    assert_eq!(issuer.asked(), 2, "an unknown name is looked up");
    issuer.publishes(&[new.jwk("new")]);
    look(&app, &old.token("old", &supabase(ANN))).await.expect(404);
    assert_eq!(issuer.asked(), 2);
    ahead(11 + 601);
    look(&app, &old.token("old", &supabase(ANN))).await.expect(401);
    assert_eq!(issuer.asked(), 3, "a key taken back is believed for ten minutes at most");
    look(&app, &new.token("new", &supabase(ANN))).await.expect(404);
    assert_eq!(issuer.asked(), 3);
}

#[tokio::test]
async fn a_flood_of_unknown_names_does_not_reach_the_issuer() {
    let signer = Signer::es256();
    let issuer = Issuer::start(&[signer.jwk("k1")]).await;
    let (app, start) = stopped(&issuer).await;
    let tokens: Vec<String> = (0..100).map(|n| signer.token(&format!("unknown-{n}"), &supabase(ANN))).collect();
    let answers = join_all(tokens.iter().map(|token| look(&app, token))).await;
    assert!(answers.iter().all(|answer| (answer.status, answer.code()) == (401, "invalid_token")));
    assert_eq!(issuer.asked(), 1, "one fetch for all that come at once");
    app.at(start + 11);
    join_all(tokens.iter().map(|token| look(&app, token))).await;
    assert_eq!(issuer.asked(), 2, "and one in ten seconds");
    look(&app, &signer.token("k1", &supabase(ANN))).await.expect(404);
}

#[tokio::test]
async fn without_its_keys_nobody_is_told_that_their_token_is_bad() {
    let signer = Signer::es256();
    let issuer = Issuer::start(&[]).await;
    issuer.answers(500, "broken");
    let (app, start) = stopped(&issuer).await;
    let token = signer.token("k1", &supabase(ANN));
    let answers = join_all((0..20).map(|_| look(&app, &token))).await;
    for answer in answers {
        assert_eq!((answer.status, answer.code()), (503, "issuer_unavailable"));
        assert!((1..=5).contains(&answer.header("retry-after").parse::<u64>().unwrap()));
    }
    assert_eq!(issuer.asked(), 1, "the issuer is not pressed while it is down");
    let no_set = ["", "<html>", "[]", "{\"keys\":{}}", &format!("{{\"keys\":[],\"x\":\"{}\"}}", "x".repeat(300_000))];
    for (round, body) in (1..).zip(no_set) {
        issuer.answers(200, body);
        app.at(start + 6 * round);
        look(&app, &token).await.expect(503);
        assert_eq!(issuer.asked(), 1 + usize::try_from(round).unwrap());
    }
    // Not by their alg either: no key of an issuer is for this one.
    look(&app, &Signer::hs256("x").token("k1", &supabase(ANN))).await.expect(401);
    issuer.publishes(&[signer.jwk("k1")]);
    app.at(start + 60);
    look(&app, &token).await.expect(404);
}

#[tokio::test]
async fn an_issuer_that_is_away_leaves_its_last_keys_good() {
    let signer = Signer::es256();
    let issuer = Issuer::start(&[signer.jwk("k1")]).await;
    let (app, start) = stopped(&issuer).await;
    let ahead = |seconds| app.at(start + seconds);
    let token = |kid: &str, seconds: i64| {
        let mut claims = supabase(ANN);
        claims["exp"] = serde_json::json!(start + seconds + 60);
        signer.token(kid, &claims)
    };
    look(&app, &token("k1", 0)).await.expect(404);
    issuer.answers(503, "away");
    ahead(700);
    for _ in 0..3 {
        look(&app, &token("k1", 700)).await.expect(404);
    }
    assert_eq!(issuer.asked(), 2, "asked anew, and then not for a while");
    let unknown = look(&app, &token("k2", 700)).await.expect(503);
    assert_eq!(unknown.code(), "issuer_unavailable", "it may have that key by now");
    ahead(80_000);
    look(&app, &token("k1", 80_000)).await.expect(404);
    ahead(90_000);
    look(&app, &token("k1", 90_000)).await.expect(503);
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let signer = Signer::es256();
    let target = Issuer::start(&[signer.jwk("k1")]).await;
    let to = target.url.to_string();
    let moved = axum::Router::new().fallback(move || {
        let to = to.clone();
        async move { axum::response::Redirect::temporary(&to) }
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut issuer = target.clone();
    issuer.url = format!("http://{}/keys", listener.local_addr().unwrap()).parse().unwrap();
    tokio::spawn(async move { axum::serve(listener, moved).await });
    let (app, _) = stopped(&issuer).await;
    look(&app, &signer.token("k1", &supabase(ANN))).await.expect(503);
    assert_eq!(target.asked(), 0);
}
