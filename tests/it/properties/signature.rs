//! A push's signature: one byte of anything changed, and it is refused; the times to the second.

use cliprelay::services::qstash::signature::{Key, LEEWAY, Rejected, SigningKeys, Verifier, sign};
use proptest::prelude::*;
use std::collections::BTreeMap;

const CURRENT: &str = "sig_property_current";
const NEXT: &str = "sig_property_next";
const LIFE: i64 = 300;

fn verifier() -> Verifier {
    let keys = SigningKeys { current: CURRENT.into(), next: NEXT.into() };
    Verifier::new(Some(keys), BTreeMap::new())
}

fn destination() -> impl Strategy<Value = String> {
    ("[a-z]{1,10}", "(/[a-zA-Z0-9._~%-]{0,8}){0,4}", proptest::option::of("[a-z]=[a-z%0-9]{0,9}")).prop_map(
        |(host, path, query)| {
            let query = query.map(|query| format!("?{query}")).unwrap_or_default();
            format!("https://{host}.example{path}{query}")
        },
    )
}

/// What a clock may show, its ends often.
fn time() -> impl Strategy<Value = i64> {
    prop_oneof![Just(0), Just(1_795_435_200), 0..4_000_000_000_i64, Just(i64::from(u32::MAX)), Just(1 << 55)]
}

/// The text with the byte at `place` another one.
fn changed(bytes: &[u8], place: usize, to: u8) -> Option<Vec<u8>> {
    let mut bytes = bytes.to_vec();
    let byte = bytes.get_mut(place)?;
    (*byte != to).then(|| *byte = to)?;
    Some(bytes)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20))]

    /// Every place of a token, by turns to every character that may stand there and some that may not.
    #[test]
    fn a_token_with_one_byte_changed_is_refused(
        body in any::<Vec<u8>>(), destination in destination(), now in time(), next in any::<bool>(), seed in any::<usize>(),
    ) {
        let verifier = verifier();
        let token = sign(&(if next { NEXT } else { CURRENT }).into(), &destination, &body, now, "jwt_p");
        let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_+/=. ";
        for place in 0..token.len() {
            let to = alphabet[(place + seed % alphabet.len()) % alphabet.len()];
            let Some(forged) = changed(token.as_bytes(), place, to) else { continue };
            let forged = String::from_utf8(forged).unwrap();
            prop_assert!(verifier.verify(&forged, None, &body, &destination, now).is_err(), "{place}: {forged}");
        }
        for forged in [&token[1..], &token[..token.len() - 1], &format!("{token}A"), &format!("{token}=")] {
            prop_assert!(verifier.verify(forged, None, &body, &destination, now).is_err(), "{forged}");
        }
        // The last character of an encoding has bits to spare: no other may stand for the same.
        for last in alphabet {
            let Some(forged) = changed(token.as_bytes(), token.len() - 1, *last) else { continue };
            let forged = String::from_utf8(forged).unwrap();
            prop_assert!(verifier.verify(&forged, None, &body, &destination, now).is_err(), "{forged}");
        }
    }

    #[test]
    fn a_body_with_one_byte_changed_is_refused(
        body in proptest::collection::vec(any::<u8>(), 1..200), now in time(), place in any::<prop::sample::Index>(), to in any::<u8>(),
    ) {
        let (verifier, to_us) = (verifier(), "https://a.example/w");
        let token = sign(&CURRENT.into(), to_us, &body, now, "jwt_p");
        prop_assert_eq!(verifier.verify(&token, None, &body, to_us, now).map(|verified| verified.key), Ok(Key::Current));
        if let Some(other) = changed(&body, place.index(body.len()), to) {
            prop_assert_eq!(verifier.verify(&token, None, &other, to_us, now), Err(Rejected::BodyHash));
        }
        for other in [&body[1..], &body[..body.len() - 1], &[&body[..], &[to]].concat()] {
            prop_assert_eq!(verifier.verify(&token, None, other, to_us, now), Err(Rejected::BodyHash));
        }
    }

    #[test]
    fn an_address_with_one_byte_changed_is_refused(
        destination in destination(), now in time(), place in any::<prop::sample::Index>(), to in "[ -~]",
    ) {
        let verifier = verifier();
        let token = sign(&CURRENT.into(), &destination, b"body", now, "jwt_p");
        prop_assert!(verifier.verify(&token, None, b"body", &destination, now).is_ok());
        if let Some(other) = changed(destination.as_bytes(), place.index(destination.len()), to.as_bytes()[0]) {
            let other = String::from_utf8(other).unwrap();
            prop_assert_eq!(verifier.verify(&token, None, b"body", &other, now), Err(Rejected::Destination));
        }
        for other in [format!("{destination}/"), format!("{destination}?"), destination.to_ascii_uppercase()] {
            prop_assert_eq!(verifier.verify(&token, None, b"body", &other, now), Err(Rejected::Destination));
        }
    }

    /// Good from any earlier time (real tokens bear no beginning) up to the last second of the leeway, and never again.
    #[test]
    fn a_token_ends_to_the_second(made in time(), earlier in 0..100_000_i64, later in 0..100_000_i64) {
        let (verifier, to_us) = (verifier(), "https://a.example/w");
        let token = sign(&NEXT.into(), to_us, b"", made, "jwt_p");
        let at = |now| verifier.verify(&token, None, b"", to_us, now).map(|verified| verified.key);
        prop_assert_eq!(at(made - earlier), Ok(Key::Next));
        prop_assert_eq!(at(made + LIFE + LEEWAY - 1), Ok(Key::Next));
        prop_assert_eq!(at(made + LIFE + LEEWAY), Err(Rejected::Expired));
        prop_assert_eq!(at(made + LIFE + LEEWAY + later), Err(Rejected::Expired));
        prop_assert_eq!(at(i64::MAX), Err(Rejected::Expired));
    }
}
