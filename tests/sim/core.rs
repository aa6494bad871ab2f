//! Lives of the pure core alone: no engine, no clients, only `judge` and `apply` with a queue that delivers as it likes,
//! workers that die, sleep and come back, and people who cancel and retry. Microseconds each, so there can be a million.

use cliprelay::job::{
    By, Event, Failure, Job, JobId, Judgement, Lease, LeaseToken, Limits, Millis, NewJob, Origin, Outcome, Owner,
    ProjectId, Push, Receipt, Refused, Report, Settlement, State, apply, judge,
};
use fastrand::Rng;
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

const SECOND: Millis = 1_000;
const LIMITS: Limits = Limits {
    max_attempts: 3,
    job_timeout: 7_200 * SECOND,
    queue_timeout: 86_400 * SECOND,
    done_ttl: 86_400 * SECOND,
    failed_ttl: 604_800 * SECOND,
};
const LEASE: Millis = 46 * SECOND;
const OPENING: &str = "shared";
/// Steps of a life before luck has to hold.
const WILD: usize = 60;
const LONGEST: usize = 400;

struct Life {
    rng: Rng,
    job: Job,
    now: Millis,
    /// Messages that may still be delivered, each perhaps more than once.
    messages: Vec<Push>,
    /// Everyone who ever held a lease and has not been seen to end.
    holders: Vec<LeaseToken>,
    claims: u32,
    paid: u32,
    broken: Vec<String>,
}

fn failure(code: &str) -> Failure {
    Failure::retryable(code, "it did not work")
}

impl Life {
    fn new(seed: u64) -> Self {
        let new = NewJob {
            id: JobId::new("job_1"),
            owner: Owner::new("ann"),
            project: ProjectId::new("p1"),
            kind: "clip",
            input: json!({}),
            step: "submit",
            plan: json!({}),
            stage: String::new(),
        };
        let now = 1_800_000_000_000;
        let job = Job::new(new, now, LIMITS.queue_timeout);
        let rng = Rng::with_seed(seed);
        Self { rng, job, now, messages: Vec::new(), holders: Vec::new(), claims: 0, paid: 0, broken: Vec::new() }
    }

    fn push(&self) -> Push {
        Push { at: self.job.at, send: self.job.send }
    }

    /// Applies an event; what must hold between before and after is checked at once.
    fn happens(&mut self, event: &Event) -> Result<(), Refused> {
        let next = apply(&self.job, event, self.now, &LIMITS)?;
        self.broken.extend(check(&self.job, event, &next, self.now));
        self.job = next;
        Ok(())
    }

    /// What is recorded goes out, as far as luck has it.
    fn drain(&mut self) {
        if self.job.unsent() && self.rng.u8(..10) > 0 {
            let push = self.push();
            self.messages.push(push);
            if self.rng.u8(..8) > 0 {
                let _ = self.happens(&Event::Sent { push, message_id: "msg".to_owned() });
            }
        }
    }

    fn deliver(&mut self, wild: bool) {
        if self.messages.is_empty() {
            return;
        }
        let index = self.rng.usize(..self.messages.len());
        let push = self.messages[index];
        // Taken away, lost for good, or left for one more delivery.
        if !wild || self.rng.u8(..4) > 0 {
            self.messages.swap_remove(index);
        }
        match judge(&self.job, push, self.now, OPENING, &LIMITS) {
            Judgement::OldNews => self.drain(),
            Judgement::Leased { .. } => self.messages.push(push),
            Judgement::Expired => drop(self.happens(&Event::Fail { failure: failure("job_timeout"), by: By::Push })),
            Judgement::Exhausted => drop(self.happens(&Event::Fail { failure: failure("exhausted"), by: By::Push })),
            Judgement::Forgotten => self.broken.push(format!("nothing was forgotten: {push:?} for {:?}", self.job.at)),
            Judgement::Due => self.run(push, wild),
        }
    }

