//! QStash's pushes: believed only by their signature over the raw body and the destination we are configured with. No
//! handler sees a push that was not verified, because only here a [`Delivery`] is made.

use super::router::REQUEST_ID;
use super::{Http, Problem};
use crate::clock::Clock;
use crate::flow::Delivery;
use crate::job::{Origin, Signed};
use crate::measure::{self, SigningKey};
use crate::sabotage::{self, Sabotage};
use crate::services::qstash::signature::{Announced, Key, Rejected, Verifier};
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, StatusCode};
use std::time::Duration;
use tokio::time::timeout;

/// The largest push read; ours are a few kilobytes, a failure callback carries one of them in base64.
const BODY_MAX: usize = 1024 * 1024;
pub(super) const TOO_LARGE: &str = "too_large";
pub(super) const SLOW_BODY: &str = "slow_body";
/// How long it may take to come.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// Where QStash says which message it brings. It is not signed: for logs, and believed in nothing else.
const MESSAGE_ID: &str = "upstash-message-id";

const ID_MAX: usize = 128;

/// Whose pushes are believed, and for which addresses.
pub struct Pushes {
    pub verifier: Verifier,
    pub worker_url: String,
    pub failed_url: String,
    /// The host's, which need not agree with QStash's to the second.
    pub clock: Clock,
}

/// Which of our two addresses a push is for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Destination {
    Worker,
    Failed,
}

impl Http {
    pub(super) async fn verified(
        &self,
        destination: Destination,
        headers: &HeaderMap,
        body: Body,
    ) -> Result<Delivery, Problem> {
        let announced = self.announced(destination, headers);
        if let Err(reason) = announced
            && !sabotage::is(Sabotage::Unverified)
        {
            return Err(rejected(reason.name()));
        }
        let body = timeout(BODY_TIMEOUT, to_bytes(body, BODY_MAX)).await;
        let body = body.map_err(|_| rejected(SLOW_BODY))?.map_err(|_| {
            measure::push_rejected(TOO_LARGE);
            Problem::new(StatusCode::PAYLOAD_TOO_LARGE, TOO_LARGE, format!("The push is larger than {BODY_MAX} bytes"))
        })?;
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let text = |name: &str| text(name).filter(|text| text.len() <= ID_MAX).map(str::to_owned);
        let mut from = Origin { signed: None, request_id: text(REQUEST_ID.as_str()) };
        match announced.and_then(|announced| announced.with(&body)).map(|verified| verified.key) {
            Ok(Key::Current) => {
                measure::push_signed(SigningKey::Current);
                from.signed = Some(Signed::Current);
            }
            Ok(Key::Next) => {
                measure::push_signed(SigningKey::Next);
                tracing::warn!("a push was signed with the next signing key: the keys were rotated");
                from.signed = Some(Signed::Next);
            }
            Err(_) if sabotage::is(Sabotage::Unverified) => {}
            Err(reason) => return Err(rejected(reason.name())),
        }
        let message_id = text(MESSAGE_ID);
        Ok(Delivery { body, from, message_id })
    }

    /// By the headers alone, so that strangers' bodies take no room.
    fn announced(&self, destination: Destination, headers: &HeaderMap) -> Result<Announced, Rejected> {
        let url = match destination {
            Destination::Worker => &self.pushes.worker_url,
            Destination::Failed => &self.pushes.failed_url,
        };
        let text = |name: &str| headers.get(name).map(|value| value.to_str().map_err(|_| Rejected::Malformed));
        let token = text("upstash-signature").ok_or(Rejected::Missing)??;
        let region = text("upstash-region").transpose()?;
        self.pushes.verifier.announced(token, region, url, (self.pushes.clock)())
    }
}

/// The caller learns nothing of the reason; we do.
fn rejected(reason: &'static str) -> Problem {
    measure::push_rejected(reason);
    tracing::warn!(reason, "a push was not believed");
    let mut problem = Problem::unauthorized();
    problem.code = "bad_signature";
    "The push carries no valid signature".clone_into(&mut problem.detail);
    problem
}
