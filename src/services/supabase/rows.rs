//! The project's row. It is other people's too: we read four columns and write three, and of the clips column only one key.

use super::{Error, Supabase, wire};
use crate::sabotage::{self, Sabotage};
use jiff::{Timestamp, ToSpan};
use reqwest::Method;
use serde_json::{Map, Value, json};
use url::Url;

/// How often a guarded merge tries before it gives up.
const TRIES: usize = 5;

/// What we need to know of a project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProjectRow {
    pub id: String,
    pub owner: Option<String>,
    pub video_url: Option<String>,
    pub status: Option<String>,
}

/// What a finished job leaves in the row.
#[derive(Debug, Clone)]
pub struct MergedClips<'a> {
    /// Becomes the value of the key `clips` in the clips column.
    pub clips: Value,
    pub status: &'a str,
    /// The row's new update time, if the database's own clock is not to be had.
    pub now: Timestamp,
}

/// What became of a merge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Merge {
    Done,
    /// No project has this id (or it is no id at all in this table).
    NoRow,
}

impl Supabase {
    /// Reads a project; `None` if there is none of that id, also when the id has not the column's shape.
    pub async fn project(&self, id: &str) -> Result<Option<ProjectRow>, Error> {
        let names = &self.options.columns;
        let wanted = [&names.id, &names.owner, &names.video, &names.status].map(String::as_str).join(",");
        let Some(mut row) = self.row(id, &wanted).await? else { return Ok(None) };
        let mut text = |column: &str| row.remove(column).and_then(text);
        Ok(Some(ProjectRow {
            id: text(&names.id).unwrap_or_else(|| id.to_owned()),
            owner: text(&names.owner),
            video_url: text(&names.video),
            status: text(&names.status),
        }))
    }

    /// Puts the clips into the project's row and leaves all else in it as it is: by the migration's function, or if the
    /// database has none, by a write guarded with the update time. Repeatable.
    pub async fn merge_project(&self, id: &str, merged: &MergedClips<'_>) -> Result<Merge, Error> {
        match self.merge_by_function(id, merged).await {
            Err(Error::NotFound { code, .. }) if code == "PGRST202" => self.merge_guarded(id, merged).await,
            other => other,
        }
    }

    async fn merge_by_function(&self, id: &str, merged: &MergedClips<'_>) -> Result<Merge, Error> {
        let names = &self.options.columns;
        let body = wire::MergeProject {
            p_table: self.options.table.clone(),
            p_columns: wire::MergeColumns {
                id: names.id.clone(),
                status: names.status.clone(),
                updated: names.updated.clone(),
                clips: names.clips.clone(),
            },
            p_id: id.to_owned(),
            p_clips: merged.clips.clone(),
            p_status: merged.status.to_owned(),
        };
        let url = self.at(["rest", "v1", "rpc", wire::MERGE_FUNCTION]);
        let reply = self.ask_rows(self.request(Method::POST, url).json(&body)).await?;
        match reply.ok(Error::rest) {
            Ok(reply) if reply.json::<u64>()? == 0 => Ok(Merge::NoRow),
            Ok(_) => Ok(Merge::Done),
            Err(error) if is_no_id(&error) => Ok(Merge::NoRow),
            Err(error) => Err(error),
        }
    }

    async fn merge_guarded(&self, id: &str, merged: &MergedClips<'_>) -> Result<Merge, Error> {
        let names = &self.options.columns;
        let wanted = format!("{},{}", names.clips, names.updated);
        for _ in 0..TRIES {
            let Some(mut row) = self.row(id, &wanted).await? else { return Ok(Merge::NoRow) };
            let clips = with_clips(row.remove(&names.clips), merged.clips.clone())?;
            let seen = row.remove(&names.updated).and_then(text);
            let change = json!({
                names.clips.as_str(): clips,
                names.status.as_str(): merged.status,
                names.updated.as_str(): other_than(seen.as_deref(), merged.now).to_string(),
            });
            let mut url = self.rows(id);
            let guard = seen.map_or_else(|| "is.null".to_owned(), |seen| format!("eq.{seen}"));
            let guard = if sabotage::is(Sabotage::BlindRow) { "neq.never".to_owned() } else { guard };
            url.query_pairs_mut().append_pair(&names.updated, &guard).append_pair("select", &names.id);
            let request = self.request(Method::PATCH, url).header("prefer", "return=representation").json(&change);
            let changed: Vec<Value> = self.ask_rows(request).await?.ok(Error::rest)?.json()?;
            if !changed.is_empty() {
                return Ok(Merge::Done);
            }
        }
        Err(Error::Contended)
    }

    async fn row(&self, id: &str, columns: &str) -> Result<Option<Map<String, Value>>, Error> {
        let mut url = self.rows(id);
        url.query_pairs_mut().append_pair("select", columns);
        let reply = self.ask_rows(self.request(Method::GET, url)).await?;
        match reply.ok(Error::rest) {
            Ok(reply) => Ok(reply.json::<Vec<Map<String, Value>>>()?.pop()),
            Err(error) if is_no_id(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The table, filtered to one id. Every read and write of rows starts here: an unfiltered write changes them all.
    fn rows(&self, id: &str) -> Url {
        let mut url = self.at(["rest", "v1", self.options.table.as_str()]);
        url.query_pairs_mut().append_pair(&self.options.columns.id, &format!("eq.{id}"));
        url
    }
}

/// The id has not the form of the column's type, so no row has it. The same code also says that a status is not one of an
/// enum's values, or that a text is no JSON: those are for people to mend.
fn is_no_id(error: &Error) -> bool {
    let Error::Refused { code, message } = error else { return false };
    let of_an_id = message.starts_with("invalid input syntax for type ") && !message.contains("type json");
    (code == "22P02" && of_an_id) || code == "22003"
}

fn text(value: Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text),
        other => Some(other.to_string()),
    }
}

/// The column's object with our key set. A text column may hold the object as text.
fn with_clips(column: Option<Value>, clips: Value) -> Result<Value, Error> {
    let not_an_object =
        || Error::refused("not_an_object", "the project's clips column holds something else than an object");
    let set = |mut object: Map<String, Value>, clips| {
        object.insert("clips".to_owned(), clips);
        Value::Object(object)
    };
    match column {
        None | Some(Value::Null) => Ok(set(Map::new(), clips)),
        Some(Value::Object(object)) => Ok(set(object, clips)),
        Some(Value::String(text)) => {
            let object = serde_json::from_str(&text).map_err(|_| not_an_object())?;
            Ok(Value::String(set(object, clips).to_string()))
        }
        Some(_) => Err(not_an_object()),
    }
}

/// `now`, or the next microsecond if the row already carries exactly that: the guard of others must see our write.
fn other_than(seen: Option<&str>, now: Timestamp) -> Timestamp {
    let now = now.round(jiff::Unit::Microsecond).unwrap_or(now);
    match seen.and_then(|seen| seen.parse::<Timestamp>().ok()) {
        Some(seen) if seen == now => now.saturating_add(1.microsecond()).unwrap_or(now),
        _ => now,
    }
}
