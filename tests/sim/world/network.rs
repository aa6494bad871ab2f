//! Every request of a process, on its way to whom it is for, and what may happen to it there and back.

use super::World;
use super::process::Process;
use crate::faults::{Fault as F, Hook, Step};
use crate::laws;
use cliprelay::services::outbound::Unanswered;
use reqwest::{Body, Method, Request, Response};
use serde::Serialize;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

pub fn json(status: u16, body: &impl Serialize) -> Response {
    let body = serde_json::to_vec(body).expect("our own shapes");
    plain(status, body)
}

pub fn plain(status: u16, body: impl Into<Body>) -> Response {
    let response = axum::http::Response::builder().status(status).body(body.into());
    Response::from(response.expect("a good answer"))
}

pub fn with_header(status: u16, name: &str, value: &impl ToString) -> Response {
    let response = axum::http::Response::builder().status(status).header(name, value.to_string());
    Response::from(response.body(Body::from("")).expect("a good answer"))
}

/// Whom a request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whom {
    QStash,
    Klap,
    Files,
    Storage,
    Rows,
}

fn whom(request: &Request) -> Whom {
    match request.url().host_str().expect("a host") {
        "qstash.sim" => Whom::QStash,
        "klap.sim" => Whom::Klap,
        "files.sim" => Whom::Files,
        "supabase.sim" if request.url().path().starts_with("/rest/") => Whom::Rows,
        "supabase.sim" => Whom::Storage,
        other => panic!("a request to {other}"),
    }
}

/// What may go wrong with this request at its vendor.
fn hooks(whom: Whom, request: &Request) -> Vec<Hook> {
    let path = request.url().path();
    let get = request.method() == Method::GET;
    match whom {
        Whom::QStash if path.starts_with("/v2/publish/") => vec![Hook::Publish],
        Whom::QStash => vec![],
        Whom::Klap if path.starts_with("/v2/tasks/") && get => {
            vec![Hook::Call, Hook::Klap, Hook::Look(Step::AwaitTask)]
        }
        Whom::Klap if path.starts_with("/v2/projects/") && get => {
            let is_export = path.contains("/exports/");
            let step = if is_export { Step::Transfer } else { Step::List };
            vec![Hook::Call, Hook::Klap, Hook::Look(step)]
        }
        Whom::Klap => vec![Hook::Call, Hook::Klap],
        Whom::Files => vec![Hook::Call, Hook::File],
        Whom::Storage if request.method() == Method::PATCH => vec![Hook::Call, Hook::Storage, Hook::Patch],
        Whom::Storage if path.starts_with("/storage/v1/object/videos/") => vec![Hook::Call, Hook::Storage, Hook::Put],
        Whom::Storage => vec![Hook::Call, Hook::Storage],
        Whom::Rows if request.method() == Method::PATCH => vec![Hook::Call, Hook::Row, Hook::Guarded],
        Whom::Rows => vec![Hook::Call, Hook::Row],
    }
}

/// What the step's name in the message says; a publish is the next step's first deed.
fn step_of(whom: Whom, request: &Request) -> Option<Step> {
    if whom != Whom::QStash {
        return None;
    }
    let body: serde_json::Value = serde_json::from_slice(request.body()?.as_bytes()?).ok()?;
    body["step"].as_str().map(Step::named)
}

