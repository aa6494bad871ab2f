//! Forged and confused tokens. Each is refused, and the store is not asked.

use super::access::{app, look};
use crate::support::app::{TestApp, WORKER_SECRET};
use crate::support::driving::read;
use crate::support::issuer::{ANN, AUDIENCE, ISSUER, Issuer, SECRET, Signer, hs256, supabase, with};
use crate::support::queue::CURRENT;
use axum::http::Method;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cliprelay::clock::unix_seconds;
use cliprelay::services::identity::Key;
use cliprelay::services::qstash::signature::sign;
use serde_json::{Value, json};

/// Each token is refused with 401 and one of these codes, without a look at the store.
async fn all_refused(app: &TestApp, tokens: Vec<(&str, String)>) {
    let asked = app.watch.calls();
    for (name, token) in tokens {
        let answer = look(app, &token).await;
        assert_eq!((answer.status, answer.code()), (401, "invalid_token"), "{name}: {:#}", answer.body);
        assert_eq!(answer.header("www-authenticate"), "Bearer", "{name}");
    }
    assert_eq!(app.watch.calls(), asked, "the store was asked for somebody unknown");
}

#[tokio::test]
async fn a_token_chooses_neither_its_algorithm_nor_its_key() {
    let (rs, es, own) = (Signer::rs256(), Signer::es256(), Signer::es256());
    let enc = Signer::es256();
    let published = [rs.jwk("rsa"), es.jwk("ec"), with(enc.jwk("enc"), "use", json!("enc"))];
    let oct = Signer::hs256("a-shared-secret-somebody-published-by-mistake");
    let mut keys = published.to_vec();
    keys.extend([oct.jwk("oct"), json!({"kty": "OKP", "crv": "Ed25519", "kid": "ed", "x": "AA"}), json!("no key")]);
    let issuer = Issuer::start(&keys).await;
    let app = app(issuer.auth(ISSUER, Some(AUDIENCE))).await;
    let claims = supabase(ANN);
    look(&app, &rs.token("rsa", &claims)).await.expect(404);
    let head = |alg: &str, kid: &str| json!({"alg": alg, "typ": "JWT", "kid": kid});
    let plus = |name: &str, value: Value| with(head("ES256", "ec"), name, value);
    let n = published[0]["n"].as_str().unwrap().to_owned();
    let bytes = URL_SAFE_NO_PAD.decode(&n).unwrap();
    let parts: Vec<String> = es.token("ec", &claims).split('.').map(str::to_owned).collect();
    let none = |alg: &str| URL_SAFE_NO_PAD.encode(head(alg, "ec").to_string());
    let other = URL_SAFE_NO_PAD.encode(with(claims.clone(), "sub", json!("somebody")).to_string());
    let theirs = Issuer::start(&[own.jwk("ec")]).await;
    let elsewhere = json!(theirs.url.as_str());
    all_refused(
        &app,
        vec![
            ("HS256 with the RSA modulus' text", Signer::hs256(n).sign(&head("HS256", "rsa"), &claims)),
            ("HS256 with the RSA modulus", Signer::hs256(bytes).sign(&head("HS256", "rsa"), &claims)),
            (
                "HS256 with the whole public key",
                Signer::hs256(published[0].to_string()).sign(&head("HS256", "rsa"), &claims),
            ),
            ("HS256 with a published secret", oct.token("oct", &claims)),
            ("alg none", format!("{}.{}.", none("none"), parts[1])),
            ("alg nOnE with a signature", format!("{}.{}.{}", none("nOnE"), parts[1], parts[2])),
            ("ES256 by the RSA key's name", es.sign(&head("ES256", "rsa"), &claims)),
            ("RS256 in the header of an EC signature", es.sign(&head("RS256", "ec"), &claims)),
            ("another's key under a known name", own.token("ec", &claims)),
            ("an encryption key", enc.token("enc", &claims)),
            ("other claims", format!("{}.{other}.{}", parts[0], parts[2])),
            ("no signature", format!("{}.{}.", parts[0], parts[1])),
            ("a key in the header", own.sign(&plus("jwk", own.jwk("ec")), &claims)),
            ("a key set's address in the header", own.sign(&plus("jku", elsewhere.clone()), &claims)),
            ("a certificate's address in the header", own.sign(&plus("x5u", elsewhere), &claims)),
            ("critical extensions", es.sign(&plus("crit", json!(["exp"])), &claims)),
            ("a logout token", es.sign(&plus("typ", json!("logout+jwt")), &claims)),
            ("two parts", format!("{}.{}", parts[0], parts[1])),
            ("five parts", format!("{}.a.b.c.d", parts[0])),
            ("too long", es.token("ec", &with(claims.clone(), "x", json!("x".repeat(9_000))))),
            ("no JSON", "YQ.YQ.YQ".to_owned()),
            ("a secret key of the project", "sb_secret_0123456789".to_owned()),
            ("an operator's secret", WORKER_SECRET.to_owned()),
        ],
    )
    .await;
    assert_eq!(theirs.asked(), 0, "nobody makes us ask anywhere by a header");
    let tricks = ["../../../dev/null", "ec' OR '1'='1", "http://127.0.0.1/key", "\u{0}ec", "EC", "", "ec "];
    let tricks = tricks.map(|kid| ("a name that is none", es.sign(&head("ES256", kid), &claims)));
    all_refused(&app, tricks.into()).await;
}

