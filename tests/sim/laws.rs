//! What must hold whatever happens (the numbers are those of ARCHITECTURE's invariants): looked at with every write, publish
//! and answer, and once more when a life is over.

use crate::faults::{Fault as F, Step};
use crate::world::World;
use crate::world::process::{Answer, Process};
use crate::world::queue::{Fate, Sent};
use cliprelay::job::wire::{self, Message};
use cliprelay::job::{Job, JobId, LeaseToken, Millis, Position, State};
use cliprelay::store::{Commit, DueAt, Record};
use std::collections::BTreeMap;
use tokio::time::Instant;

/// How long a write may have been on its way when its lease ended.
const ON_ITS_WAY: Millis = 2_000;

#[derive(Default)]
pub struct Laws {
    pub broken: Vec<String>,
    pub pushes: usize,
    pub writes: usize,
    pub retries: usize,
    pub cancelled: Vec<JobId>,
    pub accepted: Vec<JobId>,
    /// When the store lost something.
    pub lost_at: Vec<Instant>,
    /// The write being applied was given up by its writer.
    pub late_write: bool,
    pub jobs: BTreeMap<JobId, Seen>,
    pub progress: u64,
    deduplication: BTreeMap<String, (Position, u32)>,
}

/// What has been seen of a job, whatever the store has lost since.
pub struct Seen {
    pub last: Job,
    /// The furthest that was ever written.
    reached: (Position, u32),
    /// Which lease each process holds or held.
    leases: BTreeMap<LeaseToken, usize>,
}

fn lease_of(job: &Job) -> Option<(&LeaseToken, Millis)> {
    match &job.state {
        State::Running { lease } => Some((&lease.token, lease.until)),
        _ => None,
    }
}

/// A record has been written.
pub fn written(world: &World, process: &Process, before: Option<&Record>, commit: &Commit, now: Millis) {
    let job = wire::decode_record(&commit.body).expect("a record of ours");
    let before = before.map(|before| wire::decode_record(&before.body).expect("a record of ours"));
    world.tell(|| {
        let lease = lease_of(&job).map(|(token, _)| &token.as_str()[..4]);
        let ledger = &job.ledger;
        format!(
            "{process} writes {}/{} {:?} {} lease {lease:?} sent {} attempts {} intents {} receipts {}",
            job.at,
            job.send,
            job.step,
            job.state.public(),
            job.message.sent,
            job.attempts,
            ledger.intents.len(),
            ledger.receipts.len()
        )
    });
    if let Some(before) = &before {
        ends_stay(world, before, &job);
        leases_hold(world, process, before, &job, now);
        nothing_goes_back(world, before, &job);
    }
    if job.is_final() != commit.expiry.is_some() {
        world.violate("12 live records never expire, final ones do", || format!("{:?}", job.state));
    }
    let due = match commit.due {
        DueAt::Keep => world.state().store.due_of(&job.id),
        DueAt::At(at) => Some(at),
        DueAt::Never => None,
    };
    if due.is_none() {
        world.violate("1 somebody will look at it", || format!("{} {:?} is in no index", job.at, job.state));
    }
    let mut state = world.state();
    state.laws.writes += 1;
    if state.job.is_none() {
        state.job = Some(job.id.clone());
    }
    if state.job.as_ref() == Some(&job.id) {
        state.step = Step::named(&job.step);
    }
    let reached = (job.at, job.send);
    let token = lease_of(&job).map(|(token, _)| token.clone());
    let seen = state.laws.jobs.entry(job.id.clone()).or_insert_with(|| Seen {
        last: job.clone(),
        reached,
        leases: BTreeMap::new(),
    });
    seen.reached = seen.reached.max(reached);
    if let Some(token) = token {
        seen.leases.entry(token).or_insert(process.number);
    }
    seen.last = job;
}

fn ends_stay(world: &World, before: &Job, job: &Job) {
    if !before.is_final() {
        return;
    }
    let retried = before.state == State::Failed && job.at.epoch == before.at.epoch + 1 && !job.is_final();
    let told = before.state == job.state && before.finished_at == job.finished_at && before.at == job.at;
    let rebuilt = job.rebuilt && job.at.epoch > before.at.epoch;
    if !(retried || told || rebuilt) {
        world.violate("1 a final state never changes", || format!("{:?} became {:?}", before.state, job.state));
    }
}

