//! What can go wrong between us and Redis, and what a commit costs there.

use super::connect;
use super::writes::{
    HOUR, applied, create, ending, id, listed, memory, pointer, record, release, remember, swap, until, update,
};
use crate::support::proxy::Proxy;
use crate::support::redis::Server;
use cliprelay::store::redis::{Dialect, Options, RedisStore};
use cliprelay::store::{Commit, Committed, Counts, DueAt, Error, Listed, Live, Place, Store, Tally, commands, keys};
use std::collections::BTreeMap;
use std::time::Duration;

/// Far more than a refused connection takes, and less than the client's own manager would.
const QUICKLY: Duration = Duration::from_secs(2);

async fn quickly<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(QUICKLY, work).await.expect("an answer, of whatever kind, long before this")
}

#[tokio::test]
async fn a_server_away_is_said_at_once_and_found_again() {
    let mut server = Server::start();
    let store = connect(&server);
    applied(&store, create("a", "a1")).await;
    server.stop();
    // The first may have met a server that was just dying; then it is known to be away.
    let _ = quickly(store.get(&id("a"))).await;
    for _ in 0..3 {
        let answer = quickly(store.commit(&update("a", 1, "a2"))).await;
        assert!(matches!(answer, Err(Error::Unavailable(_))), "{answer:?}");
    }
    assert!(matches!(quickly(store.ping()).await, Err(Error::Unavailable(_))));
    server.restart();
    assert_eq!(quickly(store.get(&id("a"))).await.unwrap().record, Some(record(1, "a1")));
    assert_eq!(applied(&store, update("a", 1, "a2")).await, 2);
}

#[tokio::test]
async fn a_store_starts_while_its_server_is_away() {
    let mut server = Server::start();
    server.stop();
    let store = connect(&server);
    assert_eq!(store.round_trips(), 0);
    assert!(matches!(quickly(store.get(&id("a"))).await, Err(Error::Unavailable(_))));
    server.restart();
    assert_eq!(applied(&store, create("a", "a1")).await, 1);
}

#[tokio::test]
async fn many_share_one_failed_dial() {
    let mut server = Server::start();
    server.stop();
    let store = connect(&server);
    let ids: Vec<_> = (0..50).map(|n| id(&n.to_string())).collect();
    // One after another they would take 50 times the pause between two tries.
    let answers = quickly(futures_util::future::join_all(ids.iter().map(|id| store.get(id)))).await;
    assert!(answers.iter().all(|answer| matches!(answer, Err(Error::Unavailable(_)))));
}

#[tokio::test]
async fn a_silent_connection_is_given_up_after_three_timeouts() {
    let server = Server::start();
    let proxy = Proxy::start(server.port()).await;
    let options = Options { response_timeout: Duration::from_millis(100), ..Options::new(proxy.url.as_str(), "test:") };
    let store = RedisStore::connect(&options).unwrap();
    applied(&store, create("a", "a1")).await;
    assert_eq!(proxy.connections(), 1);
    proxy.silence();
    for _ in 0..3 {
        let answer = store.commit(&update("a", 1, "a2")).await;
        assert!(matches!(answer, Err(Error::Unknown(_))), "{answer:?}");
    }
    assert_eq!(applied(&store, update("a", 1, "a2")).await, 2);
    assert_eq!(proxy.connections(), 2);
}

#[tokio::test]
async fn a_timeout_now_and_then_keeps_the_connection() {
    let server = Server::start();
    let proxy = Proxy::start(server.port()).await;
    let options = Options { response_timeout: Duration::from_millis(100), ..Options::new(proxy.url.as_str(), "test:") };
    let store = RedisStore::connect(&options).unwrap();
    store.ping().await.unwrap();
    for _ in 0..4 {
        redis::cmd("CLIENT").arg("PAUSE").arg(10_000).arg("WRITE").exec(&mut server.connection()).unwrap();
        assert!(matches!(store.ping().await, Err(Error::Unknown(_))));
        redis::cmd("CLIENT").arg("UNPAUSE").exec(&mut server.connection()).unwrap();
        until("the server answers", || async { store.get(&id("a")).await.is_ok() }).await;
    }
    assert_eq!(proxy.connections(), 1);
}

#[tokio::test]
async fn a_commit_whose_answer_is_lost_is_found_applied() {
    let server = Server::start();
    let proxy = Proxy::start(server.port()).await;
    let store = RedisStore::connect(&Options::new(proxy.url.as_str(), "test:")).unwrap();
    applied(&store, create("a", "a1")).await;
    proxy.cut_next_answer();
    assert_eq!(store.commit(&update("a", 1, "a2")).await.unwrap(), Committed::Replayed(record(2, "a2")));
    // A count must not be repeated: nobody can tell whether it was counted.
    assert_eq!(store.count("n", HOUR).await.unwrap(), 1);
    proxy.cut_next_answer();
    assert!(matches!(store.count("n", HOUR).await, Err(Error::Unknown(_))));
    assert_eq!(store.count("n", HOUR).await.unwrap(), 3);
}

