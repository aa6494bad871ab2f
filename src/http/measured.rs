//! What is told of requests: each by the route as the router has it, never by its path.

use super::openapi;
use super::push::{SLOW_BODY, TOO_LARGE};
use super::router::ROUTES;
use crate::clock;
use crate::flow::Kind;
use crate::measure::{self, Known, Method, Status};
use crate::services::qstash::signature::Rejected;
use axum::extract::{MatchedPath, Request};
use axum::middleware::Next;
use axum::response::Response;
use tokio::time::Instant;

/// Paths that are no route of ours.
const NO_ROUTE: &str = "none";

pub(super) async fn request(request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let route = route(request.extensions().get::<MatchedPath>());
    let method = Method::of(request.method().as_str());
    let response = next.run(request).await;
    measure::requested(route, method, Status::of(response.status().as_u16()), begun.elapsed());
    response
}

fn route(matched: Option<&MatchedPath>) -> &'static str {
    let known = |path: &MatchedPath| ROUTES.iter().find(|route| **route == path.as_str()).copied();
    matched.and_then(known).unwrap_or(NO_ROUTE)
}

/// Starts measuring for the life of the process.
pub fn start() {
    let codes: Vec<&'static str> = openapi::problem_codes().collect();
    let reasons: Vec<&'static str> =
        Rejected::ALL.into_iter().map(Rejected::name).chain([SLOW_BODY, TOO_LARGE]).collect();
    let steps: Vec<&'static str> = Kind::ALL.into_iter().flat_map(|kind| kind.steps().iter().copied()).collect();
    measure::start(clock::unix_seconds(), &Known { codes: &codes, reasons: &reasons, steps: &steps });
}