fn leases_hold(world: &World, process: &Process, before: &Job, job: &Job, now: Millis) {
    let Some((held, until)) = lease_of(before) else { return };
    match lease_of(job) {
        Some((token, _)) if token != held && now < until && !job.rebuilt => {
            world.violate("3 one lease at a time", || format!("{process} takes it {} ms early", until - now));
        }
        Some(_) => {}
        None if job.is_final() && job.state != State::Done => {}
        None => {
            let further = (job.at, job.send) > (before.at, before.send) || job.state == State::Done;
            let on_time = now <= until + ON_ITS_WAY;
            let late = world.state().laws.late_write;
            let stepped = job.at > before.at || job.state == State::Done;
            if further && stepped && !on_time && !late && !job.rebuilt {
                let by = now - until;
                world.violate("3 who wakes after its lease writes no state", || format!("{process}, {by} ms late"));
            }
            let holder = world.state().laws.jobs.get(&job.id).and_then(|seen| seen.leases.get(held).copied());
            if stepped && !job.rebuilt && holder.is_some_and(|holder| holder != process.number) {
                world.violate("3 only the holder ends a step", || format!("{process} ended the step of p{holder:?}"));
            }
        }
    }
}

fn nothing_goes_back(world: &World, before: &Job, job: &Job) {
    if (job.at, job.send) < (before.at, before.send) {
        world.violate("3 nothing goes back", || format!("{}/{} to {}/{}", before.at, before.send, job.at, job.send));
    }
    if !job.ledger.receipts.starts_with(&before.ledger.receipts) {
        world.violate("4 receipts only grow", || format!("{:?} became {:?}", before.ledger, job.ledger));
    }
}

/// A message is being published.
pub fn published(world: &World, message: &Message, deduplication: &str) {
    let push = message.push();
    let reached = world.state().laws.jobs.get(&message.envelope.job_id).map(|seen| seen.reached);
    if reached.is_none_or(|reached| (push.at, push.send) > reached) {
        world.violate("2 what is published has been written", || format!("{}/{} was not", push.at, push.send));
    }
    let known = world.state().laws.deduplication.insert(deduplication.to_owned(), (push.at, push.send));
    if known.is_some_and(|known| known != (push.at, push.send)) {
        world.violate("2 a deduplication id stands for one message", || format!("{deduplication}: {known:?} {push:?}"));
    }
}

/// A push has been answered.
pub fn answered(world: &World, sent: &Sent, answer: &Answer, began: Instant, live: bool) {
    if answer.status == 401 {
        world.violate("7 a good push is believed", || format!("{}", sent.id));
    }
    if !(200..300).contains(&answer.status) {
        return;
    }
    let push = sent.message.push();
    let lost = world.state().laws.lost_at.iter().any(|at| *at >= began);
    let Some(job) = world.record(&sent.message.envelope.job_id) else {
        let now = world.now();
        let buried = world.state().store.tombstone(&sent.message.envelope.job_id, now).is_some();
        if !lost && !buried {
            world.violate("2 a push is taken only when its step is written", || "there is no record".to_owned());
        }
        return;
    };
    let moved_on = job.is_final() || (job.at, job.send) > (push.at, push.send);
    if !moved_on && !lost {
        let (at, send) = (job.at, job.send);
        world.violate("2 a push is taken only when its step is written", || format!("{at}/{send}, live {live}"));
    }
    // Another may be further by now; whatever came next keeps the job going.
    let next_is_out = world.state().queue.sent.iter().any(|next| {
        let next = next.message.envelope.clone();
        next.job_id == job.id && (next.at, next.send) > (push.at, push.send)
    });
    if moved_on && !job.is_final() && !next_is_out && !lost {
        let id = job.deduplication_id();
        world.violate("2 a push is taken only when the next message is out", || format!("{id} is not"));
    }
}

/// A paid call is being made; `effect` as it begins in the ledger.
pub fn paying(world: &World, effect: &str) {
    let ids: Vec<JobId> = world.state().laws.jobs.keys().cloned().collect();
    let jobs: Vec<Job> = ids.iter().filter_map(|id| world.record(id)).collect();
    let lost = !world.state().laws.lost_at.is_empty();
    let latest = |job: &Job| job.ledger.intents.iter().rfind(|intent| intent.effect.starts_with(effect)).cloned();
    match jobs.iter().rev().find_map(|job| Some((job, latest(job)?))) {
        None if !lost => {
            world.violate("4 an intent is recorded before a paid call", || format!("{effect}: {jobs:?}"));
        }
        Some((job, intent)) if job.ledger.receipt(&intent.effect).is_some() => {
            world.violate("4 what has a receipt is not paid again", || format!("{effect}: {:?}", job.ledger));
        }
        _ => {}
    }
}

