//! Our own address, Redis's, and the prefix of its keys.

use super::*;

const VERCEL: [(&str, &str); 4] = [
    ("VERCEL", "1"),
    ("PUBLIC_URL", ""),
    ("VERCEL_PROJECT_PRODUCTION_URL", "clips.example.com"),
    ("VERCEL_URL", "clips-abc123.vercel.app"),
];

fn redis(changes: &[(&str, &str)]) -> (String, String) {
    match good(changes).store {
        StoreConfig::Redis(options) => (options.url.expose_secret().to_owned(), options.prefix),
        #[cfg(feature = "local")]
        StoreConfig::Local(path) => panic!("a store at {}", path.display()),
    }
}

/// The user and password a client reads from a URL.
fn credentials(url: &str) -> (String, String) {
    let url = Url::parse(url).unwrap();
    let password = url.password().unwrap().replace('+', "%2B").replace('&', "%26");
    let pairs = format!("u={}&p={password}", url.username());
    let read: BTreeMap<_, _> = url::form_urlencoded::parse(pairs.as_bytes()).into_owned().collect();
    (read["u"].clone(), read["p"].clone())
}

#[test]
fn a_preview_calls_itself_and_never_production() {
    let public = |environment| good(&[&VERCEL[..], &[("VERCEL_ENV", environment)]].concat()).public_url.to_string();
    assert_eq!(public("production"), "https://clips.example.com/");
    assert_eq!(public("preview"), "https://clips-abc123.vercel.app/");
    assert_eq!(public(""), "https://clips-abc123.vercel.app/");
    let said = [("PUBLIC_URL", "https://own.example.com"), ("VERCEL_ENV", "production")];
    assert_eq!(good(&[&VERCEL[..], &said].concat()).public_url.as_str(), "https://own.example.com/");
    let elsewhere = [&VERCEL[..], &[("VERCEL", "")]].concat();
    assert_eq!(wrong(&elsewhere), ["PUBLIC_URL"], "nothing is derived away from the host");
}

#[test]
fn our_address_is_plain() {
    for bad in
        ["clips.example.com", "ftp://clips.example.com", "https://user@clips.example.com", "https://c.example.com/?a=1"]
    {
        assert_eq!(wrong(&[("PUBLIC_URL", bad)]), ["PUBLIC_URL"], "{bad}");
    }
}

#[test]
fn redis_is_found_by_its_url_or_by_either_pair() {
    let unset = ("REDIS_URL", "");
    for (address, token) in
        [("UPSTASH_REDIS_REST_URL", "UPSTASH_REDIS_REST_TOKEN"), ("KV_REST_API_URL", "KV_REST_API_TOKEN")]
    {
        let pair = [unset, (address, "https://eu1-good-1.upstash.io"), (token, "token")];
        assert_eq!(redis(&pair).0, "rediss://default:token@eu1-good-1.upstash.io:6379");
        assert_eq!(wrong(&pair[..2]), [token]);
        let overridden = [&pair[..], &[("UPSTASH_REDIS_PASSWORD", "password")]].concat();
        assert_eq!(redis(&overridden).0, "rediss://default:password@eu1-good-1.upstash.io:6379");
        assert_eq!(wrong(&[unset, (address, "not an address"), (token, "token")]), [address]);
        let with_url = [&pair[1..], &[("REDIS_URL", "redis://127.0.0.1:6379")]].concat();
        assert_eq!(redis(&with_url).0, "redis://127.0.0.1:6379", "what is said comes first");
    }
    assert_eq!(wrong(&[unset]), ["REDIS_URL"]);
    assert_eq!(wrong(&[("REDIS_URL", "https://redis.example.com")]), ["REDIS_URL"]);
}

#[test]
fn any_password_reaches_redis_as_it_is() {
    for password in ["p@ss:w/rd?#&+=", "100%41", "%", "ünï cödé", "a%2Fb"] {
        let changes = [
            ("REDIS_URL", ""),
            ("UPSTASH_REDIS_REST_URL", "https://eu1-good-1.upstash.io"),
            ("UPSTASH_REDIS_REST_TOKEN", password),
        ];
        let (url, _) = redis(&changes);
        assert_eq!(credentials(&url), ("default".to_owned(), password.to_owned()), "{url}");
        assert_eq!(Url::parse(&url).unwrap().host_str(), Some("eu1-good-1.upstash.io"));
    }
}

#[test]
fn deployments_keep_their_keys_apart() {
    let prefix = |changes: &[(&str, &str)]| redis(changes).1;
    assert_eq!(prefix(&[]), "cliprelay:");
    assert_eq!(prefix(&[("VERCEL_ENV", "preview")]), "cliprelay:", "only on the host");
    assert_eq!(prefix(&[("VERCEL", "1"), ("VERCEL_ENV", "preview")]), "cliprelay:preview:");
    assert_eq!(prefix(&[("VERCEL", "1"), ("VERCEL_ENV", "preview"), ("REDIS_PREFIX", "mine:")]), "mine:");
}
