//! One life: a job is enqueued, everything happens, and at the end it is over and right.

use crate::faults::{Fault, Hook, Mercy, Step};
use crate::laws;
use crate::people;
use crate::plan::{Plan, Planned};
use crate::world::queue::{self, Fate};
use crate::world::{Setting, World};
use cliprelay::job::{Job, State};
use fastrand::Rng;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Builder;
use tokio::time::sleep;

/// No job lives longer, however unlucky: its own deadlines and a day.
const LONGEST: Duration = Duration::from_hours(60);
/// No job of this world needs more pushes: one that goes on by itself for nothing costs its owner a message each time.
const MOST_PUSHES: usize = 1_000;
/// As many faults as a job must survive without a word, if each is one that it must.
const FEW: usize = 2;

/// What a life came to.
#[derive(Debug, Clone, Default)]
pub struct Life {
    pub seed: u64,
    pub broken: Vec<String>,
    pub struck: Vec<(Fault, Step)>,
    pub pushes: usize,
    pub writes: usize,
    pub tasks_billed: usize,
    pub clips_stored: usize,
    /// How the first job stood at the end.
    pub end: String,
    pub trace: Vec<String>,
    /// What could have gone wrong at each chance, if that was noted.
    pub chances: Vec<Vec<Hook>>,
}

impl Life {
    /// Whether it counts: long enough, and something went wrong.
    pub fn is_full(&self) -> bool {
        self.pushes >= 10 && !self.struck.is_empty() && self.end != "lost"
    }
}

/// The life of a seed, with what the seed plans.
pub fn of_seed(seed: u64, tracing: bool) -> Life {
    let mut rng = Rng::with_seed(seed);
    let mut setting = Setting::drawn(&mut rng);
    let plan = Plan::of_seed(seed, &mut rng, &mut setting);
    live(seed, plan, setting, tracing)
}

pub fn live(seed: u64, plan: Plan, setting: Setting, tracing: bool) -> Life {
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime");
    runtime.block_on(async {
        let world = World::new(seed, plan, setting, tracing);
        world.tell(|| format!("seed {seed}: {:?}", world.state().setting.clone()));
        let planned = world.state().plan.pending().to_vec();
        for planned in planned {
            world.tell(|| format!("planned {planned:?}"));
        }
        let sweeping = tokio::spawn(sweep_on(Arc::clone(&world)));
        run(&world).await;
        sweeping.abort();
        told(seed, &world)
    })
}

async fn sweep_on(world: Arc<World>) {
    let every = Duration::from_millis(world.state().setting.sweep_every);
    loop {
        sleep(every).await;
        people::sweep(&world).await;
    }
}

async fn run(world: &Arc<World>) {
    let planned = world.state().plan.clone();
    let second_epoch = world.state().setting.second_epoch;
    if second_epoch {
        let fails = Planned { fault: Fault::TaskFails, step: Step::AwaitTask, skip: 0 };
        world.state().plan.goes_on(Plan::new(vec![fails]));
    }
    people::enqueue(world).await;
    if !rests(world).await {
        return;
    }
    if second_epoch {
        world.state().plan.goes_on(planned);
        if !again(world).await {
            return;
        }
    }
    forgives(world);
    // What went wrong is over; a person tries once more.
    world.state().plan.calm = true;
    if people::may_retry(world).is_some() {
        if !again(world).await {
            return;
        }
        let end = world.current();
        if end.as_ref().is_some_and(|job| job.state != State::Done) {
            world.violate("1 after a person's retry a job completes", || format!("{:?}", end.map(|job| job.error)));
        }
    }
    late_pushes(world).await;
    laws::ended(world);
}

/// A person tries a failed job once more; whether it came to rest.
async fn again(world: &Arc<World>) -> bool {
    let paid = laws::paid(world);
    let Some(job) = people::may_retry(world) else { return true };
    // Whatever it was told: the epoch may have been opened by a process that died before its answer.
    people::retry(world, &job).await;
    let rested = rests(world).await;
    if rested && world.state().plan.calm {
        laws::retried(world, paid);
    }
    rested
}

