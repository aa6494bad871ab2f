//! What a job has used of what is counted by the piece: kept in its record, so that it is known to the end.

use serde::{Deserialize, Serialize};
use std::ops::AddAssign;

/// Names in the record are short, like those of the history beside it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Usage {
    /// Messages published, as far as their publishing is known.
    #[serde(rename = "m")]
    pub messages: u32,
    /// Round trips to the store.
    #[serde(rename = "t")]
    pub trips: u32,
    /// Commands that a Redis runs for them.
    #[serde(rename = "c")]
    pub commands: u32,
}

impl Usage {
    /// So many commands in one round trip.
    pub fn of_store(commands: u32) -> Self {
        Self { messages: 0, trips: 1, commands }
    }

    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

impl AddAssign for Usage {
    fn add_assign(&mut self, more: Self) {
        self.messages = self.messages.saturating_add(more.messages);
        self.trips = self.trips.saturating_add(more.trips);
        self.commands = self.commands.saturating_add(more.commands);
    }
}
