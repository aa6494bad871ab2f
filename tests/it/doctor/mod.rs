//! `doctor` and `setup` against real parts: each set-up is broken in one way, and the finding must name the right thing
//! to mend.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod broken_queue;
mod broken_redis;
mod broken_service;
mod broken_storage;
mod healthy;
mod pages;
mod setup;

use crate::support::redis;
use axum::Router;
use cliprelay::app::doctor::{Finding, Report, State, examine};
use cliprelay::app::{self, Service};
use cliprelay::config::Config;
use cliprelay::embedded::broker::region::Region;
use cliprelay::embedded::broker::{self, Account, Broker, Data};
use cliprelay::embedded::sandbox::{self, Sandbox};
use std::collections::BTreeMap;
use tempfile::TempDir;
use tokio::net::TcpListener;

pub const TOKEN: &str = "planted-qstash-token-77e1";
pub const READ_ONLY: &str = "planted-read-only-token-9a2b";
pub const CURRENT: &str = "sig_planted_current_51d0";
pub const NEXT: &str = "sig_planted_next_62e1";
pub const SECRET: &str = "planted-worker-secret-83f2aa";

/// All parts of a deployment, each real or our own stand-in, and the environment that names them.
pub struct Stand {
    pub redis: redis::Server,
    pub broker: Broker,
    pub sandbox: Sandbox,
    pub service: Option<Service>,
    env: BTreeMap<String, String>,
    _data: TempDir,
}

impl Stand {
    /// With the service up under `PUBLIC_URL`.
    pub async fn start() -> Self {
        let mut stand = Self::without_service().await;
        let listener = loopback().await;
        stand.set("PUBLIC_URL", &format!("http://{}", listener.local_addr().unwrap()));
        stand.serve_on(listener);
        stand
    }

    /// The service as the environment is now.
    pub fn serve_on(&mut self, listener: TcpListener) {
        let config = Config::read(&|name| self.env.get(name).cloned(), None).unwrap();
        self.service = Some(app::start(config, listener).unwrap());
    }

    pub async fn without_service() -> Self {
        app::install_providers();
        let data = TempDir::new().unwrap();
        let redis = redis::Server::start();
        let broker = broker([TOKEN, CURRENT, NEXT], Region::EuCentral1).await;
        let sandbox = sandbox::start(loopback().await, data.path()).await.unwrap();
        let mut stand = Self { redis, broker, sandbox, service: None, env: BTreeMap::new(), _data: data };
        for (name, value) in stand.sandbox.environment() {
            stand.set(name, &value);
        }
        let own = [
            ("PUBLIC_URL", nobody().await),
            ("REDIS_URL", stand.redis.url()),
            ("QSTASH_URL", format!("http://{}", stand.broker.address)),
            ("QSTASH_TOKEN", TOKEN.to_owned()),
            ("QSTASH_CURRENT_SIGNING_KEY", CURRENT.to_owned()),
            ("QSTASH_NEXT_SIGNING_KEY", NEXT.to_owned()),
            ("WORKER_SECRET", SECRET.to_owned()),
            ("AUTH", "api-key".to_owned()),
            ("API_KEYS", "shop:planted-api-key-7c6d".to_owned()),
        ];
        for (name, value) in own {
            stand.set(name, &value);
        }
        stand
    }

    pub fn set(&mut self, name: &str, value: &str) {
        self.env.insert(name.to_owned(), value.to_owned());
    }

    pub fn unset(&mut self, name: &str) {
        self.env.remove(name);
    }

    pub fn env(&self) -> &BTreeMap<String, String> {
        &self.env
    }

    pub async fn examine(&self) -> Report {
        examine(&|name| self.env.get(name).cloned()).await.unwrap()
    }

    /// Examines it; this check must be in this state, and its line and advice hold these words.
    pub async fn finds(&self, check: &str, state: State, words: &[&str]) -> Report {
        let report = self.examine().await;
        let found = of(&report, check);
        let told = format!("{} -> {}", found.seen, found.mend.as_deref().unwrap_or_default());
        assert_eq!(found.state, state, "{check}: {told}\n{report:#?}");
        for word in words {
            assert!(told.contains(word), "{check} does not tell {word:?}: {told}");
        }
        let bad = matches!(state, State::Fail | State::Warn);
        assert_eq!(found.mend.is_some(), bad, "{check}: {told}");
        let text = format!("{report:?}");
        for secret in [TOKEN, READ_ONLY, CURRENT, NEXT, SECRET, "planted"] {
            assert!(!text.contains(secret), "{secret} is told: {text}");
        }
        report
    }
}

/// A region's broker, with the token and keys of an account there.
pub async fn broker([token, current, next]: [&str; 3], region: Region) -> Broker {
    let (token, current, next) = (token.into(), current.into(), next.into());
    let options = broker::Options {
        listener: loopback().await,
        data: Data::Memory,
        account: Account::Own { token, read_only: Some(READ_ONLY.into()), current, next },
        max_retries: 5,
        tuning: broker::Tuning { region, ..broker::Tuning::default() },
    };
    broker::start(options).await.unwrap()
}

/// The worst finding of a check.
pub fn of<'a>(report: &'a Report, check: &str) -> &'a Finding {
    let own = report.findings.iter().filter(|finding| finding.check == check);
    let rank = |finding: &&Finding| match finding.state {
        State::Fail => 3,
        State::Warn => 2,
        State::Skipped => 1,
        State::Ok => 0,
    };
    own.max_by_key(rank).unwrap_or_else(|| panic!("no check {check} in {report:#?}"))
}

pub async fn loopback() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.unwrap()
}

/// An address at which nothing listens.
pub async fn nobody() -> String {
    format!("http://{}", loopback().await.local_addr().unwrap())
}

/// A server of the test's own, and its address.
pub async fn server(router: Router) -> String {
    let listener = loopback().await;
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(axum::serve(listener, router).into_future());
    url
}
