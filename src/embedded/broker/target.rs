//! The raw request target, taken apart. A destination stands unencoded in the path, so a router that collapses `//` or
//! decodes would break it; everything here works on the text as it came. Query parameters named `upstash-*` are headers in
//! another place, `qstash_token` is the token, and the rest of a publish's query belongs to the destination.

use super::message::Headers;

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route {
    Publish {
        destination: String,
    },
    Batch,
    Messages,
    Message(String),
    DeadLetters,
    DeadLetter(String),
    Revive(String),
    Keys,
    Rotate,
    /// The log; the name of its list in the answer.
    Log(&'static str),
    /// An endpoint of QStash that is not served yet.
    NotYet,
    Unknown,
}

/// A request target, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    pub route: Route,
    /// `upstash-*` parameters, names in lower case.
    pub instructions: Headers,
    /// The other parameters; empty for a publish, whose destination has them.
    pub query: Headers,
    pub token: Option<String>,
}

pub fn read(path: &str, query: Option<&str>) -> Target {
    let mut target = Target { route: Route::Unknown, instructions: Vec::new(), query: Vec::new(), token: None };
    let rest = target.divide(query.unwrap_or_default());
    target.route = match path.strip_prefix("/v2/publish/") {
        Some(destination) => {
            target.query.clear();
            let whole = match (rest.is_empty(), query) {
                (false, _) => format!("{destination}?{rest}"),
                (true, Some("")) => format!("{destination}?"),
                (true, _) => destination.to_owned(),
            };
            Route::Publish { destination: whole }
        }
        None => route(path),
    };
    target
}

impl Target {
    /// Sorts the parameters; what is neither instruction nor token is returned as it stood.
    fn divide(&mut self, query: &str) -> String {
        let mut rest = Vec::new();
        for piece in query.split('&').filter(|piece| !piece.is_empty()) {
            for (name, value) in url::form_urlencoded::parse(piece.as_bytes()) {
                let lower = name.to_ascii_lowercase();
                if lower == "qstash_token" {
                    self.token = Some(value.into_owned());
                } else if lower.starts_with("upstash-") {
                    self.instructions.push((lower, value.into_owned()));
                } else {
                    self.query.push((name.into_owned(), value.into_owned()));
                    rest.push(piece);
                }
            }
        }
        rest.join("&")
    }
}

fn route(path: &str) -> Route {
    let Some(rest) = path.strip_prefix("/v2/") else { return Route::Unknown };
    let (first, tail) = rest.trim_end_matches('/').split_once('/').unwrap_or((rest.trim_end_matches('/'), ""));
    match (first, tail) {
        ("batch", "") => Route::Batch,
        ("messages", "") => Route::Messages,
        ("messages", id) => Route::Message(decoded(id)),
        ("dlq", "") => Route::DeadLetters,
        ("dlq", tail) => match tail.strip_prefix("retry/") {
            Some(id) => Route::Revive(decoded(id)),
            None if tail == "retry" => Route::NotYet,
            None => Route::DeadLetter(decoded(tail)),
        },
        ("keys", "") => Route::Keys,
        ("keys", "rotate") => Route::Rotate,
        ("logs", "") => Route::Log("logs"),
        ("events", "") => Route::Log("events"),
        ("enqueue" | "queues" | "schedules" | "topics" | "flowControl" | "globalParallelism", _) => Route::NotYet,
        _ => Route::Unknown,
    }
}

/// Ids are opaque but may come percent-encoded.
fn decoded(id: &str) -> String {
    url::form_urlencoded::parse(id.replace('+', "%2B").as_bytes())
        .next()
        .map(|(id, _)| id.into_owned())
        .unwrap_or_default()
}
