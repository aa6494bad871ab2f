//! What is read for a scrape alone: how the store and QStash stand, over all processes. Each scrape's is written by itself,
//! so that nothing of an earlier one is told when the store is away.

use super::catalog as name;
use metrics::gauge;
use metrics_exporter_prometheus::PrometheusBuilder;
use std::time::Duration;

/// How things stand.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Stock {
    /// `None`: the store is away.
    pub live: Option<Live>,
    /// `None`: QStash is away.
    pub letters: Option<Letters>,
    /// US cents; what may be spent in a day.
    pub spend_limit: Option<u64>,
    pub queue_limit: Option<u64>,
}

/// What the store knows.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Live {
    pub jobs: u64,
    pub looked_at: usize,
    /// State, step, how many of those looked at.
    pub standing: Vec<(&'static str, &'static str, usize)>,
    pub due: u64,
    pub oldest_due: Duration,
    pub oldest_waiting: Duration,
    pub last_sweep: Option<Duration>,
    /// US cents counted for today.
    pub spent: Option<u64>,
}

/// Our messages among QStash's dead letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Letters {
    pub count: usize,
    /// There are more than were counted.
    pub more: bool,
}

impl Stock {
    /// In the text form of Prometheus.
    pub fn render(&self) -> String {
        let recorder = PrometheusBuilder::new().build_recorder();
        metrics::with_local_recorder(&recorder, || {
            name::describe();
            self.tell();
        });
        recorder.handle().render()
    }

    #[expect(clippy::cast_precision_loss, reason = "none of these is anywhere near 2^53")]
    fn tell(&self) {
        let flag = |up: bool| if up { 1.0 } else { 0.0 };
        gauge!(name::STORE_UP).set(flag(self.live.is_some()));
        gauge!(name::QSTASH_UP).set(flag(self.letters.is_some()));
        let usd = |cents: u64| cents as f64 / 100.0;
        if let Some(limit) = self.spend_limit {
            gauge!(name::SPEND_LIMIT).set(usd(limit));
        }
        if let Some(limit) = self.queue_limit {
            gauge!(name::QUEUE_LIMIT).set(limit as f64);
        }
        if let Some(letters) = self.letters {
            gauge!(name::DEAD_LETTERS).set(letters.count as f64);
        }
        let Some(live) = &self.live else { return };
        gauge!(name::JOBS_LIVE).set(live.jobs as f64);
        gauge!(name::JOBS_LOOKED_AT).set(live.looked_at as f64);
        for (state, step, jobs) in &live.standing {
            gauge!(name::JOBS, "state" => *state, "step" => *step).set(*jobs as f64);
        }
        gauge!(name::JOBS_DUE).set(live.due as f64);
        gauge!(name::OLDEST_DUE).set(live.oldest_due.as_secs_f64());
        gauge!(name::OLDEST_WAITING).set(live.oldest_waiting.as_secs_f64());
        if let Some(ago) = live.last_sweep {
            gauge!(name::LAST_SWEEP).set(ago.as_secs_f64());
        }
        if let Some(spent) = live.spent {
            gauge!(name::SPEND_TODAY).set(usd(spent));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_told_of_a_store_that_is_away() {
        let live = Live { jobs: 3, standing: vec![("queued", "submit", 3)], ..Live::default() };
        let up = Stock { live: Some(live), spend_limit: Some(1_250), ..Stock::default() }.render();
        for line in [
            "cliprelay_store_up 1",
            "cliprelay_jobs{state=\"queued\",step=\"submit\"} 3",
            "cliprelay_spend_limit_usd 12.5",
        ] {
            assert!(up.lines().any(|told| told == line), "{line} is not in\n{up}");
        }
        let away = Stock::default().render();
        assert!(away.lines().any(|told| told == "cliprelay_store_up 0"), "{away}");
        assert!(!away.contains("cliprelay_jobs"), "{away}");
    }
}
