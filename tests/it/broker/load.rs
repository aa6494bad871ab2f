//! The broker under load: many messages at the same moment, many that wait, destinations that hang, are dead, or take
//! nothing of what is sent. Small here; the full sizes are in the long run.

use super::killed::Program;
use super::{Destination, Reply, call, http, options, within};
use cliprelay::embedded::broker::{self, Broker, DEV_USERS, Data, Tuning};
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::net::{TcpListener, TcpSocket};

const BATCH: usize = 500;

async fn tuned(tuning: Tuning) -> (Broker, tempfile::TempDir) {
    let folder = tempfile::tempdir().expect("a folder");
    let options = broker::Options { tuning, ..options(Data::Dir(folder.path().to_owned())).await };
    (broker::start(options).await.expect("starts"), folder)
}

async fn batch(broker: &Broker, items: &[Value]) -> Vec<String> {
    let (status, answers) = call(broker, Method::POST, "v2/batch", &[], &json!(items).to_string()).await;
    assert_eq!(status, 200, "{answers}");
    let id = |answer: &Value| answer["messageId"].as_str().expect("an id").to_owned();
    answers.as_array().expect("a list").iter().map(id).collect()
}

/// However long it takes; the test runner has the last word.
async fn idle(broker: &Broker) {
    assert_eq!(call(broker, Method::GET, "_broker/idle?timeout=170s", &[], "").await.0, 200);
}

async fn due_at_once(count: usize) {
    let mut destination = Destination::start([]).await;
    let (broker, _folder) = tuned(Tuning::default()).await;
    let mut accepted = BTreeSet::new();
    for from in (0..count).step_by(BATCH) {
        let item = json!({"destination": destination.at("w"), "headers": {"Upstash-Delay": "1d"}});
        accepted.extend(batch(&broker, &vec![item; BATCH.min(count - from)]).await);
    }
    assert_eq!((accepted.len(), destination.pushes.len()), (count, 0));
    assert_eq!(call(&broker, Method::POST, "_broker/advance?by=1d", &[], "").await.0, 200);
    idle(&broker).await;
    let mut arrived = Vec::new();
    while let Ok(push) = destination.pushes.try_recv() {
        arrived.push(push.header("upstash-message-id").to_owned());
    }
    assert_eq!(arrived.len(), count, "each once");
    assert_eq!(arrived.into_iter().collect::<BTreeSet<_>>(), accepted);
}

#[tokio::test]
async fn many_due_at_the_same_moment() {
    due_at_once(1_000).await;
}

#[tokio::test]
#[ignore = "long"]
async fn ten_thousand_due_at_the_same_moment() {
    due_at_once(10_000).await;
}

/// On the virtual clock, where time goes on only when nothing is on its way.
async fn in_due_order(count: u64) {
    let mut destination = Destination::start([]).await;
    let (broker, _folder) = tuned(Tuning { leap: true, ..Tuning::default() }).await;
    let mut turns: Vec<u64> = (1..=count).collect();
    fastrand::Rng::with_seed(7).shuffle(&mut turns);
    let item = |turn| json!({"destination": destination.at("w"), "headers": {"Upstash-Delay": format!("{turn}m")}, "body": format!("{turn}")});
    // All in one request: between two, time would go on.
    batch(&broker, &turns.into_iter().map(item).collect::<Vec<_>>()).await;
    idle(&broker).await;
    for turn in 1..=count {
        let push = destination.next().await;
        assert_eq!(push.body, turn.to_string());
    }
}

#[tokio::test]
async fn on_the_virtual_clock_messages_leave_in_due_order() {
    in_due_order(300).await;
}

#[tokio::test]
#[ignore = "long"]
async fn ten_thousand_leave_in_due_order() {
    in_due_order(10_000).await;
}

#[tokio::test]
async fn destinations_that_hang_delay_no_other() {
    let (broker, _folder) = tuned(Tuning::default()).await;
    let mut hanging = Vec::new();
    for _ in 0..20 {
        let one = Destination::start(std::iter::repeat_n(Reply::Hang, 40)).await;
        batch(&broker, &vec![json!({"destination": one.at("w")}); 40]).await;
        hanging.push(one);
    }
    for one in &mut hanging {
        one.next().await;
    }
    let mut quick = Destination::start([]).await;
    let accepted: BTreeSet<_> =
        batch(&broker, &vec![json!({"destination": quick.at("w")}); 200]).await.into_iter().collect();
    let mut arrived = BTreeSet::new();
    while arrived.len() < accepted.len() {
        arrived.insert(quick.next().await.header("upstash-message-id").to_owned());
    }
    assert_eq!(arrived, accepted);
}

async fn pages(broker: &Broker, target: &str, list: &str) -> usize {
    let (mut count, mut cursor) = (0, String::new());
    loop {
        let (_, page) = call(broker, Method::GET, &format!("{target}{cursor}"), &[], "").await;
        count += page[list].as_array().expect("a list").len();
        let Some(next) = page["cursor"].as_str().filter(|next| !next.is_empty()) else { return count };
        cursor = format!("cursor={next}");
    }
}

