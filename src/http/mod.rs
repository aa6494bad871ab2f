//! How the world reaches us: thin. Extract, verify or authenticate, call one function of the flow, answer by one table.
//! There are two tables and no more: API callers get problems (`problem.rs`), QStash gets replies (`reply.rs`).

mod auth;
mod body;
mod caller;
mod connections;
mod cors;
mod hardening;
mod json;
mod limits;
mod measured;
pub mod openapi;
mod problem;
mod push;
mod reply;
mod router;
mod routes;
#[cfg(test)]
mod tests;
mod unbroken;
pub mod view;
mod watching;

pub use auth::{ApiKey, Auth, Authenticator, DEV_SECRET};
pub use limits::Proxies;
pub use measured::start as start_measuring;
pub use problem::Problem;
pub use push::Pushes;
pub use router::{ROUTES, router};
pub use watching::Watching;

use crate::flow::Engine;
use secrecy::SecretString;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Everything the routes hold.
pub struct Http {
    pub engine: Arc<Engine>,
    pub authenticator: Authenticator,
    pub pushes: Pushes,
    pub operator_secrets: Vec<SecretString>,
    /// Whether the metrics are anybody's to read: on one's own machine.
    pub metrics_open: bool,
    pub cors_origins: Vec<String>,
    /// Whose word is taken for a caller's address.
    pub proxies: Proxies,
    /// The longest `?wait=` is held.
    pub wait_max: Duration,
    /// How many may watch, and for how long at a stretch.
    pub watching: Watching,
    /// What outlives its request, and must not be cut off when the process stops.
    pub tasks: TaskTracker,
}

/// Longer than any request but a stream may take, a step's push among them.
const REQUEST_MAX: Duration = Duration::from_mins(15);

/// Serves until `stopping` is cancelled and what was under way is answered.
pub async fn serve(listener: TcpListener, http: Http, stopping: CancellationToken) {
    let (watchers_max, stream_max) = (http.watching.places_max, http.watching.stream_max);
    let connections = connections::Connections { watchers_max, stream_max };
    connections.serve(listener, router(http), stopping).await;
}
