//! What is told of the service to whoever watches it: its metrics, read as a scraper reads them, and by a real Prometheus;
//! the alerts and the dashboard; the operators' overview.

mod bounded;
mod prometheus;
mod scraped;
mod stats;

use crate::support::app::{TestApp, WORKER_SECRET};
use reqwest::Method;
use std::collections::{BTreeMap, BTreeSet};

/// One scrape: each series with its value.
struct Scrape {
    text: String,
    series: BTreeMap<String, f64>,
}

impl Scrape {
    async fn of(app: &TestApp) -> Self {
        let request = app.request(Method::GET, "/metrics").bearer_auth(WORKER_SECRET);
        let answer = request.send().await.expect("an answer");
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()["content-type"], "text/plain; version=0.0.4; charset=utf-8");
        Self::read(answer.text().await.expect("a body"))
    }

    fn read(text: String) -> Self {
        let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        let series = lines.map(|line| {
            let (name, value) = line.rsplit_once(' ').expect("a series and its value");
            (name.to_owned(), value.parse().expect("a number"))
        });
        Self { series: series.collect(), text }
    }

    /// The value of a series; nothing where it is not told.
    fn get(&self, series: &str) -> f64 {
        self.series.get(series).copied().unwrap_or(0.0)
    }

    /// What was added to a series since an earlier scrape.
    fn since(&self, earlier: &Self, series: &str) -> f64 {
        assert!(self.series.contains_key(series), "{series} is not told:\n{}", self.text);
        self.get(series) - earlier.get(series)
    }

    /// Families by their names.
    fn families(&self) -> BTreeSet<&str> {
        self.text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect()
    }
}

async fn started() -> TestApp {
    cliprelay::http::start_measuring();
    TestApp::start().await
}
