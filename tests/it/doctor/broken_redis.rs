//! Redis in every way that loses jobs or keeps them out.

use super::{Stand, nobody, of};
use crate::support::processes::until;
use crate::support::redis::{Server, query};
use cliprelay::app::doctor::State::{Fail, Ok, Skipped, Warn};

async fn stand() -> Stand {
    Stand::without_service().await
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_evicts() {
    let stand = stand().await;
    query::<String>(&stand.redis, &["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]);
    stand.finds("redis.eviction", Fail, &["allkeys-lru", "noeviction", "CONFIG SET"]).await;
    query::<String>(&stand.redis, &["CONFIG", "SET", "maxmemory-policy", "volatile-ttl"]);
    stand.finds("redis.eviction", Warn, &["volatile-ttl", "noeviction"]).await;
    query::<String>(&stand.redis, &["CONFIG", "SET", "maxmemory-policy", "noeviction"]);
    let used: String = query(&stand.redis, &["INFO", "memory"]);
    let used: u64 = used.lines().find_map(|line| line.strip_prefix("used_memory:")).unwrap().parse().unwrap();
    query::<String>(&stand.redis, &["CONFIG", "SET", "maxmemory", &(used + used / 9).to_string()]);
    stand.finds("redis.eviction", Warn, &["memory", "REDIS_URL", "JOB_TTL"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_keeps_nothing() {
    let stand = stand().await;
    query::<String>(&stand.redis, &["CONFIG", "SET", "appendonly", "no"]);
    stand.finds("redis.persistence", Warn, &["nothing is kept on disk", "appendonly yes"]).await;
    query::<String>(&stand.redis, &["CONFIG", "SET", "save", "3600 1"]);
    stand.finds("redis.persistence", Warn, &["snapshots only", "appendonly yes"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_only_reads() {
    let mut stand = stand().await;
    let replica = Server::start();
    query::<String>(&replica, &["REPLICAOF", "127.0.0.1", &stand.redis.port().to_string()]);
    until("it follows", async || query::<String>(&replica, &["INFO"]).contains("master_link_status:up").then_some(()))
        .await;
    stand.set("REDIS_URL", &replica.url());
    let report = stand.finds("redis.write", Fail, &["REDIS_URL", "read-only replica"]).await;
    assert_eq!(of(&report, "redis.scripts").state, Skipped, "{report:#?}");
    assert_eq!(of(&report, "redis.eviction").state, Ok, "{report:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_knows_another_password() {
    let mut stand = stand().await;
    query::<String>(&stand.redis, &["CONFIG", "SET", "requirepass", "planted-redis-password"]);
    stand.finds("redis.reach", Fail, &["REDIS_URL", "password"]).await;
    stand.set("REDIS_URL", &format!("redis://default:planted-wrong@127.0.0.1:{}", stand.redis.port()));
    let report = stand.finds("redis.reach", Fail, &["REDIS_URL", "password"]).await;
    assert_eq!(of(&report, "redis.eviction").state, Skipped);
    assert!(of(&report, "redis.eviction").seen.contains("redis.reach"));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_not_there_or_speaks_no_tls() {
    let mut stand = stand().await;
    stand.set("REDIS_URL", &nobody().await.replace("http", "redis"));
    stand.finds("redis.reach", Fail, &["REDIS_URL", "host, port"]).await;
    stand.set("REDIS_URL", &format!("rediss://127.0.0.1:{}", stand.redis.port()));
    stand.finds("redis.reach", Fail, &["REDIS_URL", "rediss://"]).await;
}

/// As on hosts that keep their settings to themselves.
#[tokio::test(flavor = "multi_thread")]
async fn one_that_tells_nothing_of_itself() {
    let mut stand = stand().await;
    query::<String>(&stand.redis, &["ACL", "SETUSER", "guest", "on", ">planted", "~*", "+@all", "-config", "-info"]);
    stand.set("REDIS_URL", &format!("redis://guest:planted@127.0.0.1:{}", stand.redis.port()));
    stand.finds("redis.eviction", Skipped, &["could not be read"]).await;
    stand.finds("redis.version", Skipped, &["could not be read"]).await;
    query::<String>(&stand.redis, &["ACL", "SETUSER", "guest", "-@scripting"]);
    stand.finds("redis.scripts", Fail, &["EVAL", "REDIS_URL"]).await;
}
