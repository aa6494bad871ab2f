//! The environment as an operator writes it, and what is made of it or said about it.

mod access;
mod addresses;
mod durations;
mod edge;
mod protection;
mod told;
mod traces;

use super::*;
use secrecy::ExposeSecret;
use std::collections::BTreeMap;

/// What `serve` needs and no more, in production away from any host.
const COMPLETE: [(&str, &str); 12] = [
    ("PUBLIC_URL", "https://clips.example.com"),
    ("REDIS_URL", "rediss://default:redis-secret@redis.example.com:6379"),
    ("QSTASH_TOKEN", "qstash-secret"),
    ("QSTASH_CURRENT_SIGNING_KEY", "sig_current-secret"),
    ("QSTASH_NEXT_SIGNING_KEY", "sig_next-secret"),
    ("WORKER_SECRET", "worker-secret-of-a-test"),
    ("KLAP_API_KEY", "klap-secret"),
    ("SUPABASE_URL", "https://ref.supabase.co"),
    ("SUPABASE_SERVICE_ROLE_KEY", "sb_secret_supabase-secret"),
    ("AUTH", "api-key"),
    ("API_KEYS", "web:first-secret, mobile:second-secret"),
    ("CORS_ORIGINS", "https://app.example.com"),
];

/// The complete environment with these changes; an empty value is as good as none.
fn read(changes: &[(&str, &str)]) -> Result<Config, Problems> {
    let mut variables: BTreeMap<&str, &str> = COMPLETE.into();
    variables.extend(changes.iter().copied());
    Config::read(&|name| variables.get(name).map(|value| (*value).to_owned()), None)
}

fn good(changes: &[(&str, &str)]) -> Config {
    read(changes).unwrap_or_else(|problems| panic!("{problems}"))
}

/// The problems with these changes, as their variable and message.
fn problems(changes: &[(&str, &str)]) -> Vec<(String, String)> {
    match read(changes) {
        Ok(config) => panic!("accepted: {config:?}"),
        Err(Problems(problems)) => problems.into_iter().map(|problem| (problem.variable, problem.message)).collect(),
    }
}

/// The variables that are wrong with these changes.
fn wrong(changes: &[(&str, &str)]) -> Vec<String> {
    problems(changes).into_iter().map(|(variable, _)| variable).collect()
}
