//! Flow-control keys, and the parallelism of the whole.

use super::super::instructions::Refusal;
use super::super::ledger::flow::{self, Setting};
use super::super::message::{FlowLimits, Millis};
use super::super::target::Steer;
use super::super::ticket::scoped;
use super::{Call, empty, json, trouble};
use axum::response::Response;
use serde::Serialize;

/// A key as the API shows it; 0 is no limit.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct View {
    flow_control_key: String,
    /// Messages that are due and wait for the key's limits or for a place.
    wait_list_size: usize,
    parallelism_max: u32,
    parallelism_count: usize,
    rate_max: u32,
    rate_count: u32,
    /// In seconds.
    rate_period: u64,
    /// Unix seconds.
    rate_period_start: Millis,
    is_paused: bool,
    is_pinned_parallelism: bool,
    is_pinned_rate: bool,
}

pub async fn list(call: Call) -> Result<Response, Refusal> {
    let search = call.target.parameter("search").unwrap_or_default().to_owned();
    let user = call.user.clone();
    let read = call.post.disk.read(move |txn| {
        let mut all = Vec::new();
        flow::each(txn, |owner, key, setting| {
            if owner == user && key.contains(&search) {
                all.push((key.to_owned(), setting));
            }
        })?;
        Ok(all)
    });
    let all = read.await.map_err(|error| trouble(&error))?;
    let all: Vec<View> = all.into_iter().map(|(key, setting)| view(&call, key, &setting)).collect();
    Ok(json(200, &all))
}

pub async fn get(call: Call, key: &str) -> Result<Response, Refusal> {
    let (user, name) = (call.user.clone(), key.to_owned());
    let setting =
        call.post.disk.read(move |txn| flow::get(txn, &user, &name)).await.map_err(|error| trouble(&error))?;
    let setting = setting.ok_or_else(|| Refusal::new(404, format!("flow control key {key} not found")))?;
    Ok(json(200, &view(&call, key.to_owned(), &setting)))
}

pub async fn steer(call: Call, key: &str, how: Steer) -> Result<Response, Refusal> {
    let _turn = call.post.settling.lock().await;
    let gate = scoped(&call.user, key);
    if how == Steer::ResetRate {
        call.post.steer(|board| board.queue.reset_gate(&gate));
        return Ok(empty(200));
    }
    let change = change(&call, how)?;
    let (user, name, now) = (call.user.clone(), key.to_owned(), call.post.clock.now());
    let write = call.post.disk.write(move |txn| flow::change(txn, (&user, &name), now, change));
    let setting = write.await.map_err(|error| trouble(&error))?;
    call.post.steer(|board| board.queue.set_gate(&gate, setting.limits, Some(setting.paused), setting.revision));
    Ok(empty(200))
}

type Change = Box<dyn FnOnce(&mut Setting) + Send>;

fn change(call: &Call, how: Steer) -> Result<Change, Refusal> {
    let flag = |name| call.target.parameter(name) == Some("true");
    Ok(match how {
        Steer::Pause => Box::new(|setting| setting.paused = true),
        Steer::Resume => Box::new(|setting| setting.paused = false),
        Steer::Unpin => {
            let (parallelism, rate) = (flag("parallelism"), flag("rate"));
            Box::new(move |setting| {
                setting.pinned_parallelism &= !parallelism;
                setting.pinned_rate &= !rate;
            })
        }
        Steer::Pin | Steer::ResetRate => {
            let mut pinned = FlowLimits::default();
            for name in ["parallelism", "rate", "period"] {
                if let Some(value) = call.target.parameter(name) {
                    pinned.set(name, value).map_err(|_| Refusal::bad(format!("invalid {name}")))?;
                }
            }
            if pinned.parallelism.is_none() && pinned.rate.is_none() {
                return Err(Refusal::bad("parallelism, rate or both are to be given"));
            }
            Box::new(move |setting| setting.pin(pinned))
        }
    })
}

pub fn global(call: &Call) -> Response {
    let (limits, flying) = call.post.steer(|board| (board.queue.limits(), board.queue.flying()));
    json(200, &serde_json::json!({ "parallelismMax": limits.all, "parallelismCount": flying }))
}

fn view(call: &Call, key: String, setting: &Setting) -> View {
    let (gate, now) = (scoped(&call.user, &key), call.post.clock.now());
    let (held, flying, begun, start) = call.post.steer(|board| {
        let queue = &board.queue;
        let known = queue.gates().get(&gate);
        let (flying, begun) = known.map_or((0, 0), |gate| (gate.flying, gate.begun_at(now)));
        (queue.held(&gate), flying, begun, known.map_or(0, |gate| gate.period_start))
    });
    View {
        flow_control_key: key,
        wait_list_size: held,
        parallelism_max: setting.limits.parallelism.unwrap_or(0),
        parallelism_count: flying,
        rate_max: setting.limits.rate.unwrap_or(0),
        rate_count: begun,
        rate_period: setting.limits.period.unwrap_or(1),
        rate_period_start: start.div_euclid(1_000),
        is_paused: setting.paused,
        is_pinned_parallelism: setting.pinned_parallelism,
        is_pinned_rate: setting.pinned_rate,
    }
}
