//! Dead letters: seen, replayed, dropped.

use super::query::{Asked, LIMIT_MAX, each, limit, place, unknown};
use super::view::letters::{self as view, HandledAll, LettersView};
use super::{Targets, note};
use crate::flow::{
    At, Chosen, Done, FieldError, Handling, Handlings, LETTERS_LONGEST, LETTERS_MAX, LettersFrom, Onward, Place,
};
use crate::http::caller::Operator;
use crate::http::openapi::shapes;
use crate::http::router::{ADMIN_DROP, ADMIN_LETTERS, ADMIN_REPLAY};
use crate::http::{Http, Problem, body};
use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};
use std::sync::Arc;

const LIMIT: usize = 50;
/// Longer than any letter's id, or cursor.
const TEXT_MAX: usize = 1_024;
const IDS_MAX: usize = 1_000;

/// Dead letters
///
/// The jobs that failed, the newest failure first, joined with QStash's own dead letters for this service's worker; then those
/// that belong to no failed job. `groups` counts this page's by cause. With QStash away `qstash` is `unavailable`, and the
/// failed jobs are told without it.
#[utoipa::path(
    get, path = ADMIN_LETTERS, operation_id = "deadLetters", tag = "Operator",
    params(
        ("cursor" = Option<String>, Query, description = "The `nextCursor` of the page before."),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 100, description = "At most so many; 50 if left out."),
    ),
    responses((status = 200, body = LettersView, description = "A page.")),
    security(("operator" = [])),
)]
pub async fn list(State(http): State<Arc<Http>>, _: Operator, query: Asked) -> Result<Json<LettersView>, Problem> {
    let (mut from, mut most) = (LettersFrom::Jobs(None), LIMIT);
    each(query, |name, value| {
        match name {
            "cursor" => from = read_cursor(value).ok_or("must be a nextCursor of an earlier answer")?,
            "limit" => most = limit(value, LIMIT_MAX)?,
            _ => return unknown(),
        }
        Ok(())
    })?;
    let found = http.engine.letters(from, most).await?;
    Ok(Json(view::letters(&found, found.next.as_ref().map(cursor))))
}

/// Replay dead letters
///
/// A failed job goes on from the step that failed, in a new epoch; the step of a message whose job is forgotten or waits for it
/// is sent anew. Each under a new deduplication id; then QStash's entry is taken away. At most 50 in one request, and
/// as many as are begun within 8 s; of `all`, those that can be replayed and had failed when the first request came. `more` says to
/// ask again, with `nextCursor` as `cursor`. A dry run changes nothing.
#[utoipa::path(
    post, path = ADMIN_REPLAY, operation_id = "replayDeadLetters", tag = "Operator",
    request_body(content = shapes::Letters, content_type = "application/json"),
    responses((status = 200, body = HandledAll, description = "What became of each.")),
    security(("operator" = [])),
)]
pub async fn replay(
    State(http): State<Arc<Http>>,
    _: Operator,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<HandledAll>, Problem> {
    handle(&http, Handling::Replay, &headers, body).await
}

/// Drop dead letters
///
/// QStash's entry is taken away, and a failed job's record is deleted. At most 50 in one request, and as many as are
/// begun within 8 s; of `all`, those that had failed when the first request came. `more` says to ask again, with `nextCursor` as
/// `cursor`. A dry run changes nothing.
#[utoipa::path(
    post, path = ADMIN_DROP, operation_id = "dropDeadLetters", tag = "Operator",
    request_body(content = shapes::Letters, content_type = "application/json"),
    responses((status = 200, body = HandledAll, description = "What became of each.")),
    security(("operator" = [])),
)]
pub async fn drop_them(
    State(http): State<Arc<Http>>,
    _: Operator,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<HandledAll>, Problem> {
    handle(&http, Handling::Drop, &headers, body).await
}

async fn handle(http: &Http, handling: Handling, headers: &HeaderMap, body: Body) -> Result<Json<HandledAll>, Problem> {
    let (fields, _) = body::object(headers, body).await?;
    let (chosen, dry_run) = chosen(&fields)?;
    let handled = Box::pin(http.engine.handle(handling, chosen, dry_run, LETTERS_LONGEST)).await?;
    if !dry_run && !handled.results.is_empty() {
        note(http, headers, action(handling), targets(&handled), outcome(&handled)).await;
    }
    let next = handled.next.as_ref().map(onward);
    Ok(Json(view::handled(handled, dry_run, next)))
}

fn action(handling: Handling) -> &'static str {
    match handling {
        Handling::Replay => "replay",
        Handling::Drop => "drop",
    }
}

/// All that were looked at by their number, and those that were not left alone each by its id.
fn targets(handled: &Handlings) -> Targets {
    match handled.results.as_slice() {
        [only] => Targets::one(&only.id),
        results => {
            let touched = results.iter().filter(|result| result.done != Done::Skipped);
            let ids = touched.map(|result| result.id.clone()).collect();
            Targets { words: format!("{} letters", results.len()), ids }
        }
    }
}

