//! A world for one job: its processes, its store, QStash, Klap, storage and people, all in one thread over one paused clock.
//! Everything that happens is drawn from one seed, so the same seed is the same life.

pub mod clients;
pub mod files;
pub mod klap;
pub mod network;
pub mod process;
pub mod queue;
pub mod rows;
pub mod storage;
pub mod store;

use crate::faults::{Fault, Hook, Step};
use crate::laws::Laws;
use crate::plan::Plan;
use bytes::Bytes;
use cliprelay::job::{Job, JobId, Millis, wire};
use fastrand::Rng;
use process::Process;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, sleep_until};

/// When a world begins, by its store's clock.
const EPOCH: Millis = 1_800_000_000_000;
/// How far a process's own clock may be off.
const SKEW_SECONDS: i64 = 300;
pub const PROCESSES: usize = 2;

/// What one life is made of, beside its faults.
#[derive(Debug, Clone)]
pub struct Setting {
    pub clips: usize,
    /// Clips so large that they are uploaded in chunks.
    pub large: bool,
    /// The database has the migration's merge function.
    pub merge_function: bool,
    /// The job fails at first, and what is planned happens in the epoch that a person opens then.
    pub second_epoch: bool,
    /// How long QStash takes a repeated publish for the same one.
    pub deduplicates_for: Duration,
    /// Milliseconds between two sweeps.
    pub sweep_every: Millis,
}

impl Setting {
    pub fn plain() -> Self {
        Self {
            clips: 2,
            large: false,
            merge_function: false,
            sweep_every: 60_000,
            second_epoch: false,
            deduplicates_for: Duration::from_mins(10),
        }
    }

    pub fn drawn(rng: &mut Rng) -> Self {
        Self {
            clips: rng.usize(1..=3),
            large: rng.u8(..8) == 0,
            merge_function: rng.bool(),
            sweep_every: [60_000, 300_000][rng.usize(..2)],
            second_epoch: rng.u8(..8) == 0,
            deduplicates_for: [Duration::from_mins(10), Duration::from_hours(90 * 24)][rng.usize(..2)],
        }
    }
}

pub struct World {
    begun: Instant,
    tracing: bool,
    state: Mutex<State>,
    /// Something has been written or answered.
    pub changed: Notify,
}

pub struct State {
    pub rng: Rng,
    pub setting: Setting,
    pub plan: Plan,
    pub laws: Laws,
    pub store: store::Model,
    pub store_away_until: Option<Instant>,
    pub store_stalls_until: Option<Instant>,
    pub queue: queue::Queue,
    pub klap: klap::Klap,
    pub storage: storage::Storage,
    pub rows: rows::Rows,
    pub processes: Vec<Arc<Process>>,
    /// The job this life is about, once it is known.
    pub job: Option<JobId>,
    pub step: Step,
    /// People's requests under way.
    pub asking: usize,
    /// The file server has lost everything, until all is calm.
    pub files_gone: bool,
    /// Pushes under way.
    pub pushing: usize,
    trace: Vec<String>,
    decoded: VecDeque<(Bytes, Job)>,
    born: usize,
}

impl World {
    pub fn new(seed: u64, plan: Plan, setting: Setting, tracing: bool) -> Arc<Self> {
        let mut rng = Rng::with_seed(seed ^ 0x5eed_0000_0000_0000);
        let klap = klap::Klap::drawn(&mut rng, &setting);
        let state = State {
            queue: queue::Queue::default(),
            klap,
            storage: storage::Storage::default(),
            rows: rows::Rows::new(setting.merge_function),
            store: store::Model::default(),
            store_away_until: None,
            store_stalls_until: None,
            processes: Vec::new(),
            laws: Laws::default(),
            job: None,
            step: Step::Enqueue,
            asking: 0,
            pushing: 0,
            files_gone: false,
            trace: Vec::new(),
            decoded: VecDeque::new(),
            born: 0,
            rng,
            setting,
            plan,
        };
        let world = Arc::new(Self { begun: Instant::now(), tracing, state: Mutex::new(state), changed: Notify::new() });
        for slot in 0..PROCESSES {
            let process = world.born(slot);
            world.state().processes.push(process);
        }
        world
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no panic while the world is held")
    }

