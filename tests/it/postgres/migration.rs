//! Up, down, up again, and everything else in the database as it was.

use super::{BOTH, DOWN, Defaults, FRESH, OWNER, PROJECTS, SUPERUSER, UP, bare, lived_in, merge, merge_into, migrated};
use crate::support::postgres::Server;

const BUCKETS: &str = "select id, public from storage.buckets order by id";
const ROWS: &str = "select row_to_json(projects) from public.projects order by id";
const POLICIES: &str =
    "select policyname, permissive, cmd from pg_policies where schemaname = 'storage' order by policyname";

#[test]
fn up_and_down_leave_the_database_as_it_was() {
    let server = bare(Defaults::All);
    for (projects, defaults) in [("", Defaults::All), (PROJECTS, Defaults::All), ("", Defaults::None)] {
        defaults.set(&server);
        server.sql(OWNER, projects).unwrap();
        let before = server.schema();
        let rows = server.sql(OWNER, ROWS);
        server.sql(OWNER, UP).unwrap();
        let up = server.schema();
        assert_ne!(before, up);
        assert_eq!(server.sql(OWNER, BUCKETS).unwrap(), "videos|t");
        // Again, then down, and down again, and up.
        server.sql(OWNER, UP).unwrap();
        assert_eq!(up, server.schema(), "a second time it changes nothing");
        server.sql(OWNER, DOWN).unwrap();
        assert_eq!(before, server.schema());
        assert_eq!(server.sql(OWNER, BUCKETS).unwrap(), "");
        server.sql(OWNER, DOWN).unwrap();
        assert_eq!(before, server.schema());
        server.sql(OWNER, UP).unwrap();
        assert_eq!(up, server.schema());
        assert_eq!(rows, server.sql(OWNER, ROWS), "no row was touched");
        server.sql(OWNER, DOWN).unwrap();
    }
}

#[test]
fn it_adds_three_policies_that_restrict() {
    let server = migrated();
    assert_eq!(
        server.sql(OWNER, POLICIES).unwrap(),
        "cliprelay_clips_delete|RESTRICTIVE|DELETE\n\
         cliprelay_clips_insert|RESTRICTIVE|INSERT\n\
         cliprelay_clips_update|RESTRICTIVE|UPDATE"
    );
}

#[test]
fn a_bucket_that_exists_keeps_its_settings_and_one_with_clips_stays() {
    let server = lived_in();
    let own = "insert into storage.buckets (id, name, public, file_size_limit) values ('videos', 'videos', false, 7)";
    server.sql(OWNER, own).unwrap();
    server.sql(OWNER, UP).unwrap();
    let kept = "select public, file_size_limit from storage.buckets";
    assert_eq!(server.sql(OWNER, kept).unwrap(), "f|7");
    server
        .sql(OWNER, "insert into storage.objects (bucket_id, name) values ('videos', 'p/clips/job_1/a.mp4')")
        .unwrap();
    server.sql(OWNER, DOWN).unwrap();
    assert_eq!(server.sql(OWNER, kept).unwrap(), "f|7");
    assert_eq!(server.sql(OWNER, "select count(*) from storage.objects").unwrap(), "1");
}

#[test]
fn a_bucket_that_was_there_before_stays_though_it_is_empty() {
    let server = bare(Defaults::None);
    server.sql(OWNER, "insert into storage.buckets (id, name, public) values ('videos', 'videos', false)").unwrap();
    // Also where it was run twice, and undone twice.
    for statements in [UP, UP, DOWN, DOWN, UP, DOWN] {
        server.sql(OWNER, statements).unwrap();
        assert_eq!(server.sql(OWNER, BUCKETS).unwrap(), "videos|f");
    }
}

#[test]
fn what_was_merged_stays_when_it_is_undone() {
    let server = migrated();
    assert_eq!(server.sql_as("service_role", &merge(1)).unwrap(), "1");
    let merged = server.sql(OWNER, ROWS).unwrap();
    server.sql(OWNER, DOWN).unwrap();
    assert_eq!(server.sql(OWNER, ROWS).unwrap(), merged);
}

