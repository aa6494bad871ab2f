//! What one push costs beside the network: verifying it, deciding on it, writing it. Compare the figures with each other,
//! within one run; absolute times are the machine's.
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot go on must stop")]

use cliprelay::job::wire::{Message, decode_record, encode_record};
use cliprelay::job::{
    Event, Job, JobId, Lease, LeaseToken, Limits, NewJob, OpId, Origin, Outcome, Owner, ProjectId, Push, Report,
    Settlement, apply,
};
use cliprelay::kinds::Kind;
use cliprelay::services::qstash::signature::{SigningKeys, Verifier, sign};
use cliprelay::store::redb::RedbStore;
use cliprelay::store::{Commit, Counts, DueAt, Expected, PointerWrite, Store};
use divan::Bencher;
use serde_json::json;
use std::collections::BTreeMap;

const NOW: u64 = 1_800_000_000_000;
const URL: &str = "https://clips.example.com/api/worker/klap";
const LIMITS: Limits =
    Limits { max_attempts: 3, job_timeout: 7_200_000, queue_timeout: 86_400_000, done_ttl: 1, failed_ttl: 1 };

fn main() {
    divan::main();
}

fn job() -> Job {
    let start = Kind::PROCESS_KLAP.first();
    let new = NewJob {
        id: JobId::new("job_01a20958e222751c93ae205f83e8fddc"),
        owner: Owner::new("shop"),
        project: ProjectId::new("project-1"),
        kind: Kind::PROCESS_KLAP.name(),
        input: json!({"videoUrl": "https://videos.example.com/long.mp4", "options": {"language": "en"}}),
        step: start.step,
        plan: start.plan,
        stage: start.stage,
    };
    Job::new(new, NOW, LIMITS.queue_timeout)
}

fn claimed(job: &Job) -> Job {
    let lease = Lease { token: LeaseToken::new("t"), until: NOW + 46_000, opening: "redis".to_owned() };
    apply(
        job,
        &Event::Claim { push: Push { at: job.at, send: job.send }, lease, from: Origin::default() },
        NOW,
        &LIMITS,
    )
    .unwrap()
}

/// The signature of one push over its real body.
#[divan::bench]
fn verify(bencher: Bencher<'_, '_>) {
    let key = |name: &str| name.to_owned().into();
    let keys = SigningKeys { current: key("sig_current"), next: key("sig_next") };
    let body = Message::of(&job(), json!({"generation": 1})).encode();
    let token = sign(&keys.current, URL, &body, 1_800_000_000, "jwt_1");
    let verifier = Verifier::new(Some(keys), BTreeMap::new());
    bencher.bench(|| verifier.verify(&token, None, &body, URL, 1_800_000_000).unwrap());
}

/// Claim and settle: the two decisions of a push.
#[divan::bench]
fn decide(bencher: Bencher<'_, '_>) {
    let job = job();
    let settlement = Settlement {
        outcome: Outcome::Next { step: "await_task", after: 30_000 },
        plan: Some(job.plan.clone()),
        report: Report { progress: 10, stage: "Klap is finding clips".to_owned() },
        refused: Vec::new(),
    };
    let settle = Event::Settle { token: LeaseToken::new("t"), settlement };
    bencher.bench(|| apply(&claimed(&job), &settle, NOW + 1_000, &LIMITS).unwrap());
}

/// The record to bytes and back.
#[divan::bench]
fn record(bencher: Bencher<'_, '_>) {
    let job = claimed(&job());
    bencher.bench(|| decode_record(&encode_record(&job)).unwrap());
}

/// One durable-shaped commit to the embedded store, without a disk.
#[divan::bench]
fn commit(bencher: Bencher<'_, '_>) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let store = RedbStore::in_memory().unwrap();
    let job = job();
    let body = encode_record(&job);
    let mut number = 0_u64;
    bencher.bench_local(|| {
        number += 1;
        let commit = Commit {
            id: JobId::new(format!("job_{number}")),
            op: OpId::new(number.to_string()),
            expected: Expected::Absent,
            version: 1,
            body: body.clone().into(),
            due: DueAt::At(NOW),
            expiry: None,
            pointer: PointerWrite::Keep,
            remember: None,
            listed: Vec::new(),
            peek_due: 0,
            counts: Counts::default(),
        };
        runtime.block_on(store.commit(&commit)).unwrap()
    });
}
