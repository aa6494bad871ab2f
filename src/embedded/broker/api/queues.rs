//! Queues.

use super::super::instructions::Refusal;
use super::super::ledger::queues::{self, Queue};
use super::super::message::Millis;
use super::super::target::is_name;
use super::super::ticket::scoped;
use super::{Call, empty, json, read_json, trouble};
use axum::response::Response;
use serde::{Deserialize, Serialize};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct View {
    name: String,
    created_at: Millis,
    updated_at: Millis,
    parallelism: u32,
    paused: bool,
    lag: usize,
}

/// Creates one or changes what is given of it.
pub async fn upsert(call: Call) -> Result<Response, Refusal> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Body {
        queue_name: String,
        parallelism: Option<u32>,
        paused: Option<bool>,
    }
    let Body { queue_name, parallelism, paused } = read_json(&call.body)?;
    if parallelism == Some(0) {
        return Err(Refusal::bad("invalid parallelism: at least 1"));
    }
    if parallelism.is_some_and(|places| places > call.post.quota.queue_parallelism) {
        return Err(Refusal::quota("maxQueueParallelism"));
    }
    set(call, &queue_name, parallelism, paused).await
}

pub async fn pause(call: Call, name: &str, pause: bool) -> Result<Response, Refusal> {
    set(call, name, None, Some(pause)).await
}

async fn set(call: Call, name: &str, parallelism: Option<u32>, paused: Option<bool>) -> Result<Response, Refusal> {
    if !is_name(name) {
        return Err(Refusal::bad("invalid queue name: letters, digits, '-', '_' and '.'"));
    }
    let _turn = call.post.settling.lock().await;
    let (user, key, now, most) = (call.user.clone(), name.to_owned(), call.post.clock.now(), call.post.quota.queues);
    let write = call.post.disk.write(move |txn| queues::set(txn, (&user, &key), parallelism, paused, most, now));
    let queue = write.await.map_err(|error| trouble(&error))?.ok_or_else(|| Refusal::quota("maxQueues"))?;
    call.post.steer(|board| board.set_lane(&scoped(&call.user, name), queue.parallelism as usize, queue.paused));
    Ok(empty(200))
}

pub async fn list(call: Call) -> Result<Response, Refusal> {
    let user = call.user.clone();
    let read = call.post.disk.read(move |txn| {
        let mut all = Vec::new();
        queues::each(txn, |owner, name, queue| {
            if owner == user {
                all.push((name.to_owned(), queue));
            }
        })?;
        Ok(all)
    });
    let all = read.await.map_err(|error| trouble(&error))?;
    let all: Vec<View> = all.into_iter().map(|(name, queue)| view(&call, name, &queue)).collect();
    Ok(json(200, &all))
}

pub async fn get(call: Call, name: &str) -> Result<Response, Refusal> {
    let (user, key) = (call.user.clone(), name.to_owned());
    let queue = call.post.disk.read(move |txn| queues::get(txn, &user, &key)).await.map_err(|error| trouble(&error))?;
    let queue = queue.ok_or_else(|| missing(name))?;
    Ok(json(200, &view(&call, name.to_owned(), &queue)))
}

/// Its settings go; messages still in it are delivered one by one, since they were accepted.
pub async fn delete(call: Call, name: &str) -> Result<Response, Refusal> {
    let _turn = call.post.settling.lock().await;
    let (user, key) = (call.user.clone(), name.to_owned());
    let write = call.post.disk.write(move |txn| queues::delete(txn, &user, &key));
    if !write.await.map_err(|error| trouble(&error))? {
        return Err(missing(name));
    }
    call.post.steer(|board| board.forget_lane(&scoped(&call.user, name)));
    Ok(empty(200))
}

fn view(call: &Call, name: String, queue: &Queue) -> View {
    let lag = call.post.steer(|board| board.lag(&scoped(&call.user, &name)));
    let Queue { created_at, updated_at, parallelism, paused } = *queue;
    View { name, created_at, updated_at, parallelism, paused, lag }
}

fn missing(name: &str) -> Refusal {
    Refusal::new(404, format!("queue {name} not found"))
}