async fn dead_hosts(count: usize) {
    let nobody = TcpListener::bind("127.0.0.1:0").await.expect("loopback").local_addr().expect("bound");
    let resolve = (0..count).map(|n| format!("h{n}.example={nobody}").parse().expect("a host")).collect();
    let (broker, _folder) = tuned(Tuning { resolve, leap: true, ..Tuning::default() }).await;
    let mut alive = Destination::start([]).await;
    let dead = |n| json!({"destination": format!("http://h{n}.example/w"), "headers": {"Upstash-Retries": "3"}});
    for from in (0..count).step_by(BATCH) {
        let mut items: Vec<Value> = (from..count.min(from + BATCH)).map(dead).collect();
        items.extend(vec![json!({"destination": alive.at("w")}); 50]);
        batch(&broker, &items).await;
    }
    for _ in 0..count.div_ceil(BATCH) * 50 {
        alive.next().await;
    }
    idle(&broker).await;
    assert_eq!(pages(&broker, "v2/dlq?", "messages").await, count);
    assert_eq!(pages(&broker, "v2/logs?state=RETRY&", "logs").await, 3 * count);
}

#[tokio::test]
async fn dead_destinations_delay_no_other_and_end_as_dead_letters() {
    dead_hosts(100).await;
}

#[tokio::test]
#[ignore = "long"]
async fn a_thousand_dead_destinations() {
    dead_hosts(1_000).await;
}

/// Reads nothing, with little room of its own for what it does not read.
fn silent() -> TcpListener {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(64 << 10).expect("a smaller buffer");
    socket.bind("127.0.0.1:0".parse().expect("an address")).expect("loopback");
    socket.listen(64).expect("listens")
}

/// Longer than the HTTP client's own patience with a destination that does not read.
#[tokio::test]
#[ignore = "long"]
async fn a_destination_slow_to_read_has_the_messages_whole_timeout() {
    let (broker, _folder) = tuned(Tuning::default()).await;
    let silent = silent();
    let target = format!("v2/publish/http://{}/w", silent.local_addr().expect("bound"));
    let headers = [("upstash-retries", "0"), ("upstash-timeout", "50s")];
    assert_eq!(call(&broker, Method::POST, &target, &headers, &"x".repeat(8 << 20)).await.0, 201);
    let taken = within(silent.accept()).await.expect("accepted");
    idle(&broker).await;
    let (_, dead) = call(&broker, Method::GET, "v2/dlq", &[], "").await;
    assert_eq!(dead["messages"][0]["responseBody"], "no answer within 50 s");
    drop(taken);
}

#[tokio::test]
async fn large_bodies_on_their_way_share_a_bounded_room() {
    let (broker, _folder) = tuned(Tuning::default()).await;
    let silent = silent();
    let target = format!("v2/publish/http://{}/w", silent.local_addr().expect("bound"));
    // Eight fill the room of 64 MiB.
    let large = "x".repeat(8 << 20);
    for _ in 0..10 {
        assert_eq!(call(&broker, Method::POST, &target, &[("upstash-retries", "0")], &large).await.0, 201);
    }
    let mut taken = Vec::new();
    for _ in 0..8 {
        taken.push(within(silent.accept()).await.expect("accepted").0);
    }
    let mut other = Destination::start([]).await;
    batch(&broker, &[json!({"destination": other.at("w"), "body": "small"})]).await;
    assert_eq!(other.next().await.body, "small", "small ones need no room");
    let more = tokio::time::timeout(Duration::ZERO, silent.accept()).await;
    assert!(more.is_err(), "a ninth large one is on its way");
    drop(taken);
    for _ in 0..2 {
        within(silent.accept()).await.expect("the rest follows");
    }
}

#[tokio::test]
async fn a_large_body_arrives_whole_and_needs_no_room_while_its_answer_is_awaited() {
    let (broker, _folder) = tuned(Tuning::default()).await;
    let mut hangs = Destination::start(std::iter::repeat_n(Reply::Hang, 9)).await;
    let large = "y".repeat(8 << 20);
    let target = format!("v2/publish/{}", hangs.at("w"));
    for _ in 0..9 {
        assert_eq!(call(&broker, Method::POST, &target, &[], &large).await.0, 201);
    }
    for n in 0..9 {
        let push = hangs.next().await;
        assert_eq!((push.header("content-length"), push.body.len()), ("8388608", 8 << 20));
        if n == 0 {
            push.key(hangs.at("w").as_str());
        }
    }
}

/// Real process: what waits rests on disk, not in memory, and a new start takes it all up.
async fn waiting(count: usize, body: usize) {
    let mut broker = Program::start(&[]).await;
    let item =
        json!({"destination": "http://far.example/w", "headers": {"Upstash-Delay": "7d"}, "body": "x".repeat(body)});
    for from in (0..count).step_by(100) {
        broker.post("v2/batch", &[], Value::from(vec![item.clone(); 100.min(count - from)]).to_string()).await;
    }
    let bodies = u64::try_from(count * body).expect("small") / 1_024;
    let first = broker.process.peak_memory();
    broker.again().await;
    let second = broker.process.peak_memory();
    println!("{count} waiting, {bodies} KiB of bodies: at most {first} KiB, after a new start {second} KiB");
    // The file's cache, the program itself, and a little for each message.
    let bound = (64 << 10) + (64 << 10) + u64::try_from(count).expect("small");
    assert!(first < bound && second < bound && bound < bodies, "{first} and {second} KiB, bound {bound}");
    let request = http().get(format!("{}/_broker/idle?timeout=1s", broker.root)).bearer_auth(DEV_USERS[0].token);
    let pending: Value = request.send().await.expect("answered").json().await.expect("JSON");
    assert_eq!(pending["pending"], count);
}

#[tokio::test]
#[ignore = "long"]
async fn a_hundred_thousand_waiting_in_bounded_memory() {
    waiting(100_000, 4 << 10).await;
}
