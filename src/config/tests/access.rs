//! Who may call us: the frontend's modes and QStash's keys, and what is refused where others can reach the service.

use super::*;
use crate::services::identity::{Keys, Options};

const PUBLISHED: &str = "sig_7kYjw48mhY7kAjqNGcy6cr29RJ6r";

#[test]
fn nobody_is_let_in_by_default_nor_by_a_mode_that_is_none() {
    for mode in ["", "JWKS", "API-KEY", "open", "jwks,api-key"] {
        assert_eq!(wrong(&[("AUTH", mode)]), ["AUTH"], "{mode:?}");
    }
}

const KEYS_AT: &str = "https://ref.supabase.co/auth/v1/.well-known/jwks.json";
const JWKS: [(&str, &str); 4] = [
    ("AUTH", "jwks"),
    ("API_KEYS", ""),
    ("AUTH_JWKS_URL", KEYS_AT),
    ("AUTH_ISSUER", "https://ref.supabase.co/auth/v1"),
];
const SECRET: &str = "a-legacy-secret-of-enough-characters";

fn tokens(changes: &[(&str, &str)]) -> Options {
    let Auth::Tokens(options) = good(changes).auth else { panic!("not by tokens") };
    options
}

#[test]
fn an_issuers_tokens_need_its_keys_address_and_its_name() {
    let options = tokens(&[&JWKS[..], &[("AUTH_AUDIENCE", "authenticated")]].concat());
    assert_eq!(options.issuer.as_deref(), Some("https://ref.supabase.co/auth/v1"));
    assert_eq!(options.audience.as_deref(), Some("authenticated"));
    assert!(matches!(options.keys, Keys::Published { url, .. } if url.as_str() == KEYS_AT));
    let with_slash = tokens(&[&JWKS[..], &[("AUTH_ISSUER", "https://tenant.auth0.com/")]].concat());
    assert_eq!(with_slash.issuer.as_deref(), Some("https://tenant.auth0.com/"), "to the letter");
    assert_eq!(wrong(&[("AUTH", "jwks")]), ["AUTH_JWKS_URL", "AUTH_ISSUER"], "both at once");
    assert_eq!(wrong(&[&JWKS[..], &[("AUTH_ISSUER", "supabase")]].concat()), ["AUTH_ISSUER"]);
}

#[test]
fn keys_are_fetched_from_private_addresses_only_where_that_is_said() {
    let keys = |url: &'static str, more: &[(&'static str, &'static str)]| {
        read(&[&JWKS[..], &[("AUTH_JWKS_URL", url)], more].concat())
    };
    let refused = [
        "http://ref.supabase.co/k",
        "http://127.0.0.1:9999/k",
        "https://localhost/k",
        "https://10.0.0.7/k",
        "https://[::1]/k",
        "https://169.254.169.254/k",
        "https://user:pass@ref.supabase.co/k",
        "ftp://ref/k",
        "k",
    ];
    for url in refused {
        let Err(Problems(problems)) = keys(url, &[]) else { panic!("{url} is accepted") };
        assert_eq!(
            problems.iter().map(|problem| problem.variable.as_str()).collect::<Vec<_>>(),
            ["AUTH_JWKS_URL"],
            "{url}"
        );
    }
    assert!(keys("http://10.0.0.7:8000/k", &[("ALLOW_PRIVATE_ADDRESSES", "10.0.0.7:8000")]).is_ok());
    assert!(keys("http://kong:8000/k", &[("ALLOW_PRIVATE_ADDRESSES", "kong:8000")]).is_ok());
    let here = [("PUBLIC_URL", "http://localhost:3000")];
    assert!(keys("http://127.0.0.1:9999/k", &here).is_ok(), "on this machine");
    assert!(keys("http://10.0.0.7:8000/k", &here).is_err());
    assert!(keys("http://127.0.0.1:9999/k", &[here[0], ("VERCEL", "1"), ("VERCEL_ENV", "production")]).is_err());
}

#[test]
fn a_legacy_secret_is_long_and_nobody_elses() {
    let hs256 = |secret| [("AUTH", "hs256"), ("API_KEYS", ""), ("AUTH_HS256_SECRET", secret)];
    let options = tokens(&hs256(SECRET));
    assert!(matches!(options.keys, Keys::Shared(secret) if secret.expose_secret() == SECRET));
    assert_eq!((options.issuer, options.audience), (None, None));
    assert!(!format!("{:?}", good(&hs256(SECRET))).contains(SECRET));
    let published = "super-secret-jwt-token-with-at-least-32-characters-long";
    for secret in ["", "31-characters-are-not-enough-..", published] {
        let told = problems(&hs256(secret));
        assert_eq!(told.len(), 1, "{secret}");
        assert_eq!(told[0].0, "AUTH_HS256_SECRET");
        assert!(secret.is_empty() || !told[0].1.contains(secret));
    }
    assert!(read(&[&hs256(published)[..], &[("PUBLIC_URL", "http://localhost:3000")]].concat()).is_ok());
}

