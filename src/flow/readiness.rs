//! Whether what the flow depends on answers.

use super::Engine;
use std::time::Duration;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(3);

/// What answers, and whether this process still takes work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Readiness {
    pub store: bool,
    pub qstash: bool,
    pub stopping: bool,
}

impl Engine {
    pub async fn readiness(&self) -> Readiness {
        let store = timeout(PATIENCE, self.store.ping());
        let qstash = timeout(PATIENCE, self.services.qstash.keys());
        let (store, qstash) = tokio::join!(store, qstash);
        Readiness {
            store: matches!(store, Ok(Ok(()))),
            qstash: matches!(qstash, Ok(Ok(_))),
            stopping: self.stopping.is_cancelled(),
        }
    }
}
