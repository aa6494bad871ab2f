//! Publishing what is recorded: the only place that does. A message is published after the commit that made it, under a
//! deduplication id that names it; marking it sent names it too, so a late mark does nothing.

use super::record::{Along, Loaded, Updated};
use super::{Engine, spans};
use crate::job::{Event, Push, wire};
use crate::kinds::{Kind, Length};
use crate::measure::{self, Publication};
use crate::services::qstash::{self, Publish};
use std::time::Duration;
use tokio::time::{Instant, timeout_at};
use tracing::Instrument;

/// How many redeliveries QStash is asked for. The free plan allows no more.
const RETRIES: u32 = 3;
/// 5 s, 15 s, 45 s, at most 60 s.
const RETRY_DELAY: &str = "min(60000, 5000 * pow(3, retried))";

/// Why a recorded message is not published yet. The sweep will see to it.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unpublished {
    #[error("publishing took too long")]
    Late,
    #[error("publishing failed: {0}")]
    QStash(#[from] qstash::Error),
}

impl Engine {
    /// Publishes the job's message if it is not known to be out (or is, but under an id we do not know) and marks it.
    pub(super) async fn drain(&self, loaded: Loaded, until: Instant) -> Result<Loaded, Unpublished> {
        let known = loaded.job.message.spent || loaded.job.message.message_id.is_some();
        if loaded.job.is_final() || (loaded.job.message.sent && known) {
            return Ok(loaded);
        }
        let message = self.message(&loaded);
        let span = spans::publish(&loaded.job);
        let published = timeout_at(until, self.services.qstash.publish(&message)).instrument(span.clone()).await;
        let published = published.map_err(|_| Unpublished::Late).and_then(|published| Ok(published?));
        measure::published(match &published {
            Ok(published) if published.deduplicated => Publication::Deduplicated,
            Ok(_) => Publication::Published,
            Err(_) => Publication::Failed,
        });
        let published = published.inspect_err(|_| spans::failed(&span, "not_published"))?;
        span.record("published.id", &published.message_id);
        let push = Push { at: loaded.job.at, send: loaded.job.send };
        tracing::info!(
            job.id = %loaded.job.id,
            published.id = published.message_id,
            published.position = %push.at,
            published.step = loaded.job.step,
            deduplicated = published.deduplicated,
            "published"
        );
        let sent = Event::Sent { push, message_id: published.message_id };
        // The message is out: a mark that fails is only a mark, and the next claim proves the sending as well.
        match self.update(&loaded, &sent, &Along::default(), until).await {
            Ok(Updated::Applied(marked, _) | Updated::Refused(_, marked)) => Ok(*marked),
            Ok(Updated::Missing | Updated::PointerTaken | Updated::Remembered(_) | Updated::Limited(_)) | Err(_) => {
                Ok(loaded)
            }
        }
    }

    fn message(&self, loaded: &Loaded) -> Publish {
        let job = &loaded.job;
        let kind = Kind::parse(&job.kind);
        let length = kind.map_or(Length::Transfer, |kind| kind.length(&job.step));
        let resume = kind.map_or(serde_json::Value::Null, |kind| kind.resume(job));
        Publish {
            destination: self.settings.worker_url.clone(),
            body: wire::Message::of(job, resume).encode().into(),
            content_type: "application/json".to_owned(),
            delay: Duration::from_millis(job.message.not_before.saturating_sub(loaded.now())),
            retries: RETRIES,
            retry_delay: Some(RETRY_DELAY.to_owned()),
            timeout: self.settings.steps.push(length),
            failure_callback: Some(self.settings.failed_url.clone()),
            deduplication_id: job.deduplication_id(),
            label: job.id.to_string(),
            forward: self.settings.forward.clone(),
        }
    }
}