pub async fn carry(world: &Arc<World>, process: &Arc<Process>, request: Request) -> Result<Response, Unanswered> {
    let whom = whom(&request);
    let hooks = hooks(whom, &request);
    let fault = match step_of(whom, &request) {
        Some(step) => world.strike_at(&hooks, step),
        None => world.strike(&hooks),
    };
    world.tell(|| format!("{process} {} {}", request.method(), request.url()));
    let Some(fault) = fault else { return there_and_back(world, process, whom, request, None).await };
    match fault {
        F::CrashBeforeCall | F::CrashBeforePublish => {
            process.dies();
            pending().await
        }
        F::CrashAfterCall | F::CrashAfterPublish => {
            answer(world, process, whom, request, None).await?;
            process.dies();
            pending().await
        }
        F::FreezesInCall => {
            let seconds = world.state().rng.u64(20..400);
            let answered = answer(world, process, whom, request, None).await?;
            process.freezes(Instant::now() + Duration::from_secs(seconds));
            process.alive().await;
            // By then nobody waits for it: the connection is long gone.
            drop(answered);
            Err(Unanswered::lost("the connection broke while the process slept"))
        }
        F::KlapUnsent | F::PublishUnsent | F::StorageUnsent => Err(Unanswered::unsent("no connection")),
        F::KlapLost | F::PublishLost | F::StorageLost | F::RowLost => Err(Unanswered::lost("the connection broke")),
        F::KlapUnheard | F::PublishUnheard | F::StorageUnheard | F::RowUnheard => {
            answer(world, process, whom, request, None).await?;
            Err(Unanswered::lost("the connection broke"))
        }
        F::KlapBadGateway => {
            answer(world, process, whom, request, None).await?;
            Ok(plain(502, "<html>bad gateway</html>"))
        }
        F::KlapGarbage => {
            answer(world, process, whom, request, None).await?;
            Ok(plain(200, "<html>maintenance</html>"))
        }
        F::KlapStalls | F::StorageStalls | F::FileStalls => pending().await,
        F::KlapBusy => Ok(with_header(429, "retry-after", &20)),
        F::KlapUnavailable => Ok(with_header(503, "retry-after", &15)),
        F::KlapBroken => Ok(plain(500, r#"{"message":"internal error"}"#)),
        F::PublishRefused => Ok(plain(500, r#"{"error":"internal error"}"#)),
        F::StorageAway | F::RowAway => Ok(plain(503, r#"{"message":"away"}"#)),
        F::FileAway => Ok(plain(503, "away")),
        other => there_and_back(world, process, whom, request, Some(other)).await,
    }
}

async fn there_and_back(
    world: &Arc<World>,
    process: &Arc<Process>,
    whom: Whom,
    request: Request,
    fault: Option<F>,
) -> Result<Response, Unanswered> {
    let paid = world.state().klap.billed();
    let response = answer(world, process, whom, request, fault).await?;
    let bills = world.state().klap.billed();
    world.way().await;
    process.alive().await;
    world.state().klap.heard(paid..bills, process.number);
    Ok(response)
}

/// The effect in the ledger that this call is about to be paid for.
fn effect(request: &Request) -> Option<String> {
    if request.method() != Method::POST {
        return None;
    }
    let segments: Vec<&str> = request.url().path_segments()?.collect();
    match segments.as_slice() {
        [_, "tasks", _] => Some("submit:".to_owned()),
        [_, "projects", _, clip, "exports"] => Some(format!("export:{clip}:")),
        _ => None,
    }
}

async fn answer(
    world: &Arc<World>,
    process: &Arc<Process>,
    whom: Whom,
    request: Request,
    fault: Option<F>,
) -> Result<Response, Unanswered> {
    match whom {
        Whom::QStash => Ok(super::queue::answer(world, &request)),
        Whom::Klap => {
            if let Some(effect) = effect(&request) {
                laws::paying(world, &effect);
            }
            Ok(super::klap::answer(world, &request, fault))
        }
        Whom::Files => Ok(super::files::answer(world, &request, fault)),
        Whom::Storage => super::storage::answer(world, process, request, fault).await,
        Whom::Rows => Ok(super::rows::answer(world, &request, fault)),
    }
}

/// The store loses something.
pub fn lose(world: &World, fault: F) {
    let job = world.state().job.clone();
    let mut state = world.state();
    let state = &mut *state;
    let lost = match fault {
        F::StoreForgets => {
            state.store.forget();
            true
        }
        F::StoreEvicts => {
            if let Some(job) = &job {
                state.store.evict(job);
            }
            true
        }
        _ => {
            let writes = state.rng.usize(1..=3);
            state.store.roll_back(writes) > 0
        }
    };
    if !lost {
        return;
    }
    state.laws.lost_at.push(Instant::now());
    if fault == F::StoreForgets && state.laws.jobs.values().any(|seen| seen.last.is_final()) {
        state.laws.forgotten_bills = state.klap.billed();
    }
}
