//! Jobs as a collector sees them: one trace each, over all their pushes, whoever had a hand in it, and no secret in it.

use crate::support::collector::{CLIENT, CONSUMER, Collector, ERROR, PRODUCER, SERVER, Seen};
use crate::support::processes::until;
use crate::support::system::System;
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// The caller's own trace, and where in it the request is made.
const CALLERS: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER: &str = "00f067aa0ba902b7";
const COLLECTORS_KEY: &str = "planted-collector-key-77f0";
const STEPS: [&str; 6] = ["submit", "await_task", "list", "export", "transfer", "finalize"];

async fn traced(collector: &Collector, more: &[(&str, &str)]) -> System {
    let key = format!("authorization=Bearer%20{COLLECTORS_KEY}");
    let settings = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url.as_str()),
        ("OTEL_EXPORTER_OTLP_HEADERS", key.as_str()),
        ("OTEL_SERVICE_NAME", "clips-of-the-test"),
        // A job's lines are few, its spans are all there.
        ("RUST_LOG", "warn"),
    ];
    System::start(&[&settings[..], more].concat()).await
}

async fn enqueue(system: &System, body: &Value) -> String {
    let request = system.ask(Method::POST, "/api/process-klap").json(body);
    let answer = request.header("traceparent", format!("00-{CALLERS}-{CALLER}-01")).send().await.unwrap();
    assert_eq!(answer.status(), 202);
    answer.json::<Value>().await.unwrap()["jobId"].as_str().unwrap().to_owned()
}

async fn stop(system: &mut System) {
    system.serve.signal("TERM");
    assert_eq!(system.serve.ended().await.code(), Some(0), "what is left is sent before the end");
}

fn of<'a>(spans: &'a [Seen], job: &str) -> Vec<&'a Seen> {
    spans.iter().filter(|span| span.attribute("job.id") == job).collect()
}

fn children<'a>(spans: &'a [Seen], parent: &Seen, name: &str) -> Vec<&'a Seen> {
    spans.iter().filter(|span| span.parent == parent.id && span.name.starts_with(name)).collect()
}

/// Everything below a span.
fn below<'a>(spans: &'a [Seen], top: &Seen) -> Vec<&'a Seen> {
    let mut ids = BTreeSet::from([top.id.clone()]);
    let mut found = Vec::new();
    // A child begins after its parent, and they are sorted by that; those of one nanosecond need another round.
    for _ in 0..4 {
        for span in spans {
            if ids.contains(&span.parent) && ids.insert(span.id.clone()) {
                found.push(span);
            }
        }
    }
    found
}

