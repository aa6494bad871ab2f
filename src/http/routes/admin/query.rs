//! An operator's questions, read strictly: what is not a parameter, or there twice, is told, and everything at once.

use crate::flow::{FieldError, Place, Search, Since};
use crate::http::Problem;
use crate::job::{Owner, ProjectId};
use axum::extract::Query;
use axum::extract::rejection::QueryRejection;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// A query as it came.
pub(super) type Asked = Result<Query<Vec<(String, String)>>, QueryRejection>;

const LIMIT: usize = 50;
pub(super) const LIMIT_MAX: usize = 100;
const STATUSES: [&str; 5] = ["queued", "processing", "completed", "failed", "cancelled"];
/// Longer than any name that is searched for.
const TEXT_MAX: usize = 255;
/// A century.
const BACK_MAX: u64 = 100 * 365 * 24 * 60 * 60;

/// Each parameter once, given to `take`, which says what is wrong with it.
pub(super) fn each(asked: Asked, mut take: impl FnMut(&str, &str) -> Result<(), String>) -> Result<(), Problem> {
    let Query(asked) = asked.map_err(|error| Problem::bad_request(error.body_text()))?;
    let mut errors = Vec::new();
    for (n, (name, value)) in asked.iter().enumerate() {
        if asked[..n].iter().any(|(earlier, _)| earlier == name) {
            errors.push(FieldError::new(name, "is there twice"));
        } else if let Err(wrong) = take(name, value) {
            errors.push(FieldError::new(name, wrong));
        }
    }
    if errors.is_empty() { Ok(()) } else { Err(Problem::unacceptable(errors)) }
}

pub(super) fn unknown() -> Result<(), String> {
    Err("is not a parameter of this request".to_owned())
}

pub(super) fn limit(value: &str, most: usize) -> Result<usize, String> {
    match value.parse() {
        Ok(limit) if (1..=most).contains(&limit) => Ok(limit),
        _ => Err(format!("must be a whole number from 1 to {most}")),
    }
}

pub(super) fn search(asked: Asked) -> Result<Search, Problem> {
    let mut search = Search { limit: LIMIT, ..Search::default() };
    each(asked, |name, value| {
        match name {
            "status" if STATUSES.contains(&value) => search.status = Some(value.to_owned()),
            "status" => return Err(format!("must be one of {}", STATUSES.join(", "))),
            "owner" => search.owner = Some(Owner::new(text(value)?)),
            "project" => search.project = Some(ProjectId::new(text(value)?)),
            "q" => search.text = Some(text(value)?),
            "since" => search.since = Some(since(value)?),
            "cursor" => search.before = Some(place(value).ok_or("must be a nextCursor of an earlier answer")?),
            "limit" => search.limit = limit(value, LIMIT_MAX)?,
            _ => return unknown(),
        }
        Ok(())
    })?;
    Ok(search)
}

fn text(value: &str) -> Result<String, String> {
    let fits = (1..=TEXT_MAX).contains(&value.len());
    if fits { Ok(value.to_owned()) } else { Err(format!("must have 1 to {TEXT_MAX} bytes")) }
}

/// A time, or how many seconds ago.
fn since(value: &str) -> Result<Since, String> {
    let wrong = || "must be a time like 2026-11-23T12:00:00Z, or how many seconds ago".to_owned();
    if value.bytes().all(|byte| byte.is_ascii_digit()) {
        let seconds: u64 = value.parse().map_err(|_| wrong())?;
        return if seconds <= BACK_MAX { Ok(Since::Back(seconds * 1_000)) } else { Err(wrong()) };
    }
    let time: jiff::Timestamp = value.parse().map_err(|_| wrong())?;
    Ok(Since::At(u64::try_from(time.as_millisecond()).unwrap_or_default()))
}

pub(super) fn place(cursor: &str) -> Option<Place> {
    let text = URL_SAFE_NO_PAD.decode(cursor).ok()?;
    Place::parse(std::str::from_utf8(&text).ok()?)
}

pub(super) fn cursor(place: &Place) -> String {
    URL_SAFE_NO_PAD.encode(place.as_str())
}
