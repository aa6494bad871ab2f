//! Fetching the video a task names: streamed to disk, bounded, from this machine only unless told otherwise.

use std::path::Path;
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use url::{Host, Url};

use crate::services::klap::wire::FailureFields;

use super::Klap;
use super::task::failure;

/// The largest source takes this long only on a very slow line.
const TIMEOUT: Duration = Duration::from_mins(15);
/// How long nobody may be listening, and how often that is looked at.
const CONNECT_PATIENCE: Duration = Duration::from_secs(15);
const CONNECT_AGAIN: Duration = Duration::from_millis(100);

/// Fetches `url` into the file `to`, which appears only when it is whole.
pub(super) async fn fetch(klap: &Klap, url: &str, to: &Path) -> Result<(), FailureFields> {
    let url = allowed(url, klap.options.fetch_from_anywhere)?;
    let part = to.with_extension("part");
    let fetched = tokio::time::timeout(TIMEOUT, stream(klap, url, &part)).await;
    fetched.unwrap_or_else(|_| Err(unreachable("it took too long")))?;
    tokio::fs::rename(&part, to).await.map_err(|error| unreachable(error.to_string()))
}

async fn stream(klap: &Klap, url: Url, part: &Path) -> Result<(), FailureFields> {
    let max = klap.options.source_bytes_max;
    let told = |error: reqwest::Error| unreachable(error.without_url().to_string());
    let mut reply = connect(klap, &url).await.map_err(told)?;
    if reply.status() != reqwest::StatusCode::OK {
        return Err(unreachable(format!("its host answered HTTP {}", reply.status().as_u16())));
    }
    let too_large = || failure("video_too_large", format!("the video has more than {max} bytes"));
    if reply.content_length().is_some_and(|length| length > max) {
        return Err(too_large());
    }
    let disk = |error: std::io::Error| unreachable(format!("it cannot be kept: {error}"));
    let mut file = tokio::io::BufWriter::new(tokio::fs::File::create(part).await.map_err(disk)?);
    let mut length = 0;
    while let Some(chunk) = reply.chunk().await.map_err(told)? {
        length += chunk.len() as u64;
        if length > max {
            return Err(too_large());
        }
        file.write_all(&chunk).await.map_err(disk)?;
    }
    file.flush().await.map_err(disk)
}

/// Asks for the video. After a restart of the whole machine its host may come up later than we do: nobody listening is not
/// yet a failure.
async fn connect(klap: &Klap, url: &Url) -> Result<reqwest::Response, reqwest::Error> {
    let deadline = tokio::time::Instant::now() + CONNECT_PATIENCE;
    loop {
        match klap.http.get(url.clone()).send().await {
            Err(error) if error.is_connect() && tokio::time::Instant::now() < deadline => {
                tokio::time::sleep(CONNECT_AGAIN).await;
            }
            reply => return reply,
        }
    }
}

/// Parses the URL and checks that it may be fetched. A literal address never reaches a resolver, so it is looked at here.
fn allowed(url: &str, anywhere: bool) -> Result<Url, FailureFields> {
    let invalid = |why: &str| failure("invalid_url", format!("the source_video_url {why}"));
    let url = Url::parse(url).map_err(|_| invalid("is no URL"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(invalid("is not http or https"));
    }
    let local = match url.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => return Err(invalid("has no host")),
    };
    if local || anywhere {
        return Ok(url);
    }
    Err(failure("unsupported_platform", "the local stand-in for Klap fetches videos from this machine only"))
}

fn unreachable(why: impl std::fmt::Display) -> FailureFields {
    failure("video_unreachable", format!("the video could not be fetched: {why}"))
}
