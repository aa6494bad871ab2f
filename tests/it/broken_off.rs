//! `jobs` and `dlq` against a service that gives some answers and is gone then: what was done is told, and how it ended.

use crate::support::app::WORKER_SECRET;
use crate::support::processes::{Ended, program, run};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// Gives these answers, one to a connection; what it was asked.
async fn gives(answers: Vec<Value>) -> (String, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let asked = async move {
        let mut asked = Vec::new();
        for body in answers {
            let (mut stream, _) = listener.accept().await.unwrap();
            asked.push(request(&mut stream).await);
            let body = body.to_string();
            let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close";
            let answer = format!("{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
        asked
    };
    (base, tokio::spawn(asked))
}

/// Its first line and its body.
async fn request(stream: &mut TcpStream) -> String {
    let mut read = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&read).to_lowercase();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.split_once("content-length: ").and_then(|(_, rest)| rest.lines().next()?.parse().ok());
            if body.len() >= length.unwrap_or(0) {
                return format!("{} {body}", head.lines().next().unwrap_or_default());
            }
        }
        assert_ne!(stream.read_buf(&mut read).await.unwrap(), 0, "a whole request: {text}");
    }
}

async fn shell(base: &str, args: &[&str]) -> Ended {
    run(program().args(args).args(["--server", base]).env("WORKER_SECRET", WORKER_SECRET)).await
}

fn parsed(ended: &Ended) -> Value {
    serde_json::from_str(&ended.stdout).unwrap_or_else(|_| panic!("no JSON: {}\n{}", ended.stdout, ended.stderr))
}

fn replayed(ids: &[&str], next: &str) -> Value {
    let results: Vec<Value> =
        ids.iter().map(|id| json!({"id": id, "outcome": "replayed", "detail": "it goes on"})).collect();
    json!({"success": true, "dryRun": false, "results": results, "more": true, "nextCursor": next, "qstash": "read"})
}

#[tokio::test]
async fn what_was_replayed_is_told_although_the_service_goes_away() {
    let (base, asked) = gives(vec![replayed(&["job_1", "job_2"], "a"), replayed(&["job_3"], "b")]).await;
    let ended = shell(&base, &["dlq", "replay", "--all", "--yes"]).await;
    assert_eq!((ended.code, ended.stdout.matches("replayed").count()), (Some(3), 3), "{}", ended.stdout);
    assert!(ended.stderr.contains("could not be reached"), "{}", ended.stderr);
    assert!(asked.await.unwrap()[1].contains(r#""cursor":"a""#));
    let (base, _) = gives(vec![replayed(&["job_1", "job_2"], "a")]).await;
    let ended = shell(&base, &["dlq", "replay", "--all", "--yes", "--json"]).await;
    assert_eq!((ended.code, parsed(&ended)["results"].as_array().unwrap().len()), (Some(3), 2));
}

#[tokio::test]
async fn a_service_that_does_not_get_on_is_not_asked_for_ever() {
    let (base, _) = gives(vec![replayed(&["job_1"], "a"), replayed(&[], "a"), replayed(&[], "a")]).await;
    let ended = shell(&base, &["dlq", "replay", "--all", "--yes"]).await;
    assert_eq!((ended.code, ended.stdout.matches("replayed").count()), (Some(1), 1), "{}", ended.stdout);
    assert!(ended.stderr.contains("does not get on"), "{}", ended.stderr);
    // Of letters by their ids, those that were seen to are not named again.
    let (mut first, mut last) = (replayed(&["job_1"], ""), replayed(&["job_2"], ""));
    (first["nextCursor"], last["nextCursor"], last["more"]) = (Value::Null, Value::Null, json!(false));
    let (base, asked) = gives(vec![first, last]).await;
    let ended = shell(&base, &["dlq", "replay", "job_1", "job_2", "--yes"]).await;
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    assert!(asked.await.unwrap()[1].ends_with(r#"{"ids":["job_2"]}"#));
}

#[tokio::test]
async fn what_was_purged_is_told_although_the_service_goes_away() {
    let page =
        json!({"success": true, "dryRun": false, "purged": 1, "jobs": ["job_1"], "more": true, "nextCursor": "a"});
    for json in [false, true] {
        let (base, _) = gives(vec![page.clone()]).await;
        let mut args = vec!["jobs", "purge", "--older-than", "1h", "--yes"];
        args.extend(json.then_some("--json"));
        let ended = shell(&base, &args).await;
        assert_eq!(ended.code, Some(3), "{}", ended.stderr);
        let told = if json { parsed(&ended)["jobs"] == json!(["job_1"]) } else { ended.stdout == "1 jobs deleted\n" };
        assert!(told, "{}", ended.stdout);
    }
}

#[tokio::test]
async fn what_was_cancelled_is_told_although_the_service_goes_away() {
    let answer = json!({"success": true, "jobId": "job_1", "message": "Cancelled"});
    let (base, _) = gives(vec![answer.clone()]).await;
    let ended = shell(&base, &["jobs", "cancel", "job_1", "job_2", "--yes", "--json"]).await;
    assert_eq!((ended.code, parsed(&ended)["jobs"].clone()), (Some(3), json!([answer])), "{}", ended.stderr);
    let (base, _) = gives(Vec::new()).await;
    let ended = shell(&base, &["jobs", "cancel", "job_1", "--json"]).await;
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(3), ""), "nothing was done");
}

#[tokio::test]
async fn a_letter_is_looked_for_until_it_is_found() {
    let page = json!({
        "success": true, "qstash": "read", "nextCursor": "a",
        "letters": [{"id": "job_1", "paysAgain": "a new task at Klap"}, {"id": "job_2"}],
    });
    let (base, asked) = gives(vec![page]).await;
    let shown = shell(&base, &["dlq", "show", "job_1"]).await;
    assert_eq!(shown.code, Some(0), "{}", shown.stderr);
    assert!(shown.stdout.contains("pays for  a new task at Klap"), "{}", shown.stdout);
    assert_eq!(asked.await.unwrap().len(), 1);
}