fn tells_no_secret(system: &System, collector: &Collector, planted: &[&str]) {
    let secrets: Vec<&str> = System::secrets().into_iter().chain(planted.iter().copied()).collect();
    for body in collector.bodies() {
        let body = String::from_utf8_lossy(&body).into_owned();
        for secret in secrets.iter().chain(&[COLLECTORS_KEY, "token=", "X-Amz-Signature"]) {
            assert!(!body.contains(secret), "{secret} is told: {body}");
        }
    }
    for span in collector.spans() {
        let address = span.texts().find(|text| text.contains("://") || text.contains('?')).map(str::to_owned);
        assert!(address.is_none(), "an address is told: {span:#?}");
    }
    system.keeps_secrets(&[], &[planted, &[COLLECTORS_KEY]].concat());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_job_is_one_trace() {
    let collector = Collector::start().await;
    let mut system = traced(&collector, &[("SUPABASE_BUCKET_ACCESS", "private")]).await;
    let signature = "planted-signature-1d7e";
    let url = format!("{}?X-Amz-Signature={signature}", system.sample());
    let body = json!({"projectId": "traced", "videoUrl": url, "options": {"targetClipCount": 2}});
    let job = enqueue(&system, &body).await;
    system.completed(&job).await;
    stop(&mut system).await;

    let spans = collector.spans();
    let others: Vec<&Seen> = spans.iter().filter(|span| span.trace != CALLERS).collect();
    assert!(others.is_empty(), "requests that only look begin no trace: {others:#?}");
    assert_eq!(collector.service(), "clips-of-the-test");
    let key = format!("Bearer {COLLECTORS_KEY}");
    assert!(collector.headers().iter().all(|headers| headers["authorization"] == key.as_str()));
    let own = of(&spans, &job);
    let traces: BTreeSet<&str> = own.iter().map(|span| span.trace.as_str()).collect();
    assert_eq!(traces, BTreeSet::from([CALLERS]), "one trace, the caller's: {own:#?}");
    let whole: Vec<&Seen> = spans.iter().filter(|span| span.trace == CALLERS).collect();
    let ids: BTreeSet<&str> = whole.iter().map(|span| span.id.as_str()).collect();
    for span in &whole {
        assert!(span.parent == CALLER || ids.contains(span.parent.as_str()), "its parent was never told: {span:#?}");
        assert!(span.ended >= span.begun);
    }

    let first = own[0];
    assert_eq!((first.name.as_str(), first.kind, first.parent.as_str()), ("enqueue", SERVER, CALLER));
    let pushes: Vec<&Seen> = own.iter().copied().filter(|span| span.kind == CONSUMER).collect();
    let mut steps: Vec<&str> = pushes.iter().map(|push| push.attribute("job.step")).collect();
    steps.dedup();
    assert_eq!(steps, STEPS);
    for push in &pushes {
        let step = push.attribute("job.step");
        assert_eq!((push.name.as_str(), push.parent.as_str()), (format!("push {step}").as_str(), first.id.as_str()));
        assert_eq!((push.attribute("outcome"), push.attribute("job.attempt"), push.status), ("done", "1", 0));
        for named in ["job.position", "message.id", "request.id", "job.age_ms", "push.late_ms", "job.send"] {
            assert!(!push.attribute(named).is_empty(), "{named}: {push:#?}");
        }
        assert!(children(&spans, push, "store commit").len() >= 2, "its claim and its end: {push:#?}");
        assert_eq!(children(&spans, push, &format!("step {step}")).len(), 1);
    }
    let (published, arrived): (Vec<&Seen>, Vec<&str>) = (
        whole.iter().copied().filter(|span| span.kind == PRODUCER).collect(),
        pushes.iter().map(|push| push.attribute("message.id")).collect(),
    );
    let sent: Vec<&str> = published.iter().map(|span| span.attribute("published.id")).collect();
    assert_eq!(sent, arrived, "each push came of the publish before it");

    let submit = below(&spans, pushes[0]);
    let call = submit.iter().find(|span| span.name.ends_with("/v2/tasks/video-to-shorts")).expect("the paid call");
    assert_eq!((call.kind, call.attribute("server.address")), (CLIENT, "127.0.0.1"));
    assert!(call.attribute("http.response.status_code").starts_with("20"), "{call:#?}");
    let clips: Vec<&Seen> = whole.iter().copied().filter(|span| span.name == "clip").collect();
    assert_eq!(clips.len(), 2);
    for clip in clips {
        assert_eq!(clip.attribute("clip.outcome"), "stored");
        assert!(!children(&spans, clip, "POST /*/storage/v1/object/*").is_empty(), "{clip:#?}");
    }
    println!("{} spans, {} pushes", whole.len(), pushes.len());
    tells_no_secret(&system, &collector, &[signature]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_goes_wrong_and_what_people_do_is_in_the_jobs_trace() {
    let collector = Collector::start().await;
    let mut system = traced(&collector, &[("MAX_ATTEMPTS", "1")]).await;
    system.klap_fault("create_task", 1, json!({"answer": {"status": 401, "body": "no"}})).await;
    let body = |project| json!({"projectId": project, "videoUrl": system.sample(), "options": {"targetClipCount": 1}});
    let failing = system.enqueue(&body("failing")).await;
    assert_eq!(system.ended(&failing).await["status"], "failed");
    let again = system.ask(Method::POST, "/api/process-klap/retry").json(&json!({"jobId": failing}));
    assert_eq!(again.send().await.unwrap().status(), 202);
    system.completed(&failing).await;
    let busy = json!({"answer": {"status": 429, "body": "busy", "retryAfter": "300"}});
    system.klap_fault("create_task", 1, busy).await;
    let idle = system.enqueue(&body("idle")).await;
    until("it waits", async || {
        let job = system.job(&idle).await?;
        (job["status"] == "processing").then_some(())
    })
    .await;
    let ended = system.ask(Method::DELETE, &format!("/api/process-klap?jobId={idle}")).send().await.unwrap();
    assert_eq!(ended.status(), 200);
    stop(&mut system).await;

    let spans = collector.spans();
    let mut traces = BTreeSet::new();
    for (job, by_hand) in [(&failing, "retry"), (&idle, "cancel")] {
        let own = of(&spans, job);
        let of_job: BTreeSet<&str> = own.iter().map(|span| span.trace.as_str()).collect();
        assert_eq!(of_job.len(), 1, "{own:#?}");
        traces.extend(of_job);
        assert_eq!((own[0].name.as_str(), own[0].parent.as_str()), ("enqueue", ""), "without a caller's it is its own");
        assert!(own.iter().any(|span| span.name == by_hand && span.parent == own[0].id), "{by_hand}: {own:#?}");
    }
    assert_eq!(traces.len(), 2, "and not each other's");
    let refused = of(&spans, &failing).into_iter().find(|span| span.kind == CONSUMER).expect("a push");
    assert_eq!((refused.status, refused.attribute("outcome")), (ERROR, "gave_up"));
    assert_eq!(refused.attribute("error.type"), "klap_unauthorized");
    let asked = below(&spans, refused);
    let call = asked.iter().find(|span| span.kind == CLIENT && span.name.contains("/v2/tasks/"));
    assert!(call.is_some_and(|call| call.status == ERROR && call.attribute("error.type") == "401"), "{asked:#?}");
    tells_no_secret(&system, &collector, &[]);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nothing_runs_after_an_answer_spans_are_sent_before_it() {
    let collector = Collector::start().await;
    let system = traced(&collector, &[("VERCEL", "1"), ("VERCEL_ENV", "production")]).await;
    let body = json!({"projectId": "host", "videoUrl": system.sample(), "options": {"targetClipCount": 1}});
    let job = system.enqueue(&body).await;
    let told = collector.spans();
    assert!(of(&told, &job).iter().any(|span| span.name == "enqueue"), "told before its answer: {told:#?}");
    system.completed(&job).await;
    // The last push's answer is behind what it wrote.
    until("the last push is told", async || {
        let spans = collector.spans();
        of(&spans, &job).iter().any(|span| span.name == "push finalize").then_some(())
    })
    .await;
    let spans = collector.spans();
    let traces: BTreeSet<&str> = of(&spans, &job).iter().map(|span| span.trace.as_str()).collect();
    assert_eq!(traces.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_never_answers_holds_up_nobody() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    for host in [&[][..], &[("VERCEL", "1"), ("VERCEL_ENV", "production")]] {
        let mut system = System::start(&[&[("OTEL_EXPORTER_OTLP_ENDPOINT", url.as_str())], host].concat()).await;
        let body = json!({"projectId": "p1", "videoUrl": system.sample(), "options": {"targetClipCount": 1}});
        let job = system.enqueue(&body).await;
        let ended = system.completed(&job).await;
        assert_eq!(ended["possibleDuplicateCharge"], 0);
        assert!(!system.serve.logged().contains("job.attempt=2"), "no step was hurt");
        system.serve.logs("traces could not be sent", 1).await;
        stop(&mut system).await;
    }
}
