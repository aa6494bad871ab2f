//! What the ledger keeps, over its own file.

use super::super::instructions::Quota;
use super::super::message::{Answer, Headers, New, Spec};
use super::super::schedules::Schedule;
use super::accept::{Accepted, accept};
use super::*;
use pages::{Page, dead_page, event_page, live};
use redb::{Database, ReadableDatabase, ReadableTableMetadata, backends::InMemoryBackend};
use retention::Seam;

const MINUTE: Millis = 60_000;
const DAY: Millis = 1_440 * MINUTE;
const NOW: Millis = 1_795_435_200_000;

fn database() -> Database {
    let db = Database::builder().create_with_backend(InMemoryBackend::new()).unwrap();
    write(&db, prepare);
    db
}

fn write<T>(db: &Database, part: impl FnOnce(&WriteTransaction) -> Result<T, Error>) -> T {
    let txn = db.begin_write().unwrap();
    let value = part(&txn).unwrap();
    txn.commit().unwrap();
    value
}

fn new(id: &str, at: Millis, deduplication: Option<&str>) -> New {
    let spec = Spec {
        user: "u".to_owned(),
        destination: "http://a.example/".to_owned(),
        method: "POST".to_owned(),
        ..Spec::default()
    };
    let deduplication = deduplication.map(str::to_owned);
    New { id: id.to_owned(), spec, body: Bytes::from_static(b"hi"), created_at: at, not_before: at, deduplication }
}

fn accepted(db: &Database, new: New, now: Millis) -> Accepted {
    write(db, |txn| accept(txn, vec![new], Quota::PAY_AS_YOU_GO, now)).remove(0).unwrap().remove(0)
}

fn duplicate(first: &str) -> Accepted {
    Accepted::Duplicate { first: first.to_owned(), url: "http://a.example/".to_owned() }
}

fn kill(db: &Database, id: &str, now: Millis) {
    let (record, _) = live(&db.begin_read().unwrap(), id).unwrap().unwrap();
    let outcome = Outcome::Answered(Answer { status: 500, headers: Headers::new(), body: Bytes::new() });
    write(db, |txn| settle(txn, &record, &outcome, now, now));
}

fn ids(page: &Page<crate::embedded::broker::message::Dead>) -> Vec<&str> {
    page.entries.iter().map(|(_, dead)| dead.record.id.as_str()).collect()
}

#[test]
fn a_deduplication_key_is_free_again_after_ten_minutes() {
    let db = database();
    assert!(matches!(accepted(&db, new("a", NOW, Some("k")), NOW), Accepted::New(_)));
    let later = NOW + 10 * MINUTE - 1;
    assert_eq!(accepted(&db, new("b", later, Some("k")), later), duplicate("a"));
    write(&db, |txn| retention::prune(txn, Seam::default(), later));
    assert_eq!(accepted(&db, new("c", later, Some("k")), later), duplicate("a"));
    assert!(matches!(accepted(&db, new("d", later + 1, Some("k")), later + 1), Accepted::New(_)));
    assert!(matches!(accepted(&db, new("e", later + 1, Some("other")), later + 1), Accepted::New(_)));
}

#[test]
fn old_dead_letters_and_events_go_and_the_living_stay() {
    let db = database();
    for (id, died) in [("old", NOW - 8 * DAY), ("recent", NOW - 6 * DAY)] {
        accepted(&db, new(id, died, None), died);
        kill(&db, id, died);
    }
    accepted(&db, new("waits", NOW - 30 * DAY, None), NOW);
    accepted(&db, new("today", NOW, None), NOW);
    write(&db, |txn| retention::prune(txn, Seam::default(), NOW));

    let txn = db.begin_read().unwrap();
    assert_eq!(ids(&dead_page(&txn, "u", &Filter::default()).unwrap()), ["recent"]);
    assert!(live(&txn, "waits").unwrap().is_some() && live(&txn, "today").unwrap().is_some());
    let bodies = txn.open_table(BODIES).unwrap();
    let kept: Vec<String> = bodies.iter().unwrap().map(|entry| entry.unwrap().0.value().to_owned()).collect();
    assert_eq!(kept, ["recent", "today", "waits"]);
    let events = event_page(&txn, "u", &Filter::default()).unwrap();
    let told: Vec<&str> = events.entries.iter().map(|(_, event)| event.message_id.as_str()).collect();
    assert_eq!(told, ["today"]);
}

