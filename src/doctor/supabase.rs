//! Supabase: that the key is a server's, and that bucket, table, columns and merge function are as the configuration has it.

use super::finding::Sheet;
use super::{Setup, Storage, clocks};
use crate::services::supabase::{Access, CLIP_TYPE, Error, wire::Bucket};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::future::join_all;
use secrecy::ExposeSecret;
use serde_json::Value;
use url::Url;

pub(super) const CHECKS: &[&str] = &[KEY, BUCKET, TABLE, MERGE, CLOCK];
const KEY: &str = "supabase.key";
const BUCKET: &str = "supabase.bucket";
const TABLE: &str = "supabase.table";
const MERGE: &str = "supabase.merge";
const CLOCK: &str = "supabase.clock";

/// A three-minute clip in full HD may have as much.
const CLIP_BYTES: u64 = 100 * 1024 * 1024;
const KEY_PLACE: &str = "Set SUPABASE_SERVICE_ROLE_KEY to the secret (sb_secret_…) or service_role key: Supabase dashboard, Project Settings, API Keys";
const MIGRATION: &str = "infra/supabase/20261123000000_cliprelay.sql";

pub(super) async fn check(setup: &Setup, sheet: &Sheet) {
    let Some(storage) = &setup.supabase else {
        return sheet.skip_rest("no Supabase project is configured: set SUPABASE_URL and SUPABASE_SERVICE_ROLE_KEY");
    };
    if let Some((seen, mend)) = unfit(storage, (setup.now)()) {
        return sheet.fail(KEY, seen, mend);
    }
    let client = &storage.client;
    let (bucket, clock) = tokio::join!(client.bucket(), client.clock());
    match clock {
        Ok(Some(theirs)) => clocks::compare(sheet, CLOCK, "Supabase's", (setup.now)(), theirs),
        Ok(None) => sheet.skip(CLOCK, "Supabase does not tell the time"),
        Err(_) => {}
    }
    match bucket {
        Err(Error::Unauthorized(why)) => return sheet.fail(KEY, format!("refused: {why}"), KEY_PLACE),
        Err(error @ Error::Away { .. }) => {
            let mend = "Check SUPABASE_URL (https://<ref>.supabase.co, without /rest or /storage) and that the project is not paused";
            return sheet.fail(KEY, error.to_string(), mend);
        }
        Err(error) => {
            return sheet.fail(
                KEY,
                error.to_string(),
                "Check SUPABASE_URL: https://<ref>.supabase.co, without /rest or /storage",
            );
        }
        Ok(found) => {
            sheet.ok(KEY, "accepted, and a server's");
            judge(sheet, client.bucket_name(), client.access(), found.as_ref());
        }
    }
    table(sheet, storage).await;
}

/// What the key itself tells: only a server's may do what we do, and with a lesser one rows and buckets just seem absent.
fn unfit(storage: &Storage, now: i64) -> Option<(String, String)> {
    let key = storage.key.expose_secret();
    if key.starts_with("sb_publishable_") {
        return Some(("this is the publishable key, meant for browsers".to_owned(), KEY_PLACE.to_owned()));
    }
    let claims = key.split('.').nth(1).and_then(|part| URL_SAFE_NO_PAD.decode(part.trim_end_matches('=')).ok())?;
    let claims: Value = serde_json::from_slice(&claims).ok()?;
    if let Some(role) = claims["role"].as_str().filter(|role| *role != "service_role") {
        return Some((format!("this key is of the role {role}, not of service_role"), KEY_PLACE.to_owned()));
    }
    if claims["exp"].as_i64().is_some_and(|exp| exp < now) {
        return Some(("this key has expired".to_owned(), KEY_PLACE.to_owned()));
    }
    let project = claims["ref"].as_str()?;
    let other = is_hosted(&storage.url) && !storage.url.host_str()?.starts_with(&format!("{project}."));
    other.then(|| {
        let seen = format!(
            "this key is of the project {project}, not of the one at {}",
            storage.url.host_str().unwrap_or("?")
        );
        (seen, "Set SUPABASE_URL and SUPABASE_SERVICE_ROLE_KEY of the same project".to_owned())
    })
}

fn is_hosted(url: &Url) -> bool {
    url.host_str().is_some_and(|host| host.ends_with(".supabase.co"))
}