    fn run(&mut self, push: Push, wild: bool) {
        self.claims += 1;
        let token = LeaseToken::new(format!("t{}", self.claims));
        let lease = Lease { token: token.clone(), until: self.now + LEASE, opening: OPENING.to_owned() };
        if let Err(refused) = self.happens(&Event::Claim { push, lease, from: Origin::default() }) {
            return self.broken.push(format!("it was due: {refused}"));
        }
        self.holders.push(token.clone());
        if wild && self.rng.u8(..5) == 0 {
            // The worker dies or sleeps; the message comes again.
            self.messages.push(push);
            return;
        }
        self.settle(&token, wild);
    }

    /// A holder, perhaps one of long ago, writes what it has.
    fn settle(&mut self, token: &LeaseToken, wild: bool) {
        if self.rng.u8(..3) == 0 {
            let effects = vec!["submit:1".to_owned()];
            let intended = Event::Intend { token: token.clone(), effects, looked_up: self.rng.bool() };
            if self.happens(&intended).is_ok() {
                self.paid += 1;
                let receipt = Receipt { effect: "submit:1".to_owned(), id: format!("task{}", self.paid) };
                let _ = self.happens(&Event::Receive { token: token.clone(), receipt });
            }
        }
        let outcome = self.outcome(wild);
        let report = Report { progress: self.rng.u8(..=100), stage: String::new() };
        let settlement = Settlement { outcome, plan: Some(json!({"n": self.claims})), report, refused: Vec::new() };
        let held =
            matches!(&self.job.state, State::Running { lease } if lease.token == *token && self.now < lease.until);
        let written = self.happens(&Event::Settle { token: token.clone(), settlement });
        if written.is_ok() != held {
            self.broken.push(format!("only who holds the lease writes: {written:?}"));
        }
        if written.is_ok() {
            self.holders.retain(|other| other != token);
        }
        self.drain();
        if !self.job.is_final() && self.job.message.sent {
            let push = self.push();
            self.messages.push(push);
        }
    }

    fn outcome(&mut self, wild: bool) -> Outcome {
        let after = self.rng.u64(..90) * SECOND;
        match self.rng.u8(..if wild { 20 } else { 10 }) {
            0..5 => Outcome::Next { step: "list", after },
            5..8 => Outcome::Wait { after },
            8 | 9 => Outcome::Done,
            10..13 => Outcome::Away { after: Some(after), failure: failure("away") },
            13..18 => Outcome::Retry { failure: failure("again"), after: Some(after) },
            _ => Outcome::Fail { failure: failure("broken") },
        }
    }

    /// Something nobody planned.
    fn accident(&mut self) {
        let push = self.push();
        match self.rng.u8(..20) {
            0 => drop(self.happens(&Event::Cancel { by: By::Owner })),
            1 => {
                let again = Event::Retry { step: "submit", plan: json!({}), stage: String::new(), by: By::Owner };
                if self.happens(&again).is_ok() {
                    self.drain();
                }
            }
            2..6 if !self.holders.is_empty() => {
                let index = self.rng.usize(..self.holders.len());
                let token = self.holders[index].clone();
                self.settle(&token, true);
            }
            6..9 => self.messages.truncate(self.rng.usize(..=self.messages.len())),
            9..12 => {
                let lease_over = self.job.lease(self.now, OPENING).is_none();
                let spent = Event::Spent { push, by: By::Push, dlq_id: None, lease_over, after: SECOND };
                if self.happens(&spent).is_ok() {
                    self.drain();
                }
            }
            12 => drop(self.happens(&Event::Looked { push })),
            _ => self.now += self.rng.u64(..120) * SECOND,
        }
    }