fn outcome(handled: &Handlings) -> String {
    let count = |wanted: &[Done]| handled.results.iter().filter(|result| wanted.contains(&result.done)).count();
    let counts = [
        ("replayed", count(&[Done::Replayed, Done::WouldReplay])),
        ("dropped", count(&[Done::Dropped, Done::WouldDrop])),
        ("skipped", count(&[Done::Skipped])),
        ("failed", count(&[Done::Failed])),
    ];
    let told: Vec<String> =
        counts.iter().filter(|(_, count)| *count > 0).map(|(what, count)| format!("{count} {what}")).collect();
    told.join(", ")
}

/// Every problem at once.
fn chosen(fields: &Map<String, Value>) -> Result<(Chosen, bool), Problem> {
    let mut errors = Vec::new();
    let mut wrong = |field: &str, why: String| errors.push(FieldError::new(field, why));
    let (mut ids, mut all, mut code, mut from, mut dry_run) = (None, false, None, None, false);
    for (field, value) in fields {
        match (field.as_str(), value) {
            ("ids", Value::Array(given)) if (1..=IDS_MAX).contains(&given.len()) => {
                ids = given.iter().map(|id| text(id).map(str::to_owned)).collect::<Option<Vec<_>>>();
                if ids.is_none() {
                    wrong(field, "must be letters' ids".to_owned());
                }
            }
            ("ids", _) => wrong(field, format!("must be a list of 1 to {IDS_MAX} letters' ids")),
            ("all", Value::Bool(true)) => all = true,
            ("all", _) => wrong(field, "must be true, or be left out".to_owned()),
            ("code", value) => match text(value) {
                Some(text) => code = Some(text.to_owned()),
                None => wrong(field, "must be an error's code".to_owned()),
            },
            ("cursor", value) => match value.as_str().and_then(read_onward) {
                Some(read) => from = Some(read),
                None => wrong(field, "must be a nextCursor of an earlier answer".to_owned()),
            },
            ("dryRun", Value::Bool(dry)) => dry_run = *dry,
            ("dryRun", _) => wrong(field, "must be true or false".to_owned()),
            _ => wrong(field, "is not a field of this request".to_owned()),
        }
    }
    let named = fields.contains_key("ids");
    match (named, fields.contains_key("all")) {
        (true, true) => wrong("all", "cannot be together with ids".to_owned()),
        (false, false) => wrong("ids", "is missing: name letters, or say all".to_owned()),
        _ => {}
    }
    for field in ["code", "cursor"] {
        if named && fields.contains_key(field) {
            wrong(field, "is for all only".to_owned());
        }
    }
    if !errors.is_empty() {
        return Err(Problem::unacceptable(errors));
    }
    let chosen = match ids {
        Some(ids) if !all => Chosen::These(ids),
        _ => Chosen::All { code, from },
    };
    Ok((chosen, dry_run))
}

fn text(value: &Value) -> Option<&str> {
    value.as_str().filter(|text| (1..=TEXT_MAX).contains(&text.len()))
}

/// The failed jobs' part and QStash's are told apart by a letter in front.
fn cursor(from: &LettersFrom) -> String {
    let text = match from {
        LettersFrom::Jobs(None) => "j".to_owned(),
        LettersFrom::Jobs(Some(place)) => format!("j{}", place.as_str()),
        LettersFrom::Queue(cursor) => format!("q{}", cursor.as_deref().unwrap_or_default()),
    };
    URL_SAFE_NO_PAD.encode(text)
}

fn read_cursor(cursor: &str) -> Option<LettersFrom> {
    let text = String::from_utf8(URL_SAFE_NO_PAD.decode(cursor).ok()?).ok()?;
    if text.len() > TEXT_MAX {
        return None;
    }
    match text.split_at_checked(1)? {
        ("j", "") => Some(LettersFrom::Jobs(None)),
        ("j", at) => place(&URL_SAFE_NO_PAD.encode(at)).map(|place| LettersFrom::Jobs(Some(place))),
        ("q", "") => Some(LettersFrom::Queue(None)),
        ("q", cursor) => Some(LettersFrom::Queue(Some(cursor.to_owned()))),
        _ => None,
    }
}

/// When the first request began, and then like a cursor.
fn onward(onward: &Onward) -> String {
    let at = match &onward.at {
        At::Jobs(place) => format!("j{}", place.as_ref().map_or("", Place::as_str)),
        At::Queue { cursor, left } => format!("q{left}.{}", cursor.as_deref().unwrap_or_default()),
    };
    URL_SAFE_NO_PAD.encode(format!("{}.{at}", onward.began))
}

fn read_onward(cursor: &str) -> Option<Onward> {
    let text = String::from_utf8(URL_SAFE_NO_PAD.decode(cursor).ok()?).ok()?;
    let (began, at) = text.split_once('.').filter(|_| text.len() <= TEXT_MAX)?;
    let at = match at.split_at_checked(1)? {
        ("j", "") => At::Jobs(None),
        ("j", at) => At::Jobs(Some(Place::parse(at)?)),
        ("q", at) => {
            let (left, cursor) = at.split_once('.')?;
            let cursor = Some(cursor.to_owned()).filter(|cursor| !cursor.is_empty());
            At::Queue { cursor, left: left.parse().ok()? }
        }
        _ => return None,
    };
    Some(Onward { began: began.parse().ok()?, at })
}

const _: () = assert!(LETTERS_MAX <= IDS_MAX, "what is done at once can be asked for");
