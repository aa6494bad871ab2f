//! The raw request target, taken apart. A destination stands unencoded in the path, so a router that collapses `//` or
//! decodes would break it; everything here works on the text as it came. Query parameters named `upstash-*` are headers in
//! another place, `qstash_token` is the token, and the rest of the query belongs to the destination where there is one.

use super::message::Headers;

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route {
    Publish {
        destination: String,
    },
    Enqueue {
        queue: String,
        destination: String,
    },
    Batch,
    Messages,
    Message(String),
    DeadLetters,
    DeadLetter(String),
    Revive(String),
    ReviveMany,
    Schedules,
    /// A schedule's id; to a POST, the destination of a new one.
    Schedule(String),
    PauseSchedule {
        id: String,
        pause: bool,
    },
    Groups,
    Group(String),
    Endpoints(String),
    Queues,
    Queue(String),
    PauseQueue {
        name: String,
        pause: bool,
    },
    FlowControls,
    FlowControl(String),
    /// `pause`, `resume`, `pin`, `unpin` or a reset of one key.
    SteerFlow {
        key: String,
        how: Steer,
    },
    GlobalParallelism,
    /// Workflow runs, and one of them.
    Runs,
    Run(String),
    Keys,
    Rotate,
    /// The log; the name of its list in the answer.
    Log(&'static str),
    /// Ours, under a path that the service does not use.
    Own(Own),
    Unknown,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Steer {
    Pause,
    Resume,
    Pin,
    Unpin,
    ResetRate,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Own {
    Idle,
    Advance,
    /// What the page asks that the service has no call for.
    Pulse,
    Latest,
}

/// A request target, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    pub route: Route,
    /// `upstash-*` parameters, names in lower case.
    pub instructions: Headers,
    /// The other parameters; empty where a destination has them.
    pub query: Headers,
    pub token: Option<String>,
}

pub fn read(path: &str, query: Option<&str>) -> Target {
    let mut target = Target { route: Route::Unknown, instructions: Vec::new(), query: Vec::new(), token: None };
    let rest = target.divide(query.unwrap_or_default());
    let whole = |destination: &str| match (rest.is_empty(), query) {
        (false, _) => format!("{destination}?{rest}"),
        (true, Some("")) => format!("{destination}?"),
        (true, _) => destination.to_owned(),
    };
    let published =
        path.strip_prefix("/v2/publish/").map(|destination| Route::Publish { destination: whole(destination) });
    let enqueued = || {
        let (queue, destination) = path.strip_prefix("/v2/enqueue/")?.split_once('/')?;
        Some(Route::Enqueue { queue: decoded(queue), destination: whole(destination) })
    };
    let scheduled = || {
        let destination = path.strip_prefix("/v2/schedules/")?;
        destination.contains("://").then(|| Route::Schedule(whole(destination)))
    };
    target.route = match published.or_else(enqueued).or_else(scheduled) {
        Some(route) => {
            target.query.clear();
            route
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

    /// A parameter that is no filter.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str())
    }
}

fn route(path: &str) -> Route {
    match path.strip_prefix("/_broker/") {
        Some("idle") => return Route::Own(Own::Idle),
        Some("advance") => return Route::Own(Own::Advance),
        Some("pulse") => return Route::Own(Own::Pulse),
        Some("messages") => return Route::Own(Own::Latest),
        _ => {}
    }
    let Some(rest) = path.strip_prefix("/v2/") else { return Route::Unknown };
    let (first, tail) = rest.trim_end_matches('/').split_once('/').unwrap_or((rest.trim_end_matches('/'), ""));
    match (first, tail) {
        ("batch", "") => Route::Batch,
        ("messages", "") => Route::Messages,
        ("messages", id) => Route::Message(decoded(id)),
        ("dlq", "") => Route::DeadLetters,
        ("dlq", "retry") => Route::ReviveMany,
        ("dlq", tail) => match tail.strip_prefix("retry/") {
            Some(id) => Route::Revive(decoded(id)),
            None => Route::DeadLetter(decoded(tail)),
        },
        ("schedules", "") => Route::Schedules,
        ("schedules", tail) => match verb(tail) {
            (id, Some("pause")) => Route::PauseSchedule { id, pause: true },
            (id, Some("resume")) => Route::PauseSchedule { id, pause: false },
            _ => {
                let id = decoded(tail);
                // An address is to stand raw in the path here as well.
                Route::Schedule(if id.contains("://") { tail.to_owned() } else { id })
            }
        },
        ("topics", "") => Route::Groups,
        ("topics", tail) => match verb(tail) {
            (name, Some("endpoints")) => Route::Endpoints(name),
            _ => Route::Group(decoded(tail)),
        },
        ("queues", "") => Route::Queues,
        ("queues", tail) => match verb(tail) {
            (name, Some("pause")) => Route::PauseQueue { name, pause: true },
            (name, Some("resume")) => Route::PauseQueue { name, pause: false },
            _ => Route::Queue(decoded(tail)),
        },
        ("flowControl", "") => Route::FlowControls,
        ("flowControl", tail) => flow_control(tail),
        ("globalParallelism", "") => Route::GlobalParallelism,
        ("workflows", "runs") => Route::Runs,
        ("workflows", tail) => tail.strip_prefix("runs/").map_or(Route::Unknown, |id| Route::Run(decoded(id))),
        ("keys", "") => Route::Keys,
        ("keys", "rotate") => Route::Rotate,
        ("logs", "") => Route::Log("logs"),
        ("events", "") => Route::Log("events"),
        _ => Route::Unknown,
    }
}

fn flow_control(tail: &str) -> Route {
    let (key, verb) = verb(tail);
    let how = match verb {
        Some("pause") => Steer::Pause,
        Some("resume") => Steer::Resume,
        Some("pin") => Steer::Pin,
        Some("unpin") => Steer::Unpin,
        Some("resetRate" | "reset") => Steer::ResetRate,
        _ => return Route::FlowControl(decoded(tail)),
    };
    Route::SteerFlow { key, how }
}

/// An object's name and what is to be done with it, from `<name>/<verb>`.
fn verb(tail: &str) -> (String, Option<&str>) {
    match tail.rsplit_once('/') {
        Some((name, verb)) => (decoded(name), Some(verb)),
        None => (decoded(tail), None),
    }
}

/// Whether this may name a queue, a schedule or a group.
pub fn is_name(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    !text.is_empty() && text.len() <= NAME_MAX && text.chars().all(plain)
}

const NAME_MAX: usize = 256;

/// Ids and keys are opaque but may come percent-encoded.
fn decoded(id: &str) -> String {
    url::form_urlencoded::parse(id.replace('+', "%2B").replace('=', "%3D").replace('&', "%26").as_bytes())
        .next()
        .map(|(id, _)| id.into_owned())
        .unwrap_or_default()
}