#[tokio::test]
async fn a_server_that_forgot_our_scripts_is_told_them_again() {
    let mut server = Server::start();
    let store = connect(&server);
    applied(&store, create("a", "a1")).await;
    redis::cmd("SCRIPT").arg("FLUSH").exec(&mut server.connection()).unwrap();
    let before = store.round_trips();
    assert_eq!(applied(&store, update("a", 1, "a2")).await, 2);
    assert_eq!(store.round_trips() - before, 2);
    assert_eq!(applied(&store, update("a", 2, "a3")).await, 3);
    assert_eq!(store.round_trips() - before, 3);
    server.restart();
    // The connection is found dead, dialled anew, and the script sent once more.
    assert_eq!(applied(&store, update("a", 3, "a4")).await, 4);
}

#[tokio::test]
async fn a_server_that_refuses_to_write_has_changed_nothing() {
    let server = Server::start();
    let store = connect(&server);
    applied(&store, create("a", "a1")).await;
    let everything = Commit {
        due: DueAt::At(1),
        pointer: swap("p", None, "a"),
        remember: Some(remember("k", "reply", HOUR)),
        ..update("a", 1, "a2")
    };
    let configure = |arguments: &[&str]| redis::cmd(arguments[0]).arg(&arguments[1..]).exec(&mut server.connection());
    let refusals: [(&[&str], &[&str]); 3] = [
        (&["REPLICAOF", "127.0.0.1", "1"], &["REPLICAOF", "NO", "ONE"]),
        (&["CONFIG", "SET", "maxmemory", "1"], &["CONFIG", "SET", "maxmemory", "0"]),
        (&["CONFIG", "SET", "min-replicas-to-write", "1"], &["CONFIG", "SET", "min-replicas-to-write", "0"]),
    ];
    for (break_it, mend_it) in refusals {
        configure(break_it).unwrap();
        for answer in [store.commit(&everything).await.map(|_| ()), store.ping().await] {
            assert!(matches!(answer, Err(Error::Unavailable(_))), "{break_it:?}: {answer:?}");
        }
        configure(mend_it).unwrap();
        assert_eq!(store.get(&id("a")).await.unwrap().record, Some(record(1, "a1")), "{break_it:?}");
        assert_eq!(store.due(9).await.unwrap().jobs, []);
        assert_eq!(store.pointer(&pointer("p")).await.unwrap(), None);
        assert_eq!(store.recall(&memory("k")).await.unwrap(), None);
    }
    assert_eq!(applied(&store, everything).await, 2);
}

#[tokio::test]
async fn a_refused_password_is_unavailable_and_stays_secret() {
    let server = Server::start();
    redis::cmd("CONFIG").arg("SET").arg("requirepass").arg("right").exec(&mut server.connection()).unwrap();
    let at = |login: &str| format!("redis://{login}127.0.0.1:{}", server.port());
    for login in ["", ":hunter2@", "default:hunter2@"] {
        let store = RedisStore::connect(&Options::new(at(login), "test:")).unwrap();
        let error = store.commit(&create("a", "a1")).await.unwrap_err();
        assert!(matches!(error, Error::Unavailable(_)), "{error:?}");
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
    }
    let store = RedisStore::connect(&Options::new(at("default:right@"), "test:")).unwrap();
    applied(&store, create("a", "a1")).await;
}

#[tokio::test]
async fn the_dialect_decides_the_scripts_first_line() {
    let server = Server::start();
    let options = Options { dialect: Some(Dialect::Upstash), ..Options::new(server.url(), "test:") };
    let store = RedisStore::connect(&options).unwrap();
    // A stock server knows the flag only as a mistake: so it was sent.
    let error = store.commit(&create("a", "a1")).await.unwrap_err();
    assert!(matches!(&error, Error::Unavailable(why) if why.contains("shebang")), "{error:?}");
}

#[tokio::test]
async fn prefixes_keep_stores_apart() {
    let server = Server::start();
    let store = |prefix: &str| RedisStore::connect(&Options::new(server.url(), prefix)).unwrap();
    let (one, other) = (store("one:"), store("other:"));
    applied(&one, Commit { due: DueAt::At(1), pointer: swap("p", None, "a"), ..create("a", "a1") }).await;
    assert_eq!(other.get(&id("a")).await.unwrap().record, None);
    assert_eq!(other.due(9).await.unwrap().jobs, []);
    assert_eq!(other.pointer(&pointer("p")).await.unwrap(), None);
    let keys: Vec<String> = redis::cmd("KEYS").arg("*").query(&mut server.connection()).unwrap();
    assert!(keys.iter().all(|key| key.starts_with("{one:}")), "{keys:?}");
}

/// Calls by command since the last look, as the server counts them (and Upstash bills them), scripts' inner calls too.
struct Bill<'a> {
    server: &'a Server,
    seen: BTreeMap<String, u64>,
}

