//! The drill of the runbook's key rotation: at the broker, under jobs in flight, with the new pair put in between; and what
//! happens when somebody forgets that.

use crate::support::processes::until;
use crate::support::system::System;
use reqwest::Method;
use serde_json::{Value, json};

const BY_NEXT: &str = "a push was signed with the next signing key";
const REJECTED: &str = "a push was not believed";

/// What QStash has now.
struct Pair {
    current: String,
    next: String,
}

async fn keys(system: &System, method: Method, path: &str) -> Pair {
    let url = format!("{}/v2/keys{path}", system.setting("QSTASH_URL"));
    let answer = system.http.request(method, url).bearer_auth(system.setting("QSTASH_TOKEN")).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let keys: Value = answer.json().await.unwrap();
    let key = |name: &str| keys[name].as_str().unwrap().to_owned();
    Pair { current: key("current"), next: key("next") }
}

async fn rotate(system: &System) -> Pair {
    keys(system, Method::POST, "/rotate").await
}

/// Step 3 of the runbook: what QStash says is put in, and deployed.
async fn put_in(system: &mut System) {
    let pair = keys(system, Method::GET, "").await;
    let settings =
        [("QSTASH_CURRENT_SIGNING_KEY", pair.current.as_str()), ("QSTASH_NEXT_SIGNING_KEY", pair.next.as_str())];
    system.serve_with(&settings).await;
}

/// A job that is at work: Klap's folder takes its time.
async fn in_flight(system: &System, number: u64) -> String {
    system.klap_fault("folder", 1, json!({"delay": {"millis": 2_000}})).await;
    let options = json!({"targetClipCount": 1});
    let project = format!("rotation-{number}");
    let job = system.enqueue(&json!({"projectId": project, "videoUrl": system.sample(), "options": options})).await;
    system.called("klap", "folder", number).await;
    job
}

fn told(system: &System, words: &str) -> usize {
    system.serve.logged().matches(words).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_rotated_under_jobs_in_flight() {
    let mut system = System::start(&[]).await;
    let before = keys(&system, Method::GET, "").await;
    assert_eq!(before.current, system.setting("QSTASH_CURRENT_SIGNING_KEY"));
    assert_eq!(before.next, system.setting("QSTASH_NEXT_SIGNING_KEY"));

    // Rotated at the broker: what was next signs now, and the service knows it.
    let job = in_flight(&system, 1).await;
    assert_eq!(told(&system, BY_NEXT), 0);
    let rotated = rotate(&system).await;
    assert!(rotated.current == before.next && rotated.next != before.next);
    system.completed(&job).await;
    assert!(told(&system, BY_NEXT) > 0, "who looks at the log sees that the next key is in use");

    // The new pair is put in under a job; from then on nothing is signed with the next key: safe to rotate.
    let looked = system.klap().await["calls"]["folder"].as_u64().unwrap();
    let job = in_flight(&system, looked + 1).await;
    put_in(&mut system).await;
    let warned = told(&system, BY_NEXT);
    system.completed(&job).await;
    assert_eq!(told(&system, BY_NEXT), warned);

    // Rotated again, as safely as the first time.
    let looked = system.klap().await["calls"]["folder"].as_u64().unwrap();
    let job = in_flight(&system, looked + 1).await;
    rotate(&system).await;
    system.completed(&job).await;
    assert!(told(&system, BY_NEXT) > warned);
    assert_eq!(told(&system, REJECTED), 0, "no push was refused in all of this");

    // And once more without the new pair: refused, and nothing happens to the job until the pair is put in.
    let looked = system.klap().await["calls"]["folder"].as_u64().unwrap();
    let job = in_flight(&system, looked + 1).await;
    rotate(&system).await;
    until("a push is refused", async || (told(&system, REJECTED) > 0).then_some(())).await;
    assert_eq!(system.job(&job).await.unwrap()["status"], "processing");
    put_in(&mut system).await;
    let ended = system.completed(&job).await;
    assert_eq!(ended["possibleDuplicateCharge"], 0);
    let klap = system.klap().await;
    assert_eq!((&klap["tasks"], &klap["exportsTotal"]), (&json!(4), &json!(4)), "each job was paid for once");
    let (current, next) = (keys(&system, Method::GET, "").await, before.next);
    system.keeps_secrets(&[], &[&current.current, &current.next, &next]);
}
