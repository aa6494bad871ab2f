//! What changes something is done to its end and noted, also when whoever asked for it hangs up meanwhile: it runs as a task of
//! its own, for which a stopping process waits as it does for steps.

use super::Http;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use std::panic::resume_unwind;
use std::sync::Arc;
use tracing::Instrument;

pub async fn unbroken(State(http): State<Arc<Http>>, request: Request, next: Next) -> Response {
    match http.tasks.spawn(next.run(request).in_current_span()).await {
        Ok(answer) => answer,
        // Answered as any panic is.
        Err(broken) => resume_unwind(broken.try_into_panic().unwrap_or_else(|stopped| Box::new(stopped.to_string()))),
    }
}