fn judge(sheet: &Sheet, name: &str, access: Access, found: Option<&Bucket>) {
    let Some(bucket) = found else {
        let mend = "Run `cliprelay setup`, which makes it; or set SUPABASE_BUCKET to one that exists";
        return sheet.fail(BUCKET, format!("there is no bucket {name}"), mend);
    };
    let mut good = true;
    if bucket.public != (access == Access::Public) {
        good = false;
        let (is, wanted, effect) = match access {
            Access::Public => ("private", "public", "the clips' plain addresses lead nowhere"),
            Access::Private => ("public", "private", "anybody can read the clips"),
        };
        let mend = match access {
            Access::Public => {
                "Set SUPABASE_BUCKET_ACCESS=private; or, if everybody may read all that is in the bucket, \
                 SUPABASE_BUCKET_ACCESS=public, and `cliprelay setup` opens it"
            }
            Access::Private => "Set SUPABASE_BUCKET_ACCESS=public, or make the bucket private: `cliprelay setup`",
        };
        let seen = format!("{name} is {is}, SUPABASE_BUCKET_ACCESS is {wanted}: {effect}");
        sheet.fail(BUCKET, seen, mend);
    }
    if !bucket.takes(CLIP_TYPE) {
        good = false;
        let mend = format!(
            "Allow {CLIP_TYPE} in the bucket's settings (Supabase dashboard, Storage), or run `cliprelay setup`"
        );
        sheet.fail(BUCKET, format!("{name} does not take {CLIP_TYPE}"), mend);
    }
    if let Some(limit) = bucket.file_size_limit.filter(|limit| *limit > 0 && *limit < CLIP_BYTES) {
        good = false;
        let seen =
            format!("{name} takes files up to {} MiB; longer clips in full HD may have more", limit / (1024 * 1024));
        sheet.warn(
            BUCKET,
            seen,
            "Raise the bucket's file size limit: Supabase dashboard, Storage, or `cliprelay setup --size-limit`",
        );
    }
    if good {
        let kind = if bucket.public { "public" } else { "private" };
        sheet.ok(BUCKET, format!("{name}, {kind}, takes {CLIP_TYPE}"));
    }
}

async fn table(sheet: &Sheet, storage: &Storage) {
    let client = &storage.client;
    let columns = client.columns().all();
    match client.try_columns(&columns).await {
        Ok(()) => writable(sheet, storage, &columns).await,
        Err(Error::NotFound { .. }) => {
            let seen = format!("there is no table {}, or none that the key may see", client.table());
            return sheet.fail(TABLE, seen, "Set SUPABASE_PROJECTS_TABLE to your projects' table (schema public)");
        }
        Err(Error::Unauthorized(why)) => return sheet.fail(TABLE, why, grant(storage)),
        Err(Error::Refused { .. }) => missing(sheet, storage, &columns).await,
        Err(error) => {
            return sheet.fail(TABLE, error.to_string(), "Check SUPABASE_URL, and that the project is not paused");
        }
    }
    match client.can_merge().await {
        Ok(true) => sheet.ok(MERGE, "the migration's merge function is there"),
        Ok(false) => sheet.warn(
            MERGE,
            "the migration's merge function is not there: rows are changed by a guarded update instead",
            format!(
                "Run the migration: `psql \"$DATABASE_URL\" -f {MIGRATION}`, or paste it into Supabase's SQL editor"
            ),
        ),
        Err(error) => sheet.warn(MERGE, error.to_string(), format!("Run the migration again: {MIGRATION}")),
    }
}

/// Found out before a job is paid for: it writes the row last of all.
async fn writable(sheet: &Sheet, storage: &Storage, columns: &[&str]) {
    let (client, table) = (&storage.client, storage.client.table());
    match client.try_write().await {
        Ok(()) => sheet.ok(TABLE, format!("{table} has {} and may be written", columns.join(", "))),
        Err(Error::Unauthorized(why)) => {
            sheet.fail(TABLE, format!("{table} may be read, not written: {why}"), grant(storage));
        }
        Err(error) => {
            let mend = "Let the service change clips, status and update time of a row: a finished job writes these";
            sheet.fail(TABLE, format!("{table} cannot be written: {error}"), mend);
        }
    }
}

fn grant(storage: &Storage) -> String {
    let table = storage.client.table();
    format!("Let the service read and write it: `grant select, update on {table} to service_role` in the SQL editor")
}

/// One by one, to name them all.
async fn missing(sheet: &Sheet, storage: &Storage, columns: &[&str]) {
    let tried =
        join_all(columns.iter().map(async |column| (*column, storage.client.try_columns(&[column]).await.err()))).await;
    let bad: Vec<_> = tried.into_iter().filter_map(|(column, error)| error.map(|error| (column, error))).collect();
    let names: Vec<_> = bad.iter().map(|(column, _)| *column).collect();
    let why = bad.first().map(|(_, error)| error.to_string()).unwrap_or_default();
    let seen = format!("{} has no readable column {} ({why})", storage.client.table(), names.join(", "));
    sheet.fail(TABLE, seen, "Name the columns as they are in SUPABASE_PROJECT_COLUMNS (id=…,owner=…,video=…,status=…,updated=…,clips=…), or add them to the table");
}