/// Until everything is at rest; whether it came to that.
async fn rests(world: &Arc<World>) -> bool {
    let end = tokio::time::Instant::now() + LONGEST;
    let mut looked = 0;
    while !laws::at_rest(world) {
        if laws::lost_for_good(world) {
            world.state().laws.lost_for_good = true;
            return false;
        }
        if world.state().laws.pushes > MOST_PUSHES {
            world.violate("9 a job takes few messages", || format!("{MOST_PUSHES} pushes and more"));
            return false;
        }
        if tokio::time::Instant::now() > end {
            let job = world.current();
            let how = || format!("{:?}", job.map(|job| (job.at, job.send, job.step, job.state, job.message)));
            world.violate("1 every accepted job ends", how);
            return false;
        }
        tokio::select! {
            biased;
            () = world.changed.notified() => {}
            () = sleep(Duration::from_mins(1)) => {}
        }
        let pushes = world.state().laws.pushes;
        if pushes >= looked + 3 {
            looked = pushes;
            people::look(world).await;
        }
    }
    true
}

/// A few faults of the sort that must not matter have not mattered.
fn forgives(world: &World) {
    // The second unknown payment is a person's to decide on.
    let decided = laws::doubts(world) <= 1;
    let state = world.state();
    let first_epoch = usize::from(state.setting.second_epoch);
    let struck: Vec<_> = state.plan.struck.iter().skip(first_epoch).copied().collect();
    // Asleep, a process may use up one attempt before and one after.
    let few = struck
        .iter()
        .map(|(fault, _)| 1 + usize::from(matches!(fault, Fault::Freezes | Fault::FreezesInCall)))
        .sum::<usize>();
    // A retry that the store lost before its first message was out was never made.
    let opened = first_epoch == 0
        || state
            .laws
            .accepted
            .first()
            .and_then(|id| state.laws.jobs.get(id))
            .is_some_and(|seen| seen.last.at.epoch > 1);
    let merciful = opened && decided && few <= FEW && struck.iter().all(|(fault, _)| fault.mercy() == Mercy::Absorbed);
    let clips = state.setting.clips;
    let Some(first) = state.laws.accepted.first().and_then(|id| state.laws.jobs.get(id)) else { return };
    let (end, stored, error) = (first.last.state.clone(), laws::stored(&first.last), first.last.error.clone());
    drop(state);
    let whole = end == State::Done && stored == clips;
    if merciful && !whole {
        world.violate("1 a job ends right", || format!("{end:?} with {stored} of {clips} clips: {error:?}"));
    }
}

/// Pushes that come when all is over change nothing.
async fn late_pushes(world: &Arc<World>) {
    let (first, last) = {
        let state = world.state();
        (state.queue.sent.first().cloned(), state.queue.sent.last().cloned())
    };
    for sent in [first, last].into_iter().flatten() {
        let before = world.record(&sent.message.envelope.job_id);
        let billed = world.state().klap.billed();
        let mut answer = None;
        // Some process may still be asleep.
        for _ in 0..20 {
            answer = queue::push(world, &sent, false).await;
            if answer.as_ref().is_some_and(|answer| answer.status != 503) {
                break;
            }
            sleep(Duration::from_secs(30)).await;
        }
        let after = world.record(&sent.message.envelope.job_id);
        let quiet = answer.as_ref().is_some_and(|answer| answer.status == 200);
        // Where nothing is left of it, it is done again from what the message tells.
        let was_over = before.as_ref().is_some_and(Job::is_final);
        if was_over && (!quiet || before != after || billed != world.state().klap.billed()) {
            world.violate("1 a late push is absorbed", || format!("{answer:?}"));
        }
    }
    let waiting = world.state().queue.sent.iter().any(|sent| sent.fate == Fate::Waiting);
    if waiting {
        rests(world).await;
    }
}

fn told(seed: u64, world: &Arc<World>) -> Life {
    let processes = world.state().processes.clone();
    for process in &processes {
        process.ends();
    }
    let trace = world.trace();
    let state = world.state();
    let first = state.laws.accepted.first().and_then(|id| state.laws.jobs.get(id));
    Life {
        seed,
        broken: state.laws.broken.clone(),
        struck: state.plan.struck.clone(),
        pushes: state.laws.pushes,
        writes: state.laws.writes,
        tasks_billed: state.klap.bills().iter().filter(|bill| bill.is_task()).count(),
        clips_stored: state.storage.objects.len(),
        end: match first {
            _ if state.laws.lost_for_good => "lost".to_owned(),
            Some(job) => job.last.state.public().to_owned(),
            None => "nothing".to_owned(),
        },
        chances: state.plan.noted.clone().unwrap_or_default(),
        trace,
    }
}
