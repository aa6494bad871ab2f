//! What a job knows of its paid calls. An *intent* is written before the call and a *receipt* (the vendor's id) right
//! after; an intent without either a receipt or a known refusal is an *unknown*: the vendor may have billed it.
//!
//! Receipts only ever grow, whoever brings them and whenever: they are the one thing the fence does not guard, because a
//! paid id that is thrown away is paid again.

use super::id::{Millis, Position};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Everything a job knows of its paid calls, oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Ledger {
    pub intents: Vec<Intent>,
    pub receipts: Vec<Receipt>,
    /// Paid calls repeated although an earlier one may have been billed.
    pub possible_duplicates: u32,
}

/// A paid call about to be made, its outcome not known yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Intent {
    /// The kind's name for the call, unique for one piece of paid work: `submit:1`, `export:abc:1`.
    pub effect: String,
    #[serde(flatten)]
    pub at: Position,
    pub made_at: Millis,
    /// Made although the outcome of an earlier one is unknown.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub repeats: bool,
}

/// What the vendor gave for a paid call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Receipt {
    pub effect: String,
    /// The vendor's id of the task or export.
    pub id: String,
}

impl Ledger {
    /// The first id received for an effect: later ones are repeats, and the first may already be in use.
    pub fn receipt(&self, effect: &str) -> Option<&str> {
        self.receipts.iter().find(|receipt| receipt.effect == effect).map(|receipt| receipt.id.as_str())
    }

    /// How many calls for an effect have an unknown outcome.
    pub fn unknown(&self, effect: &str) -> usize {
        self.intents.iter().filter(|intent| intent.effect == effect).count()
    }

    /// The epoch of the first call for an effect whose outcome is unknown.
    pub fn unknown_since(&self, effect: &str) -> Option<u32> {
        self.intents.iter().filter(|intent| intent.effect == effect).map(|intent| intent.at.epoch).min()
    }

    /// Before a paid call. A call that repeats an unknown one is counted, unless the kind looked first (`looked_up`).
    pub fn intend(&mut self, effect: &str, at: Position, now: Millis, looked_up: bool) {
        let repeats = self.unknown(effect) > 0 && !looked_up;
        self.possible_duplicates += u32::from(repeats);
        self.intents.push(Intent { effect: effect.to_owned(), at, made_at: now, repeats });
    }

    /// After a paid call. The same receipt again changes nothing. Closes one unknown call of that effect. A second id for one
    /// effect is a call paid twice, whatever was known before.
    pub fn receive(&mut self, receipt: &Receipt) {
        if !self.receipts.contains(receipt) {
            self.take(&receipt.effect);
            self.receipts.push(receipt.clone());
            let effects: BTreeSet<&str> = self.receipts.iter().map(|receipt| receipt.effect.as_str()).collect();
            let more = u32::try_from(self.receipts.len() - effects.len()).unwrap_or(u32::MAX);
            self.possible_duplicates = self.possible_duplicates.max(more);
        }
    }

    /// The latest call of that effect is known not to have been billed: then it has repeated nothing either.
    pub fn close(&mut self, effect: &str) {
        if self.take(effect).is_some_and(|intent| intent.repeats) {
            self.possible_duplicates = self.possible_duplicates.saturating_sub(1);
        }
    }

    fn take(&mut self, effect: &str) -> Option<Intent> {
        let last = self.intents.iter().rposition(|intent| intent.effect == effect)?;
        Some(self.intents.remove(last))
    }
}
