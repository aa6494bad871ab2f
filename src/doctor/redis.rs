//! Redis: that it answers, takes writes and our scripts, forgets nothing, and tells the time.

use super::finding::Sheet;
use super::{Setup, clocks};
use crate::store::redis::{Dialect, RedisStore};
use crate::store::{Error, Store};
use std::collections::BTreeMap;
use std::time::Duration;

pub(super) const CHECKS: &[&str] = &[REACH, WRITE, VERSION, SCRIPTS, EVICTION, PERSISTENCE, CLOCK];
const REACH: &str = "redis.reach";
const WRITE: &str = "redis.write";
const VERSION: &str = "redis.version";
const SCRIPTS: &str = "redis.scripts";
const EVICTION: &str = "redis.eviction";
const PERSISTENCE: &str = "redis.persistence";
const CLOCK: &str = "redis.clock";

/// A push waits for four of these.
const SLOW: Duration = Duration::from_millis(100);
/// The oldest that has all we use.
const OLDEST: (u32, u32) = (6, 2);
/// Of the memory limit, in percent.
const NEARLY_FULL: u64 = 85;

pub(super) async fn check(setup: &Setup, sheet: &Sheet) {
    let Some((variable, redis)) = &setup.redis else {
        return sheet.skip_rest("no Redis is configured: set REDIS_URL");
    };
    let first = redis.time().await;
    let (time, took) = match first {
        // The first one dials.
        Ok(_) => match redis.time().await {
            Ok(answer) => answer,
            Err(error) => return unreachable(sheet, variable, &error),
        },
        Err(error) => return unreachable(sheet, variable, &error),
    };
    let ours = (setup.now)();
    let seen = format!("answers in {:.1} ms", took.as_secs_f64() * 1_000.0);
    if took > SLOW {
        sheet.warn(
            REACH,
            seen,
            format!(
                "Move {variable} to a database in the service's own region: each push waits for several round trips"
            ),
        );
    } else {
        sheet.ok(REACH, seen);
    }
    clocks::compare(sheet, CLOCK, "Redis's", ours, i64::try_from(time / 1_000).unwrap_or_default());
    let told = redis.info().await.unwrap_or_default();
    version(sheet, redis, variable, &told);
    if let Err(error) = redis.ping().await {
        unwritable(sheet, variable, &error, &told);
    } else {
        sheet.ok(WRITE, "takes writes");
        scripts(sheet, redis, variable).await;
    }
    eviction(sheet, redis, variable, &told).await;
    persistence(sheet, redis, &told).await;
}

/// Runs one of the store's own, in the dialect chosen, on a key that expires at once.
async fn scripts(sheet: &Sheet, redis: &RedisStore, variable: &str) {
    match redis.count("doctor", Duration::from_secs(5)).await {
        Ok(_) => sheet.ok(SCRIPTS, "runs our scripts"),
        Err(error) => {
            let mend = format!(
                "Let the user of {variable} run EVAL and EVALSHA (ACL +@scripting), or use a Redis that has Lua"
            );
            sheet.fail(SCRIPTS, error.to_string(), mend);
        }
    }
}

fn unreachable(sheet: &Sheet, variable: &str, error: &Error) {
    let text = error.to_string();
    let has = |words: &[&str]| words.iter().any(|word| text.to_lowercase().contains(word));
    let mend = if has(&["wrongpass", "noauth", "authentication", "invalid username", "unauthenticated"]) {
        format!(
            "Set {variable} with the right user and password (redis://USER:PASSWORD@HOST:PORT), or UPSTASH_REDIS_PASSWORD beside the REST pair"
        )
    } else if has(&["certificate", "tls", "handshake", "invalid peer"]) {
        format!("Check the scheme of {variable}: rediss:// where the server speaks TLS, redis:// where it does not")
    } else if has(&["lookup", "resolve", "name or service"]) {
        format!("Check the host's name in {variable}")
    } else {
        format!(
            "Check host, port and scheme of {variable} (rediss:// where the server speaks TLS, as Upstash does), and that its firewall lets this host in"
        )
    };
    sheet.fail(REACH, text, mend);
}

