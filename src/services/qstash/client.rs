//! The client. It makes one request per call and never repeats it: whoever calls knows whether repeating is safe.

use super::reply::{self, Error};
use super::wire::{self, Cancelled, DeadLetter, DeadLetters, Deleted, Message, Published};
use super::{Publish, signature::SigningKeys};
use crate::measure::Service;
use crate::services::outbound::Http;
use reqwest::{Method, RequestBuilder, Response};
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use std::time::Duration;
use url::Url;

/// Where QStash is and how long to wait for it.
#[derive(Debug, Clone)]
pub struct Options {
    /// The root, as `https://qstash.upstash.io`.
    pub url: Url,
    pub token: SecretString,
    /// For one whole call.
    pub timeout: Duration,
}

/// Which dead letters to list; what is none is not filtered by.
#[derive(Debug, Clone, Default)]
pub struct DeadLetterFilter {
    pub message_id: Option<String>,
    pub url: Option<String>,
    pub label: Option<String>,
    pub cursor: Option<String>,
    /// At most 100.
    pub count: Option<u32>,
}

/// The account's signing keys.
pub type Keys = SigningKeys;

#[derive(Debug, Clone)]
pub struct QStash {
    http: Http,
    root: Url,
    token: SecretString,
    timeout: Duration,
}

impl QStash {
    /// `http` must not follow redirects. An address that ends in `/v2` or `/v2/publish` is taken for its root, a mistake
    /// many make; any other path is refused, since QStash would answer it with a puzzling "invalid destination url".
    pub fn new(http: impl Into<Http>, options: Options) -> Result<Self, Error> {
        let root = root(&options.url)?;
        Ok(Self { http: http.into().to(Service::Qstash), root, token: options.token, timeout: options.timeout })
    }

    /// The destination stands raw in the path: QStash refuses it percent-encoded. A fragment is no part of a request.
    pub async fn publish(&self, publish: &Publish) -> Result<Published, Error> {
        let mut destination = publish.destination.clone();
        destination.set_fragment(None);
        let address = format!("{}v2/publish/{destination}", self.root);
        let address = Url::parse(&address).map_err(|error| Error::unsendable(&error.to_string()))?;
        let request = self.request(Method::POST, address).headers(publish.headers()?).body(publish.body.clone());
        self.send(request)
            .await?
            .ok_or_else(|| Error::Refused { status: 404, message: "no publish endpoint at this address".to_owned() })
    }

    /// A message that is waiting or on its way; none soon after it was delivered, cancelled or given up.
    pub async fn message(&self, id: &str) -> Result<Option<Message>, Error> {
        self.send(self.request(Method::GET, self.address(&["messages", id]))).await
    }

    /// Withdraws a message; false if it is gone already. An attempt under way is not stopped.
    pub async fn cancel(&self, id: &str) -> Result<bool, Error> {
        let answer: Option<Option<Cancelled>> =
            self.send(self.request(Method::DELETE, self.address(&["messages", id]))).await?;
        Ok(answer.is_some_and(|counted| counted.is_none_or(|answer| answer.cancelled > 0)))
    }

    pub async fn dead_letters(&self, filter: &DeadLetterFilter) -> Result<DeadLetters, Error> {
        let mut address = self.address(&["dlq"]);
        let fields = [
            ("messageId", filter.message_id.clone()),
            ("url", filter.url.clone()),
            ("label", filter.label.clone()),
            ("cursor", filter.cursor.clone()),
            ("count", filter.count.map(|count| count.to_string())),
        ];
        let given = fields.iter().filter_map(|(name, value)| Some((*name, value.as_ref()?)));
        address.query_pairs_mut().extend_pairs(given);
        Ok(self.send(self.request(Method::GET, address)).await?.unwrap_or_default())
    }

    /// One dead letter; none if it is not there (any more).
    pub async fn dead_letter(&self, dlq_id: &str) -> Result<Option<DeadLetter>, Error> {
        self.send(self.request(Method::GET, self.address(&["dlq", dlq_id]))).await
    }

    /// False if it is gone already.
    pub async fn delete_dead_letter(&self, dlq_id: &str) -> Result<bool, Error> {
        let answer: Option<Option<Deleted>> =
            self.send(self.request(Method::DELETE, self.address(&["dlq", dlq_id]))).await?;
        Ok(answer.is_some_and(|counted| counted.is_none_or(|answer| answer.deleted > 0)))
    }

    /// The keys pushes are signed with, to compare with ours. Also the cheapest proof that the token is good.
    pub async fn keys(&self) -> Result<Keys, Error> {
        let keys: Option<wire::Keys> = self.send(self.request(Method::GET, self.address(&["keys"]))).await?;
        let keys = keys.ok_or_else(|| Error::Refused { status: 404, message: "no keys at this address".to_owned() })?;
        Ok(Keys { current: keys.current.into(), next: keys.next.into() })
    }

    pub(super) fn root(&self) -> &Url {
        &self.root
    }

    pub(super) fn address(&self, segments: &[&str]) -> Url {
        let mut address = self.root.clone();
        if let Ok(mut path) = address.path_segments_mut() {
            path.pop_if_empty().push("v2").extend(segments);
        }
        address
    }

    pub(super) fn request(&self, method: Method, address: Url) -> RequestBuilder {
        self.http.request(method, address).bearer_auth(self.token.expose_secret()).timeout(self.timeout)
    }

    pub(super) async fn send<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<Option<T>, Error> {
        reply::read(self.exchange(request).await?).await
    }

    pub(super) async fn exchange(&self, request: RequestBuilder) -> Result<Response, Error> {
        self.http.send(request).await.map_err(Error::unanswered)
    }
}

fn root(url: &Url) -> Result<Url, Error> {
    let path = url.path().trim_end_matches('/');
    let known = matches!(path, "" | "/v2" | "/v2/publish");
    let web = matches!(url.scheme(), "http" | "https") && url.has_host();
    if !known || !web || url.query().is_some() || url.fragment().is_some() {
        return Err(Error::unsendable("the QStash address must be a root such as https://qstash.upstash.io"));
    }
    let mut root = url.clone();
    root.set_path("/");
    Ok(root)
}
