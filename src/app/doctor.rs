//! A check of the set-up: clients made of the environment as `serve` would make them, and handed to the doctor.

use super::{http_client, route};
use crate::clock;
use crate::config::{Parts, QStashConfig};
use crate::doctor::{self, Access, CALL, Queue, Service, Setup, Storage};
pub use crate::doctor::{Finding, Report, State};
use crate::http::{Auth, ROUTES};
use crate::services::qstash::signature::SigningKeys;
use crate::services::{klap, qstash, supabase};
use crate::store::redis::RedisStore;
use anyhow::Result;

/// What wakes the sweep.
pub(super) const CRON: &str = "/api/cron/klap";
const WORKER: &str = "/api/worker/klap";

/// Checks what the environment names.
pub async fn examine(get: &dyn Fn(&str) -> Option<String>) -> Result<Report> {
    debug_assert!(ROUTES.contains(&CRON) && ROUTES.contains(&WORKER));
    let setup = setup(Parts::read(get))?;
    Ok(Box::pin(doctor::examine(&setup)).await)
}

fn setup(parts: Parts) -> Result<Setup> {
    let http = http_client()?;
    let keys = parts.qstash.as_ref().and_then(|qstash| keys(qstash, &parts.qstash_prefix));
    let cron_url = parts.public_url.as_ref().map(|url| route(url, CRON)).transpose()?;
    let region = Some(parts.qstash_prefix.trim_end_matches('_').replace('_', "-")).filter(|region| !region.is_empty());
    let mut problems: Vec<_> = parts.problems.into_iter().map(|problem| (problem.variable, problem.message)).collect();
    let mut usable = |variable: &str, error: String| problems.push((variable.to_owned(), error));
    let qstash = parts.qstash.and_then(|QStashConfig { mut options, .. }| {
        options.timeout = CALL;
        let host = options.url.host_str().unwrap_or_default().to_owned();
        let client = qstash::QStash::new(http.clone(), options);
        let client = client.map_err(|error| usable("QSTASH_URL", error.to_string())).ok()?;
        let prefix = parts.qstash_prefix;
        Some(Queue { client, host, prefix, keys: keys.clone(), cron_url })
    });
    let supabase = parts.supabase.and_then(|mut options| {
        options.timeouts.call = CALL;
        let (url, key) = (options.url.clone(), options.service_key.clone());
        let client = supabase::Supabase::new(http.clone(), options);
        let client = client.map_err(|error| usable(variable(&error), error.to_string())).ok()?;
        Some(Storage { client, url, key })
    });
    let redis = parts.redis.and_then(|(variable, options)| {
        let store = RedisStore::connect(&options);
        Some((variable, store.map_err(|error| usable(variable, error.to_string())).ok()?))
    });
    let redis_on_vercel = parts.redis_on_vercel.and_then(|options| RedisStore::connect(&options).ok());
    let klap = parts.klap.map(|options| (options.url.clone(), klap::Klap::new(http.clone(), options)));
    let service = match &parts.public_url {
        None => None,
        Some(url) => Some(Service {
            http,
            public_url: url.as_str().trim_end_matches('/').to_owned(),
            worker_url: route(url, WORKER)?.to_string(),
            bypass: parts.protection_bypass,
            keys,
            region,
        }),
    };
    Ok(Setup {
        problems,
        redis,
        redis_on_vercel,
        qstash,
        klap,
        supabase,
        service,
        access: parts.auth.map(|auth| access(auth, parts.auth_unused)),
        operator_secrets: parts.operator_secrets,
        cors_origins: parts.cors_origins,
        serverless: parts.serverless,
        now: clock::unix_seconds,
    })
}

/// Those that the account in use signs with.
fn keys(qstash: &QStashConfig, prefix: &str) -> Option<SigningKeys> {
    qstash.regions.get(prefix.trim_end_matches('_')).or(qstash.keys.as_ref()).cloned()
}

fn variable(error: &supabase::Unusable) -> &'static str {
    match error {
        supabase::Unusable::Url => "SUPABASE_URL",
        supabase::Unusable::Key => "SUPABASE_SERVICE_ROLE_KEY",
        supabase::Unusable::Bucket(_) => "SUPABASE_BUCKET",
        supabase::Unusable::Table(_) => "SUPABASE_PROJECTS_TABLE",
    }
}

fn access(auth: Auth, unused: Vec<&'static str>) -> Access {
    match auth {
        Auth::Tokens(options) => Access::Tokens(options, unused),
        Auth::ApiKeys(_) => Access::Other("api-key: callers show one of API_KEYS", unused),
        Auth::None => Access::Other("none: whoever reaches the service may use it (on this machine only)", unused),
    }
}
