//! Every problem at once, each naming its variable, none telling a secret.

use super::*;

#[test]
fn an_empty_environment_is_told_all_it_lacks_at_once() {
    let Err(Problems(problems)) = Config::read(&|_| None, None) else { panic!("accepted") };
    let mut lacking: Vec<_> = problems.iter().map(|problem| problem.variable.as_str()).collect();
    lacking.sort_unstable();
    let expected = [
        "AUTH",
        "KLAP_API_KEY",
        "PUBLIC_URL",
        "QSTASH_CURRENT_SIGNING_KEY",
        "QSTASH_NEXT_SIGNING_KEY",
        "QSTASH_TOKEN",
        "REDIS_URL",
        "SUPABASE_SERVICE_ROLE_KEY",
        "SUPABASE_URL",
        "WORKER_SECRET",
    ];
    assert_eq!(lacking, expected);
    let told = Problems(problems).to_string();
    assert!(told.starts_with("10 problems with the configuration:\n"), "{told}");
    assert!(expected.iter().all(|variable| told.contains(&format!("  {variable} is missing"))), "{told}");
}

/// Variables with something wrong, each with this mark in it.
const BROKEN: [(&str, &str); 21] = [
    ("PUBLIC_URL", "ftp://MARK"),
    ("REDIS_URL", "https://default:MARK@redis.example.com"),
    ("REDIS_PREFIX", "{MARK}"),
    ("QSTASH_URL", "MARK"),
    ("KLAP_API_URL", "MARK"),
    ("SUPABASE_URL", "MARK"),
    ("API_KEYS", "MARK,MARK:short,:MARKMARK,a:MARKMARK,a:MARKMARK2,b:MARKMARK"),
    ("HOST", "MARK"),
    ("PORT", "MARK"),
    ("MAX_ATTEMPTS", "MARK"),
    ("STEP_TIMEOUT", "MARK"),
    ("JOB_TIMEOUT", "MARK"),
    ("QUEUE_TIMEOUT", "MARK"),
    ("JOB_TTL", "MARK"),
    ("FAILED_TTL", "MARK"),
    ("POLL_DELAY_MIN", "MARK"),
    ("POLL_DELAY_MAX", "MARK"),
    ("LOG_FORMAT", "MARK"),
    ("KLAP_CONCURRENCY", "MARK"),
    ("SPEND_LIMIT_DAY", "MARK"),
    ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://user:MARK@otel.example.com"),
];

/// Secrets with nothing wrong, which are nobody's business all the same.
const SECRETS: [(&str, &str); 8] = [
    ("QSTASH_TOKEN", "MARK"),
    ("QSTASH_CURRENT_SIGNING_KEY", "MARK"),
    ("QSTASH_NEXT_SIGNING_KEY", "MARK"),
    ("WORKER_SECRET", "MARK-of-sixteen-characters"),
    ("CRON_SECRET", "MARK-of-sixteen-characters"),
    ("KLAP_API_KEY", "MARK"),
    ("SUPABASE_SERVICE_ROLE_KEY", "MARK"),
    ("VERCEL_AUTOMATION_BYPASS_SECRET", "MARK"),
];

#[test]
fn everything_wrong_is_told_and_no_value_of_a_secret_with_it() {
    let told = read(&[&BROKEN[..], &SECRETS].concat()).unwrap_err();
    let wrong: Vec<_> = told.0.iter().map(|problem| problem.variable.as_str()).collect();
    for (variable, _) in BROKEN.iter().filter(|(variable, _)| *variable != "REDIS_PREFIX") {
        assert!(wrong.contains(variable), "{variable} is not among {wrong:?}");
    }
    assert!(!told.to_string().contains("MARK"), "{told}");
}

#[test]
fn a_prefix_is_told_by_its_own_name() {
    assert_eq!(wrong(&[("REDIS_PREFIX", "a{b}")]), ["REDIS_PREFIX"]);
}

#[test]
fn a_key_given_for_a_name_is_not_told_either() {
    for swapped in ["very-secret-key:web", "very-secret-key:web-frontend,very-secret-key:other-name"] {
        let told = read(&[("API_KEYS", swapped)]).unwrap_err().to_string();
        assert!(told.contains("API_KEYS entry") && !told.contains("very-secret-key"), "{told}");
    }
}

#[test]
fn secrets_stay_out_of_the_configuration_when_it_is_printed() {
    let changes = [("CRON_SECRET", "cron-secret-of-a-test"), ("VERCEL_AUTOMATION_BYPASS_SECRET", "bypass-secret")];
    let printed = format!("{:?}", good(&changes));
    for secret in [
        "redis-secret",
        "qstash-secret",
        "sig_",
        "worker-secret",
        "klap-secret",
        "supabase-secret",
        "first-secret",
        "cron-secret",
        "bypass-secret",
    ] {
        assert!(!printed.contains(secret), "{secret} in {printed}");
    }
}

#[test]
fn what_comes_with_a_later_version_is_refused_rather_than_ignored() {
    for variable in ["KLAP_CONCURRENCY", "PREMIUM_SHARE", "PER_USER_CONCURRENCY"] {
        assert_eq!(wrong(&[(variable, "3")]), [variable]);
        assert!(read(&[(variable, " ")]).is_ok(), "empty is not set");
    }
}

#[test]
fn one_problem_is_told_as_one() {
    let told = read(&[("PORT", "65536")]).unwrap_err().to_string();
    assert_eq!(told, "1 problem with the configuration:\n  PORT must be a whole number from 0 to 65535\n");
}

#[test]
fn the_complete_environment_is_taken_with_the_documented_defaults() {
    let config = good(&[]);
    assert_eq!((config.host.to_string(), config.port), ("0.0.0.0".to_owned(), 3000));
    assert_eq!(config.klap.url.as_str(), "https://api.klap.app/v2");
    assert_eq!((config.supabase.bucket.as_str(), config.supabase.table.as_str()), ("videos", "projects"));
    assert_eq!(config.qstash.options.url.as_str(), "https://qstash.upstash.io/");
    assert_eq!(config.operator_secrets.len(), 1);
    assert_eq!(config.cors_origins, ["https://app.example.com"]);
    assert!(!config.serverless && config.protection_bypass.is_none());
}

#[test]
fn origins_and_private_addresses_are_checked() {
    assert_eq!(good(&[("CORS_ORIGINS", "https://a.example.com, http://localhost:5173,")]).cors_origins.len(), 2);
    for bad in [
        "https://a.example.com/",
        "a.example.com",
        "*",
        "null",
        "https://*.a.example.com",
        "https://A.example.com",
        "https://a.example.com:443",
        "chrome-extension://abc",
    ] {
        assert_eq!(wrong(&[("CORS_ORIGINS", bad)]), ["CORS_ORIGINS"], "{bad}");
    }
    let allowed = good(&[("ALLOW_PRIVATE_ADDRESSES", "127.0.0.1:9000")]).allow_private;
    assert!(allowed.contains(&Url::parse("http://127.0.0.1:9000/a.mp4").unwrap()));
    assert!(!allowed.contains(&Url::parse("http://127.0.0.1:9001/a.mp4").unwrap()));
    assert_eq!(wrong(&[("ALLOW_PRIVATE_ADDRESSES", "everything")]), ["ALLOW_PRIVATE_ADDRESSES"]);
}
