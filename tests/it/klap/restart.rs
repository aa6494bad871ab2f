//! The stand-in as a process that is killed in the middle of its work.
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use axum::routing::get;
use cliprelay::embedded::klap::{Counts, Klap as StandIn, Options, Pace};
use cliprelay::services::klap::{Klap, NewTask, TaskStatus};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use url::Url;

use super::{LONG, SAMPLE, client, http};

const DATA: &str = "CLIPRELAY_TEST_KLAP_DATA";

/// Not a test: the process that the test below starts and kills.
#[tokio::test]
#[ignore = "the other half of survives_kill_9"]
async fn process() {
    let Ok(data) = std::env::var(DATA) else { return };
    drop(http());
    let mut options = Options::new(data);
    options.pace = Pace::IMMEDIATE;
    let stand = StandIn::open(options).await.unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    stand.set_public_base(base.parse().unwrap());
    let mut out = std::io::stdout().lock();
    writeln!(out, "\nlistening {base}").unwrap();
    out.flush().unwrap();
    axum::serve(listener, stand.router()).await.unwrap();
}

struct Process {
    child: Child,
    base: Url,
    klap: Klap,
}

impl Process {
    fn start(data: &Path) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["klap::restart::process", "--exact", "--ignored", "--nocapture"])
            .env(DATA, data)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let base = lines.map_while(Result::ok).find_map(|line| Some(line.strip_prefix("listening ")?.to_owned()));
        let base: Url = base.expect("the process must listen").parse().unwrap();
        Self { child, klap: client(&base, "kak_test"), base }
    }

    async fn counts(&self) -> Counts {
        let url = self.base.join("klap/control/counts").unwrap();
        http().get(url).send().await.unwrap().json().await.unwrap()
    }
}

impl Drop for Process {
    /// SIGKILL, and gone when it returns.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A host of the sample that hangs at the first request and tells that it came.
async fn hesitant_host() -> (Url, Arc<Notify>) {
    let (asked, requests) = (Arc::new(Notify::new()), AtomicU32::new(0));
    let told = asked.clone();
    let requests = Arc::new(requests);
    let video = move || {
        let (told, requests) = (told.clone(), requests.clone());
        async move {
            if requests.fetch_add(1, Ordering::SeqCst) == 0 {
                told.notify_one();
                std::future::pending::<()>().await;
            }
            tokio::fs::read(SAMPLE).await.unwrap()
        }
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/video.mp4", listener.local_addr().unwrap()).parse().unwrap();
    let router = axum::Router::new().route("/video.mp4", get(video));
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    (url, asked)
}

#[tokio::test]
async fn survives_kill_9() {
    drop(http());
    let data = TempDir::new().unwrap();
    let (url, asked) = hesitant_host().await;
    let request = NewTask { source_video_url: url.into(), target_clip_count: Some(2), ..NewTask::default() };
    let process = Process::start(data.path());
    let task = process.klap.create_task(&request, LONG).await.unwrap();
    tokio::time::timeout(LONG, asked.notified()).await.expect("it fetches the video");
    drop(process);

    let process = Process::start(data.path());
    let task = process.klap.task(&task.id).await.unwrap();
    assert_eq!(task.status, TaskStatus::Ready, "the fetch was done again: {:?}", task.failure);
    let folder = task.output_id.unwrap();
    let projects = process.klap.folder(&folder).await.unwrap();
    assert_eq!(projects.len(), 2);
    let export = process.klap.export(&folder, &projects[0].id, LONG).await.unwrap();
    drop(process);

    let process = Process::start(data.path());
    assert_eq!(process.klap.folder(&folder).await.unwrap(), projects);
    let export = process.klap.export_status(&folder, &projects[0].id, &export.id).await.unwrap();
    assert_eq!(export.status, TaskStatus::Ready, "{:?}", export.failure);
    let clip = http().get(export.src_url.unwrap()).send().await.unwrap();
    assert_eq!(clip.status(), 200);
    let counts = process.counts().await;
    assert_eq!((counts.tasks, counts.projects, counts.exports_total, counts.cents), (1, 2, 1, 44 + 64 + 48));
}

#[tokio::test]
async fn closing_lets_go_of_the_records() {
    drop(http());
    let data = TempDir::new().unwrap();
    for _ in 0..2 {
        let stand = StandIn::open(Options::new(data.path())).await.unwrap();
        stand.close().await;
    }
}
