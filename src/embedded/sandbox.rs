//! The stand-ins for Klap and Supabase on one listener, with a video to try them on.

use super::{klap, own_name, supabase};
use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use url::Url;

/// The video that comes with the program, so that a first try needs nothing else.
const SAMPLE: &[u8] = include_bytes!("../../fixtures/sample.mp4");
const SAMPLE_NAME: &str = "sample.mp4";

/// The keys it answers to: any will do, these are the ones it tells.
pub const KLAP_KEY: &str = "kak_sandbox";
pub const SUPABASE_KEY: &str = "sb_secret_sandbox";

/// The stand-ins, up.
pub struct Sandbox {
    /// Where it is found on this machine.
    pub address: SocketAddr,
    /// The sample's address.
    pub sample: Url,
    pub klap: Arc<klap::Klap>,
    pub supabase: Arc<supabase::Supabase>,
    stop: CancellationToken,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Klap(#[from] klap::Error),
    #[error(transparent)]
    Supabase(#[from] supabase::Error),
    #[error("cannot use {}: {source}", path.display())]
    Folder { path: PathBuf, source: std::io::Error },
    #[error("cannot listen: {0}")]
    Listener(#[source] std::io::Error),
    #[error("the listener's address makes no URL: {0}")]
    Address(#[from] url::ParseError),
}

/// Starts both on `listener`, with their state below `data`. A rustls provider must be installed.
pub async fn start(listener: TcpListener, data: &Path) -> Result<Sandbox, Error> {
    let folder = |source| Error::Folder { path: data.to_owned(), source };
    tokio::fs::create_dir_all(data).await.map_err(folder)?;
    let mut address = listener.local_addr().map_err(Error::Listener)?;
    let for_this_machine = address.ip().is_loopback();
    // What it listens on is no address to be fetched from.
    if address.ip().is_unspecified() {
        address.set_ip(Ipv4Addr::LOCALHOST.into());
    }
    let base = Url::parse(&format!("http://{address}"))?;
    let klap = klap::Klap::open(klap::Options::new(data.join("klap"))).await?;
    klap.set_public_base(base);
    let supabase = supabase::open(supabase::Options::new(data.join("supabase"))).await?;
    let video = data.join(SAMPLE_NAME);
    tokio::fs::write(&video, SAMPLE).await.map_err(folder)?;
    let sample = klap.add_video(SAMPLE_NAME, &video).await?;
    let router =
        Arc::clone(&klap).router().merge(Router::new().nest("/supabase", supabase::router(Arc::clone(&supabase))));
    // They take every key, so a stranger's page would need none.
    let router = if for_this_machine { router.layer(from_fn(own_names_only)) } else { router };
    let stop = CancellationToken::new();
    let stopped = stop.clone();
    tokio::spawn(async move {
        let serving = axum::serve(listener, router).with_graceful_shutdown(stopped.cancelled_owned());
        if let Err(error) = serving.await {
            tracing::error!(%error, "the stand-ins ended");
        }
    });
    Ok(Sandbox { address, sample, klap, supabase, stop })
}

async fn own_names_only(request: Request, next: Next) -> Response {
    if own_name::is_asked_for(request.headers()) {
        return next.run(request).await;
    }
    (StatusCode::FORBIDDEN, "unknown host: the stand-ins on this machine are asked by an address, as 127.0.0.1")
        .into_response()
}

impl Sandbox {
    /// The environment that points a service at it.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        let address = self.address;
        vec![
            ("KLAP_API_URL", format!("http://{address}/klap/v2")),
            ("KLAP_API_KEY", KLAP_KEY.to_owned()),
            ("SUPABASE_URL", format!("http://{address}/supabase")),
            ("SUPABASE_SERVICE_ROLE_KEY", SUPABASE_KEY.to_owned()),
            ("ALLOW_PRIVATE_ADDRESSES", address.to_string()),
            ("POLL_DELAY_MIN", "1".to_owned()),
            ("POLL_DELAY_MAX", "1".to_owned()),
        ]
    }

    pub async fn stop(&self) {
        self.stop.cancel();
        self.klap.close().await;
    }
}