#[test]
fn what_is_set_for_another_mode_is_told() {
    assert!(good(&[]).auth_unused.is_empty());
    let all = [("AUTH_JWKS_URL", "x"), ("AUTH_ISSUER", "x"), ("AUTH_AUDIENCE", "x"), ("AUTH_HS256_SECRET", "x")];
    assert_eq!(good(&all).auth_unused, ["AUTH_JWKS_URL", "AUTH_ISSUER", "AUTH_AUDIENCE", "AUTH_HS256_SECRET"]);
    let both = [&JWKS[..], &[("API_KEYS", "web:first-secret"), ("AUTH_HS256_SECRET", SECRET)]].concat();
    assert_eq!(good(&both).auth_unused, ["AUTH_HS256_SECRET", "API_KEYS"]);
}

#[test]
fn everybody_is_let_in_on_this_machine_only() {
    let auth = |changes: &[(&str, &str)]| read(&[changes, &[("AUTH", "none")]].concat());
    for own in ["http://localhost:3000", "http://127.0.0.1:3000", "http://[::1]:3000", "http://a.localhost"] {
        assert!(matches!(auth(&[("PUBLIC_URL", own)]), Ok(Config { auth: Auth::None, .. })), "{own}");
        let on_host = [("PUBLIC_URL", own), ("VERCEL", "1"), ("VERCEL_ENV", "production")];
        assert!(auth(&on_host).is_err(), "{own} on a host");
    }
    for reachable in
        ["https://clips.example.com", "http://192.168.1.5:3000", "http://0.0.0.0:3000", "http://localhost.example.com"]
    {
        assert!(auth(&[("PUBLIC_URL", reachable)]).is_err(), "{reachable}");
    }
}

#[test]
fn where_everybody_is_let_in_only_this_machine_is_listened_to() {
    let none = [("AUTH", "none"), ("PUBLIC_URL", "http://localhost:3000")];
    assert_eq!(good(&none).host.to_string(), "127.0.0.1");
    assert_eq!(good(&[&none[..], &[("HOST", "0.0.0.0")]].concat()).host.to_string(), "0.0.0.0", "it is said");
    assert_eq!(good(&[]).host.to_string(), "0.0.0.0");
}

#[test]
fn published_development_keys_are_refused_where_others_can_reach_us() {
    for variable in ["QSTASH_CURRENT_SIGNING_KEY", "QSTASH_NEXT_SIGNING_KEY"] {
        assert_eq!(wrong(&[(variable, PUBLISHED)]), [variable]);
        assert!(read(&[(variable, PUBLISHED), ("PUBLIC_URL", "http://localhost:3000")]).is_ok());
        let on_host = [("PUBLIC_URL", "http://localhost:3000"), ("VERCEL", "1"), ("VERCEL_ENV", "production")];
        assert_eq!(wrong(&[&[(variable, PUBLISHED)], &on_host[..]].concat()), [variable]);
    }
}

#[test]
fn api_keys_are_pairs_of_a_name_and_a_long_key_of_its_own() {
    let Auth::ApiKeys(keys) = good(&[("API_KEYS", " web : key:with:colons , mobile:87654321,")]).auth else {
        panic!("not by keys")
    };
    let keys: Vec<_> = keys.iter().map(|key| (key.name.as_str(), key.key.expose_secret())).collect();
    assert_eq!(keys, [("web", "key:with:colons"), ("mobile", "87654321")]);
    let told = |keys| problems(&[("API_KEYS", keys)]).into_iter().map(|(_, message)| message).collect::<Vec<_>>();
    assert_eq!(told("12345678"), ["entry 1 is not a name:key pair"]);
    assert_eq!(told(":12345678"), ["entry 1 has no name"]);
    assert_eq!(told("web:1234567"), ["entry 1 has a key of fewer than 8 characters"]);
    assert_eq!(told("web:12345678é"), ["entry 1 has a key with characters that no header can carry"]);
    let endless = format!("{}:12345678", "n".repeat(256));
    assert_eq!(wrong(&[("API_KEYS", &endless)]), ["API_KEYS"]);
    assert_eq!(told("web:12345678,web:23456789"), ["entry 2 uses a name twice"]);
    assert_eq!(told("web:12345678,mobile:12345678"), ["gives one key to two names"]);
    assert_eq!(told(" , "), ["holds no name:key pair"]);
    assert_eq!(told("a,:12345678,b:c").len(), 3);
    assert_eq!(wrong(&[("API_KEYS", "")]), ["API_KEYS"]);
}

