//! What must hold when a life is over: what was paid for, what is stored, what the project's row says.

use crate::faults::{Fault as F, Step};
use crate::world::World;
use crate::world::klap::{Bill, Billed};
use crate::world::queue::Fate;
use cliprelay::job::{Job, State};

const LOSSES: [F; 3] = [F::StoreForgets, F::StoreEvicts, F::StoreRollsBack];
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

/// Whether what the message and the record knew is both gone: nobody can know of the job any more, and nobody promises it.
/// Either its first message was not out when the store lost it, or QStash lost the furthest message as well.
pub fn lost_for_good(world: &World) -> bool {
    let lost = struck(world, &LOSSES, None) > 0;
    let Some(job) = world.state().job.clone() else { return false };
    let state = world.state();
    let furthest = state.queue.sent.iter().filter(|sent| sent.message.envelope.job_id == job);
    let furthest = furthest.max_by_key(|sent| (sent.message.envelope.at, sent.message.envelope.send));
    let gone = furthest.is_none_or(|sent| sent.fate == Fate::Vanished);
    let idle = state.queue.is_idle() && state.pushing == 0 && state.asking == 0;
    drop(state);
    lost && gone && idle && world.current().is_none()
}

/// How many calls there were of which it cannot be known whether the task was paid.
pub fn doubts(world: &World) -> usize {
    struck(world, &DOUBTS, Some(Step::Submit)) + struck(world, &LOSSES, Some(Step::Submit))
}

/// How many of those faults struck, anywhere or at one step.
fn struck(world: &World, faults: &[F], step: Option<Step>) -> usize {
    let state = world.state();
    let all = state.plan.struck.iter();
    all.filter(|(fault, at)| faults.contains(fault) && step.is_none_or(|step| step == *at)).count()
}

/// What must hold when a life is over.
pub fn ended(world: &World) {
    money(world);
    ends(world);
    clips(world);
    row(world);
    let dead = world.state().queue.sent.iter().filter(|sent| sent.fate == Fate::Waiting).count();
    if dead > 0 {
        world.violate("1 nothing is left over", || format!("{dead} messages wait"));
    }
}

/// How each job ended: as it was told to, and never for a reason that nobody here gives.
fn ends(world: &World) {
    let state = world.state();
    let lost = !state.laws.lost_at.is_empty();
    let mut broken = Vec::new();
    for (id, seen) in &state.laws.jobs {
        let job = &seen.last;
        if state.laws.cancelled.contains(id) && job.state != State::Cancelled && !lost {
            broken.push(format!("{id} was cancelled, and is {:?}", job.state));
        }
        if job.error.as_ref().is_some_and(|error| !error.retryable && error.code != "record_lost") {
            broken.push(format!("{id}: {:?}", job.error));
        }
    }
    drop(state);
    for how in broken {
        world.violate("1 a job ends as it was told to", || how);
    }
}

/// How many tasks are paid for, if the job has one that Klap itself did not give up.
pub fn paid(world: &World) -> Option<usize> {
    let job = world.current()?;
    let lost = job.error.as_ref().is_some_and(|error| error.code.starts_with("klap_task_"));
    let effect = format!("submit:{}", job.plan["generation"]);
    let has_task = job.ledger.receipt(&effect).is_some();
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
    let losses = struck(world, &LOSSES, None);
    // With a loss of the store: whoever knew better has ended, or could not say so before its lease did.
    let unsaid = struck(world, &[F::StoreRestarts, F::StoreStalls, F::WriteLate, F::WriteLost], None);
    let gone = world.state().laws.gone.clone();
    let forgettable =
        |bill: &Bill| losses > 0 && (unsaid > 0 || bill.heard.is_none_or(|hearer| gone.contains(&hearer)));
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
    let heard = bills.iter().filter(|bill| bill.heard.is_some() && matches!(bill.what, Billed::Task(_))).count();
    let told =
        || format!("{tasks} tasks ({heard} heard of) for {generations}, {duplicates} possible duplicates: {bills:?}");
    let blind = bills.iter().filter(|bill| bill.is_task() && forgettable(bill)).count();
    if tasks > generations + duplicates + blind {
        world.violate("4 what may be paid twice is counted", told);
    }
    if duplicates > doubts + retries + losses {
        world.violate("4 nothing counts as paid twice without a doubt", told);
    }
    if duplicates > jobs.len() + retries {
        world.violate("4 by itself a job repeats an unknown call once", told);
    }
    let mut seen: Vec<&Bill> = Vec::new();
    for bill in bills.iter().filter(|bill| matches!(bill.what, Billed::Export { .. })) {
        if seen.iter().any(|before| before.what == bill.what && !forgettable(before)) {
            world.violate("4 no export is paid twice", || format!("{bill:?} of {bills:?}"));
        }
        seen.push(bill);
    }
    let receipts: Vec<&str> =
        jobs.iter().flat_map(|job| &job.ledger.receipts).map(|receipt| receipt.id.as_str()).collect();
    // Longer away than a lease lasts, the store takes nobody's word.
    let away = struck(world, &[F::StoreRestarts, F::WriteLate], None) > 0;
    let forgotten = world.state().laws.forgotten_bills;
    for bill in bills.iter().skip(forgotten).filter(|bill| !receipts.contains(&bill.id.as_str())) {
        let known = bill.heard.is_some_and(|process| !gone.contains(&process));
        if known && !forgettable(bill) && !away {
            world.violate("4 every receipt is kept", || format!("{bill:?} is not among {receipts:?}"));
        }
    }
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
