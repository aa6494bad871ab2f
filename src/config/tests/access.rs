//! Who may call us: the frontend's modes and QStash's keys, and what is refused where others can reach the service.

use super::*;

const PUBLISHED: &str = "sig_7kYjw48mhY7kAjqNGcy6cr29RJ6r";

#[test]
fn nobody_is_let_in_by_default_nor_by_a_mode_that_is_not_there_yet() {
    for mode in ["", "jwks", "hs256", "API-KEY", "open"] {
        assert_eq!(wrong(&[("AUTH", mode)]), ["AUTH"], "{mode:?}");
    }
}

#[test]
fn everybody_is_let_in_on_this_machine_only() {
    let auth = |changes: &[(&str, &str)]| read(&[changes, &[("AUTH", "none")]].concat());
    for own in ["http://localhost:3000", "http://127.0.0.1:3000", "http://[::1]:3000", "http://a.localhost"] {
        assert!(matches!(auth(&[("PUBLIC_URL", own)]), Ok(Config { auth: Auth::None, .. })), "{own}");
        assert!(auth(&[("PUBLIC_URL", own), ("VERCEL", "1")]).is_err(), "{own} on a host");
    }
    for reachable in
        ["https://clips.example.com", "http://192.168.1.5:3000", "http://0.0.0.0:3000", "http://localhost.example.com"]
    {
        assert!(auth(&[("PUBLIC_URL", reachable)]).is_err(), "{reachable}");
    }
}

#[test]
fn published_development_keys_are_refused_where_others_can_reach_us() {
    for variable in ["QSTASH_CURRENT_SIGNING_KEY", "QSTASH_NEXT_SIGNING_KEY"] {
        assert_eq!(wrong(&[(variable, PUBLISHED)]), [variable]);
        assert!(read(&[(variable, PUBLISHED), ("PUBLIC_URL", "http://localhost:3000")]).is_ok());
        assert_eq!(
            wrong(&[(variable, PUBLISHED), ("PUBLIC_URL", "http://localhost:3000"), ("VERCEL", "1")]),
            [variable]
        );
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
    assert_eq!(told("web:12345678,web:23456789"), ["entry 2 uses a name twice"]);
    assert_eq!(told("web:12345678,mobile:12345678"), ["gives one key to two names"]);
    assert_eq!(told(" , "), ["holds no name:key pair"]);
    assert_eq!(told("a,:12345678,b:c").len(), 3);
    assert_eq!(wrong(&[("API_KEYS", "")]), ["API_KEYS"]);
}

#[test]
fn either_operator_secret_will_do() {
    assert_eq!(good(&[("CRON_SECRET", "c")]).operator_secrets.len(), 2);
    assert_eq!(good(&[("WORKER_SECRET", ""), ("CRON_SECRET", "c")]).operator_secrets.len(), 1);
    assert_eq!(wrong(&[("WORKER_SECRET", " ")]), ["WORKER_SECRET"]);
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
