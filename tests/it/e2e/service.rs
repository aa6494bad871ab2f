//! `serve`, `broker`, `sandbox` and Redis as four processes, spoken to by HTTP alone.

use super::{SAMPLE, bytes, fetched};
use crate::support::processes::{Process, until};
use crate::support::redis;
use crate::support::system::{API_KEY, System, WORKER_SECRET, http};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use reqwest::Client;
use serde_json::{Value, json};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// How many copies of a job's first push are delivered.
const COPIES: usize = 50;

async fn row(system: &System, project: &str) -> Value {
    let url = format!("{}/supabase/rest/v1/projects?id=eq.{project}", system.stand_ins);
    let answer = system.http.get(url).header("apikey", "any").send().await.unwrap();
    answer.json::<Value>().await.unwrap()[0].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_over_http_alone() {
    let system = System::start(&[]).await;
    let seeded = json!({
        "id": "film-1", "user_id": "somebody", "name": "Holidays", "status": "draft", "video_url": system.sample(),
        "updated_at": "2026-01-01T00:00:00+00:00", "folders": {"music": ["a.mp3"], "clips": ["an old one"]},
    });
    let url = format!("{}/supabase/rest/v1/projects", system.stand_ins);
    let seeding = system.http.post(url).header("apikey", "any").json(&seeded).send().await.unwrap();
    assert_eq!(seeding.status(), 201);

    // Without a videoUrl the row's is taken.
    let job = system.enqueue(&json!({"projectId": "film-1", "options": {"targetClipCount": 3}})).await;
    let again = system.ask(Method::POST, "/api/process-klap").json(&json!({"projectId": "film-1"})).send().await;
    let again = again.unwrap();
    assert_eq!(again.status(), 409, "other options are different input");
    let ended = system.completed(&job).await;
    assert_eq!(ended["possibleDuplicateCharge"], 0);
    let files = fetched(&system, &ended, Path::new(SAMPLE)).await;
    assert_eq!(files.len(), 3);

    let row = row(&system, "film-1").await;
    for untouched in ["id", "user_id", "name", "video_url"] {
        assert_eq!(row[untouched], seeded[untouched]);
    }
    assert_eq!((&row["folders"]["music"], &row["status"]), (&json!(["a.mp3"]), &json!("ready")), "{row:#}");
    assert_ne!(row["updated_at"], seeded["updated_at"]);
    let urls = |clips: &Value| clips.as_array().unwrap().iter().map(|clip| clip["url"].clone()).collect::<Vec<_>>();
    assert_eq!(urls(&row["folders"]["clips"]), urls(&ended["clips"]));

    let (klap, storage) = (system.klap().await, system.supabase().await);
    assert_eq!((&klap["tasks"], &klap["exportsTotal"], &klap["keysLeaked"]), (&json!(1), &json!(3), &json!(0)));
    let (received, stored) = bytes(&storage);
    assert_eq!((received, storage["objectsListed"].as_u64()), (stored, Some(3)), "nothing is sent twice");
    println!("1 task, 3 exports, {received} bytes uploaded, 3 objects");

    // Without a row there is nothing to read the address from, and without a key nothing to read at all.
    let lost = system.ask(Method::POST, "/api/process-klap").json(&json!({"projectId": "film-2"})).send().await;
    assert_eq!(lost.unwrap().status(), 404);
    let stranger = system.http.get(format!("{}/api/process-klap?jobId={job}", system.base)).send().await.unwrap();
    assert_eq!(stranger.status(), 401);
    system.keeps_secrets(&[], &[]);
}

/// A load balancer in front of several services. Of the first push it delivers many copies at once, of all others two.
struct Balancer {
    http: Client,
    services: Mutex<Vec<String>>,
    many: AtomicBool,
    next: AtomicUsize,
    /// What the copies of the first push were answered.
    answers: Mutex<Vec<u16>>,
}

impl Balancer {
    async fn pass_on(&self, path: &str, headers: &HeaderMap, body: &Bytes) -> StatusCode {
        let services = self.services.lock().unwrap().clone();
        let service = &services[self.next.fetch_add(1, Ordering::Relaxed) % services.len()];
        let mut request = self.http.post(format!("{service}{path}")).body(body.clone());
        for name in ["upstash-signature", "upstash-region", "content-type"] {
            if let Some(value) = headers.get(name) {
                request = request.header(name, value);
            }
        }
        request.send().await.map_or(StatusCode::BAD_GATEWAY, |answer| answer.status())
    }
}

async fn balance(State(balancer): State<Arc<Balancer>>, uri: Uri, headers: HeaderMap, body: Bytes) -> StatusCode {
    let first = balancer.many.swap(false, Ordering::Relaxed);
    let copies = (0..if first { COPIES } else { 2 }).map(|_| balancer.pass_on(uri.path(), &headers, &body));
    let answers = futures_util::future::join_all(copies).await;
    if first {
        balancer.answers.lock().unwrap().extend(answers.iter().map(StatusCode::as_u16));
    }
    answers.into_iter().min().expect("some answer")
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_copies_of_a_push_over_two_services_pay_once() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let public = format!("http://{}", listener.local_addr().unwrap());
    let balancer = Arc::new(Balancer {
        http: http(),
        services: Mutex::default(),
        many: AtomicBool::new(true),
        next: AtomicUsize::new(0),
        answers: Mutex::default(),
    });
    let router = Router::new().fallback(balance).with_state(Arc::clone(&balancer));
    tokio::spawn(async move { axum::serve(listener, router).await });

    let system = System::with_redis(redis::Server::start(), Some(&public), &[]).await;
    let (other, at_other) = system.another("serve-2").await;
    *balancer.services.lock().unwrap() = vec![system.base.clone(), at_other];
    let body = json!({"projectId": "fifty", "videoUrl": system.sample(), "options": {"targetClipCount": 2}});
    let job = system.enqueue(&body).await;
    let ended = system.completed(&job).await;

    let answers = balancer.answers.lock().unwrap().clone();
    assert_eq!(answers.len(), COPIES);
    let count = |status| answers.iter().filter(|answer| **answer == status).count();
    assert_eq!(count(200) + count(429), COPIES, "{answers:?}");
    assert!(count(200) >= 1);
    let (klap, storage) = (system.klap().await, system.supabase().await);
    println!("{COPIES} copies: {} answered 200, {} answered 429", count(200), count(429));
    assert_eq!((&klap["calls"]["create_task"], &klap["tasks"]), (&json!(1), &json!(1)));
    assert_eq!((&klap["exportsTotal"], &storage["objectsListed"]), (&json!(2), &json!(2)));
    assert_eq!(ended["possibleDuplicateCharge"], 0);
    for process in [&system.serve, &other] {
        assert!(process.logged().contains("step ends"), "both services had a part in it");
    }
    system.keeps_secrets(&[&other], &[]);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_log_tells_a_secret() {
    let password = "planted-redis-password-66d0";
    let redis = redis::Server::start();
    let _: () = redis::query(&redis, &["CONFIG", "SET", "requirepass", password]);
    let url = format!("redis://:{password}@127.0.0.1:{}", redis.port());
    let settings = [("RUST_LOG", "debug"), ("REDIS_URL", url.as_str())];
    let mut system = System::with_redis(redis, None, &settings).await;
    let signature = "planted-signature-55ee";
    let signed = |name: &str| format!("{}/klap/videos/{name}?X-Amz-Signature={signature}", system.stand_ins);
    let (good, lost) = (signed("sample.mp4"), signed("nothing.mp4"));

    let body = |project, url| json!({"projectId": project, "videoUrl": url, "options": {"targetClipCount": 1}});
    let job = system.enqueue(&body("good", &good)).await;
    let failing = system.enqueue(&body("lost", &lost)).await;
    // The vendors misbehave in ways that are logged.
    system.klap_fault("export", 1, json!({"answer": {"status": 500, "body": "oops"}})).await;
    system.supabase_fault("put", json!({"kind": "answer", "status": 403, "body": "no"})).await;
    system.completed(&job).await;
    let failed = system.ended(&failing).await;
    assert_eq!(failed["status"], "failed", "{failed:#}");
    assert!(!failed.to_string().contains(signature), "{failed:#}");

    // Wrong and right keys on every kind of route.
    for (path, key) in
        [("/api/cron/klap", "wrong"), ("/api/cron/klap", WORKER_SECRET), ("/api/process-klap?jobId=x", API_KEY)]
    {
        let answer = system.http.get(format!("{}{path}", system.base)).bearer_auth(key).send().await.unwrap();
        assert_ne!(answer.status(), 500);
    }
    let forged = system.http.post(format!("{}/api/worker/klap", system.base)).header("upstash-signature", "a.b.c");
    assert_eq!(forged.send().await.unwrap().status(), 401);
    // Without its Redis it complains, but not by the whole address.
    system.redis.stop();
    let path = format!("/api/process-klap?jobId={job}");
    let answer = system.ask(Method::GET, &path).send().await.unwrap();
    let (status, text) = (answer.status(), answer.text().await.unwrap());
    assert!(status == 503 && !text.contains(password), "{status} {text}");
    stop(&mut system.serve).await;
    assert!(system.serve.logged().contains("DEBUG"), "the logs are as talkative as they were asked to be");
    system.keeps_secrets(&[], &[password, signature]);
}

async fn stop(serve: &mut Process) {
    serve.signal("TERM");
    let ended = serve.ended().await;
    assert_eq!(ended.code(), Some(0));
    until("its last words", async || serve.logged().contains("stopping").then_some(())).await;
}
