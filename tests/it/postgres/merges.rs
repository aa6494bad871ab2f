//! The merge function and everybody else at the same row.

use super::{OWNER, PROJECT, merge, migrated, refuses};
use crate::support::postgres::Server;
use crate::support::processes::PATIENCE;
use serde_json::{Value, json};
use std::io::Write as _;
use std::time::{Duration, Instant};

const MERGES: u32 = 200;
const EDITS: u32 = 100;
/// How many statements each session makes, one after the other.
const EACH: u32 = 10;

fn row(server: &Server) -> Value {
    serde_json::from_str(&server.sql(OWNER, "select row_to_json(projects) from projects").unwrap()).unwrap()
}

/// What somebody else does to the row: one key of the clips column, one element of another, as one statement each.
fn edit(number: u32) -> String {
    format!(
        "update projects set folders = folders || '{{\"edit_{number}\": true}}', tasks = tasks || '[{number}]'
           where id = '{PROJECT}' returning 'edited';\n"
    )
}

#[test]
fn two_hundred_merges_and_a_hundred_edits_at_once_lose_nothing() {
    let server = migrated();
    // All sessions wait for this lock, so that they begin together.
    let mut gate = server.session(OWNER);
    gate.stdin.as_mut().unwrap().write_all(b"select pg_advisory_lock(7);\n").unwrap();
    let locks =
        |granted: bool| format!("select count(*) from pg_locks where locktype = 'advisory' and granted = {granted}");
    until(|| server.sql(OWNER, &locks(true)).unwrap() == "1");
    let script = |login_role: &str, statements: String| {
        format!("set role {login_role};\nselect 'open' from pg_advisory_lock_shared(7);\n{statements}")
    };
    let merging = (0..MERGES / EACH)
        .map(|session| script("service_role", (0..EACH).map(|n| merge(session * EACH + n)).collect()));
    let editing =
        (0..EDITS / EACH).map(|session| script("service_role", (0..EACH).map(|n| edit(session * EACH + n)).collect()));
    let scripts: Vec<String> = merging.chain(editing).collect();
    let sessions = scripts.len().to_string();
    let printed: Vec<String> = std::thread::scope(|scope| {
        let running: Vec<_> =
            scripts.iter().map(|script| scope.spawn(|| server.sql("authenticator", script).unwrap())).collect();
        until(|| server.sql(OWNER, &locks(false)).unwrap() == sessions);
        drop(gate.stdin.take());
        running.into_iter().map(|session| session.join().unwrap()).collect()
    });
    gate.wait().unwrap();

    let lines = |wanted: &str| printed.iter().flat_map(|text| text.lines()).filter(|line| *line == wanted).count();
    assert_eq!((lines("1"), lines("edited")), (MERGES as usize, EDITS as usize));
    let row = row(&server);
    for number in 0..EDITS {
        assert_eq!(row["folders"][format!("edit_{number}")], true, "edit {number} is lost");
    }
    let mut tasks: Vec<u64> = row["tasks"].as_array().unwrap().iter().filter_map(Value::as_u64).collect();
    tasks.sort_unstable();
    assert_eq!(tasks, (0..u64::from(EDITS)).collect::<Vec<_>>());
    assert_eq!(row["folders"]["images"], json!(["a.png"]));
    let clips = row["folders"]["clips"].as_array().unwrap();
    assert!(clips.len() == 1 && clips[0].as_u64().is_some_and(|clip| clip < u64::from(MERGES)), "{clips:?}");
}

#[test]
fn only_clips_status_and_time_are_written() {
    let server = migrated();
    let before = row(&server);
    assert_eq!(server.sql_as("service_role", &merge(7)).unwrap(), "1");
    let mut after = row(&server);
    assert_eq!((&after["folders"]["clips"], &after["status"]), (&json!([7]), &json!("ready")));
    assert_ne!(after["updated_at"], before["updated_at"]);
    // Everything else, by name and value.
    after["folders"]["clips"] = before["folders"]["clips"].clone();
    for written in ["status", "updated_at"] {
        after[written] = before[written].clone();
    }
    assert_eq!(after, before);
}

#[test]
fn columns_of_other_types_are_merged_too() {
    let server = migrated();
    for (clips, before, kept) in [
        ("json", "'{\"a\": 1}'", true),
        ("text", "'{\"a\": 1}'", true),
        ("text", "''", false),
        ("jsonb", "null", false),
        ("jsonb", "'null'", false),
    ] {
        let table = format!(
            "drop table if exists \"Plain Projects\"; create table \"Plain Projects\" (id text primary key, status text, updated_at timestamp, folders {clips});
             insert into \"Plain Projects\" values ('p''1', null, null, {before})"
        );
        server.sql(OWNER, &table).unwrap();
        let merge = super::merge_into("Plain Projects", "p''1", "[{\"id\": \"it''s\"}]", "done");
        assert_eq!(server.sql_as("service_role", &merge).unwrap(), "1", "{clips} {before}");
        let seen = server.sql(OWNER, "select status, updated_at is not null, folders from \"Plain Projects\"").unwrap();
        let (first, folders) = seen.rsplit_once('|').unwrap();
        assert_eq!(first, "done|t");
        let folders: Value = serde_json::from_str(folders).unwrap();
        assert_eq!(folders["clips"], json!([{"id": "it's"}]));
        assert_eq!(folders.get("a").is_some(), kept);
    }
}

#[test]
fn something_else_than_an_object_is_not_overwritten() {
    let server = migrated();
    for value in ["[1, 2]", "\"text\"", "3"] {
        server.sql(OWNER, &format!("update projects set folders = '{value}'")).unwrap();
        refuses(server.sql_as("service_role", &merge(1)), "22023");
        assert_eq!(server.sql(OWNER, "select folders from projects").unwrap(), value);
    }
}

fn until(condition: impl Fn() -> bool) {
    let started = Instant::now();
    while !condition() {
        assert!(started.elapsed() < PATIENCE, "not within {} s", PATIENCE.as_secs());
        std::thread::sleep(Duration::from_millis(20));
    }
}
