//! What the stand-in was asked to do; kept over restarts, so that a test that kills us can still count.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// `GET /control/counts`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Counts {
    /// Bytes taken in, by `bucket/path`, also those of uploads that never ended.
    pub bytes_received: BTreeMap<String, u64>,
    /// Uploads begun, in one piece or resumable.
    pub uploads_begun: u64,
    /// Uploads that made an object visible.
    pub uploads_finished: u64,
    /// Rows changed by PATCH.
    pub row_updates: u64,
    /// Calls of the merge function, also of one that pretends to be missing.
    pub rpc_calls: u64,
    /// Requests by operation.
    pub calls: BTreeMap<String, u64>,
}
