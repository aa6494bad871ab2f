//! Callers that are slow, many or odd, at the real program.

use crate::support::processes::{PATIENCE, until};
use crate::support::system::{API_KEY, System};
use reqwest::{Method, Response};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Of each sort; six sorts.
const EACH: usize = 250;
/// What so many clients may cost beside the program itself, in KiB.
const MEMORY_KIB: u64 = 100 * 1024;

async fn connection(system: &System, said: &str) -> TcpStream {
    let address = system.base.trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).await.expect("a connection");
    stream.write_all(said.as_bytes()).await.expect("what is said is taken");
    stream
}

/// All that comes until the other side closes.
async fn told(mut stream: TcpStream) -> String {
    let mut told = Vec::new();
    // A reset is an end as well.
    let _ = timeout(PATIENCE, stream.read_to_end(&mut told)).await.expect("it is closed in time");
    String::from_utf8_lossy(&told).into_owned()
}

#[tokio::test]
async fn a_crowd_of_slow_and_idle_clients_leaves_room_for_others() {
    let system = System::start(&[]).await;
    let job = system.enqueue(&json!({"projectId": "p1", "videoUrl": "https://example.com/a.mp4"})).await;
    let before = system.serve.peak_memory();
    let head = format!("host: x\r\nauthorization: Bearer {API_KEY}\r\n");
    let half = "content-type: application/json\r\ncontent-length: 99\r\n\r\n{";
    let sorts = [
        (String::new(), ""),
        (format!("GET /api/health HTTP/1.1\r\n{head}x-slow: "), ""),
        (format!("GET /api/health HTTP/1.1\r\n{head}\r\n"), "HTTP/1.1 200"),
        (format!("POST /api/process-klap HTTP/1.1\r\n{head}{half}"), "HTTP/1.1 408"),
        (format!("POST /api/worker/klap HTTP/1.1\r\n{head}upstash-signature: a.b.c\r\n{half}"), "HTTP/1.1 401"),
        (format!("GET /api/process-klap/events?jobId={job} HTTP/1.1\r\n{head}\r\n"), "HTTP/1.1 200"),
    ];
    let mut crowd = Vec::new();
    for (said, answer) in &sorts {
        for _ in 0..EACH {
            crowd.push((connection(&system, said).await, said, *answer));
        }
    }
    let answer = system.ask(Method::GET, "/api/health").send().await.expect("others are answered");
    assert_eq!(answer.status(), 200);
    let other = system.enqueue(&json!({"projectId": "p2", "videoUrl": "https://example.com/b.mp4"})).await;
    assert_ne!(other, job);
    let grown = system.serve.peak_memory() - before;
    println!("{} clients: {grown} KiB", crowd.len());
    assert!(grown < MEMORY_KIB, "{} clients cost {grown} KiB", crowd.len());
    // The last sort watches a job that has not ended, and may.
    for (stream, said, answer) in crowd.into_iter().take(5 * EACH) {
        let told = told(stream).await;
        assert!(told.starts_with(answer) && told.is_empty() == answer.is_empty(), "{said}: {told}");
    }
    assert!(!system.serve.logged().contains("slow body"), "nobody waits for the body of a push that is not believed");
}

