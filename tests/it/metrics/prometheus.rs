//! A real Prometheus, as Debian has it: it checks the rules, scrapes the real service with the operator's secret, loads the
//! alerts, and answers every expression of theirs and of the dashboard's.

use super::Scrape;
use crate::support::processes::{port, run, until};
use crate::support::system::{System, WORKER_SECRET};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// The alerts that the runbook has a chapter for.
const ALERTS: [&str; 16] = [
    "CliprelayDown",
    "CliprelayStoreDown",
    "CliprelayQStashDown",
    "CliprelaySweepStale",
    "CliprelayJobsOverdue",
    "CliprelayJobsFailing",
    "CliprelayDeadLetters",
    "CliprelayPushesRejected",
    "CliprelayNextKeyInUse",
    "CliprelayPushesLate",
    "CliprelayKlapErrors",
    "CliprelayStorageErrors",
    "CliprelaySpendNearLimit",
    "CliprelayQueueNearLimit",
    "CliprelayPossibleDuplicateCharge",
    "CliprelayStoreSlow",
];

fn infra(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("infra").join(path)
}

/// A Prometheus with a folder of its own; gone with the test.
struct Prometheus {
    child: Child,
    base: String,
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Prometheus {
    /// Started as the example says, but for the address, how often it looks, and where the secret is.
    fn start(target: &str, folder: &Path) -> Self {
        let example = std::fs::read_to_string(infra("prometheus/prometheus.yml")).unwrap();
        let config = example
            .replace("127.0.0.1:3000", target)
            .replace("_interval: 30s", "_interval: 1s")
            .replace("- alerts.yml", &format!("- {}", infra("prometheus/alerts.yml").display()));
        assert_ne!(config, example);
        std::fs::write(folder.join("prometheus.yml"), config).unwrap();
        std::fs::write(folder.join("worker-secret"), WORKER_SECRET).unwrap();
        let address = format!("127.0.0.1:{}", port());
        let log = std::fs::File::create(folder.join("prometheus.err")).unwrap();
        let child = Command::new("prometheus")
            .arg(format!("--config.file={}", folder.join("prometheus.yml").display()))
            .arg(format!("--storage.tsdb.path={}", folder.join("data").display()))
            .arg(format!("--web.listen-address={address}"))
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("prometheus is there: infra/test installs it");
        Self { child, base: format!("http://{address}/api/v1") }
    }

    /// `None`: it does not answer yet.
    async fn ask(&self, system: &System, path: &str, query: &[(&str, &str)]) -> Option<Value> {
        let mut url = reqwest::Url::parse(&format!("{}/{path}", self.base)).unwrap();
        url.query_pairs_mut().extend_pairs(query);
        let answer: Value = system.http.get(url).send().await.ok()?.json().await.ok()?;
        assert_eq!(answer["status"], "success", "{path} {query:?}: {answer:#}");
        Some(answer["data"].clone())
    }

    async fn value(&self, system: &System, expression: &str) -> Option<f64> {
        let data = self.ask(system, "query", &[("query", expression)]).await?;
        data["result"][0]["value"][1].as_str()?.parse().ok()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rules_are_sound_and_fire_when_they_should() {
    let promtool = || Command::new("promtool");
    let rules = infra("prometheus/alerts.yml");
    let checked = run(promtool().args(["check", "rules"]).arg(&rules)).await;
    assert_eq!(checked.code, Some(0), "{}{}", checked.stdout, checked.stderr);
    assert!(checked.stdout.contains(&format!("{} rules found", ALERTS.len())), "{}", checked.stdout);
    let tested = run(promtool().args(["test", "rules"]).arg(infra("prometheus/alerts.test.yml"))).await;
    assert_eq!(tested.code, Some(0), "{}{}", tested.stdout, tested.stderr);
    let folder = tempfile::tempdir().unwrap();
    for file in ["prometheus.yml", "alerts.yml"] {
        std::fs::copy(infra("prometheus").join(file), folder.path().join(file)).unwrap();
    }
    std::fs::write(folder.path().join("worker-secret"), "any").unwrap();
    let config = run(promtool().args(["check", "config"]).arg(folder.path().join("prometheus.yml"))).await;
    assert_eq!(config.code, Some(0), "{}{}", config.stdout, config.stderr);
    // Each has a case in which it fires.
    let cases = std::fs::read_to_string(infra("prometheus/alerts.test.yml")).unwrap();
    for alert in ALERTS {
        let fires = format!("\"{alert}\",alertstate=\"firing\"");
        let told = format!("alertname: {alert}\n");
        assert!(cases.contains(&fires) || cases.contains(&told), "{alert} is not seen to fire");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_prometheus_scrapes_the_service_and_loads_the_alerts() {
    let system = System::start(&[("QUEUE_LIMIT", "50"), ("SPEND_LIMIT_DAY", "500")]).await;
    let target = system.base.trim_start_matches("http://").to_owned();
    let prometheus = Prometheus::start(&target, system.folder.path());
    let is_up = format!("up{{job=\"cliprelay\",instance=\"{target}\"}}");
    until("the target is up", async || prometheus.value(&system, &is_up).await.filter(|up| *up > 0.5)).await;
    let body = json!({"projectId": "p1", "videoUrl": system.sample(), "options": {"targetClipCount": 2}});
    let job = system.enqueue(&body).await;
    system.completed(&job).await;
    assert!(system.sweep().await);
    for (what, expression, least) in [
        ("the job is told as ended", "cliprelay_jobs_ended_total{state=\"completed\"}", 1.0),
        ("its steps are told", "sum(cliprelay_step_seconds_count)", 6.0),
        ("its bytes are told", "cliprelay_bytes_stored_total", 10_000.0),
        ("Redis' round trips are told", "cliprelay_store_round_trips_total", 20.0),
        ("the store's verbs are told", "cliprelay_store_seconds_count{verb=\"commit\",outcome=\"ok\"}", 6.0),
        ("the store is told to be up", "cliprelay_store_up", 1.0),
        ("QStash is told to be up", "cliprelay_qstash_up", 1.0),
        ("the last sweep is told", "cliprelay_last_sweep_seconds + 1", 1.0),
        ("money is told", "cliprelay_spend_today_usd", 1.0),
    ] {
        until(what, async || prometheus.value(&system, expression).await.filter(|value| *value >= least)).await;
    }
    let rules = prometheus.ask(&system, "rules", &[("type", "alert")]).await.unwrap();
    let loaded: Vec<&Value> = rules["groups"][0]["rules"].as_array().unwrap().iter().collect();
    let names: BTreeSet<_> = loaded.iter().filter_map(|rule| rule["name"].as_str()).collect();
    assert_eq!(names, BTreeSet::from(ALERTS));
    for rule in &loaded {
        assert_eq!(rule["lastError"].as_str().unwrap_or_default(), "", "{rule:#}");
        let anchor = format!("infra/runbook.md#{}", rule["name"].as_str().unwrap().to_lowercase());
        assert_eq!(rule["annotations"]["runbook_url"], anchor, "{rule:#}");
        let told = ["summary", "description"].iter().all(|name| rule["annotations"][name].is_string());
        assert!(told && rule["labels"]["severity"].is_string(), "{rule:#}");
    }
    every_expression_is_answered(&system, &prometheus, &loaded).await;
}

/// Prometheus takes every expression, and each metric in it is one that the service tells.
async fn every_expression_is_answered(system: &System, prometheus: &Prometheus, rules: &[&Value]) {
    let scraped = system.http.get(format!("{}/metrics", system.base)).bearer_auth(WORKER_SECRET).send().await.unwrap();
    let scrape = Scrape::read(scraped.text().await.unwrap());
    let dashboard: Value =
        serde_json::from_str(&std::fs::read_to_string(infra("grafana/cliprelay.json")).unwrap()).unwrap();
    let mut expressions: Vec<String> = rules.iter().map(|rule| rule["query"].as_str().unwrap().to_owned()).collect();
    for panel in dashboard["panels"].as_array().unwrap() {
        for asked in panel["targets"].as_array().into_iter().flatten() {
            expressions.push(asked["expr"].as_str().unwrap().to_owned());
        }
    }
    assert!(expressions.len() > 50, "{} expressions", expressions.len());
    let mut known = BTreeSet::new();
    for expression in expressions {
        let plain = expression.replace("$__rate_interval", "1m").replace("$instance", ".*");
        prometheus.ask(system, "query", &[("query", &plain)]).await.expect("an answer");
        for name in names(&plain) {
            let family = ["_bucket", "_count", "_sum"].iter().find_map(|end| name.strip_suffix(end));
            let told = [Some(name), family].into_iter().flatten().any(|name| scrape.families().contains(name));
            assert!(told, "{name} of {expression} is not told:\n{}", scrape.text);
            known.insert(name.to_owned());
        }
    }
    assert!(known.len() > 30, "{known:?}");
}

fn names(expression: &str) -> impl Iterator<Item = &str> {
    let words = expression.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with("cliprelay_"))
}