#[test]
fn a_plain_postgres_without_storage_and_roles_takes_it() {
    let server = Server::start();
    server
        .sql(
            SUPERUSER,
            "create schema auth; create function auth.uid() returns uuid language sql as 'select null::uuid'",
        )
        .unwrap();
    server.sql(SUPERUSER, "create role authenticated; create role authenticator").unwrap();
    server.sql(SUPERUSER, PROJECTS).unwrap();
    let before = server.schema();
    server.sql(SUPERUSER, UP).unwrap();
    assert_eq!(server.sql(SUPERUSER, &merge(1)).unwrap(), "1");
    server.sql(SUPERUSER, DOWN).unwrap();
    assert_eq!(before, server.schema());
}

#[test]
fn where_storage_is_another_roles_all_but_the_policies_is_done() {
    let server = lived_in();
    server
        .sql(SUPERUSER, "revoke supabase_storage_admin from postgres; grant insert on storage.buckets to postgres")
        .unwrap();
    server.sql(OWNER, UP).unwrap();
    assert_eq!(server.sql(OWNER, POLICIES).unwrap(), "");
    assert_eq!(server.sql_as("service_role", &merge(1)).unwrap(), "1");
    server.sql(OWNER, DOWN).unwrap();
}

/// What somebody with a token does to it, and what comes of it.
fn by(server: &Server, user: &str, statement: &str) -> String {
    server.sql_as("authenticated", &format!("set request.jwt.claim.sub = '{user}'; {statement}")).unwrap()
}

#[test]
fn a_fresh_project_gets_a_table_that_works() {
    let mut schemas = Vec::new();
    for defaults in BOTH {
        let (server, user) = (bare(defaults), super::USER);
        server.sql(OWNER, UP).unwrap();
        server.sql(OWNER, FRESH).unwrap();
        let schema = server.schema();
        server.sql(OWNER, FRESH).unwrap();
        assert_eq!(schema, server.schema(), "a second time it changes nothing");
        let mine = "insert into projects (video_url) values ('https://example.com/v.mp4') returning id";
        let id = by(&server, user, mine);
        assert_eq!(server.sql_as("service_role", &merge_into("projects", &id, "[1]", "ready")).unwrap(), "1");
        let seen = "select status, folders, user_id from projects";
        let expected = format!("ready|{{\"clips\": [1]}}|{user}");
        assert_eq!(by(&server, user, seen), expected, "{defaults:?}");
        assert_eq!(by(&server, super::PROJECT, seen), "");
        assert_eq!(by(&server, super::PROJECT, "delete from projects returning id"), "");
        for statement in [seen, "truncate projects"] {
            super::refuses(server.sql_as("anon", statement), "42501");
        }
        super::refuses(server.sql_as("authenticated", "truncate projects"), "42501");
        assert_eq!(by(&server, user, "update projects set status = 'draft' returning status"), "draft");
        assert_eq!(by(&server, user, "delete from projects returning 'gone'"), "gone");
        let rights = "select grantee, privilege_type from information_schema.role_table_grants
            where table_name = 'projects' and grantee in ('anon', 'authenticated') order by 1, 2";
        schemas.push(server.sql(OWNER, rights).unwrap());
    }
    assert_eq!(schemas[0], schemas[1], "the rights are the same on every project");
}

/// An app's own table is not ours to open or to close, whatever it is like.
#[test]
fn a_table_that_is_there_keeps_its_rights() {
    for defaults in BOTH {
        let server = bare(defaults);
        for theirs in [PROJECTS, "create table projects (user_id uuid)", "create view projects as select 1 as user_id"]
        {
            server.sql(OWNER, theirs).unwrap();
            let (schema, rows) = (server.schema(), server.sql(OWNER, ROWS));
            server.sql(OWNER, FRESH).unwrap();
            assert_eq!(server.schema(), schema, "{defaults:?}");
            assert_eq!(server.sql(OWNER, ROWS), rows);
            let kind = if theirs.contains("view") { "view" } else { "table" };
            server.sql(OWNER, &format!("drop {kind} projects; drop type if exists project_status")).unwrap();
        }
    }
}
