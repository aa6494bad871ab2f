//! `kill -9` of the service, again and again in one job. Each time a stand-in holds a call open, so that the moment of
//! death is known; then the service is started again and the job goes on by itself.

use super::{bytes, fetched, film};
use crate::support::processes::until;
use crate::support::system::System;
use cliprelay::services::supabase::CHUNK;
use serde_json::{Value, json};

/// Longer than a step may take: what is held is only let go by the death of the caller.
const HELD: u64 = 60_000;
/// So much of an upload arrives before it breaks off.
const PART: u64 = 3_000_000;

/// A call that is only let go by the death of the caller: before the vendor does anything, or when all is done and billed.
fn held(after_effect: bool) -> Value {
    json!({"delay": {"millis": HELD, "afterEffect": after_effect}})
}

/// A call that goes well.
fn well() -> Value {
    json!({"delay": {"millis": 0}})
}

/// A service that is killed as often as a test likes.
struct Mortal {
    system: System,
    deaths: Vec<&'static str>,
}

impl Mortal {
    async fn die(&mut self, moment: &'static str) {
        self.system.serve.kill();
        self.deaths.push(moment);
        self.system.serve_again().await;
    }

    async fn die_in_call(&mut self, whom: &str, operation: &str, call: u64, moment: &'static str) {
        self.system.called(whom, operation, call).await;
        self.die(moment).await;
    }

    /// Waits for so many of `what` at Klap, all of them billed.
    async fn billed(&self, what: &str, number: u64) {
        let counted = async || (self.system.klap().await[what] == number).then_some(());
        until(&format!("{number} {what} are billed"), counted).await;
    }
}

/// What happens to the calls of the job, in order. No step dies twice on one message, whose redeliveries get rare, but in
/// its next look.
async fn arrange(system: &System) {
    system.klap_looks([1, 1, 2]).await;
    system.klap_fault("create_task", 1, held(true)).await;
    for looked_at in ["task", "folder"] {
        for effect in [held(false), well(), held(false)] {
            system.klap_fault(looked_at, 1, effect).await;
        }
    }
    let away = json!({"answer": {"status": 503, "body": "away"}});
    for effect in [held(false), well(), well(), away, held(true)] {
        system.klap_fault("export", 1, effect).await;
    }
    system.klap_fault("export_status", 1, held(false)).await;
    // An upload breaks off after a part, and the question how much arrived is never answered.
    system.supabase_fault("tus_patch", json!({"kind": "drop", "afterBytes": PART})).await;
    system.supabase_fault("tus_head", json!({"kind": "stall", "ms": HELD})).await;
    system.supabase_fault("rpc", json!({"kind": "stall", "ms": HELD})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_deaths_in_one_job() {
    let system = System::start(&[("STEP_TIMEOUT", "5")]).await;
    let mut mortal = Mortal { system, deaths: Vec::new() };
    arrange(&mortal.system).await;
    let source = film::noise(mortal.system.folder.path());
    let video = mortal.system.video(&source);
    let options = json!({"targetClipCount": 3, "targetDuration": 8});
    let job = mortal.system.enqueue(&json!({"projectId": "ten", "videoUrl": video, "options": options})).await;

    mortal.billed("tasks", 1).await;
    mortal.die("submit: paid, not answered").await;
    mortal.die_in_call("klap", "task", 1, "await_task: first look").await;
    mortal.die_in_call("klap", "task", 3, "await_task: second look").await;
    mortal.die_in_call("klap", "folder", 1, "list: first look").await;
    mortal.die_in_call("klap", "folder", 3, "list: second look").await;
    mortal.billed("exportsTotal", 2).await;
    mortal.die_in_call("klap", "export", 3, "export: one of three asked for, not yet paid").await;
    mortal.billed("exportsTotal", 3).await;
    mortal.die_in_call("klap", "export", 5, "export: paid, not answered").await;
    mortal.die_in_call("klap", "export_status", 1, "transfer: looking").await;
    mortal.system.called("supabase", "tus_head", 1).await;
    let halfway = bytes(&mortal.system.supabase().await).0;
    mortal.die("transfer: in the middle of an upload").await;
    mortal.die_in_call("supabase", "rpc", 1, "finalize: updating the row").await;

    let ended = mortal.system.completed(&job).await;
    let Mortal { system, deaths } = mortal;
    assert_eq!(deaths.len(), 10);
    let (klap, storage) = (system.klap().await, system.supabase().await);
    let (received, stored) = bytes(&storage);
    let duplicates = ended["possibleDuplicateCharge"].as_u64().expect("a number");
    println!("deaths: {deaths:#?}");
    println!(
        "tasks created {}, possible duplicates {duplicates}, exports {}, bytes uploaded {received} for {stored} \
         ({halfway} at the death in the middle), uploads begun {}, finished {}, objects listed {}",
        klap["tasks"],
        klap["exportsTotal"],
        storage["uploadsBegun"],
        storage["uploadsFinished"],
        storage["objectsListed"],
    );
    assert_eq!(klap["tasks"], 1 + duplicates, "no task is paid again without saying so");
    assert_eq!(duplicates, 1);
    assert_eq!(klap["exportsTotal"], 3, "an export that was paid is found, not paid again");
    assert_eq!(
        (&storage["objectsListed"], &storage["uploadsFinished"]),
        (&json!(3), &json!(3)),
        "each clip is stored once"
    );
    assert!(halfway >= PART);
    assert_eq!(received, stored, "an upload goes on where it broke off");
    // Other clips may have been on their way as well.
    let ranges = klap["ranges"].as_array().expect("a list");
    assert!(ranges.contains(&json!(format!("bytes={PART}-"))), "the other process fetches only the rest: {ranges:?}");
    assert_eq!(ended["clipsFailed"], 0);
    assert_eq!(fetched(&system, &ended, &source).await.len(), 3);
    system.keeps_secrets(&[], &[]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_came_to_nothing_is_begun_anew() {
    let system = System::start(&[]).await;
    let source = film::noise(system.folder.path());
    let video = system.video(&source);
    // The first chunk arrives and is not confirmed. Of the second all bytes arrive, but storage never makes an object of
    // them, however often it is asked.
    system.supabase_fault("tus_patch", json!({"kind": "drop_after_effect"})).await;
    let options = json!({"targetClipCount": 1, "targetDuration": 8});
    let job = system.enqueue(&json!({"projectId": "nothing", "videoUrl": video, "options": options})).await;
    system.called("supabase", "tus_head", 1).await;
    let render = system.folder.path().join("sandbox/klap/renders");
    let render = std::fs::read_dir(render).unwrap().next().expect("one export").unwrap();
    let left = render.metadata().unwrap().len() - CHUNK;
    system.supabase_fault("tus_patch", json!({"kind": "drop", "afterBytes": left})).await;

    let ended = system.completed(&job).await;
    let storage = system.supabase().await;
    assert_eq!((&storage["uploadsBegun"], &storage["objectsListed"]), (&json!(2), &json!(1)));
    assert_eq!(ended["clipsFailed"], 0);
    fetched(&system, &ended, &source).await;
    println!("bytes uploaded {} for {}", bytes(&storage).0, bytes(&storage).1);
}
