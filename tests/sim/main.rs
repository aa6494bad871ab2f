//! Simulated lives: the real core, flow, kinds, clients and routes over a world in which everything may go wrong, and does
//! so by seed. `infra/sim` runs them; `SIM_SEED=7 infra/sim replay` lives one again and tells it.
#![expect(clippy::expect_used, reason = "a life that cannot go on must stop, wherever it is")]

mod core;
mod crowd;
mod faults;
mod harness;
mod laws;
mod life;
mod people;
mod plan;
mod world;

use cliprelay::sabotage::Sabotage;
use crowd::{Caught, Crowd};
use faults::{Fault, Step, reaches};
use plan::{Plan, Planned};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;
use world::Setting;

/// How often each fault must strike at each step it can strike.
const OFTEN: usize = 100;

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable}={text} is no number")))
}

/// `count` full lives that break no law, and the table of what struck them.
fn live(count: usize) {
    let begun = Instant::now();
    // One life in twenty is too short or too lucky to count.
    let crowd = Crowd::live(0..2 * count as u64, count);
    println!("{}", crowd.told(begun.elapsed()));
    println!("{}", crowd.table());
    crowd.is_whole();
    assert!(crowd.full >= count, "only {} of {count} lives were full ones", crowd.full);
    let rare = crowd.rare(OFTEN * count.min(20_000) / 20_000);
    assert!(rare.is_empty(), "struck less than {OFTEN} times: {rare:?}");
}

#[test]
fn twenty_thousand_full_lives_break_no_law() {
    live(20_000);
}

/// As many as `SIM_LIVES` says, by default three times the ordinary run's.
#[test]
#[ignore = "minutes: infra/sim --full"]
fn sixty_thousand_full_lives_break_no_law() {
    live(number("SIM_LIVES").map_or(60_000, |lives| usize::try_from(lives).expect("it fits")));
}

#[test]
#[ignore = "lives one seed again: SIM_SEED=7 infra/sim replay"]
fn replay() {
    let seed = number("SIM_SEED").expect("SIM_SEED says which");
    let life = life::of_seed(seed, true);
    life.trace.iter().for_each(|line| println!("{line}"));
    assert!(life.broken.is_empty(), "{:#?}", life.broken);
}

#[test]
fn a_seed_is_always_the_same_life() {
    for seed in (0..2_000).step_by(31) {
        let (once, again) = (life::of_seed(seed, true), life::of_seed(seed, true));
        assert!(once.trace.len() > 20, "seed {seed} tells nothing");
        assert_eq!(once.trace, again.trace, "seed {seed}");
    }
    assert_ne!(life::of_seed(1, true).trace, life::of_seed(2, true).trace);
}

#[test]
fn nothing_strikes_where_it_cannot() {
    let mut unreachable = Vec::new();
    for fault in Fault::ALL {
        for step in Step::ALL.into_iter().filter(|step| !reaches(*fault, *step)) {
            unreachable.push((*fault, step));
        }
    }
    for (seed, (fault, step)) in unreachable.iter().copied().enumerate() {
        let setting =
            Setting { clips: 1, large: seed % 2 == 0, merge_function: false, sweep_every: 300_000, ..Setting::plain() };
        let plan = Plan::new(vec![Planned { fault, step, skip: 0 }]);
        let life = life::live(seed as u64, plan, setting, false);
        assert_eq!(life.struck, [], "{fault:?} struck at {step:?}");
        assert_eq!(life.broken, Vec::<String>::new());
    }
    println!("{} pairs of fault and step that cannot be", unreachable.len());
}

/// Lives that a broken variant may take until it is caught.
const PATIENCE: u64 = 6_000;

#[test]
fn every_broken_variant_is_caught() {
    let next = AtomicUsize::new(0);
    let missed = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while let Some(sabotage) = Sabotage::ALL.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let caught = crowd::caught(*sabotage, PATIENCE);
                    let told = match &caught {
                        Some(Caught { lives, seed, law }) => format!("{lives:>6} lives, seed {seed:>5}: {law:.160}"),
                        None => format!("not noticed in {PATIENCE} lives"),
                    };
                    println!("{:<20}{told}", format!("{sabotage:?}"));
                    if caught.is_none() {
                        missed.lock().expect("no life panics").push(*sabotage);
                    }
                }
            });
        }
    });
    let missed = missed.into_inner().expect("no life panics");
    assert!(missed.is_empty(), "not noticed in {PATIENCE} lives each: {missed:?}");
}
