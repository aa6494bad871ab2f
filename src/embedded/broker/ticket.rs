//! What the departure board knows of a message: enough to decide when it leaves, and nothing of what it says.

use super::message::{Millis, Record, host};
use std::sync::Arc;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ticket {
    pub id: Arc<str>,
    /// The host and port whose share of the deliveries it uses.
    pub host: Arc<str>,
    /// Its flow-control key, made unique over users.
    pub flow: Option<Arc<str>>,
    /// Its queue, if it is enqueued.
    pub berth: Option<Arc<Berth>>,
    pub due: Millis,
}

/// A message's place in a queue.
#[derive(Debug, PartialEq, Eq)]
pub struct Berth {
    /// The queue, made unique over users.
    pub lane: Arc<str>,
    /// The enqueued message whose callback this is; the queue goes on only when those are done.
    pub tells_of: Option<Arc<str>>,
}

impl Ticket {
    pub fn of(record: &Record) -> Self {
        let spec = &record.spec;
        let berth = spec.queue.as_ref().map(|queue| {
            let tells_of = spec.tells_of.as_deref().map(Into::into);
            Arc::new(Berth { lane: scoped(&spec.user, queue), tells_of })
        });
        Self {
            id: record.id.as_str().into(),
            host: host(&spec.destination).into(),
            flow: spec.flow.as_ref().map(|flow| scoped(&spec.user, &flow.key)),
            berth,
            due: record.due,
        }
    }

    /// Without queue and flow control.
    pub fn plain(id: &str, host: &str, due: Millis) -> Self {
        Self { id: id.into(), host: host.into(), flow: None, berth: None, due }
    }
}

/// A name unique over users, whose names hold no line break.
pub fn scoped(user: &str, name: &str) -> Arc<str> {
    format!("{user}\n{name}").into()
}
