//! Putting a deployment's outside parts in order: what is wanted, made of the environment as `serve` would read it.

use super::doctor::CRON;
use super::{http_client, route};
use crate::config::{Parts, Problem, Problems};
use crate::services::{qstash, supabase};
use crate::setup::{Bucket, Schedule, Setup};
pub use crate::setup::{Error, MINUTES, Step};
use anyhow::Result;

/// What is asked for on the command line.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// Minutes between two calls; none for no schedule.
    pub every: Option<u32>,
    pub schedule_id: String,
    /// Also where a schedule of that name calls another deployment.
    pub take_over: bool,
    pub bucket: bool,
    /// In bytes.
    pub size_limit: Option<u64>,
    /// Take the schedule away, and nothing else.
    pub remove: bool,
}

/// What is to be set up. What is needed for it and is not in the environment is a [`Problems`].
pub fn prepare(wanted: &Wanted, get: &dyn Fn(&str) -> Option<String>) -> Result<Setup> {
    let parts = Parts::read(get);
    let mut needed = Vec::new();
    let schedule = wanted.every.is_some() || wanted.remove;
    if schedule {
        needed.extend(["PUBLIC_URL", "QSTASH_", "WORKER_SECRET", "CRON_SECRET"]);
    }
    let bucket = wanted.bucket && !wanted.remove;
    if bucket {
        needed.push("SUPABASE_");
    }
    let stands_in_the_way = |problem: &Problem| needed.iter().any(|name| problem.variable.contains(name));
    let problems: Vec<_> = parts.problems.iter().filter(|problem| stands_in_the_way(problem)).cloned().collect();
    if !problems.is_empty() {
        return Err(Problems(problems).into());
    }
    let http = http_client()?;
    let supabase = match parts.supabase {
        Some(options) if bucket => Some(supabase::Supabase::new(http.clone(), options)?),
        _ => None,
    };
    let queue = (parts.qstash, &parts.public_url, parts.operator_secrets.first());
    let schedule = match queue {
        (Some(qstash), Some(url), Some((_, secret))) if schedule => Some(Schedule {
            client: qstash::QStash::new(http, qstash.options)?,
            id: wanted.schedule_id.clone(),
            take_over: wanted.take_over,
            destination: route(url, CRON)?,
            every: wanted.every.unwrap_or(1),
            secret: secret.clone(),
            forward: parts
                .protection_bypass
                .map(|secret| ("x-vercel-protection-bypass".to_owned(), secret))
                .into_iter()
                .collect(),
            remove: wanted.remove,
        }),
        _ => None,
    };
    let access_said = get("SUPABASE_BUCKET_ACCESS").is_some_and(|access| !access.trim().is_empty());
    let bucket = supabase.clone().map(|client| Bucket { client, access_said, size_limit: wanted.size_limit });
    Ok(Setup { schedule, bucket, database: supabase })
}
