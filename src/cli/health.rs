//! `health`: whether a server lives, for the health checks of images that hold nothing but this program.

use super::watch::unreachable;
use super::{End, Health, environment};
use crate::app::http_client;
use anyhow::anyhow;
use std::time::Duration;
use url::Url;

/// A server that takes longer does not live well.
const ANSWER: Duration = Duration::from_secs(5);

pub(super) async fn health(health: Health) -> Result<(), End> {
    let url = health.url.map_or_else(own, Ok)?;
    let request = http_client()?.get(url.clone()).timeout(ANSWER);
    let answer = request.send().await.map_err(|error| unreachable(&url, &error))?;
    if !answer.status().is_success() {
        return Err(End::failed(anyhow!("{url} answers {}", answer.status())));
    }
    Ok(())
}

/// The service that listens where this environment says.
fn own() -> Result<Url, End> {
    let port = environment("PORT").filter(|port| !port.is_empty()).unwrap_or_else(|| "3000".to_owned());
    let port: u16 = port.parse().map_err(|_| End::usage("PORT must be a whole number from 0 to 65535"))?;
    Url::parse(&format!("http://127.0.0.1:{port}/api/health")).map_err(End::failed)
}
