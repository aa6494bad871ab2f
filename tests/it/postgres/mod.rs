//! What the migration does to a real Postgres: `infra/supabase` in surroundings shaped like a Supabase project's.

mod merges;
mod migration;
mod rest;
mod rights;

use crate::support::postgres::{Refused, SUPERUSER, Server};

const UP: &str = include_str!("../../../infra/supabase/20261123000000_cliprelay.sql");
const DOWN: &str = include_str!("../../../infra/supabase/20261123000000_cliprelay_down.sql");
const FRESH: &str = include_str!("../../../infra/supabase/projects.sql");
const SURROUNDINGS: &str = include_str!("surroundings.sql");
const TODAY: &str = include_str!("today.sql");
/// An older app's table, with one row.
const PROJECTS: &str = include_str!("projects.sql");

/// Whoever migrates: the database's owner, no superuser.
const OWNER: &str = "postgres";
const PROJECT: &str = "11111111-1111-4111-8111-111111111111";
const USER: &str = "22222222-2222-4222-8222-222222222222";

/// What a new table's rights are, by the age of the Supabase project: everybody's, or nobody's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Defaults {
    All,
    None,
}

const BOTH: [Defaults; 2] = [Defaults::All, Defaults::None];

impl Defaults {
    fn set(self, server: &Server) {
        if self == Self::None {
            server.sql(SUPERUSER, TODAY).expect("today's default rights");
        }
    }
}

/// A Supabase project without anything of ours, and without a table of projects.
fn bare(defaults: Defaults) -> Server {
    let server = Server::start();
    server.sql(SUPERUSER, SURROUNDINGS).expect("the surroundings");
    defaults.set(&server);
    server
}

/// One with the older app's table, whose rights are of its own time.
fn lived_in_with(defaults: Defaults) -> Server {
    let server = bare(Defaults::All);
    server.sql(OWNER, PROJECTS).expect("the older app's table");
    defaults.set(&server);
    server
}

fn lived_in() -> Server {
    lived_in_with(Defaults::All)
}

/// The same after the migration.
fn migrated() -> Server {
    migrated_with(Defaults::All)
}

fn migrated_with(defaults: Defaults) -> Server {
    let server = lived_in_with(defaults);
    server.sql(OWNER, UP).expect("the migration");
    server
}

/// A merge of one clip by its number into the project, as the service asks for it.
fn merge(clip: u32) -> String {
    merge_into("projects", PROJECT, &format!("[{clip}]"), "ready")
}

fn merge_into(table: &str, id: &str, clips: &str, status: &str) -> String {
    let columns = r#"{"id":"id","status":"status","updated":"updated_at","clips":"folders"}"#;
    format!(
        "select public.cliprelay_merge_project(p_table => '{table}', p_columns => '{columns}', p_id => '{id}',
           p_clips => '{clips}', p_status => '{status}');\n"
    )
}

#[track_caller]
fn refuses(answer: Result<String, Refused>, code: &str) -> String {
    let refused = answer.expect_err("it must be refused");
    assert_eq!(refused.code, code, "{}", refused.message);
    refused.message
}
