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

/// A variable of the project's that is set for all its environments.
#[test]
fn a_preview_that_is_told_productions_address_does_not_start() {
    for environment in ["preview", "development", "staging", ""] {
        let host = [("VERCEL_ENV", environment), ("VERCEL_BRANCH_URL", "clips-git-try.vercel.app")];
        let with = |url| [&VERCEL[..], &host, &[("PUBLIC_URL", url)]].concat();
        for foreign in [
            "https://clips.example.com",
            "http://clips-abc123.vercel.app",
            "https://clips-abc123.vercel.app/base",
            "https://clips-abc123.vercel.app:8443",
        ] {
            let told = problems(&with(foreign));
            assert_eq!(told.len(), 1, "{told:?}");
            assert!(told[0].0 == "PUBLIC_URL" && told[0].1.contains("only production"), "{told:?}");
        }
        for own in ["https://clips-abc123.vercel.app", "https://clips-git-try.vercel.app/"] {
            assert_eq!(good(&with(own)).public_url, own.parse().unwrap());
        }
    }
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
    let on_host = |changes: &[(&str, &str)]| prefix(&[&VERCEL[..], changes].concat());
    let branch = |name| on_host(&[("VERCEL_ENV", "preview"), ("VERCEL_GIT_COMMIT_REF", name)]);
    assert_eq!(on_host(&[("VERCEL_ENV", "production"), ("VERCEL_GIT_COMMIT_REF", "main")]), "cliprelay:production:");
    assert_eq!(branch("try-2.1_b"), "cliprelay:preview:try-2.1_b:");
    // Deployments that no branch stands behind.
    let preview = ("VERCEL_ENV", "preview");
    assert_eq!(on_host(&[preview]), "cliprelay:preview:clips-abc123.vercel.app:");
    assert_eq!(on_host(&[preview, ("VERCEL_DEPLOYMENT_ID", "dpl_1")]), "cliprelay:preview:dpl_1:");
    assert_eq!(on_host(&[preview, ("VERCEL_GIT_COMMIT_REF", "x"), ("REDIS_PREFIX", "mine:")]), "mine:");
    // Whatever a branch is called, its keys are its own, and none holds what a key's hash is told by.
    let long = "a".repeat(200);
    let odd = ["feature/{a}", "feature/(a)", "feature-a", "Ünï", "a:b", &long, &long[1..]];
    let prefixes: std::collections::BTreeSet<String> = odd.iter().map(|name| branch(name)).collect();
    assert_eq!(prefixes.len(), odd.len(), "{prefixes:?}");
    for prefix in prefixes {
        assert!(prefix.len() < 100 && prefix.is_ascii() && !prefix.contains(['{', '}', '(', '*', '/']), "{prefix}");
        assert_eq!(prefix.matches(':').count(), 3, "{prefix}");
    }
}