    /// The store's clock.
    pub fn now(&self) -> Millis {
        EPOCH + u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    pub fn instant(&self, at: Millis) -> Instant {
        self.begun + Duration::from_millis(at.saturating_sub(EPOCH))
    }

    /// What goes wrong at this moment, if anything does.
    pub fn strike(&self, hooks: &[Hook]) -> Option<Fault> {
        let step = self.state().step;
        self.strike_at(hooks, step)
    }

    pub fn strike_at(&self, hooks: &[Hook], step: Step) -> Option<Fault> {
        let fault = self.state().plan.strike(hooks, step)?;
        self.tell(|| format!("!! {fault:?} at {step:?}"));
        Some(fault)
    }

    /// One line of the trace, made only if it is wanted.
    pub fn tell(&self, line: impl FnOnce() -> String) {
        if !self.tracing {
            return;
        }
        let now = self.now() - EPOCH;
        let line = format!("{:>6}.{:03}  {}", now / 1_000, now % 1_000, line());
        self.state().trace.push(line);
    }

    pub fn trace(&self) -> Vec<String> {
        self.state().trace.clone()
    }

    /// Between two moments of a call: some milliseconds on the way.
    pub async fn way(&self) {
        let millis = self.state().rng.u64(1..40);
        sleep(Duration::from_millis(millis)).await;
    }

    /// Another process takes the place of one that ended or was told to.
    pub fn replace(self: &Arc<Self>, slot: usize) {
        let process = self.born(slot);
        self.state().processes[slot] = process;
    }

    fn born(self: &Arc<Self>, slot: usize) -> Arc<Process> {
        let (number, skew, seed, keys) = {
            let mut state = self.state();
            state.born += 1;
            let skew = state.rng.i64(-SKEW_SECONDS..=SKEW_SECONDS);
            let seed = state.rng.u64(..);
            (state.born, skew, seed, state.queue.keys())
        };
        Process::start(self, slot, number, skew, seed, keys)
    }

    /// Some process that serves.
    pub fn any_process(&self) -> Arc<Process> {
        let mut state = self.state();
        let index = state.rng.usize(..PROCESSES);
        state.processes[index].clone()
    }

    /// The record as it is in the store.
    pub fn record(&self, id: &JobId) -> Option<Job> {
        let now = self.now();
        let record = self.state().store.get(id, now)?;
        Some(self.decoded(&record.body))
    }

    /// A record read; the last ones are kept, for most are looked at many times.
    pub fn decoded(&self, body: &Bytes) -> Job {
        let mut state = self.state();
        let same = |(kept, _): &&(Bytes, Job)| kept.as_ptr() == body.as_ptr() && kept.len() == body.len();
        if let Some((_, job)) = state.decoded.iter().find(same) {
            return job.clone();
        }
        let job = wire::decode_record(body).expect("a record of ours");
        state.decoded.push_front((body.clone(), job.clone()));
        state.decoded.truncate(4);
        job
    }

    pub fn current(&self) -> Option<Job> {
        let id = self.state().job.clone()?;
        self.record(&id)
    }

    pub fn violate(&self, law: &str, how: impl FnOnce() -> String) {
        let how = how();
        self.tell(|| format!("## {law}: {how}"));
        self.state().laws.broken.push(format!("{law}: {how}"));
    }

    /// Something for later, in nobody's process.
    pub fn later(self: &Arc<Self>, after: Duration, what: impl FnOnce(&Arc<Self>) + Send + 'static) {
        let world = Arc::clone(self);
        let at = Instant::now() + after;
        tokio::spawn(async move {
            sleep_until(at).await;
            what(&world);
        });
    }
}
