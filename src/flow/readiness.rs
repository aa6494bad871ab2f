//! Whether what the flow depends on answers. Anybody may ask, so that many who do cost the store and QStash as much as one:
//! an answer is shared for a few seconds, and only one is being found out at a time.

use super::Engine;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};
use tracing::Instrument;

const PATIENCE: Duration = Duration::from_secs(3);
/// For how long an answer is kept.
const KEPT: Duration = Duration::from_secs(2);

/// What answers, and whether this process still takes work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Readiness {
    pub store: bool,
    pub qstash: bool,
    pub stopping: bool,
}

/// Who answered last, and when.
#[derive(Default)]
pub(super) struct LastLook(Mutex<Option<(Instant, Answers)>>);

#[derive(Debug, Clone, Copy, Default)]
struct Answers {
    store: bool,
    qstash: bool,
}

impl Engine {
    pub async fn readiness(self: &Arc<Self>) -> Readiness {
        // A look goes on when whoever asked for it goes away: otherwise each who does not wait would cost one.
        let look = tokio::spawn(Arc::clone(self).answers().in_current_span());
        let Answers { store, qstash } = look.await.unwrap_or_default();
        Readiness { store, qstash, stopping: self.stopping.is_cancelled() }
    }

    async fn answers(self: Arc<Self>) -> Answers {
        let mut kept = self.last_look.0.lock().await;
        if let Some((_, answers)) = kept.filter(|(at, _)| at.elapsed() < KEPT) {
            return answers;
        }
        let store = timeout(PATIENCE, self.store.ping());
        let qstash = timeout(PATIENCE, self.services.qstash.keys());
        let (store, qstash) = tokio::join!(store, qstash);
        let answers = Answers { store: matches!(store, Ok(Ok(()))), qstash: matches!(qstash, Ok(Ok(_))) };
        *kept = Some((Instant::now(), answers));
        answers
    }
}
