//! What operators did, written down after it was done: the newest of it, in the store, so that every instance tells the same.

use super::{Engine, Fault};
use crate::job::Millis;
use crate::store::keys;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How many entries are kept.
const KEPT: usize = 1_000;
const KEPT_FOR: Duration = Duration::from_hours(365 * 24);
/// How long noting may hold up the answer to what was done.
const PATIENCE: Duration = Duration::from_secs(2);

/// One thing an operator did. Holds no secret: whose hand it was is not known, for operators share one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Deed {
    /// By the host's clock.
    pub at: Millis,
    /// `cancel`, `retry`, `purge`, `replay`, `drop`.
    pub action: String,
    /// A job's or letter's id, or how many in words.
    pub target: String,
    pub outcome: String,
    /// Of many, each that something was done to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ids: Vec<String>,
    #[serde(default)]
    pub request_id: String,
}

impl Engine {
    /// Writes it down. It is done, so that it cannot be written is no reason to say otherwise: then the log has it alone.
    pub async fn note(&self, deed: &Deed) {
        let Deed { action, target, outcome, ids, .. } = deed;
        tracing::info!(action, target, outcome, ids = ids.join(" "), "an operator acted");
        let Ok(entry) = serde_json::to_vec(deed) else { return };
        let key = keys::audit();
        let noted = self.store.note(&key, &entry, KEPT, KEPT_FOR);
        match tokio::time::timeout(PATIENCE, noted).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "what an operator did could not be noted"),
            Err(_) => tracing::warn!("what an operator did could not be noted in time"),
        }
    }

    /// The newest, up to `limit`.
    pub async fn deeds(&self, limit: usize) -> Result<Vec<Deed>, Fault> {
        let entries = self.store.notes(&keys::audit(), limit).await?;
        // What another release wrote otherwise is not for this one to tell.
        Ok(entries.iter().filter_map(|entry| serde_json::from_slice(entry).ok()).collect())
    }
}