/// A record is being deleted by a sweep.
pub fn deleted(world: &World, id: &JobId, now: Millis) {
    let job = world.state().store.get(id, now).map(|record| wire::decode_record(&record.body).expect("ours"));
    if job.is_some_and(|job| !job.is_final()) {
        world.violate("1 no live job is deleted", || id.to_string());
    }
}

/// Whether what the message and the record knew is both gone: nobody can know of the job any more, and nobody promises it.
pub fn lost_for_good(world: &World) -> bool {
    let gone = struck(world, &[F::MessageVanishes], None) > 0;
    let lost = struck(world, &[F::StoreForgets, F::StoreEvicts, F::StoreRollsBack], None) > 0;
    gone && lost && world.current().is_none() && world.state().queue.is_idle()
}

/// How many calls there were of which it cannot be known whether the task was paid.
pub fn doubts(world: &World) -> usize {
    struck(world, &DOUBTS, Some(Step::Submit)) + struck(world, &LOSSES, Some(Step::Submit))
}

/// Whether everything is at rest: each job over, no message on its way, nobody asking.
pub fn at_rest(world: &World) -> bool {
    let state = world.state();
    let over = |id: &JobId| state.laws.jobs.get(id).is_some_and(|seen| seen.last.is_final());
    let known = state.laws.accepted.iter().all(over) && state.laws.jobs.values().all(|seen| seen.last.is_final());
    let pushing = state.pushing;
    let (idle, asking, ids) =
        (state.queue.is_idle(), state.asking, state.laws.jobs.keys().cloned().collect::<Vec<_>>());
    drop(state);
    // What was over may have been rolled back.
    let back = ids.iter().any(|id| world.record(id).is_some_and(|job| !job.is_final()));
    known && idle && asking == 0 && pushing == 0 && !back
}

/// How many of those faults struck, anywhere or at one step.
fn struck(world: &World, faults: &[F], step: Option<Step>) -> usize {
    let state = world.state();
    let all = state.plan.struck.iter();
    all.filter(|(fault, at)| faults.contains(fault) && step.is_none_or(|step| step == *at)).count()
}

const LOSSES: [F; 3] = [F::StoreForgets, F::StoreEvicts, F::StoreRollsBack];
const ENDS: [F; 8] = [
    F::CrashBeforeWrite,
    F::CrashAfterWrite,
    F::CrashBeforeCall,
    F::CrashAfterCall,
    F::CrashBeforePublish,
    F::CrashAfterPublish,
    F::Freezes,
    F::FreezesInCall,
];
/// After which it cannot be known whether a call was billed.
const DOUBTS: [F; 15] = [
    F::CrashBeforeWrite,
    F::CrashAfterWrite,
    F::CrashBeforeCall,
    F::CrashAfterCall,
    F::Freezes,
    F::FreezesInCall,
    F::KlapBroken,
    F::KlapLost,
    F::KlapUnheard,
    F::KlapBadGateway,
    F::KlapStalls,
    F::KlapGarbage,
    F::StoreRestarts,
    F::StoreStalls,
    F::WriteLate,
];

/// What must hold when a life is over.
pub fn ended(world: &World) {
    money(world);
    clips(world);
    row(world);
    let dead = world.state().queue.sent.iter().filter(|sent| sent.fate == Fate::Waiting).count();
    if dead > 0 {
        world.violate("1 nothing is left over", || format!("{dead} messages wait"));
    }
}

/// How many tasks are paid for, if the job has one that Klap itself did not give up.
pub fn paid(world: &World) -> Option<usize> {
    let job = world.current()?;
    let lost = job.error.as_ref().is_some_and(|error| error.code.starts_with("klap_task_"));
    let has_task = job.ledger.receipts.iter().any(|receipt| receipt.effect.starts_with("submit:"));
    (has_task && !lost).then(|| tasks(world))
}

fn tasks(world: &World) -> usize {
    world.state().klap.bills().iter().filter(|bill| bill.is_task()).count()
}

/// A person's retry has come to its end.
pub fn retried(world: &World, paid: Option<usize>) {
    let now = tasks(world);
    if paid.is_some_and(|paid| paid != now) {
        world.violate("4 a retry uses what is paid", || format!("{paid:?} tasks became {now}"));
    }
}