#[test]
fn pruning_goes_on_write_by_write_until_all_is_done() {
    let db = database();
    let many = 5_500;
    let all: Vec<New> = (0..many).map(|n| new(&format!("m{n}"), NOW, Some(&n.to_string()))).collect();
    write(&db, |txn| accept(txn, all, Quota::PAY_AS_YOU_GO, NOW));
    let (mut from, mut writes) = (Some(Seam::default()), 0);
    while let Some(seam) = from.take() {
        from = write(&db, |txn| retention::prune(txn, seam, NOW + 4 * DAY)).next;
        writes += 1;
    }
    assert_eq!(writes, 2, "a bit at a time");
    let txn = db.begin_read().unwrap();
    assert!(txn.open_table(TAKEN).unwrap().is_empty().unwrap() && txn.open_table(EVENTS).unwrap().is_empty().unwrap());
    assert_eq!(txn.open_table(MESSAGES).unwrap().len().unwrap(), many);
}

#[test]
fn an_attempt_on_a_withdrawn_message_changes_nothing() {
    let db = database();
    accepted(&db, new("a", NOW, None), NOW);
    let (record, _) = live(&db.begin_read().unwrap(), "a").unwrap().unwrap();
    assert!(!write(&db, |txn| cancel_one(txn, "stranger", "a", NOW)));
    assert!(write(&db, |txn| cancel_one(txn, "u", "a", NOW)));
    let outcome = Outcome::Failed("refused".to_owned());
    assert_eq!(write(&db, |txn| settle(txn, &record, &outcome, NOW, NOW)), Settled::Gone);
    let page = dead_page(&db.begin_read().unwrap(), "u", &Filter::default()).unwrap();
    assert_eq!(ids(&page), [""; 0]);
}

fn scheduled(db: &Database, next: Millis) {
    let spec = Spec { destination: "http://a.example/".to_owned(), ..new("", NOW, None).spec };
    let schedule = Schedule {
        v: 1,
        id: "s".to_owned(),
        cron: "0 * * * *".to_owned(),
        spec,
        delay: 0,
        created_at: NOW,
        paused: false,
        next: Some(next),
        last: None,
        states: std::collections::BTreeMap::new(),
        error: None,
    };
    assert!(write(db, |txn| schedules::put(txn, &schedule, &Bytes::from_static(b"hi"), 1)));
}

fn fire(db: &Database, now: Millis) -> (usize, Option<Millis>) {
    let fired = write(db, |txn| schedules::fire(txn, ("u", "s"), Quota::PAY_AS_YOU_GO, now, MINUTE));
    (fired.records.len(), fired.due)
}

#[test]
fn a_firing_is_made_once_and_one_missed_for_long_is_left_out() {
    let db = database();
    let hour = 60 * MINUTE;
    scheduled(&db, NOW);
    assert_eq!(fire(&db, NOW - 1), (0, Some(NOW)));
    assert_eq!(fire(&db, NOW + 1), (1, Some(NOW + hour)));
    // As by a process that ended before it knew.
    assert_eq!(fire(&db, NOW + 1), (0, Some(NOW + hour)));
    assert_eq!(fire(&db, NOW + 5 * hour + 2 * MINUTE), (0, Some(NOW + 6 * hour)));
    assert_eq!(fire(&db, NOW + 6 * hour), (1, Some(NOW + 7 * hour)));
    let txn = db.begin_read().unwrap();
    let (schedule, _) = schedules::get(&txn, "u", "s").unwrap().unwrap();
    assert_eq!((schedule.last, schedule.states.len()), (Some(NOW + 6 * hour), 1));
    assert!(!write(&db, |txn| schedules::put(txn, &Schedule { id: "more".to_owned(), ..schedule }, &Bytes::new(), 1)));
}

#[test]
fn a_message_of_the_first_version_is_still_read() {
    let stored = r#"{"v":1,"id":"msg_1","spec":{"user":"u","destination":"http://a.example/","method":"POST","headers":[["x","1"]],
        "timeout_s":40,"retries":3,"retry_delay":null,"callback":null,"failure_callback":{"url":"http://a.example/f","method":"POST",
        "headers":[],"timeout_s":null,"retries":null,"retry_delay":null},"labels":["l"],"caller_ip":"127.0.0.1"},
        "created_at":1,"not_before":2,"due":3,"retried":1}"#;
    let db = database();
    write(&db, |txn| txn.open_table(MESSAGES)?.insert("msg_1", stored.as_bytes()).map(drop).map_err(Error::from));
    let (record, _) = live(&db.begin_read().unwrap(), "msg_1").unwrap().unwrap();
    assert_eq!((record.due, record.spec.retries, record.spec.queue, record.spec.flow), (3, 3, None, None));
}
