//! The HTTP face: QStash's routes on one handler, since a destination stands raw in the path and no router may touch it.
//! Authenticates, reads a bounded body, hands on to one function per route, and turns its answer into JSON.

mod dead;
mod door;
mod flow;
mod groups;
mod latest;
mod listing;
mod own;
mod publish;
mod queues;
mod rates;
mod runs;
mod schedules;

use super::disk;
use super::instructions::Refusal;
use super::message::Headers;
use super::page;
use super::post::Post;
use super::target::{self, Own, Route, Target};
use crate::services::qstash::wire::{Failure, Keys};
use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use secrecy::ExposeSecret;
use serde::{Serialize, de::DeserializeOwned};
use std::net::SocketAddr;
use std::sync::Arc;

/// A batch carries many bodies; each is checked against the quota alone.
const BATCH_BYTES_MAX: usize = 100 * 1024 * 1024;

pub fn router(post: Arc<Post>) -> Router {
    Router::new().fallback(handle).with_state(post)
}

/// A request that passed the door.
struct Call {
    post: Arc<Post>,
    user: String,
    method: Method,
    target: Target,
    /// Names in lower case; query instructions after the headers.
    headers: Headers,
    body: Bytes,
    caller_ip: String,
}

async fn handle(
    State(post): State<Arc<Post>>,
    ConnectInfo(address): ConnectInfo<SocketAddr>,
    request: Request,
) -> Response {
    let mut told = HeaderMap::new();
    match answer(post, address, request, &mut told).await {
        Ok(mut response) => {
            response.headers_mut().extend(told);
            response
        }
        Err(refusal) => {
            let mut response = json(refusal.status, &Failure { error: refusal.text });
            response.headers_mut().extend(told);
            response
        }
    }
}

async fn answer(
    post: Arc<Post>,
    address: SocketAddr,
    request: Request,
    told: &mut HeaderMap,
) -> Result<Response, Refusal> {
    let (head, body) = request.into_parts();
    if post.users.are_published() {
        door::check(&head.headers)?;
    }
    if let Some(response) = page::answer(&head, &post.users) {
        return Ok(response);
    }
    let mut target = target::read(head.uri.path(), head.uri.query());
    let token = bearer(&head.headers).or(target.token.as_deref()).unwrap_or_default();
    let user = authenticate(&post, token, &head.method, &target.route)?;
    rates::check(&post, &user, &target.route, told)?;
    let limit = if target.route == Route::Batch { BATCH_BYTES_MAX } else { post.quota.body_bytes };
    let body = read_body(body, limit).await?;
    let mut headers = text_headers(&head.headers);
    headers.append(&mut target.instructions);
    let caller_ip = address.ip().to_string();
    dispatch(Call { post, user, method: head.method, target, headers, body, caller_ip }).await
}

/// A read-only token reads, but not the signing keys: with those one could do what it must not.
fn authenticate(post: &Post, token: &str, method: &Method, route: &Route) -> Result<String, Refusal> {
    if let Some(user) = post.users.with_token(token) {
        return Ok(user.to_owned());
    }
    let user = post.users.with_read_only(token);
    let user = user.ok_or_else(|| Refusal::new(401, "unable to authenticate: invalid token"))?;
    if method == Method::GET && *route != Route::Keys {
        return Ok(user.to_owned());
    }
    Err(Refusal::new(403, "the token is read-only"))
}

async fn dispatch(call: Call) -> Result<Response, Refusal> {
    match (call.target.route.clone(), call.method.as_str()) {
        (Route::Publish { destination }, "POST") => publish::one(call, &destination, None).await,
        (Route::Enqueue { queue, destination }, "POST") => publish::one(call, &destination, Some(&queue)).await,
        (Route::Batch, "POST") => publish::batch(call).await,
        (Route::Messages, "DELETE") => listing::cancel_many(call).await,
        (Route::Message(id), "GET") => listing::message(call, &id).await,
        (Route::Message(id), "DELETE") => listing::cancel(call, &id).await,
        (Route::DeadLetters, "GET") => dead::list(call).await,
        (Route::DeadLetters, "DELETE") => dead::delete_many(call).await,
        (Route::DeadLetter(id), "GET") => dead::get(call, &id).await,
        (Route::DeadLetter(id), "DELETE") => dead::delete(call, &id).await,
        (Route::Revive(id), "POST") => dead::revive(call, &id).await,
        (Route::ReviveMany, "POST") => dead::revive_many(call).await,
        (Route::Runs, "DELETE") => runs::cancel_many(call).await,
        (Route::Run(id), "DELETE") => runs::end(call, &id).await,
        (Route::Log(name), "GET") => listing::log(call, name).await,
        _ => dispatch_settings(call).await,
    }
}