impl Bill<'_> {
    fn since(&mut self) -> Vec<(String, u64)> {
        let stats: String = redis::cmd("INFO").arg("commandstats").query(&mut self.server.connection()).unwrap();
        let now: BTreeMap<String, u64> = stats
            .lines()
            .filter_map(|line| line.strip_prefix("cmdstat_")?.split_once(":calls="))
            .map(|(name, rest)| (name.to_owned(), rest.split(',').next().unwrap().parse().unwrap()))
            .filter(|(name, _)| {
                !name.starts_with("info") && !name.starts_with("client") && !name.starts_with("command")
            })
            .collect();
        let before = std::mem::replace(&mut self.seen, now.clone());
        let new = now.into_iter().map(|(name, calls)| (name.clone(), calls - before.get(&name).unwrap_or(&0)));
        new.filter(|(_, calls)| *calls > 0).collect()
    }

    fn check(&mut self, what: &str, expected: &[&str]) {
        let since = self.since();
        let names: Vec<String> = since.iter().map(|(name, calls)| format!("{name} {calls}")).collect();
        assert_eq!(names, expected, "{what}");
    }
}

#[tokio::test]
async fn each_verb_costs_what_it_must() {
    let server = Server::start();
    let store = connect(&server);
    applied(&store, create("warm", "up")).await;
    store.count("warm", HOUR).await.unwrap();
    let mut bill = Bill { server: &server, seen: BTreeMap::new() };
    bill.since();
    let trips = store.round_trips();

    store.get(&id("a")).await.unwrap();
    bill.check("get", &["hmget 1", "time 1"]);
    let first = Commit { due: DueAt::At(1), pointer: swap("p", None, "a"), ..create("a", "a1") };
    applied(&store, first).await;
    bill.check("create", &["del 1", "evalsha 1", "get 1", "hmget 1", "hset 1", "set 1", "time 1", "zadd 1"]);
    applied(&store, update("a", 1, "a2")).await;
    bill.check("checkpoint", &["evalsha 1", "hmget 1", "hset 1"]);
    applied(&store, Commit { due: DueAt::At(2), ..update("a", 2, "a3") }).await;
    bill.check("claim, next", &["evalsha 1", "hmget 1", "hset 1", "zadd 1"]);
    applied(&store, Commit { peek_due: 5, ..update("a", 3, "a4") }).await;
    bill.check("mark and peek", &["evalsha 1", "hmget 1", "hset 1", "time 1", "zrangebyscore 1"]);
    store.commit(&update("a", 3, "a5")).await.unwrap();
    bill.check("conflict", &["evalsha 1", "hmget 1"]);
    let last = Commit {
        due: DueAt::Never,
        expiry: Some(ending(HOUR, HOUR, 1)),
        pointer: release("p", "a"),
        ..update("a", 4, "a5")
    };
    applied(&store, last).await;
    bill.check("final", &["evalsha 1", "get 1", "hmget 1", "hset 1", "pexpire 2", "set 1", "zrem 1"]);
    applied(&store, update("a", 5, "a6")).await;
    bill.check("retry", &["del 1", "evalsha 1", "hmget 1", "hset 1", "persist 1"]);
    store.due(20).await.unwrap();
    bill.check("due", &["time 1", "zrange 1"]);
    store.count("warm", HOUR).await.unwrap();
    bill.check("count", &["evalsha 1", "incr 1", "pexpire 1"]);
    assert_eq!(store.round_trips() - trips, 10);
}

/// What jobs are told to have cost is made of it.
#[tokio::test]
async fn what_a_commit_is_told_to_cost_is_what_the_server_counts() {
    let server = Server::start();
    let store = connect(&server);
    applied(&store, create("warm", "up")).await;
    let mut bill = Bill { server: &server, seen: BTreeMap::new() };
    bill.since();
    let all = Listed { list: keys::all_jobs(), place: Place::new(1, &id("a")), most: 10, keep: HOUR };
    let lists = || vec![listed("ann", Place::new(1, &id("a")), HOUR), all.clone()];
    let tally = Tally { name: "day".to_owned(), add: 5, most: Some(100), ttl: HOUR };
    let opening = Counts { live: Live::Until(4_000_000_000_000), live_max: Some(9), tally: Some(tally) };
    let commits = [
        Commit {
            due: DueAt::At(1),
            pointer: swap("p", None, "a"),
            remember: Some(remember("k", "reply", HOUR)),
            listed: lists(),
            counts: opening,
            ..create("a", "a1")
        },
        update("a", 1, "a2"),
        Commit { due: DueAt::At(4_000_000_000_000), peek_due: 5, ..update("a", 2, "a3") },
        Commit { counts: Counts { live: Live::Ended, ..Counts::default() }, ..update("a", 3, "a4") },
        Commit {
            due: DueAt::Never,
            expiry: Some(ending(HOUR, HOUR, 1)),
            pointer: release("p", "a"),
            listed: lists(),
            peek_due: 6,
            ..update("a", 4, "a5")
        },
        Commit { expiry: Some(ending(HOUR, HOUR, 1)), pointer: swap("p", Some("a"), "b"), ..update("a", 5, "a6") },
    ];
    for commit in commits {
        let told = u64::from(commands(&commit));
        let op = commit.op.clone();
        applied(&store, commit).await;
        let since = bill.since();
        assert_eq!(since.iter().map(|(_, calls)| calls).sum::<u64>(), told, "{op}: {since:?}");
    }
}
