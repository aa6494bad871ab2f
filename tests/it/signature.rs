//! QStash's signature, against tokens signed by another implementation in the shape of real ones.
#![expect(clippy::expect_used, reason = "a helper that cannot go on must fail its test")]

use cliprelay::services::qstash::signature::{Key, Rejected, SigningKeys, Verified, Verifier, sign};
use proptest::prelude::*;
use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Deserialize)]
struct Fixture {
    current: String,
    next: String,
    destination: String,
    now: i64,
    body: String,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    token: String,
    expect: String,
}

fn fixture() -> Fixture {
    serde_json::from_str(include_str!("../../fixtures/qstash/pushes.json")).expect("the fixture is JSON")
}

fn keys(current: &str, next: &str) -> SigningKeys {
    SigningKeys { current: current.into(), next: next.into() }
}

fn verifier(fixture: &Fixture) -> Verifier {
    Verifier::new(Some(keys(&fixture.current, &fixture.next)), BTreeMap::new())
}

fn told(result: &Result<Verified, Rejected>) -> String {
    match result {
        Ok(Verified { key: Key::Current, .. }) => "current".to_owned(),
        Ok(Verified { key: Key::Next, .. }) => "next".to_owned(),
        Err(rejected) => rejected.to_string(),
    }
}

#[test]
fn real_shaped_tokens_are_judged_each_by_its_own_reason() {
    let fixture = fixture();
    let verifier = verifier(&fixture);
    let judged: Vec<(String, String)> = fixture
        .cases
        .iter()
        .map(|case| {
            let result = verifier.verify(&case.token, None, fixture.body.as_bytes(), &fixture.destination, fixture.now);
            (case.name.clone(), told(&result))
        })
        .collect();
    let expected: Vec<(String, String)> =
        fixture.cases.iter().map(|case| (case.name.clone(), case.expect.clone())).collect();
    assert_eq!(judged, expected);
}

#[test]
fn a_changed_byte_anywhere_is_refused() {
    let fixture = fixture();
    let verifier = verifier(&fixture);
    let token = &fixture.cases[0].token;
    for at in 0..token.len() {
        let mut changed = token.clone().into_bytes();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(changed).expect("ASCII");
        let result = verifier.verify(&changed, None, fixture.body.as_bytes(), &fixture.destination, fixture.now);
        assert!(result.is_err(), "byte {at} of the token may be changed");
    }
    let longer = format!("{} ", fixture.body);
    let result = verifier.verify(token, None, longer.as_bytes(), &fixture.destination, fixture.now);
    assert_eq!(result, Err(Rejected::BodyHash));
}

#[test]
fn the_region_chooses_the_keys() {
    let fixture = fixture();
    let token = &fixture.cases[0].token;
    let ours = || keys(&fixture.current, &fixture.next);
    let strange = || keys("sig_strange", "sig_stranger");
    let verify = |verifier: &Verifier, region: Option<&str>| {
        told(&verifier.verify(token, region, fixture.body.as_bytes(), &fixture.destination, fixture.now))
    };
    let by_region = |name: &str, keys: SigningKeys| BTreeMap::from([(name.to_owned(), keys)]);

    let verifier = Verifier::new(Some(strange()), by_region("US_EAST_1", ours()));
    assert_eq!(verify(&verifier, Some("US-EAST-1")), "current");
    assert_eq!(verify(&verifier, Some("EU-CENTRAL-1")), "bad_mac", "an unknown region falls back to the default keys");
    assert_eq!(verify(&verifier, None), "bad_mac");

    let verifier = Verifier::new(None, by_region("EU-CENTRAL-1", ours()));
    assert_eq!(verify(&verifier, Some("eu-central-1")), "current");
    assert_eq!(verify(&verifier, Some("US-EAST-1")), "unknown_region");
    assert_eq!(verify(&verifier, None), "unknown_region");
}

#[test]
fn our_own_signature_is_the_clouds() {
    let fixture = fixture();
    let token = sign(&fixture.current.as_str().into(), &fixture.destination, b"", 1_783_000_000, "jwt_x");
    let claims = token.split('.').nth(1).expect("claims");
    let claims = base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, claims).expect("base64");
    let claims: serde_json::Value = serde_json::from_slice(&claims).expect("JSON");
    let expected = serde_json::json!({
        "aud": "",
        "body": "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU=",
        "exp": 1_783_000_300,
        "iat": 1_783_000_000,
        "iss": "Upstash",
        "jti": "jwt_x",
        "nbf": -62_135_596_800_i64,
        "sub": fixture.destination,
    });
    assert_eq!(claims, expected);
    let verified = verifier(&fixture).verify(&token, None, b"", &fixture.destination, 1_783_000_299);
    assert_eq!(verified, Ok(Verified { key: Key::Current, jti: Some("jwt_x".to_owned()) }));
}

#[test]
fn keys_are_not_printed() {
    let fixture = fixture();
    let shown = format!("{:?} {:?}", verifier(&fixture), keys(&fixture.current, &fixture.next));
    assert!(!shown.contains(&fixture.current) && !shown.contains(&fixture.next), "{shown}");
}

proptest! {
    /// Whatever comes in, nothing panics and nothing unsigned passes.
    #[test]
    fn arbitrary_tokens_never_pass(token in "\\PC*", body in any::<Vec<u8>>(), now in any::<i64>()) {
        let fixture = fixture();
        prop_assert!(verifier(&fixture).verify(&token, None, &body, &fixture.destination, now).is_err());
    }

    #[test]
    fn arbitrary_claims_under_a_foreign_key_never_pass(
        header in "\\PC{0,40}", claims in "\\PC{0,80}", mac in any::<Vec<u8>>(), body in any::<Vec<u8>>(), now in any::<i64>(),
    ) {
        let part = |bytes: &[u8]| base64::Engine::encode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, bytes);
        let headers = [header.as_str(), r#"{"alg":"HS256","typ":"JWT"}"#];
        let fixture = fixture();
        for header in headers {
            let token = format!("{}.{}.{}", part(header.as_bytes()), part(claims.as_bytes()), part(&mac));
            prop_assert!(verifier(&fixture).verify(&token, None, &body, &fixture.destination, now).is_err());
        }
    }

    /// What we sign verifies for that body, destination and time, and for no other body or destination.
    #[test]
    fn what_is_signed_verifies(
        body in any::<Vec<u8>>(), other in any::<Vec<u8>>(), path in "[a-z/?=&%]{0,20}", now in 0..1_i64 << 40,
    ) {
        let fixture = fixture();
        let verifier = verifier(&fixture);
        let destination = format!("https://a.example/{path}");
        let token = sign(&fixture.next.as_str().into(), &destination, &body, now, "jwt_y");
        prop_assert_eq!(told(&verifier.verify(&token, None, &body, &destination, now)), "next");
        if other != body {
            prop_assert_eq!(verifier.verify(&token, None, &other, &destination, now), Err(Rejected::BodyHash));
        }
        let elsewhere = format!("{destination}x");
        prop_assert_eq!(verifier.verify(&token, None, &body, &elsewhere, now), Err(Rejected::Destination));
        prop_assert_eq!(verifier.verify(&token, None, &body, &destination, now + 330), Err(Rejected::Expired));
    }
}