async fn dispatch_settings(call: Call) -> Result<Response, Refusal> {
    match (call.target.route.clone(), call.method.as_str()) {
        (Route::Schedules, "GET") => schedules::list(call).await,
        (Route::Schedule(destination), "POST") => schedules::create(call, &destination).await,
        (Route::Schedule(id), "GET") => schedules::get(call, &id).await,
        (Route::Schedule(id), "DELETE") => schedules::delete(call, &id).await,
        (Route::PauseSchedule { id, pause }, "POST" | "PATCH") => schedules::pause(call, &id, pause).await,
        (Route::Groups, "GET") => groups::list(call).await,
        (Route::Group(name), "GET") => groups::get(call, &name).await,
        (Route::Group(name), "DELETE") => groups::delete(call, &name).await,
        (Route::Group(name), "PATCH") => groups::set_headers(call, &name).await,
        (Route::Endpoints(name), "POST") => groups::add(call, &name).await,
        (Route::Endpoints(name), "DELETE") => groups::remove(call, &name).await,
        (Route::Queues, "GET") => queues::list(call).await,
        (Route::Queues, "POST") => queues::upsert(call).await,
        (Route::Queue(name), "GET") => queues::get(call, &name).await,
        (Route::Queue(name), "DELETE") => queues::delete(call, &name).await,
        (Route::PauseQueue { name, pause }, "POST") => queues::pause(call, &name, pause).await,
        (Route::FlowControls, "GET") => flow::list(call).await,
        (Route::FlowControl(key), "GET") => flow::get(call, &key).await,
        (Route::SteerFlow { key, how }, "POST") => flow::steer(call, &key, how).await,
        (Route::GlobalParallelism, "GET") => Ok(flow::global(&call)),
        (Route::Keys, "GET") => keys(&call),
        (Route::Rotate, "POST") => rotate(call).await,
        (Route::Own(Own::Idle), "GET") => own::idle(call).await,
        (Route::Own(Own::Advance), "POST") => own::advance(call).await,
        (Route::Own(Own::Pulse), "GET") => latest::pulse(call).await,
        (Route::Own(Own::Latest), "GET") => latest::list(call).await,
        (Route::Unknown, _) => Err(Refusal::new(404, "no such endpoint")),
        _ => Err(Refusal::new(405, "method not allowed")),
    }
}

fn keys(call: &Call) -> Result<Response, Refusal> {
    let keys = call.post.users.keys(&call.user).ok_or_else(|| Refusal::new(404, "no keys"))?;
    let (current, next) = (keys.current.expose_secret().to_owned(), keys.next.expose_secret().to_owned());
    Ok(json(200, &Keys { current, next }))
}

/// The next key becomes the current one. On disk first: a key handed out must outlive a crash.
async fn rotate(call: Call) -> Result<Response, Refusal> {
    let _turn = call.post.rotating.lock().await;
    let before = call.post.users.keys(&call.user).ok_or_else(|| Refusal::new(404, "no keys"))?;
    let current = before.next.expose_secret().to_owned();
    let random = uuid::Uuid::new_v4().simple().to_string();
    let next = format!("sig_{}", random.get(..28).unwrap_or_default());
    let (user, stored) = (call.user.clone(), (current.clone(), next.clone()));
    let write = call.post.disk.write(move |txn| super::ledger::rotate(txn, &user, &stored.0, &stored.1));
    write.await.map_err(|error| trouble(&error))?;
    let keys =
        crate::services::qstash::signature::SigningKeys { current: current.clone().into(), next: next.clone().into() };
    call.post.users.rotate(&call.user, keys);
    Ok(json(200, &Keys { current, next }))
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let text = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = text.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn text_headers(headers: &HeaderMap) -> Headers {
    let text = |value: &axum::http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    headers.iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect()
}

async fn read_body(body: Body, limit: usize) -> Result<Bytes, Refusal> {
    axum::body::to_bytes(body, limit).await.map_err(|error| {
        let too_long = std::error::Error::source(&error)
            .is_some_and(<dyn std::error::Error>::is::<http_body_util::LengthLimitError>);
        if too_long {
            Refusal::new(412, "quota maxMessageSize exceeded")
        } else {
            Refusal::new(400, "the body broke off")
        }
    })
}

/// The log failed: nothing was done, and asking again is right.
fn trouble(error: &disk::Error) -> Refusal {
    tracing::error!(%error, "A request failed on the log");
    Refusal::new(500, "internal error")
}

/// A success that says nothing more.
fn empty(status: u16) -> Response {
    StatusCode::from_u16(status).unwrap_or(StatusCode::OK).into_response()
}

fn read_json<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refusal> {
    serde_json::from_slice(body).map_err(|error| Refusal::new(400, format!("invalid body: {error}")))
}

fn json(status: u16, value: &impl Serialize) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    match serde_json::to_vec(value) {
        Ok(body) => (status, [(header::CONTENT_TYPE, "application/json")], body).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
