//! What a schedule is, and what is to be done about it at a given time. Pure. Each firing makes ordinary messages; a firing
//! that nobody was there for is left out rather than made up for, as the service promises no catching up.

pub mod cron;
pub mod timetable;

use super::instructions::{Publishing, Quota, Refusal};
use super::message::{Millis, New, Spec, VERSION, new_id};
use super::target::is_name;
use bytes::Bytes;
use cron::Cron;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A schedule at rest; its body rests apart.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Schedule {
    pub v: u8,
    pub id: String,
    /// As given, time zone included.
    pub cron: String,
    /// What its messages will be. The destination may be the name of a group, looked up at each firing.
    pub spec: Spec,
    /// From a firing to the first attempt.
    pub delay: Millis,
    pub created_at: Millis,
    pub paused: bool,
    /// None once the expression never fits again.
    pub next: Option<Millis>,
    pub last: Option<Millis>,
    /// The messages of the last firing.
    pub states: BTreeMap<String, State>,
    /// Why the last firing made no message.
    pub error: Option<String>,
}

/// How a message of the last firing fares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum State {
    InProgress,
    Success,
    Fail,
}

/// What is to be done about a schedule now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    Wait,
    /// Its time came and went while nobody was there.
    Skip {
        next: Option<Millis>,
    },
    Fire {
        next: Option<Millis>,
    },
}

impl Schedule {
    /// Reads a request to create one, or to overwrite the one of the same id whole.
    pub fn read(publishing: Publishing<'_>, quota: Quota, now: Millis) -> Result<(Self, Bytes), Refusal> {
        let text = publishing.get("upstash-cron").unwrap_or_default().to_owned();
        let cron: Cron =
            text.parse().map_err(|error| Refusal::new(400, format!("invalid cron expression: {error}")))?;
        let next = cron.next(now).ok_or_else(|| Refusal::new(400, "invalid cron expression: it never comes"))?;
        let id = named(&publishing, "upstash-schedule-id")?.unwrap_or_else(|| new_id("scd_"));
        let queue = named(&publishing, "upstash-queue-name")?;
        let delay = publishing.delay(quota)?;
        let New { mut spec, body, .. } = publishing.read(quota, now)?;
        spec.schedule_id = Some(id.clone());
        spec.queue = queue;
        let schedule = Self {
            v: VERSION,
            id,
            cron: text,
            spec,
            delay,
            created_at: now,
            paused: false,
            next: Some(next),
            last: None,
            states: BTreeMap::new(),
            error: None,
        };
        Ok((schedule, body))
    }

    /// `grace` is how late a firing may still be made.
    pub fn turn(&self, now: Millis, grace: Millis) -> Turn {
        match self.next {
            Some(at) if at <= now && !self.paused => {
                if now - at > grace {
                    Turn::Skip { next: self.after(now) }
                } else {
                    Turn::Fire { next: self.after(at) }
                }
            }
            _ => Turn::Wait,
        }
    }

    /// The first time after this one at which it is to fire.
    pub fn after(&self, time: Millis) -> Option<Millis> {
        self.cron.parse::<Cron>().ok()?.next(time)
    }

    /// Times that passed during a pause stay passed.
    pub fn set_paused(&mut self, paused: bool, now: Millis) {
        if self.paused && !paused {
            self.next = self.after(now);
        }
        self.paused = paused;
    }

    /// When it wants to be looked at again.
    pub fn due(&self) -> Option<Millis> {
        self.next.filter(|_| !self.paused)
    }
}

fn named(publishing: &Publishing<'_>, header: &str) -> Result<Option<String>, Refusal> {
    match publishing.get(header) {
        None => Ok(None),
        Some(name) if is_name(name) => Ok(Some(name.to_owned())),
        Some(_) => Err(Refusal::new(400, format!("invalid {header}: letters, digits, '-', '_' and '.'"))),
    }
}
