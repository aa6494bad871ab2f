//! What must hold whatever happens (the numbers are those of ARCHITECTURE's invariants): looked at with every write, publish
//! and answer, and once more when a life is over.

mod ended;

pub use ended::{doubts, ended, lost_for_good, paid, retried, stored};

use crate::faults::Step;
use crate::world::World;
use crate::world::process::{Answer, Process};
use crate::world::queue::Sent;
use cliprelay::job::wire::Message;
use cliprelay::job::{Job, JobId, LeaseToken, Millis, Position, State};
use cliprelay::store::{Commit, DueAt, Record};
use std::collections::{BTreeMap, BTreeSet};
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
    /// What the store and QStash knew is both gone.
    pub lost_for_good: bool,
    pub jobs: BTreeMap<JobId, Seen>,
    pub progress: u64,
    /// How many calls were billed when the store forgot a job that had ended: whoever hears of it again knows of none of them.
    pub forgotten_bills: usize,
    /// Processes that died or slept: what they had in hand may be lost with them.
    pub gone: BTreeSet<usize>,
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
    let job = world.decoded(&commit.body);
    let before = before.map(|before| world.decoded(&before.body));
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
        Some((token, _)) if token == held => checkpoint_holds(world, process, before, job, now),
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

/// What is written under a lease without ending it: by its holder, and after its end only what is known of paid calls.
fn checkpoint_holds(world: &World, process: &Process, before: &Job, job: &Job, now: Millis) {
    let known = job.ledger.receipts.len() > before.ledger.receipts.len();
    if known || (job.plan == before.plan && job.attempts == before.attempts) {
        return;
    }
    let Some((held, until)) = lease_of(before) else { return };
    let late = world.state().laws.late_write;
    if now > until + ON_ITS_WAY && !late {
        let by = now - until;
        world.violate("3 who wakes after its lease writes no checkpoint", || format!("{process}, {by} ms late"));
    }
    let holder = world.state().laws.jobs.get(&job.id).and_then(|seen| seen.leases.get(held).copied());
    if holder.is_some_and(|holder| holder != process.number) {
        world.violate("3 only the holder writes a checkpoint", || format!("{process} wrote one of p{holder:?}"));
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
        world.violate("7 a good push is believed", || sent.id.clone());
    }
    if !(200..300).contains(&answer.status) {
        return refused(world, sent, answer, began);
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
        let stands = format!("{}/{}, live {live}", job.at, job.send);
        world.violate("2 a push is taken only when its step is written", || stands);
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

/// A push has been answered with anything but yes.
fn refused(world: &World, sent: &Sent, answer: &Answer, began: Instant) {
    let lost = world.state().laws.lost_at.iter().any(|at| *at >= began);
    let Some(job) = world.record(&sent.message.envelope.job_id).filter(|_| !lost) else { return };
    let now = world.now();
    match answer.status {
        489 if job.state != State::Failed => {
            world.violate("1 a message is given up only for a job that failed", || format!("{:?}", job.state));
        }
        429 => {
            // The lease as it was when it was looked at: at most a few round trips ago.
            let wait = 1_000 * answer.retry_after.unwrap_or(0);
            let left = lease_of(&job).map(|(_, until)| until.saturating_sub(now));
            if left.is_some_and(|left| wait + 100 < left) {
                world.violate("3 who finds a lease comes back after it", || format!("in {wait} ms, {left:?} are left"));
            }
        }
        489 | 503 => {}
        other => world.violate("2 QStash gets an answer it knows", || format!("{other}: {:?}", answer.body)),
    }
}

/// A paid call is being made; `effect` as it begins in the ledger.
pub fn paying(world: &World, effect: &str) {
    let ids: Vec<JobId> = world.state().laws.jobs.keys().cloned().collect();
    let mut jobs: Vec<Job> = ids.iter().filter_map(|id| world.record(id)).collect();
    // Whoever pays has just written so.
    jobs.sort_by_key(|job| job.updated_at);
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

/// A sweep has deleted this record.
pub fn deleted(world: &World, record: &Record) {
    let job = world.decoded(&record.body);
    if !job.is_final() {
        world.violate("1 no live job is deleted", || job.id.to_string());
    }
}

/// Whether everything is at rest: each job over, no message on its way, nobody asking.
pub fn at_rest(world: &World) -> bool {
    let state = world.state();
    let quiet = state.queue.is_idle() && state.asking == 0 && state.pushing == 0;
    let ids: BTreeSet<JobId> = state.laws.jobs.keys().chain(&state.laws.accepted).cloned().collect();
    drop(state);
    // What the store holds counts; what it has lost was over if it was over when it was last written.
    let is_over = |id: &JobId| match world.record(id) {
        Some(job) => job.is_final(),
        None => world.state().laws.jobs.get(id).is_some_and(|seen| seen.last.is_final()),
    };
    quiet && ids.iter().all(is_over)
}
