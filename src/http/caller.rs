//! The caller of a frontend route, as the handlers take it.

use super::{Http, Problem};
use crate::job::Owner;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use std::convert::Infallible;
use std::sync::Arc;
use tokio::time::Instant;

/// When the request came: taken before its caller is known, which may need the issuer's keys.
pub(super) struct Received(pub Instant);

impl<S: Sync> FromRequestParts<S> for Received {
    type Rejection = Infallible;

    async fn from_request_parts(_: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self(Instant::now()))
    }
}

/// An authenticated caller.
pub(super) struct Caller(pub Owner);

impl FromRequestParts<Arc<Http>> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, http: &Arc<Http>) -> Result<Self, Problem> {
        http.authenticator.owner(&parts.headers, (http.pushes.clock)()).await.map(Self)
    }
}

/// Whoever may see a job: its owner, or an operator.
pub(super) enum Viewer {
    Owner(Owner),
    Operator,
}

impl FromRequestParts<Arc<Http>> for Viewer {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, http: &Arc<Http>) -> Result<Self, Problem> {
        if Operator::from_request_parts(parts, http).await.is_ok() {
            return Ok(Self::Operator);
        }
        Caller::from_request_parts(parts, http).await.map(|Caller(owner)| Self::Owner(owner))
    }
}

/// A request that carries an operator's secret.
pub(super) struct Operator;

impl FromRequestParts<Arc<Http>> for Operator {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, http: &Arc<Http>) -> Result<Self, Problem> {
        let known = super::auth::is_operator(&http.operator_secrets, &parts.headers);
        known.then_some(Self).ok_or_else(Problem::unauthorized)
    }
}