#[test]
fn either_operator_secret_will_do() {
    let cron = ("CRON_SECRET", "cron-secret-of-a-test");
    assert_eq!(good(&[cron]).operator_secrets.len(), 2);
    assert_eq!(good(&[("WORKER_SECRET", ""), cron]).operator_secrets.len(), 1);
    assert_eq!(wrong(&[("WORKER_SECRET", " ")]), ["WORKER_SECRET"]);
}

/// It opens cancel, purge and drop, and everybody's data.
#[test]
fn an_operators_secret_is_long_and_nobody_elses_where_others_can_reach_us() {
    let here = ("PUBLIC_URL", "http://localhost:3000");
    for variable in ["WORKER_SECRET", "CRON_SECRET"] {
        for weak in ["cliprelay-dev", " cliprelay-dev ", "x", "fifteen-letters"] {
            let told = problems(&[(variable, weak)]);
            assert_eq!((told.len(), told[0].0.as_str()), (1, variable), "{weak}");
            assert!(weak.len() == 1 || !told[0].1.contains(weak.trim()), "it is told: {}", told[0].1);
            assert!(read(&[(variable, weak), here]).is_ok(), "on this machine");
            assert_eq!(
                wrong(&[(variable, weak), here, ("VERCEL", "1"), ("VERCEL_ENV", "production")]),
                [variable],
                "{weak} on a host"
            );
        }
        assert!(read(&[(variable, "sixteen-letters-")]).is_ok());
    }
    // One good one does not make up for the other: either opens everything.
    assert_eq!(wrong(&[("WORKER_SECRET", "cliprelay-dev"), ("CRON_SECRET", "x")]), ["WORKER_SECRET", "CRON_SECRET"]);
}

/// Nobody could ever show it.
#[test]
fn an_operators_secret_fits_into_a_header_everywhere() {
    for variable in ["WORKER_SECRET", "CRON_SECRET"] {
        for public in ["https://clips.example.com", "http://localhost:3000"] {
            for odd in
                ["a-secret-of-a-cafe-caf\u{e9}", "a-secret-with-a\u{7}bell", "a-secret-of-two\nlong-enough-lines"]
            {
                let told = problems(&[(variable, odd), ("PUBLIC_URL", public)]);
                assert_eq!(told, [(variable.to_owned(), "holds characters that no header can carry".to_owned())]);
            }
        }
    }
}

#[test]
fn a_region_has_variables_of_its_own() {
    let region = [
        ("QSTASH_REGION", "us-east-1"),
        ("US_EAST_1_QSTASH_TOKEN", "us-token"),
        ("US_EAST_1_QSTASH_CURRENT_SIGNING_KEY", "sig_us_1"),
        ("US_EAST_1_QSTASH_NEXT_SIGNING_KEY", "sig_us_2"),
    ];
    let QStashConfig { options, keys, regions } = good(&region).qstash;
    assert_eq!(
        (options.url.as_str(), options.token.expose_secret()),
        ("https://qstash-us-east-1.upstash.io/", "us-token")
    );
    assert_eq!(regions.keys().collect::<Vec<_>>(), ["US_EAST_1"]);
    assert!(keys.is_some(), "the keys without a region are still believed while moving");

    let unset = [("QSTASH_TOKEN", ""), ("QSTASH_CURRENT_SIGNING_KEY", ""), ("QSTASH_NEXT_SIGNING_KEY", "")];
    assert!(good(&[&region[..], &unset].concat()).qstash.keys.is_none());
    let both =
        [("EU_CENTRAL_1_QSTASH_CURRENT_SIGNING_KEY", "sig_eu_1"), ("EU_CENTRAL_1_QSTASH_NEXT_SIGNING_KEY", "sig_eu_2")];
    assert_eq!(good(&[&region[..], &both].concat()).qstash.regions.len(), 2);
    assert_eq!(wrong(&[&region[..], &both[..1]].concat()), ["EU_CENTRAL_1_QSTASH_NEXT_SIGNING_KEY"]);
    assert_eq!(
        wrong(&[("QSTASH_REGION", "US_EAST_1")]),
        ["US_EAST_1_QSTASH_CURRENT_SIGNING_KEY", "US_EAST_1_QSTASH_NEXT_SIGNING_KEY", "US_EAST_1_QSTASH_TOKEN"]
    );
    assert_eq!(wrong(&[("QSTASH_REGION", "mars")]), ["QSTASH_REGION"]);
    let published = [("US_EAST_1_QSTASH_NEXT_SIGNING_KEY", PUBLISHED)];
    assert_eq!(wrong(&[&region[..], &published].concat()), ["US_EAST_1_QSTASH_NEXT_SIGNING_KEY"]);
}
