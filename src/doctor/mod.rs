//! Whether a set-up works: asks each outside service what a job will ask of it, and says of each fault how to mend it. It
//! changes nothing but a mark and a counter in Redis that expire by themselves, pays for nothing, and tells no secret.
//!
//! Checks of one service follow each other, since none is worth asking if the first finds nobody; services are asked at
//! the same time, each with a limit.

mod access;
mod clocks;
mod finding;
mod hints;
mod klap;
mod qstash;
mod redis;
mod schedule;
mod service;
mod supabase;

pub use finding::{Finding, Report, State};

use crate::services::identity::Options as Tokens;
use crate::services::qstash::QStash;
use crate::services::qstash::signature::SigningKeys;
use crate::services::supabase::Supabase;
use crate::store::redis::RedisStore;
use finding::Sheet;
use reqwest::Client;
use secrecy::SecretString;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;
use tokio::time::timeout;
use url::Url;

/// For one call.
pub const CALL: Duration = Duration::from_secs(5);
/// For everything that is asked of one service.
const WHOLE: Duration = Duration::from_secs(9);

/// What is to be checked; a part that is not configured is none.
pub struct Setup {
    /// Variables and what is wrong with them.
    pub problems: Vec<(String, String)>,
    /// With the variable that names it.
    pub redis: Option<(&'static str, RedisStore)>,
    /// What the same variables lead to on Vercel, where that is elsewhere.
    pub redis_on_vercel: Option<RedisStore>,
    pub qstash: Option<Queue>,
    /// With its address.
    pub klap: Option<(Url, crate::services::klap::Klap)>,
    pub supabase: Option<Storage>,
    pub service: Option<Service>,
    pub access: Option<Access>,
    /// `WORKER_SECRET` and `CRON_SECRET`, as far as they are set.
    pub operator_secrets: Vec<(&'static str, SecretString)>,
    pub cors_origins: Vec<String>,
    pub serverless: bool,
    /// The host's time in unix seconds.
    pub now: fn() -> i64,
}

/// QStash as it is configured.
pub struct Queue {
    pub client: QStash,
    pub host: String,
    /// Before the names of its variables.
    pub prefix: String,
    /// Those of the region in use.
    pub keys: Option<SigningKeys>,
    /// What a schedule has to call.
    pub cron_url: Option<Url>,
}

pub struct Storage {
    pub client: Supabase,
    pub url: Url,
    pub key: SecretString,
}

/// The service as others reach it.
pub struct Service {
    pub http: Client,
    /// Without a trailing slash.
    pub public_url: String,
    /// What QStash signs for.
    pub worker_url: String,
    pub bypass: Option<SecretString>,
    pub keys: Option<SigningKeys>,
    /// As deliveries name it.
    pub region: Option<String>,
}

/// Who is let in.
pub enum Access {
    /// Tokens, by the issuer's keys or a shared secret; and what is set without effect.
    Tokens(Tokens, Vec<&'static str>),
    /// Keys or nobody.
    Other(&'static str, Vec<&'static str>),
}

/// Checks all of it.
pub async fn examine(setup: &Setup) -> Report {
    let started = Instant::now();
    let config = hints::findings(setup);
    let sheets = [redis::CHECKS, qstash::CHECKS, klap::CHECKS, supabase::CHECKS, service::CHECKS, access::CHECKS];
    let [redis, qstash, klap, supabase, service, access] = sheets.map(Sheet::new);
    let (show, shown) = oneshot::channel();
    tokio::join!(
        limited(&redis, redis::check(setup, &redis)),
        limited(&qstash, qstash::check(setup, &qstash, shown)),
        limited(&klap, klap::check(setup, &klap)),
        limited(&supabase, supabase::check(setup, &supabase)),
        limited(&service, service::check(setup, &service, show)),
        limited(&access, access::check(setup, &access)),
    );
    let rest = [redis, qstash, klap, supabase, service, access].into_iter().flat_map(Sheet::close);
    let nothing = setup.redis.is_none()
        && setup.qstash.is_none()
        && setup.klap.is_none()
        && setup.supabase.is_none()
        && setup.service.is_none();
    Report { findings: config.into_iter().chain(rest).collect(), took: started.elapsed(), nothing_to_check: nothing }
}

async fn limited(sheet: &Sheet, checks: impl Future<Output = ()>) {
    if timeout(WHOLE, checks).await.is_err() {
        sheet.out_of_time(WHOLE);
    }
}