fn money(world: &World) {
    use crate::world::klap::Billed;
    let losses = struck(world, &LOSSES, None);
    // A loss together with the end of the one process that knew better.
    let blind = if losses > 0 {
        losses * struck(world, &ENDS, None)
            + struck(world, &[F::StoreRestarts, F::StoreStalls, F::WriteLate, F::WriteLost], None)
    } else {
        0
    };
    let doubts = struck(world, &DOUBTS, Some(Step::Submit));
    let (bills, jobs) = {
        let state = world.state();
        let jobs: Vec<Job> = state.laws.jobs.values().map(|seen| seen.last.clone()).collect();
        (state.klap.bills().to_vec(), jobs)
    };
    let retries = world.state().laws.retries;
    let generations: u64 = jobs
        .iter()
        .filter(|job| job.started_at.is_some() || job.at.epoch > 1)
        .map(|job| job.plan["generation"].as_u64().unwrap_or(1))
        .sum();
    let generations = usize::try_from(generations).unwrap_or(0).max(usize::from(!bills.is_empty()));
    let duplicates: usize = jobs.iter().map(|job| job.ledger.possible_duplicates as usize).sum();
    let tasks = bills.iter().filter(|bill| matches!(bill.what, Billed::Task(_))).count();
    let heard = bills.iter().filter(|bill| bill.heard && matches!(bill.what, Billed::Task(_))).count();
    let told =
        || format!("{tasks} tasks ({heard} heard of) for {generations}, {duplicates} possible duplicates: {bills:?}");
    if tasks > generations + duplicates + blind {
        world.violate("4 what may be paid twice is counted", told);
    }
    if duplicates > doubts + retries + losses {
        world.violate("4 nothing counts as paid twice without a doubt", told);
    }
    if duplicates > jobs.len() + retries {
        world.violate("4 by itself a job repeats an unknown call once", told);
    }
    let mut seen: Vec<&Billed> = Vec::new();
    for bill in bills.iter().filter(|bill| matches!(bill.what, Billed::Export { .. })) {
        if seen.contains(&&bill.what) && blind == 0 {
            world.violate("4 no export is paid twice", || format!("{bill:?} of {bills:?}"));
        }
        seen.push(&bill.what);
    }
    let receipts: Vec<&str> =
        jobs.iter().flat_map(|job| &job.ledger.receipts).map(|receipt| receipt.id.as_str()).collect();
    for bill in bills.iter().filter(|bill| bill.heard && !receipts.contains(&bill.id.as_str())) {
        if blind == 0 && !unwritable(world) {
            world.violate("4 every receipt is kept", || format!("{bill:?} is not among {receipts:?}"));
        }
    }
}

/// Whether a receipt may have been in hand of a process that could never write it.
fn unwritable(world: &World) -> bool {
    struck(
        world,
        &[
            F::StoreRestarts,
            F::StoreStalls,
            F::WriteLate,
            F::CrashBeforeWrite,
            F::CrashAfterWrite,
            F::Freezes,
            F::FreezesInCall,
            F::CrashBeforeCall,
            F::CrashAfterCall,
        ],
        None,
    ) > 0
}

fn clips(world: &World) {
    let state = world.state();
    let mut broken = Vec::new();
    for seen in state.laws.jobs.values() {
        let job = &seen.last;
        for clip in job.plan["clips"].as_array().into_iter().flatten().filter(|clip| clip["state"] == "stored") {
            let path = clip["stored"]["path"].as_str().unwrap_or_default();
            let object = state.storage.objects.get(path);
            if !object.is_some_and(|object| object.right && Some(object.size) == clip["stored"]["size"].as_u64()) {
                broken.push(format!("{path}: {object:?}"));
            }
        }
    }
    let exports = state.klap.bills().len();
    let objects = state.storage.objects.len();
    drop(state);
    for how in broken {
        world.violate("5 a clip is listed only when storage has all of it", || how);
    }
    if objects > exports {
        world.violate("5 each clip is stored once", || format!("{objects} objects for {exports} calls"));
    }
}

fn row(world: &World) {
    let state = world.state();
    let keeps = state.rows.keeps_others();
    let written = state.rows.clips().len();
    let done = state.laws.jobs.values().find(|seen| seen.last.state == State::Done);
    let stored = done.map(|seen| stored(&seen.last));
    let only = state.laws.jobs.len() == 1;
    drop(state);
    if !keeps {
        world.violate("6 what others wrote survives", String::new);
    }
    if only && stored.is_some_and(|stored| stored != written) {
        world.violate("6 the row holds the stored clips", || format!("{written} of {stored:?}"));
    }
}

/// How many clips a job has stored.
pub fn stored(job: &Job) -> usize {
    job.plan["clips"].as_array().into_iter().flatten().filter(|clip| clip["state"] == "stored").count()
}