    /// The sweep: what is due is looked at, and what is spent goes out anew.
    fn sweep(&mut self) {
        let Some(due) = self.job.due() else { return };
        self.now = self.now.max(due);
        let push = self.push();
        match judge(&self.job, push, self.now, OPENING, &LIMITS) {
            Judgement::Expired => drop(self.happens(&Event::Fail { failure: failure("job_timeout"), by: By::Push })),
            Judgement::Exhausted => drop(self.happens(&Event::Fail { failure: failure("exhausted"), by: By::Push })),
            Judgement::Due if self.job.unsent() => self.drain(),
            Judgement::Due if !self.messages.contains(&push) => {
                let _ =
                    self.happens(&Event::Spent { push, by: By::Push, dlq_id: None, lease_over: true, after: SECOND });
                self.drain();
            }
            _ => drop(self.happens(&Event::Looked { push })),
        }
    }

    /// How the job ended, and what was broken on the way.
    fn live(mut self) -> (State, Vec<String>) {
        self.drain();
        for turn in 0..LONGEST {
            let wild = turn < WILD;
            if self.job.is_final() && !wild {
                break;
            }
            self.now += self.rng.u64(..20) * SECOND;
            match self.rng.u8(..10) {
                0..3 if wild => self.accident(),
                3 => self.sweep(),
                _ if self.messages.is_empty() => self.sweep(),
                _ => self.deliver(wild),
            }
        }
        if !self.job.is_final() {
            self.broken.push(format!("it does not end: {:?}", self.job));
        }
        (self.job.state, self.broken)
    }
}

/// What the life of a seed broke.
pub fn broken(seed: u64) -> Vec<String> {
    Life::new(seed).live().1
}

/// What must hold between a job and what an event made of it.
fn check(before: &Job, event: &Event, next: &Job, now: Millis) -> Option<String> {
    let end_stays = match event {
        _ if !before.is_final() => true,
        Event::Receive { .. } => next.state == before.state,
        Event::Retry { .. } => before.state == State::Failed && next.at.epoch == before.at.epoch + 1,
        _ => false,
    };
    let taken = matches!(event, Event::Claim { .. }) && before.lease(now, OPENING).is_some();
    let laws = [
        ("it goes on", (next.at, next.send) >= (before.at, before.send)),
        ("receipts are kept", next.ledger.receipts.starts_with(&before.ledger.receipts)),
        ("progress never falls", next.progress >= before.progress && next.progress <= 100),
        ("no attempt too many", next.attempts <= LIMITS.max_attempts),
        ("an end has its time", next.is_final() == next.finished_at.is_some()),
        ("a live job is in the sweep's sight", next.is_final() == next.due().is_none()),
        ("no lease is taken away", !taken),
        ("ends stay", end_stays),
    ];
    laws.iter().find(|(_, holds)| !holds).map(|(law, _)| format!("{law}: {event:?} of {before:?}"))
}

fn live(count: u64) {
    let next = AtomicU64::new(0);
    let ends = thread::scope(|scope| {
        let threads = thread::available_parallelism().map_or(1, usize::from);
        let threads: Vec<_> = (0..threads)
            .map(|_| {
                scope.spawn(|| {
                    let mut ends = BTreeMap::<&str, u64>::new();
                    loop {
                        let seed = next.fetch_add(1, Ordering::Relaxed);
                        if seed >= count {
                            return ends;
                        }
                        let (end, broken) = Life::new(seed).live();
                        assert!(broken.is_empty(), "seed {seed}: {broken:#?}");
                        *ends.entry(end.public()).or_default() += 1;
                    }
                })
            })
            .collect();
        let mut all = BTreeMap::<&str, u64>::new();
        for ends in threads.into_iter().map(|thread| thread.join().expect("every life holds")) {
            for (end, count) in ends {
                *all.entry(end).or_default() += count;
            }
        }
        all
    });
    println!("{count} lives of the core: {ends:?}");
    assert!(ends.len() == 3, "all three ends are met: {ends:?}");
}

#[test]
fn fifty_thousand_lives_of_the_core() {
    live(50_000);
}

#[test]
#[ignore = "minutes: infra/test --full"]
fn a_million_lives_of_the_core() {
    live(1_000_000);
}
