//! One attempt: sign, push, read the answer. It follows no redirect and uses no proxy, reads only the beginning of an
//! answer, and always ends by the message's own timeout.

use super::hold::SMALL;
use super::message::{Answer, Headers, Millis, Outcome, Record};
use super::region::Region;
use super::resolve::Resolve;
use crate::services::qstash::signature::{SigningKeys, sign};
use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt, stream};
use reqwest::header::{CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Body, Method, RequestBuilder, Response};
use std::convert::Infallible;
use std::time::Duration;
use url::Url;

/// What is read of an answer: less where nobody is told of it.
const ANSWER_BYTES_MAX: usize = 256 * 1024;
const TOLD_ANSWER_BYTES_MAX: usize = 1024 * 1024;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

/// The one client all deliveries share.
#[derive(Clone)]
pub struct Courier {
    http: reqwest::Client,
    timeout_max: Duration,
    resolve: Vec<Resolve>,
    region: Region,
}

impl Courier {
    pub fn new(timeout_max: Duration, resolve: Vec<Resolve>, region: Region) -> Result<Self, reqwest::Error> {
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .connect_timeout(CONNECT_TIMEOUT)
            .user_agent("Upstash-QStash");
        // The client's own would end after 30 s what a destination is slow to read, whatever the message's timeout.
        #[cfg(target_os = "linux")]
        let http = http.tcp_user_timeout(None);
        Ok(Self { http: http.build()?, timeout_max, resolve, region })
    }

    /// `now` goes into the signature. A large body is let go as soon as the destination has taken it.
    pub async fn push(&self, record: &Record, body: Bytes, keys: &SigningKeys, now: Millis) -> Outcome {
        let timeout = record.spec.timeout_s.map_or(self.timeout_max, Duration::from_secs).min(self.timeout_max);
        match tokio::time::timeout(timeout, self.exchange(record, body, keys, now)).await {
            Ok(Ok(answer)) => Outcome::Answered(answer),
            Ok(Err(error)) => Outcome::Failed(causes(&error.without_url())),
            Err(_) => Outcome::Failed(format!("no answer within {} s", timeout.as_secs())),
        }
    }

    async fn exchange(
        &self,
        record: &Record,
        body: Bytes,
        keys: &SigningKeys,
        now: Millis,
    ) -> Result<Answer, reqwest::Error> {
        let method = Method::from_bytes(record.spec.method.as_bytes()).unwrap_or(Method::POST);
        let mut headers = delivered(&record.spec.headers);
        let token = sign(&keys.current, &record.spec.destination, &body, now.div_euclid(1_000), &jti());
        let own = [
            ("upstash-message-id", record.id.clone()),
            ("upstash-retried", record.retried.to_string()),
            ("upstash-region", self.region.name().to_owned()),
            ("upstash-caller-ip", record.spec.caller_ip.clone().unwrap_or_default()),
            ("upstash-topic-name", record.spec.topic.clone().unwrap_or_default()),
            ("upstash-schedule-id", record.spec.schedule_id.clone().unwrap_or_default()),
            ("upstash-signature", token),
        ];
        for (name, value) in own {
            if let (false, Ok(value)) = (value.is_empty(), HeaderValue::from_str(&value)) {
                headers.insert(HeaderName::from_static(name), value);
            }
        }
        headers.remove("user-agent");
        let elsewhere = self.elsewhere(&record.spec.destination);
        let request = match elsewhere {
            None => self.http.request(method, record.spec.destination.as_str()).headers(headers),
            Some((address, host)) => {
                self.http.request(method, address).headers(headers).header(reqwest::header::HOST, host)
            }
        };
        let told = record.spec.callback.is_some() || record.spec.failure_callback.is_some();
        let most = if told { TOLD_ANSWER_BYTES_MAX } else { ANSWER_BYTES_MAX };
        answer(carrying(request, body).send().await?, most).await
    }
}

impl Courier {
    fn elsewhere(&self, destination: &str) -> Option<(Url, String)> {
        let destination = Url::parse(destination).ok()?;
        self.resolve.iter().find_map(|resolve| resolve.apply(&destination))
    }
}

/// The client keeps whole bodies until the answer has come, to send them again where it must; not those that it streams.
fn carrying(request: RequestBuilder, body: Bytes) -> RequestBuilder {
    if body.is_empty() {
        return request;
    }
    if body.len() <= SMALL {
        return request.body(body);
    }
    let length = body.len();
    // Piece by piece: the connection would otherwise copy all of it at once, room or not.
    let pieces = stream::unfold(body, async |mut rest| {
        let piece = rest.split_to(rest.len().min(SMALL));
        (!piece.is_empty()).then_some((Ok::<_, Infallible>(piece), rest))
    });
    request.header(CONTENT_LENGTH, length).body(Body::wrap_stream(pieces))
}

/// A forwarded header that HTTP cannot carry is left out: refusing it now would only fail the message for ever.
fn delivered(headers: &Headers) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::from_bytes(value.as_bytes())) {
            map.append(name, value);
        }
    }
    map
}

async fn answer(response: Response, most: usize) -> Result<Answer, reqwest::Error> {
    let status = response.status().as_u16();
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let headers = response.headers().iter().map(|(name, value)| (name.to_string(), text(value))).collect();
    let mut body = BytesMut::new();
    let mut chunks = response.bytes_stream();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk?;
        let room = most - body.len();
        body.extend_from_slice(chunk.get(..room).unwrap_or(&chunk));
        if body.len() >= most {
            break;
        }
    }
    Ok(Answer { status, headers, body: body.freeze() })
}

/// As long as the service's own.
fn jti() -> String {
    let random = uuid::Uuid::new_v4().simple().to_string();
    format!("jwt_{}", random.get(..28).unwrap_or_default())
}

fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}