#[tokio::test]
async fn what_is_no_request_is_refused_and_hurts_nobody() {
    let system = System::start(&[]).await;
    let post = format!(
        "POST /api/process-klap HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {API_KEY}\r\ncontent-type: application/json\r\n"
    );
    let many = "x: y\r\n".repeat(65);
    for (what, said, status) in [
        ("an endless header", format!("GET / HTTP/1.1\r\nx: {}", "y".repeat(40 * 1024)), "431"),
        ("many headers", format!("GET / HTTP/1.1\r\nhost: x\r\n{many}\r\n"), "431"),
        ("HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(), ""),
        (
            "a path of two slashes",
            "GET //api/health HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".to_owned(),
            "404",
        ),
        ("no HTTP", "\u{16}\u{3}\u{1}\r\n\r\n".to_owned(), "400"),
        ("two lengths", format!("{post}content-length: 1\r\ncontent-length: 2\r\n\r\n{{}}"), "400"),
        ("a chunk of no size", format!("{post}transfer-encoding: chunked\r\n\r\nxyz\r\n"), "400"),
        ("a chunk beyond all size", format!("{post}transfer-encoding: chunked\r\n\r\nffffffffffffffffff\r\n"), "400"),
    ] {
        let told = told(connection(&system, &said).await).await;
        let got = told.strip_prefix("HTTP/1.1 ").map_or("", |rest| &rest[..3]);
        assert_eq!(got, status, "{what}: {told}");
    }
    let one = "GET /api/health HTTP/1.1\r\nhost: x\r\n";
    let told = told(connection(&system, &format!("{one}\r\n{one}\r\n{one}connection: close\r\n\r\n")).await).await;
    assert_eq!(told.matches("HTTP/1.1 200").count(), 3, "{told}");
}

#[tokio::test]
async fn every_line_of_a_request_has_its_id() {
    let system = System::start(&[("RUST_LOG", "warn,tower_http=debug"), ("LOG_FORMAT", "json")]).await;
    let origin = ("origin", "https://app.example.com");
    let asked = [
        system.ask(Method::GET, "/nothing"),
        system.ask(Method::PUT, "/api/process-klap"),
        system.ask(Method::POST, "/api/process-klap").header("content-type", "application/json").body("{"),
        system.ask(Method::POST, "/api/worker/klap").body("{}"),
        system.ask(Method::OPTIONS, "/api/process-klap").header(origin.0, origin.1),
    ];
    for (number, request) in asked.into_iter().enumerate() {
        let id = format!("planted-{number}");
        request.header("x-request-id", &id).send().await.expect("an answer");
        until("its line is logged", async || system.serve.logged().contains(&id).then_some(())).await;
    }
    let answer = system.ask(Method::GET, "/api/health").header("x-request-id", "un fit").send().await.expect("one");
    let given = answer.headers()["x-request-id"].to_str().expect("an id").to_owned();
    until("its line is logged", async || system.serve.logged().contains(&given).then_some(())).await;
    let logged = system.serve.logged();
    assert!(!logged.contains("un fit"));
    for line in logged.lines().filter(|line| line.contains("tower_http") || line.contains("not believed")) {
        assert!(line.contains("request.id"), "{line}");
    }
}

/// What the lines of one request say, in order; once its `last` is among them.
async fn lines_of(system: &System, id: &str, last: &str) -> Vec<Value> {
    until(&format!("{last:?} is logged of {id}"), async || {
        let logged = system.serve.logged();
        let lines = logged.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let lines: Vec<_> = lines.filter(|line| line["request.id"] == id).collect();
        lines.iter().any(|line| line["message"] == last).then_some(lines)
    })
    .await
}

fn id_of(answer: &Response) -> String {
    answer.headers()["x-request-id"].to_str().expect("an id").to_owned()
}

#[tokio::test]
async fn lines_of_streams_and_of_bodies_that_are_not_taken_have_their_ids() {
    let system = System::start(&[("RUST_LOG", "warn,tower_http=debug"), ("LOG_FORMAT", "json")]).await;
    // It does not end by itself meanwhile.
    system.klap_looks([1_000, 0, 0]).await;
    let job = system.enqueue(&json!({"projectId": "p1", "videoUrl": system.sample()})).await;
    let path = format!("/api/process-klap/events?jobId={job}");
    let streams = [
        system.ask(Method::GET, &path).send().await.expect("a stream"),
        system.ask(Method::GET, &path).header("x-request-id", "planted").send().await.expect("a stream"),
    ];
    let cancel = format!("/api/process-klap?jobId={job}");
    system.ask(Method::DELETE, &cancel).send().await.expect("an answer").error_for_status().expect("it is cancelled");
    for stream in streams {
        let id = id_of(&stream);
        let told = stream.text().await.expect("it ends by itself");
        assert!(told.contains("cancelled"), "{told}");
        let lines = lines_of(&system, &id, "end of stream").await;
        let said: Vec<_> = lines.iter().map(|line| line["message"].as_str().unwrap_or_default()).collect();
        assert_eq!(said, ["started processing request", "finished processing request", "end of stream"]);
        assert!(lines.iter().all(|line| line["http.path"] == "/api/process-klap/events"), "{lines:#?}");
    }
    let head = format!(
        "POST /api/process-klap HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer {API_KEY}\r\n\
         content-type: application/json\r\n"
    );
    for (status, announced, sent) in [(413, 64 * 1024 + 1, 64 * 1024 + 1), (408, 99, 1)] {
        let said = format!("{head}content-length: {announced}\r\n\r\n{}", " ".repeat(sent));
        let told = told(connection(&system, &said).await).await;
        assert!(told.starts_with(&format!("HTTP/1.1 {status} ")), "{told}");
        let (_, rest) = told.split_once("x-request-id: ").expect("an id");
        let (id, rest) = rest.split_once("\r\n").expect("the end of its line");
        let (_, problem) = rest.split_once("\r\n\r\n").expect("a body");
        let problem: Value = serde_json::from_str(problem).expect("a problem");
        assert_eq!(problem["requestId"], id);
        let lines = lines_of(&system, id, "finished processing request").await;
        let said = lines.iter().find(|line| line["message"] == "finished processing request").expect("that line");
        assert_eq!((&said["status"], &said["http.method"]), (&status.into(), &"POST".into()), "{said:#}");
    }
}
