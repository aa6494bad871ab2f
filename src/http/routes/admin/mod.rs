//! What operators see and do, of all owners' jobs: the dashboard and the command line use nothing else. Whatever changes
//! something is noted in the audit trail, refusals included.

pub(in crate::http) mod audit;
pub(in crate::http) mod jobs;
pub(in crate::http) mod letters;
pub(in crate::http) mod purge;
mod query;
pub(in crate::http) mod stats;
pub(in crate::http) mod view;

use crate::flow::Deed;
use crate::http::router::REQUEST_ID;
use crate::http::{Http, Problem};
use axum::extract::Path;
use axum::extract::rejection::PathRejection;
use axum::http::HeaderMap;

/// Writes down what was asked for, and what became of it.
async fn noted<T>(
    http: &Http,
    headers: &HeaderMap,
    (action, target): (&str, &str),
    done: &str,
    answer: Result<T, Problem>,
) -> Result<T, Problem> {
    let outcome = match &answer {
        Ok(_) => done.to_owned(),
        // Nothing of that name, so nothing was done to it.
        Err(problem) if problem.code == "not_found" => return answer,
        Err(problem) => format!("refused: {}", problem.code),
    };
    note(http, headers, action, Targets::one(target), outcome).await;
    answer
}

/// What something was done to.
struct Targets {
    words: String,
    ids: Vec<String>,
}

impl Targets {
    fn one(id: &str) -> Self {
        Self { words: id.to_owned(), ids: Vec::new() }
    }

    /// One by its id, several by their number and each by its id.
    fn all(ids: Vec<String>, what: &str) -> Self {
        match ids.as_slice() {
            [only] => Self::one(only),
            several => Self { words: format!("{} {what}", several.len()), ids },
        }
    }
}

/// The same in few words.
async fn note(http: &Http, headers: &HeaderMap, action: &str, targets: Targets, outcome: String) {
    let Targets { words: target, ids } = targets;
    let at = u64::try_from((http.pushes.clock)()).unwrap_or_default() * 1_000;
    let request_id = headers.get(REQUEST_ID).and_then(|id| id.to_str().ok()).unwrap_or_default().to_owned();
    http.engine.note(&Deed { at, action: action.to_owned(), target, outcome, ids, request_id }).await;
}

fn named(id: Result<Path<String>, PathRejection>) -> Result<String, Problem> {
    id.map(|Path(id)| id).map_err(|error| Problem::bad_request(error.body_text()))
}
