//! What carries a request to its server and brings back the answer: the network, or a simulated world. Every client of ours
//! sends through it, so that the very code that talks to the vendors also runs where no socket is.

use super::{Blocked, call, describe};
use crate::measure::{self, Class, Exchange, Service};
use async_trait::async_trait;
use reqwest::{Client, IntoUrl, Method, Request, RequestBuilder, Response};
use std::fmt;
use std::sync::Arc;
use tokio::time::Instant;
use tracing::Instrument;

#[async_trait]
pub trait Transport: Send + Sync {
    /// Sends one request and waits for the head of its answer. Keeps the request's own timeout, follows no redirect, and
    /// repeats nothing.
    async fn send(&self, request: Request) -> Result<Response, Unanswered>;
}

/// Why no answer came. The text holds no address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct Unanswered {
    /// Certainly nothing of the request reached the server. Otherwise it may have been carried out.
    pub unsent: bool,
    /// The name led where we do not go.
    pub blocked: Option<Blocked>,
    pub text: String,
}

impl Unanswered {
    pub fn unsent(text: impl Into<String>) -> Self {
        Self { unsent: true, blocked: None, text: text.into() }
    }

    pub fn lost(text: impl Into<String>) -> Self {
        Self { unsent: false, blocked: None, text: text.into() }
    }
}

impl From<reqwest::Error> for Unanswered {
    /// Only a failed connect (or a request that could not be built) proves that nothing was sent.
    fn from(error: reqwest::Error) -> Self {
        let unsent = error.is_connect() || error.is_builder();
        let blocked = Blocked::behind(&error);
        let text = if error.is_timeout() { "timed out".to_owned() } else { describe(error) };
        Self { unsent, blocked, text }
    }
}

/// Makes requests and sends them. Cheap to clone.
#[derive(Clone)]
pub struct Http {
    requests: Client,
    transport: Arc<dyn Transport>,
    /// Whose answers are measured as what.
    service: Service,
}

impl Http {
    /// `requests` only makes them; `transport` alone sends.
    pub fn over(requests: Client, transport: Arc<dyn Transport>) -> Self {
        Self { requests, transport, service: Service::Source }
    }

    /// The same, measured as requests to this service; without it as to whoever holds a file.
    #[must_use]
    pub fn to(self, service: Service) -> Self {
        Self { service, ..self }
    }

    pub fn request(&self, method: Method, url: impl IntoUrl) -> RequestBuilder {
        self.requests.request(method, url)
    }

    pub async fn send(&self, request: RequestBuilder) -> Result<Response, Unanswered> {
        let request = request.build()?;
        let mut call = Call::begins(self.service, Class::of(request.method().as_str()));
        let span = call::span(&request);
        let answer = self.transport.send(request).instrument(span.clone()).await;
        call::answered(&span, &answer);
        call.outcome = match &answer {
            Ok(response) => Exchange::of(response.status().as_u16()),
            Err(unanswered) if unanswered.unsent => Exchange::Unsent,
            Err(_) => Exchange::Lost,
        };
        answer
    }
}

/// Over the network.
impl From<Client> for Http {
    fn from(client: Client) -> Self {
        Self::over(client.clone(), Arc::new(Network(client)))
    }
}

/// A call under way: measured whatever becomes of it, also when nobody waits for its end.
struct Call {
    service: Service,
    class: Class,
    begun: Instant,
    outcome: Exchange,
}

impl Call {
    fn begins(service: Service, class: Class) -> Self {
        Self { service, class, begun: Instant::now(), outcome: Exchange::Abandoned }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        measure::called(self.service, self.class, self.outcome, self.begun.elapsed());
    }
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Http")
    }
}

struct Network(Client);

#[async_trait]
impl Transport for Network {
    async fn send(&self, request: Request) -> Result<Response, Unanswered> {
        Ok(self.0.execute(request).await?)
    }
}
