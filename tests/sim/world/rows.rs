//! The project's row, which is other people's too: they write to it whenever they like.

use super::World;
use super::network::{json, plain};
use crate::faults::Fault as F;
use reqwest::{Method, Request, Response};
use serde_json::{Map, Value, json as object};

/// The column of which only one key is ours.
const CLIPS: &str = "folders";

pub struct Rows {
    merge_function: bool,
    pub row: Map<String, Value>,
    /// What others wrote last.
    pub others: u64,
}

impl Rows {
    pub fn new(merge_function: bool) -> Self {
        let row = object!({"id": "p1", "status": "processing", "updated_at": "2027-01-15T08:00:00+00:00", "notes": 0});
        let mut row = row.as_object().expect("an object").clone();
        row.insert(CLIPS.to_owned(), object!({"theirs": 0}));
        Self { merge_function, row, others: 0 }
    }

    /// Somebody else writes.
    pub fn others_write(&mut self) {
        self.others += 1;
        let stamp = format!("2027-02-01T08:00:{:02}+00:00", self.others % 60);
        self.row.insert("updated_at".to_owned(), object!(stamp));
        self.row.insert("notes".to_owned(), object!(self.others));
        self.row[CLIPS]["theirs"] = object!(self.others);
    }

    pub fn clips(&self) -> Vec<Value> {
        self.row[CLIPS]["clips"].as_array().cloned().unwrap_or_default()
    }

    /// What others wrote is still there.
    pub fn keeps_others(&self) -> bool {
        self.row["notes"] == object!(self.others) && self.row[CLIPS]["theirs"] == object!(self.others)
    }
}

pub fn answer(world: &World, request: &Request, fault: Option<F>) -> Response {
    let mut state = world.state();
    let rows = &mut state.rows;
    let url = request.url();
    let body: Value = request.body().and_then(|body| serde_json::from_slice(body.as_bytes()?).ok()).unwrap_or_default();
    if url.path().starts_with("/rest/v1/rpc/") {
        if !rows.merge_function {
            return json(404, &object!({"code": "PGRST202", "message": "no such function"}));
        }
        rows.row[CLIPS]["clips"] = body["p_clips"].clone();
        rows.row.insert("status".to_owned(), body["p_status"].clone());
        return json(200, &1);
    }
    assert_eq!(url.path(), "/rest/v1/projects");
    if *request.method() == Method::GET {
        return json(200, &[&rows.row]);
    }
    assert_eq!(*request.method(), Method::PATCH);
    if fault == Some(F::RowContended) {
        rows.others_write();
    }
    let guard = url.query_pairs().find(|(name, _)| name == "updated_at").map(|(_, guard)| guard.into_owned());
    let seen = guard.as_deref().and_then(|guard| guard.strip_prefix("eq."));
    if seen.is_some() && seen != rows.row["updated_at"].as_str() {
        return json(200, &Vec::<Value>::new());
    }
    let Value::Object(change) = body else { return plain(400, "no object") };
    rows.row.extend(change);
    json(200, &[object!({"id": "p1"})])
}
