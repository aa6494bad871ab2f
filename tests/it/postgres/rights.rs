//! Who may do what: the service merges and stores, and nobody else does in its place.

use super::{BOTH, DOWN, OWNER, PROJECT, UP, USER, lived_in, merge, merge_into, migrated, migrated_with, refuses};
use crate::support::postgres::{Refused, Server};

const CLIP: &str = "p1/clips/job_0193f1c2a7b84d0e9f60a1b2c3d4e5f6/abc-def.mp4";
/// The most a careless policy can allow.
const CARELESS: &str = "create policy careless on storage.objects for all to public using (true) with check (true)";

fn store(name: &str) -> String {
    format!("insert into storage.objects (bucket_id, name) values ('videos', '{name}')")
}

fn count(server: &Server, answer: &Result<String, Refused>, name: &str) -> String {
    assert!(answer.is_ok(), "{answer:?}");
    server.sql(OWNER, &format!("select count(*) from storage.objects where name = '{name}'")).unwrap()
}

#[test]
fn only_the_service_may_merge() {
    for defaults in BOTH {
        let server = migrated_with(defaults);
        for role in ["anon", "authenticated"] {
            refuses(server.sql_as(role, &merge(1)), "42501");
            refuses(server.sql_as(role, "select public.cliprelay_object('{}')"), "42501");
        }
        assert_eq!(server.sql_as("service_role", &merge(1)).unwrap(), "1");
        // The rights hold after it was migrated twice, and with the default rights that Supabase gives to all functions.
        server.sql(OWNER, UP).unwrap();
        refuses(server.sql_as("anon", &merge(1)), "42501");
    }
}

#[test]
fn the_function_gives_nobody_more_than_they_have() {
    let server = migrated();
    server
        .sql(
            OWNER,
            "grant execute on function public.cliprelay_merge_project to authenticated;
        grant execute on function public.cliprelay_object to authenticated",
        )
        .unwrap();
    let by =
        |user: &str| server.sql_as("authenticated", &format!("set request.jwt.claim.sub = '{user}'; {}", merge(1)));
    assert_eq!(by(PROJECT).unwrap(), "0", "a row that is hidden from its caller is not changed");
    assert_eq!(by(USER).unwrap(), "1");
    // A table whose name is somebody's attempt at more.
    for table in ["pg_authid", "storage.objects", "projects; drop table projects", "projects\" set title = ''x'' --"] {
        let message = refuses(
            server.sql_as("service_role", &merge_into(&table.replace('\'', "''"), PROJECT, "[]", "ready")),
            "42P01",
        );
        assert!(message.contains("there is no table public."), "{message}");
    }
}

#[test]
fn clips_are_written_by_the_service_alone_whatever_other_policies_allow() {
    let server = migrated();
    for role in ["anon", "authenticated"] {
        refuses(server.sql_as(role, &store("mine/a.mp4")), "42501");
    }
    server.sql("postgres", &format!("set role supabase_storage_admin; {CARELESS}")).unwrap();
    server.sql_as("service_role", &store(CLIP)).unwrap();
    for role in ["anon", "authenticated"] {
        // As an older app named its clips.
        let other = format!("{role}/clips/clip_0_1752600000000.mp4");
        let stored = server.sql_as(role, &store(&other));
        assert_eq!(count(&server, &stored, &other), "1", "what is not ours is left to the other policies");
        refuses(server.sql_as(role, &store(&CLIP.replace("abc", role))), "42501");
        // Neither onto a clip nor from it: a row that is out of reach is not there.
        let over = format!("update storage.objects set name = '{CLIP}x' where name = '{other}'");
        refuses(server.sql_as(role, &over), "42501");
        let away = format!("update storage.objects set name = 'gone/{role}' where name = '{CLIP}'");
        let moved = server.sql_as(role, &away);
        assert_eq!(count(&server, &moved, CLIP), "1");
        let deleted = server.sql_as(role, &format!("delete from storage.objects where name = '{CLIP}'"));
        assert_eq!(count(&server, &deleted, CLIP), "1");
    }
    let deleted = server.sql_as("service_role", &format!("delete from storage.objects where name = '{CLIP}'"));
    assert_eq!(count(&server, &deleted, CLIP), "0");
    // Without the migration the careless policy lets everybody.
    server.sql(OWNER, DOWN).unwrap();
    server.sql_as("anon", &store(CLIP)).unwrap();
}

#[test]
fn reading_is_the_buckets_own_matter() {
    let server = migrated();
    server.sql_as("service_role", &store(CLIP)).unwrap();
    let seen = "select count(*) from storage.objects";
    // Without a policy nobody lists; plain addresses are served by Storage, for a public bucket, past all policies.
    assert_eq!(server.sql_as("anon", seen).unwrap(), "0");
    let owners = "create policy readers on storage.objects for select to authenticated using (bucket_id = 'videos')";
    server.sql(OWNER, &format!("set role supabase_storage_admin; {owners}")).unwrap();
    assert_eq!(server.sql_as("authenticated", seen).unwrap(), "1");
    assert_eq!(server.sql_as("anon", seen).unwrap(), "0");
}

#[test]
fn a_status_the_table_does_not_know_changes_nothing() {
    let server = migrated();
    let before = server.sql(OWNER, "select row_to_json(projects) from projects").unwrap();
    let refused = server.sql_as("service_role", &merge_into("projects", PROJECT, "[1]", "splendid"));
    let message = refuses(refused, "22P02");
    assert!(message.contains("project_status"), "{message}");
    refuses(server.sql_as("service_role", &merge_into("projects", "not-a-uuid", "[1]", "ready")), "22P02");
    assert_eq!(server.sql_as("service_role", &merge_into("projects", USER, "[1]", "ready")).unwrap(), "0");
    assert_eq!(server.sql(OWNER, "select row_to_json(projects) from projects").unwrap(), before);
}

#[test]
fn a_missing_column_is_named() {
    let server = lived_in();
    server.sql(OWNER, UP).unwrap();
    server.sql(OWNER, "alter table projects rename folders to things").unwrap();
    let message = refuses(server.sql_as("service_role", &merge(1)), "42703");
    assert!(message.contains("has no column folders (for clips)"), "{message}");
}
