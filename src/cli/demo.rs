//! `demo`: the whole system for one job, from a real video to clips in a folder.

use super::client::{reason, service, submit};
use super::serve::Signals;
use super::watch::Service;
use super::{Demo, End, environment};
use crate::app::local::{self, Local, Options};
use crate::telemetry;
use anyhow::{Context, anyhow, bail};
use futures_util::StreamExt;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use tokio::io::AsyncWriteExt;
use url::Url;

const PROJECT: &str = "demo";

/// A clip that was stored and fetched again.
struct Kept {
    clip: Value,
    file: PathBuf,
    size: u64,
    duration: f64,
}

pub(super) async fn demo(demo: Demo) -> Result<(), End> {
    let logs = local::logs(&environment, "error");
    telemetry::start(logs.format, &logs.filter, environment("NO_COLOR").is_none(), None);
    let video = match demo.video {
        Some(path) => Some(checked(path).await?),
        None => None,
    };
    std::fs::create_dir_all(&demo.out).with_context(|| format!("cannot use the folder {}", demo.out.display()))?;
    tempfile::tempfile_in(&demo.out).with_context(|| format!("cannot write into {}", demo.out.display()))?;
    let data = tempfile::tempdir().context("no temporary folder could be made")?;
    let options = Options { port: 0, broker_port: 0, sandbox_port: 0, data: data.path().to_owned() };
    let mut signals = Signals::watch()?;
    let local = local::start(&options, &environment).await?;
    let ended = tokio::select! {
        ended = one_job(&local, video.as_deref(), &demo.out, demo.json) => ended,
        () = signals.next() => Err(End::failed(anyhow!("interrupted"))),
    };
    local.stop().await;
    ended
}

/// A video the stand-in can cut, or why not, before anything is started.
async fn checked(path: PathBuf) -> Result<PathBuf, End> {
    if !path.exists() {
        return Err(End::usage(format!("{}: there is no such file", path.display())));
    }
    if !path.is_file() {
        return Err(End::usage(format!("{}: is not a file", path.display())));
    }
    local::inspect(&path).await?;
    Ok(path)
}

async fn one_job(local: &Local, video: Option<&Path>, out: &Path, as_json: bool) -> Result<(), End> {
    let video_url = match video {
        Some(path) => local.sandbox.klap.add_video("video.mp4", path).await.map_err(End::failed)?,
        None => local.sandbox.sample.clone(),
    };
    let server = Url::parse(&format!("http://{}", local.service.address)).map_err(End::failed)?;
    let service = service(server, None)?;
    let job = submit(&service, PROJECT, Some(video_url.as_str())).await?;
    let id = job["jobId"].as_str().unwrap_or_default();
    let ended = service.watch(id, as_json).await?;
    if ended["status"] != "completed" {
        return Err(End::failed(anyhow!("{}", reason(&ended))));
    }
    let mut kept = Vec::new();
    for (index, clip) in ended["clips"].as_array().into_iter().flatten().enumerate() {
        if clip["status"] != "stored" {
            let why = clip["error"].as_str().unwrap_or("it was not stored");
            return Err(End::failed(anyhow!("{}: {why}", clip["title"])));
        }
        kept.push(keep(&service, clip, &out.join(format!("clip-{}.mp4", index + 1))).await?);
    }
    if as_json {
        out!("{:#}", as_value(&ended, &kept));
    } else {
        table(&kept);
    }
    Ok(())
}

/// Fetches a stored clip and proves that it is whole.
async fn keep(service: &Service, clip: &Value, file: &Path) -> anyhow::Result<Kept> {
    let url = clip["url"].as_str().context("a stored clip has no address")?;
    let answer = service.http.get(url).send().await?.error_for_status()?;
    let mut body = answer.bytes_stream();
    let mut written =
        tokio::fs::File::create(file).await.with_context(|| format!("cannot write {}", file.display()))?;
    let mut size = 0;
    while let Some(piece) = body.next().await {
        let piece = piece?;
        size += piece.len() as u64;
        written.write_all(&piece).await.with_context(|| format!("cannot write {}", file.display()))?;
    }
    written.flush().await?;
    if clip["size"].as_u64() != Some(size) {
        bail!("{}: {size} bytes came of {}", file.display(), clip["size"]);
    }
    let duration = local::inspect(file).await.context("a stored clip is not whole")?;
    Ok(Kept { clip: clip.clone(), file: file.to_owned(), size, duration })
}

fn as_value(job: &Value, kept: &[Kept]) -> Value {
    let clips: Vec<_> = kept
        .iter()
        .map(|kept| {
            json!({
                "id": kept.clip["id"],
                "title": kept.clip["title"],
                "score": kept.clip["score"],
                "duration": kept.duration,
                "size": kept.size,
                "file": kept.file,
            })
        })
        .collect();
    json!({"job": job, "clips": clips})
}

fn table(kept: &[Kept]) {
    let title = |kept: &Kept| kept.clip["title"].as_str().unwrap_or_default().to_owned();
    let width = kept.iter().map(|kept| title(kept).chars().count()).max().unwrap_or(0).clamp(5, 48);
    out!("{:width$}  {:>5}  {:>8}  {:>9}  FILE", "TITLE", "SCORE", "DURATION", "SIZE");
    for kept in kept {
        let title: String = title(kept).chars().take(width).collect();
        let score = kept.clip["score"].as_f64().unwrap_or_default();
        let size = indicatif::HumanBytes(kept.size).to_string();
        out!("{title:width$}  {score:>5.2}  {:>6.1} s  {size:>9}  {}", kept.duration, kept.file.display());
    }
}
