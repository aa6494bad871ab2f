//! The schedule that wakes the sweep where nothing else does.

use super::{Act, Error, Step};
use crate::services::qstash::{self, NewSchedule, QStash};
use secrecy::{ExposeSecret, SecretString};
use std::time::Duration;
use url::Url;

const WHAT: &str = "schedule";
const LABEL: &str = "cliprelay-sweep";
/// The cron route's own limit on the serverless host.
const TIMEOUT: Duration = Duration::from_mins(1);
const MINUTES_A_DAY: u32 = 24 * 60;
/// From here on the alert `CliprelaySweepStale` may fire between two calls.
const ALERTS_AFTER: u32 = 15;
/// Others would fire at uneven gaps: an hour begins anew.
pub const MINUTES: [u32; 12] = [1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30, 60];

/// The schedule as it should be, or that it should not be.
pub struct Schedule {
    pub client: QStash,
    /// Fixed, so that a second run finds the first one's.
    pub id: String,
    pub destination: Url,
    /// In minutes.
    pub every: u32,
    /// Shown as a bearer.
    pub secret: SecretString,
    /// More headers that a call needs.
    pub forward: Vec<(String, SecretString)>,
    pub remove: bool,
    /// A schedule of this name that calls another host is some other deployment's, unless this is said.
    pub take_over: bool,
}

/// Five fields that fire every so many minutes, one of [`MINUTES`].
pub fn cron(every: u32) -> String {
    match every {
        1 => "* * * * *".to_owned(),
        60 => "0 * * * *".to_owned(),
        _ => format!("*/{every} * * * *"),
    }
}

impl Schedule {
    pub(super) async fn plan(&self) -> Result<Step, Error> {
        let found = self.client.schedule(&self.id).await?;
        if let Some(step) = found.as_ref().and_then(|found| self.anothers(found)) {
            return Ok(step);
        }
        if self.remove {
            return Ok(match found {
                None => Step::nothing(WHAT, format!("there is no {}", self.id)),
                Some(found) => {
                    let detail = format!("{} ({}, {})", self.id, found.cron, found.destination);
                    Step { what: WHAT, act: Act::Unschedule(self.id.clone()), detail }
                }
            });
        }
        let new = self.wanted();
        let Some(found) = found else {
            let detail = format!(
                "{}: POST {} with cron {:?} and the operator's secret; {}",
                self.id,
                self.destination,
                new.cron,
                self.told()
            );
            return Ok(Step { what: WHAT, act: Act::Schedule(new), detail });
        };
        let mut differs = differences(&found, &new);
        if differs.is_empty() {
            return Ok(Step::nothing(WHAT, format!("{} ({}) is as it should be", self.id, found.cron)));
        }
        if found.cron != new.cron {
            differs.push(self.told());
        }
        Ok(Step { what: WHAT, act: Act::Schedule(new), detail: format!("{}: {}", self.id, differs.join("; ")) })
    }

    /// Taken over or taken away, it would leave that deployment without its sweep.
    fn anothers(&self, found: &qstash::Schedule) -> Option<Step> {
        let host = |url: &Url| (url.host_str().map(str::to_owned), url.port());
        let is_ours = Url::parse(&found.destination).is_ok_and(|url| host(&url) == host(&self.destination));
        if is_ours || self.take_over {
            return None;
        }
        let detail = format!(
            "{} calls {}, which is not this deployment, and is left alone: give this one a name of its own with \
             --schedule-id, or say --take-over if that is its former address",
            self.id, found.destination
        );
        Some(Step { what: WHAT, act: Act::ByHand, detail })
    }

    /// What calls so far apart mean.
    fn told(&self) -> String {
        let a_day = MINUTES_A_DAY / self.every.max(1);
        let rare = if self.every >= ALERTS_AFTER {
            "; so rare that the alert CliprelaySweepStale fires between two: give it more time (infra/prometheus/alerts.yml)"
        } else {
            ""
        };
        format!("{a_day} messages a day{rare}")
    }

    fn wanted(&self) -> NewSchedule {
        let bearer = format!("Bearer {}", self.secret.expose_secret());
        let mut forward = vec![("Authorization".to_owned(), bearer.into())];
        forward.extend(self.forward.iter().cloned());
        NewSchedule {
            id: self.id.clone(),
            destination: self.destination.clone(),
            cron: cron(self.every),
            timeout: TIMEOUT,
            // The next call comes soon enough.
            retries: 0,
            label: LABEL.to_owned(),
            forward,
        }
    }
}

/// In words, and of a secret only that it is another one. What QStash hides so that it cannot be compared counts as the same.
fn differences(found: &qstash::Schedule, wanted: &NewSchedule) -> Vec<String> {
    let mut differs = Vec::new();
    if found.cron != wanted.cron {
        differs.push(format!("cron {:?} becomes {:?}", found.cron, wanted.cron));
    }
    if found.destination != wanted.destination.as_str() {
        differs.push(format!("{} becomes {}", found.destination, wanted.destination));
    }
    if !found.method.is_empty() && found.method != "POST" {
        differs.push(format!("{} becomes POST", found.method));
    }
    // What is not told counts as right.
    if let Some(retries) = found.retries.filter(|retries| *retries != i64::from(wanted.retries)) {
        differs.push(format!("{retries} retries become {}", wanted.retries));
    }
    let seconds = i64::try_from(wanted.timeout.as_secs()).unwrap_or(i64::MAX);
    let is_it = |told: i64| told == seconds || told == seconds.saturating_mul(1_000);
    if let Some(told) = found.timeout.filter(|told| !is_it(*told)) {
        differs.push(format!("a timeout of {told} becomes {seconds} s"));
    }
    if found.is_paused {
        differs.push("it is paused and goes on".to_owned());
    }
    for (name, secret) in &wanted.forward {
        if !found.has_header(name) || found.sends(name, secret.expose_secret()) == Some(false) {
            differs.push(format!("another {name} is sent"));
        }
    }
    differs
}
