//! Many who enqueue, cancel and retry on one project through two processes, while pushes let its jobs fail: at no moment has
//! the project two live jobs, and none that was accepted is lost.

use crate::support::app::{ANN, TestApp};
use crate::support::driving::{Answer, read};
use crate::support::queue::{Fate, Sent};
use crate::support::random::Random;
use axum::http::Method;
use cliprelay::embedded::klap::{Effect, Fault, Operation};
use cliprelay::job::{Job, wire};
use redis::Script;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

const TASKS: usize = 8;
const TURNS: usize = 40;

/// All records and the project's pointer at one moment.
const MOMENT: &str = "
local bodies = {}
for _, key in ipairs(redis.call('KEYS', '{test:}job:*')) do bodies[#bodies + 1] = redis.call('HGET', key, 'b') end
return {redis.call('GET', '{test:}project:3:ann:p1'), bodies}";

#[derive(Default)]
struct Seen {
    accepted: BTreeSet<String>,
    /// How often which request was answered how.
    answers: BTreeMap<String, usize>,
}

fn moment(connection: &mut redis::Connection) -> usize {
    let (pointer, bodies): (Option<String>, Vec<Vec<u8>>) = Script::new(MOMENT).invoke(connection).unwrap();
    let live: Vec<Job> =
        bodies.iter().map(|body| wire::decode_record(body).unwrap()).filter(|job| !job.is_final()).collect();
    let names = || live.iter().map(|job| format!("{} {:?}", job.pointer(), job.state)).collect::<Vec<_>>();
    assert!(live.len() <= 1, "two are live: {:?}", names());
    if let Some(job) = live.first() {
        assert_eq!(pointer.as_deref(), Some(&*job.pointer()), "the pointer is another job's: {:?}", names());
    }
    bodies.len()
}

/// Looks again and again until told to stop; how many moments with a job it has seen.
fn observe(mut connection: redis::Connection, over: &AtomicBool) -> usize {
    let mut moments = 0;
    while !over.load(Ordering::SeqCst) {
        moments += usize::from(moment(&mut connection) > 0);
    }
    moments
}

async fn ask(app: &TestApp, router: usize, method: Method, path: &str, body: Option<serde_json::Value>) -> Answer {
    let request = app.http.request(method, app.bases[router].join(path).unwrap()).bearer_auth(ANN);
    read(match body {
        Some(body) => request.json(&body),
        None => request,
    })
    .await
}

/// One turn of one task: what was done, and the answer.
async fn turn(app: &TestApp, random: &mut Random, known: &[String]) -> (&'static str, Answer) {
    let router = usize::try_from(random.within(0..2)).unwrap();
    let job = |random: &mut Random| {
        // Mostly one of the latest: of the others little can be asked any more.
        let back = random.within(0..4).min(known.len() as u64 - 1);
        known[known.len() - 1 - usize::try_from(back).unwrap()].clone()
    };
    match random.within(0..10) {
        _ if known.is_empty() => {
            ("enqueue", ask(app, router, Method::POST, "/api/process-klap", Some(app.asking("p1", 1))).await)
        }
        0..3 => ("enqueue", ask(app, router, Method::POST, "/api/process-klap", Some(app.asking("p1", 1))).await),
        3 => {
            let path = format!("/api/process-klap?jobId={}", job(random));
            ("cancel", ask(app, router, Method::DELETE, &path, None).await)
        }
        4..7 => {
            let body = json!({"jobId": job(random)});
            ("retry", ask(app, router, Method::POST, "/api/process-klap/retry", Some(body)).await)
        }
        _ => {
            let waiting: Vec<Sent> = app.queue.waiting();
            let Some(sent) = waiting.last() else {
                return ("look", ask(app, router, Method::GET, "/api/process-klap?projectId=p1", None).await);
            };
            let answer = app.push_to(router, &sent.body).await;
            if answer.status == 200 || answer.status == 489 {
                app.queue.set_fate(&sent.id, Fate::Delivered);
            }
            ("push", answer)
        }
    }
}

async fn play(app: Arc<TestApp>, mut random: Random, seen: Arc<Mutex<Seen>>) {
    for _ in 0..TURNS {
        let known: Vec<String> = seen.lock().unwrap().accepted.iter().cloned().collect();
        let (what, answer) = turn(&app, &mut random, &known).await;
        let allowed: &[u16] = match what {
            "enqueue" => &[200, 202],
            "cancel" => &[200, 409],
            "retry" => &[202, 409, 503],
            "push" => &[200, 429, 489, 503],
            _ => &[200],
        };
        assert!(allowed.contains(&answer.status), "{what}: {} {:#}", answer.status, answer.body);
        let mut seen = seen.lock().unwrap();
        *seen.answers.entry(format!("{what} {} {}", answer.status, answer.code())).or_default() += 1;
        if what == "enqueue" {
            seen.accepted.insert(answer.body["jobId"].as_str().unwrap().to_owned());
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_project_has_one_live_job_through_every_race() {
    let app = Arc::new(TestApp::builder().on_redis().routers(2).start().await);
    let mut random = Random::seeded("RACE_SEED");
    // Each push fails its job, in a way that a retry could mend.
    let effect = Effect::Answer { status: 401, body: json!({}), retry_after: None, after_effect: false };
    app.sandbox.klap.inject(Fault { operation: Operation::CreateTask, times: 10_000, effect });
    let (over, seen) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Seen::default())));
    let (connection, stop) = (app.redis.as_ref().unwrap().connection(), over.clone());
    let observer = tokio::task::spawn_blocking(move || observe(connection, &stop));
    let tasks = (0..TASKS).map(|_| tokio::spawn(play(app.clone(), Random::new(random.next()), seen.clone())));
    let played = futures_util::future::join_all(tasks).await;
    over.store(true, Ordering::SeqCst);
    let moments = observer.await.unwrap();
    played.into_iter().for_each(Result::unwrap);
    let seen = std::mem::take(&mut *seen.lock().unwrap());
    println!("{moments} moments, {} jobs: {:#?}", seen.accepted.len(), seen.answers);
    // A run in which hardly anything happened shows nothing.
    let often = |what: &str| seen.answers.get(what).copied().unwrap_or_default();
    assert!(moments > 20 && often("enqueue 202 ") > 0 && often("retry 202 ") > 0 && often("cancel 200 ") > 0);
    for job in &seen.accepted {
        assert_eq!(app.status(job).await["jobId"], json!(job));
    }
    let listed = app.get("/api/jobs?limit=100").await.expect(200);
    let listed: BTreeSet<String> =
        listed.body["jobs"].as_array().unwrap().iter().map(|job| job["jobId"].as_str().unwrap().to_owned()).collect();
    assert_eq!(listed, seen.accepted);
}
