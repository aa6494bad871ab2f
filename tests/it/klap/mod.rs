//! The Klap client against the stand-in, over real HTTP: the calls, what each failure means for a caller who pays, and
//! clips that play.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test may stop at once")]

mod client;
mod restart;
mod stand_in;
mod wire;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use cliprelay::embedded::klap as stand;
use cliprelay::services::klap::{Klap, NewTask, Options, Project, Task, TaskStatus};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use url::Url;

const SAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/sample.mp4");
/// Longer than anything here takes, shorter than a test runner's patience.
const LONG: Duration = Duration::from_secs(20);

fn http() -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build().unwrap()
}

/// A client of whatever listens at `base`.
fn client(base: &Url, key: &str) -> Klap {
    let url = base.join("klap/v2").unwrap();
    Klap::new(http(), Options { url, api_key: key.to_owned().into() })
}

/// The stand-in on a port of its own, and a client of it.
struct Sandbox {
    stand: Arc<stand::Klap>,
    klap: Klap,
    base: Url,
    data: TempDir,
    server: JoinHandle<()>,
}

impl Sandbox {
    async fn new(pace: stand::Pace) -> Self {
        Self::with(|options| options.pace = pace).await
    }

    async fn with(change: impl FnOnce(&mut stand::Options)) -> Self {
        let http_ready = http();
        drop(http_ready);
        let data = TempDir::new().unwrap();
        let mut options = stand::Options::new(data.path());
        change(&mut options);
        let stand = stand::Klap::open(options).await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
        stand.set_public_base(base.clone());
        let router = stand.clone().router();
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { klap: client(&base, "kak_test"), stand, base, data, server }
    }

    /// Asks for a fault as an operator would.
    async fn fault(&self, operation: &str, effect: serde_json::Value) {
        let fault = serde_json::json!({"operation": operation, "effect": effect});
        let url = self.base.join("klap/control/faults").unwrap();
        let reply = http().post(url).json(&fault).send().await.unwrap();
        assert_eq!(reply.status(), 204, "{}", reply.text().await.unwrap());
    }

    /// A task of three short clips over the sample.
    async fn sample_task(&self) -> NewTask {
        let url = self.stand.add_video("sample.mp4", Path::new(SAMPLE)).await.unwrap();
        NewTask {
            source_video_url: url.into(),
            name: Some("Sample".to_owned()),
            target_clip_count: Some(3),
            target_duration: Some(10),
            ..NewTask::default()
        }
    }

    async fn finished(&self, task: &NewTask) -> (Task, Vec<Project>) {
        let task = self.klap.create_task(task, LONG).await.unwrap();
        let task = self.klap.task(&task.id).await.unwrap();
        assert_eq!(task.status, TaskStatus::Ready, "{:?}", task.failure);
        let projects = self.klap.folder(task.output_id.as_ref().unwrap()).await.unwrap();
        (task, projects)
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.server.abort();
    }
}