fn unwritable(sheet: &Sheet, variable: &str, error: &Error, told: &BTreeMap<String, String>) {
    let text = error.to_string();
    let is_replica = told.get("role").is_some_and(|role| role == "slave") || text.contains("READONLY");
    let mend = if is_replica {
        format!("Point {variable} at the primary: this one is a read-only replica")
    } else if text.contains("NOPERM") {
        format!("Give the user of {variable} the right to write (Upstash: the user `default`, not `default_ro`)")
    } else if text.contains("OOM") {
        format!("Give the database behind {variable} more memory: it is full and refuses writes")
    } else {
        format!("Mend what the server says, or point {variable} at one that takes writes")
    };
    sheet.fail(WRITE, text, mend);
}

fn version(sheet: &Sheet, redis: &RedisStore, variable: &str, told: &BTreeMap<String, String>) {
    if redis.dialect() == Dialect::Upstash {
        return sheet.ok(VERSION, "Upstash");
    }
    let Some(text) = told.get("redis_version") else {
        return sheet.skip(VERSION, "could not be read: the server does not tell its version");
    };
    let mut parts = text.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    let version = (parts.next().unwrap_or(0), parts.next().unwrap_or(0));
    if version < OLDEST {
        let mend = format!("Upgrade the server behind {variable} to {}.{} or newer", OLDEST.0, OLDEST.1);
        return sheet.fail(VERSION, text.clone(), mend);
    }
    sheet.ok(VERSION, text.clone());
}

async fn eviction(sheet: &Sheet, redis: &RedisStore, variable: &str, told: &BTreeMap<String, String>) {
    let policy = match told.get("maxmemory_policy").cloned() {
        Some(policy) => Some(policy),
        None => redis.setting("maxmemory-policy").await.unwrap_or_default(),
    };
    let Some(policy) = policy else {
        let why = "could not be read: the server does not tell its eviction policy (Upstash: the database's page, Eviction, must be off)";
        return sheet.skip(EVICTION, why);
    };
    let number = |field: &str| told.get(field).and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
    let (used, limit) = (number("used_memory"), number("maxmemory"));
    let command =
        "`CONFIG SET maxmemory-policy noeviction` and in redis.conf (Upstash: the database's page, Eviction off)";
    if policy.starts_with("allkeys") {
        let seen = format!("maxmemory-policy is {policy}: a full server drops jobs");
        sheet.fail(EVICTION, seen, format!("Set it to noeviction: {command}"));
    } else if policy != "noeviction" {
        let seen = format!("maxmemory-policy is {policy}: a full server drops ended jobs and what keeps repeats apart");
        sheet.warn(EVICTION, seen, format!("Set it to noeviction: {command}"));
    } else if limit > 0 && used.saturating_mul(100) / limit >= NEARLY_FULL {
        let seen = format!("{}% of the memory limit is used; when it is full, writes are refused", used * 100 / limit);
        sheet.warn(
            EVICTION,
            seen,
            format!("Give the database behind {variable} more memory, or shorten JOB_TTL and FAILED_TTL"),
        );
    } else {
        sheet.ok(EVICTION, "noeviction");
    }
}

async fn persistence(sheet: &Sheet, redis: &RedisStore, told: &BTreeMap<String, String>) {
    if redis.dialect() == Dialect::Upstash {
        return sheet.ok(PERSISTENCE, "Upstash writes to disk by itself");
    }
    let is = |field: &str, wanted: &str| told.get(field).is_some_and(|value| value == wanted);
    if !told.contains_key("aof_enabled") {
        return sheet.skip(PERSISTENCE, "could not be read: the server does not tell what it keeps on disk");
    }
    let disk = "Mend the server's disk: it may be full (its log tells)";
    if is("aof_last_write_status", "err") || (is("rdb_last_bgsave_status", "err") && !is("aof_enabled", "1")) {
        sheet.fail(PERSISTENCE, "the last write to disk failed", disk);
    } else if is("aof_enabled", "1") {
        sheet.ok(PERSISTENCE, "append-only file");
    } else {
        let saves = redis.setting("save").await.unwrap_or_default().is_none_or(|save| !save.is_empty());
        let seen = if saves {
            "snapshots only: a crash forgets the last minutes"
        } else {
            "nothing is kept on disk: a restart forgets every job"
        };
        sheet.warn(PERSISTENCE, seen, "Turn the append-only file on: `CONFIG SET appendonly yes` and in redis.conf");
    }
}
