//! What a publish says of the workflow run it belongs to.

use super::{Publishing, Refusal};
use crate::embedded::broker::message::Headers;
use crate::embedded::broker::runs::{Part, Role};

/// What the endpoint is told of it.
const TOLD: [&str; 3] = ["runid", "init", "url"];

impl Publishing<'_> {
    /// `prefix` is `upstash-workflow-`, or a callback's.
    pub(super) fn part(&self, prefix: &str) -> Result<Option<Part>, Refusal> {
        let get = |name: &str| self.get(&format!("{prefix}{name}"));
        let Some(run) = get("runid").map(str::to_owned) else { return Ok(None) };
        // The library takes this status for a failure that no retry mends, and others for an end.
        if get("invoke") == Some("true") {
            return Err(Refusal::new(412, "a workflow run cannot invoke another here"));
        }
        let role = match get("calltype").map(str::to_ascii_lowercase).as_deref() {
            Some("tocallback") => Role::Call,
            Some("fromcallback") => Role::CallResult,
            Some("failurecall") => Role::Failure,
            _ if get("init") == Some("true") => Role::Trigger,
            _ => Role::Step,
        };
        Ok(Some(Part { run, role, began: 0 }))
    }

    /// The headers that tell the endpoint of its run. A stranger that a run calls hears nothing.
    pub(super) fn run_headers(&self, prefix: &str, part: Option<&Part>) -> Headers {
        if part.is_none_or(|part| part.role == Role::Call) {
            return Headers::new();
        }
        let told = |name: &&str| {
            let value = self.get(&format!("{prefix}{name}"))?;
            Some((format!("upstash-workflow-{name}"), value.to_owned()))
        };
        TOLD.iter().filter_map(told).collect()
    }
}
