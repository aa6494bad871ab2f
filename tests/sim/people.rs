//! Everyone who uses the service, beside QStash: the frontend that enqueues and insists, the person who cancels or retries,
//! the schedule that sweeps, and others who write to the same project.

use crate::faults::Fault as F;
use crate::world::World;
use crate::world::process::{Answer, OPERATOR};
use axum::body::Body;
use axum::http::Request;
use cliprelay::job::{JobId, State};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{sleep, timeout};

const PROCESS: &str = "/api/process-klap";
/// The longest a frontend waits for an answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often it insists.
const TRIES: usize = 40;

fn asking() -> Value {
    json!({"projectId": "p1", "videoUrl": "https://videos.sim/1.mp4", "options": {}})
}

async fn ask(world: &Arc<World>, request: Request<Body>) -> Option<Answer> {
    let process = world.any_process();
    world.tell(|| format!("{process} <- {} {}", request.method(), request.uri()));
    let answer = timeout(PATIENCE, process.answer(request)).await.ok().flatten();
    world.tell(|| match &answer {
        Some(answer) => format!("{process} -> {} {}", answer.status, answer.body),
        None => format!("{process} -> no answer"),
    });
    answer
}

fn post(path: &str) -> axum::http::request::Builder {
    Request::post(path).header("content-type", "application/json")
}

fn body(body: &Value) -> Body {
    Body::from(body.to_string())
}

/// Enqueues under one idempotency key and insists until it is told the job.
pub async fn enqueue(world: &Arc<World>) {
    let asked = asking();
    for _ in 0..TRIES {
        let request = post(PROCESS).header("idempotency-key", "k1").body(body(&asked)).expect("a request");
        match ask(world, request).await {
            Some(answer) if matches!(answer.status, 200 | 202) => {
                let job = JobId::new(answer.body["jobId"].as_str().expect("a job id"));
                let mut state = world.state();
                if state.job.as_ref().is_some_and(|known| *known != job) && state.laws.lost_at.is_empty() {
                    let known = state.job.clone();
                    drop(state);
                    world.violate("1 an idempotency key stands for one job", || format!("{known:?} and {job}"));
                    return;
                }
                state.job = Some(job.clone());
                state.laws.accepted.push(job);
                return;
            }
            Some(answer) if answer.status < 500 => {
                world.violate("1 a good request is accepted", || format!("{answer:?}"));
                return;
            }
            Some(_) | None => sleep(Duration::from_secs(7)).await,
        }
    }
    world.violate("1 a good request is accepted", || format!("not in {TRIES} tries"));
}

/// One round of the sweep, by the schedule.
pub async fn sweep(world: &Arc<World>) {
    let request = Request::post("/api/cron/klap").header("authorization", format!("Bearer {OPERATOR}"));
    let process = world.any_process();
    let answer = timeout(Duration::from_mins(1), process.answer(request.body(Body::empty()).expect("a request"))).await;
    let answer = answer.ok().flatten();
    world.tell(|| format!("{process} sweeps: {}", answer.map_or(Value::Null, |answer| answer.body)));
}

/// Somebody does something, just now.
pub fn act(world: &Arc<World>, fault: F) {
    if fault == F::OthersWrite {
        world.state().rows.others_write();
        return;
    }
    let Some(job) = world.state().job.clone() else { return };
    world.state().asking += 1;
    let world = Arc::clone(world);
    tokio::spawn(async move {
        match fault {
            F::Cancelled => cancel(&world, &job).await,
            F::RetriedEarly => {
                retry(&world, &job).await;
            }
            _ => enqueue_again(&world, &job).await,
        }
        world.state().asking -= 1;
        world.changed.notify_waiters();
    });
}

/// Insists until the job is no more live.
async fn cancel(world: &Arc<World>, job: &JobId) {
    for _ in 0..TRIES {
        let request = Request::delete(format!("{PROCESS}?jobId={job}")).body(Body::empty()).expect("a request");
        match ask(world, request).await {
            Some(answer) if answer.status == 200 => {
                world.state().laws.cancelled.push(job.clone());
                return;
            }
            // Over already, or forgotten.
            Some(answer) if matches!(answer.status, 404 | 409) => return,
            Some(_) | None => sleep(Duration::from_secs(5)).await,
        }
    }
}

/// Whether a new epoch was opened.
pub async fn retry(world: &Arc<World>, job: &JobId) -> bool {
    for _ in 0..TRIES {
        let asked = json!({"jobId": job});
        let request = post("/api/process-klap/retry").body(body(&asked)).expect("a request");
        match ask(world, request).await {
            Some(answer) if answer.status == 202 => {
                world.state().laws.retries += 1;
                return true;
            }
            Some(answer) if answer.status < 500 => return false,
            Some(_) | None => sleep(Duration::from_secs(5)).await,
        }
    }
    false
}

async fn enqueue_again(world: &Arc<World>, job: &JobId) {
    let asked = asking();
    let request = post(PROCESS).body(body(&asked)).expect("a request");
    let Some(answer) = ask(world, request).await else { return };
    let given = answer.body["jobId"].as_str().map(JobId::new);
    match (answer.status, given) {
        (200, Some(given)) if given == *job => {}
        // The first had ended by then, or was forgotten.
        (200 | 202, Some(given)) => {
            let ended = world.state().laws.jobs.get(job).is_none_or(|seen| seen.last.is_final());
            let lost = !world.state().laws.lost_at.is_empty();
            if !ended && !lost {
                world.violate("1 one live job per project", || format!("{job} lives, and {given} was made"));
            }
            world.state().laws.accepted.push(given);
        }
        (500.., _) => {}
        _ => world.violate("1 a good request is accepted", || format!("{answer:?}")),
    }
}

/// What the frontend is shown: never less than before, and no clip that is not stored.
pub async fn look(world: &Arc<World>) {
    let Some(job) = world.state().job.clone() else { return };
    let request = Request::get(format!("{PROCESS}?jobId={job}")).body(Body::empty()).expect("a request");
    let Some(answer) = ask(world, request).await.filter(|answer| answer.status == 200) else { return };
    let listed = answer.body["clips"].as_array().cloned().unwrap_or_default();
    for clip in listed.iter().filter(|clip| clip["status"] == "stored") {
        let url = clip["url"].as_str().unwrap_or_default();
        let path = url.split_once("/object/public/videos/").map(|(_, path)| path.to_owned()).unwrap_or_default();
        let stored = world.state().storage.objects.get(&path).cloned();
        let right = stored.as_ref().is_some_and(|object| object.right && Some(object.size) == clip["size"].as_u64());
        if !right {
            world.violate("5 a clip is listed only when storage has all of it", || format!("{url}: {stored:?}"));
        }
    }
    let progress = answer.body["progress"].as_u64().unwrap_or_default();
    let mut state = world.state();
    let lost = !state.laws.lost_at.is_empty();
    let fell = progress < state.laws.progress && !lost;
    state.laws.progress = progress;
    drop(state);
    if fell {
        world.violate("1 progress never falls", || format!("now {progress}"));
    }
}

/// The job, if it is over and may be tried again.
pub fn may_retry(world: &World) -> Option<JobId> {
    let job = world.current()?;
    let retryable = job.error.as_ref().is_some_and(|error| error.retryable);
    (job.state == State::Failed && retryable).then_some(job.id)
}