#[tokio::test]
async fn claims_must_be_for_us_and_for_now() {
    let signer = Signer::es256();
    let issuer = Issuer::start(&[signer.jwk("k1")]).await;
    let legacy = Signer::hs256(SECRET);
    let now = unix_seconds();
    for (app, signer) in [(app(issuer.auth(ISSUER, Some(AUDIENCE))).await, &signer), (app(hs256()).await, &legacy)] {
        app.at(now);
        let token = |claim: &str, value: Value| signer.token("k1", &with(supabase(ANN), claim, value));
        all_refused(
            &app,
            vec![
                ("another issuer", token("iss", json!("https://other.supabase.co/auth/v1"))),
                ("nearly the issuer", token("iss", json!(format!("{ISSUER}/")))),
                ("no issuer", token("iss", Value::Null)),
                ("issuers", token("iss", json!([ISSUER]))),
                ("another audience", token("aud", json!("anybody"))),
                ("other audiences", token("aud", json!(["a", "b"]))),
                ("no audience", token("aud", Value::Null)),
                ("no end", token("exp", Value::Null)),
                ("an end in words", token("exp", json!("never"))),
                ("not yet", token("nbf", json!(now + 120))),
                ("nobody", token("sub", Value::Null)),
                ("an empty name", token("sub", json!(""))),
                ("a blank name", token("sub", json!("  "))),
                ("a name with a line", token("sub", json!("a\nb"))),
                ("an endless name", token("sub", json!("a".repeat(256)))),
                ("a number for a name", token("sub", json!(7))),
            ],
        )
        .await;
        let expired = look(&app, &token("exp", json!(now - 31))).await.expect(401);
        assert_eq!(expired.code(), "token_expired");
        look(&app, &token("exp", json!(now - 20))).await.expect(404);
        look(&app, &token("nbf", json!(now + 20))).await.expect(404);
        look(&app, &token("exp", json!(9_999_999_999.5_f64))).await.expect(404);
        for role in ["service_role", "anon"] {
            // As the project's keys are: no subject, no audience, an issuer of their own.
            let key = json!({"iss": "supabase", "ref": "ref", "role": role, "iat": now, "exp": now + 99_999});
            let answer = look(&app, &signer.token("k1", &key)).await.expect(403);
            assert_eq!(answer.code(), "not_a_user");
            look(&app, &token("role", json!(role))).await.expect(403);
        }
    }
}

#[tokio::test]
async fn pushes_and_users_are_not_taken_for_each_other() {
    let app = app(hs256()).await;
    let user = Signer::hs256(SECRET).token("", &supabase(ANN));
    let push = sign(&CURRENT.into(), &app.worker_url, b"{}", unix_seconds(), "j");
    all_refused(&app, vec![("a push's signature", push.clone())]).await;
    let both = app.request(Method::GET, "/api/process-klap?jobId=j").header("upstash-signature", &push);
    read(both).await.expect(401);
    for path in ["/api/worker/klap", "/api/worker/klap/failed"] {
        let request = app.request(Method::POST, path).header("upstash-signature", &user).bearer_auth(&user);
        assert_eq!(read(request.body("{}")).await.expect(401).code(), "bad_signature");
    }
    read(app.request(Method::POST, "/api/cron/klap").bearer_auth(&user)).await.expect(401);
    assert_eq!(app.watch.calls(), 0);
}

#[tokio::test]
async fn of_two_authorizations_none_counts() {
    for app in [app(hs256()).await, TestApp::start().await] {
        let user = format!("Bearer {}", Signer::hs256(SECRET).token("", &supabase(ANN)));
        let key = format!("Bearer {}", crate::support::app::ANN);
        let asked = |first: &str, second: &str| {
            let request = app.request(Method::GET, "/api/process-klap?jobId=j");
            read(request.header("authorization", first).header("authorization", second))
        };
        for (first, second) in [(&user, &user), (&user, &key), (&key, &user), (&key, &key)] {
            assert_eq!(asked(first, second).await.expect(401).code(), "unauthorized");
        }
        for alone in ["", "Bearer", "Bearer ", "Basic YTpi", "bearer"] {
            let request = app.request(Method::GET, "/api/process-klap?jobId=j").header("authorization", alone);
            assert_eq!(read(request).await.expect(401).code(), "unauthorized", "{alone:?}");
        }
    }
}

#[tokio::test]
async fn a_weak_or_leaked_key_opens_nothing() {
    let signer = Signer::rs256();
    let jwk = signer.jwk("good");
    let changed = |member: &str, value: Value| with(with(jwk.clone(), "kid", json!(member)), member, value);
    let keys = [
        changed("d", json!("AQAB")),
        changed("use", json!("enc")),
        changed("key_ops", json!(["encrypt"])),
        changed("alg", json!("PS256")),
        changed("kty", json!("oct")),
        changed("e", Value::Null),
        changed("n", json!(URL_SAFE_NO_PAD.encode([0xff; 128]))),
    ];
    assert!(Key::read(&jwk).is_ok());
    assert_eq!(Key::read(&keys[6]).unwrap_err(), "it has not 2048 to 8192 bits");
    assert!(keys.iter().all(|jwk| Key::read(jwk).is_err()));
    let issuer = Issuer::start(&keys).await;
    let app = app(issuer.auth(ISSUER, Some(AUDIENCE))).await;
    let tokens = ["d", "use", "key_ops", "alg", "kty", "e", "n"].map(|kid| (kid, signer.token(kid, &supabase(ANN))));
    all_refused(&app, tokens.into()).await;
}
