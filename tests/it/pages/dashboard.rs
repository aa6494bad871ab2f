//! The operator's page, against the whole system.

use super::in_a_browser;
use crate::support::processes::{Process, port, until};
use crate::support::system::http;
use tempfile::TempDir;

/// All of it as `dev`, and where its parts are.
struct Dev {
    process: Process,
    service: String,
    stand_ins: String,
    folder: TempDir,
}

impl Dev {
    async fn start() -> Self {
        Self::start_with(&[]).await
    }

    async fn start_with(environment: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let [at, broker, sandbox] = [port(), port(), port()].map(|port| port.to_string());
        let args = ["dev", "--data", "state", "--port", &at, "--broker-port", &broker, "--sandbox-port", &sandbox];
        let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let mut process = Process::start("dev", &args, &environment.collect::<Vec<_>>(), folder.path());
        let service = format!("http://127.0.0.1:{at}");
        process.healthy(&http(), &service).await;
        Self { process, service, stand_ins: format!("http://127.0.0.1:{sandbox}"), folder }
    }

    /// Runs the file against it. Screenshots go to the folder that `LOOKS` names, if any.
    async fn visited(&self, file: &str) {
        let looks = std::env::var("LOOKS").unwrap_or_default();
        let own = [("SERVICE", self.service.as_str()), ("STAND_INS", &self.stand_ins), ("LOOKS", &looks)];
        in_a_browser(file, &own).await;
    }
}

#[tokio::test]
async fn jobs_are_looked_at() {
    Dev::start().await.visited("dashboard.mjs").await;
}

#[tokio::test]
async fn jobs_are_acted_on() {
    Dev::start().await.visited("dashboard_deeds.mjs").await;
}

#[tokio::test]
async fn clips_of_a_private_bucket_play() {
    let private =
        [("SUPABASE_BUCKET_ACCESS", "private"), ("AUTH", "api-key"), ("API_KEYS", "ann:ann-s-key-of-enough-letters")];
    Dev::start_with(&private).await.visited("dashboard_private.mjs").await;
}

#[tokio::test]
async fn it_is_for_everybody() {
    Dev::start().await.visited("dashboard_looks.mjs").await;
}

#[tokio::test]
async fn nothing_at_all_ten_thousand_jobs_and_trouble_are_told() {
    Dev::start().await.visited("dashboard_states.mjs").await;
}

#[tokio::test]
async fn a_service_that_is_killed_is_missed_and_found_again() {
    let mut dev = Dev::start().await;
    let [away, back] = ["away", "back"].map(|name| dev.folder.path().join(name));
    let told = [&away, &back].map(|path| path.to_str().expect("a plain path").to_owned());
    let (service, stand_ins) = (dev.service.clone(), dev.stand_ins.clone());
    let own = [("SERVICE", service.as_str()), ("STAND_INS", &stand_ins), ("AWAY", &told[0]), ("BACK", &told[1])];
    let killing = async {
        until("the page is open", async || away.exists().then_some(())).await;
        dev.process.kill();
        until("the page has missed it", async || back.exists().then_some(())).await;
        dev.process.again();
        dev.process.healthy(&http(), &service).await;
    };
    tokio::join!(in_a_browser("dashboard_away.mjs", &own), killing);
}
