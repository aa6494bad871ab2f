//! Every fault at every chance of one ordinary life: each effect, write and publish of every step fails in each way, is cut
//! off before and after, and each push comes twice. Whatever the kind does is found by watching it do it once, so a new kind
//! is covered without a line here.

use super::faults::{Fault, Hook};
use super::life::{self, Life};
use super::plan::Plan;
use super::world::Setting;
use cliprelay::kinds::Kind;
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

const SEED: u64 = 42;

fn settings() -> [Setting; 2] {
    let small = Setting { clips: 2, large: false, merge_function: false, sweep_every: 60_000 };
    [small.clone(), Setting { clips: 1, large: true, merge_function: true, ..small }]
}

/// Each chance of an undisturbed life with each fault that can strike there.
fn chances(setting: &Setting) -> Vec<(usize, Fault)> {
    let life = life::live(SEED, Plan::noting(), setting.clone(), false);
    assert_eq!(life.broken, Vec::<String>::new(), "undisturbed");
    let strikes =
        |hooks: &[Hook]| Fault::ALL.iter().copied().filter(|fault| hooks.contains(&fault.hook())).collect::<Vec<_>>();
    let all = life.chances.iter().enumerate();
    all.flat_map(|(chance, hooks)| strikes(hooks).into_iter().map(move |fault| (chance, fault))).collect()
}

#[test]
fn every_fault_at_every_chance_of_every_kind() {
    // Whatever kinds there are, the frontend's route makes them.
    assert_eq!(Kind::ALL, [Kind::PROCESS_KLAP]);
    for setting in settings() {
        let chances = chances(&setting);
        let next = AtomicUsize::new(0);
        let lives = Mutex::new(Vec::<(usize, Fault, Life)>::new());
        thread::scope(|scope| {
            for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
                scope.spawn(|| {
                    while let Some((chance, fault)) = chances.get(next.fetch_add(1, Ordering::Relaxed)).copied() {
                        let life = life::live(SEED, Plan::only(chance, fault), setting.clone(), false);
                        lives.lock().expect("no life panics").push((chance, fault, life));
                    }
                });
            }
        });
        let lives = lives.into_inner().expect("no life panics");
        let mut by_hook = BTreeMap::<String, usize>::new();
        for (chance, fault, life) in &lives {
            assert_eq!(life.struck.len(), 1, "{fault:?} at chance {chance} did not strike");
            *by_hook.entry(format!("{:?}", fault.hook())).or_default() += 1;
        }
        println!("{setting:?}: {} lives with one fault each: {by_hook:?}", lives.len());
        let broken = lives.iter().find(|(_, _, life)| !life.broken.is_empty());
        if let Some((chance, fault, life)) = broken {
            for line in life::live(SEED, Plan::only(*chance, *fault), setting.clone(), true).trace {
                println!("{line}");
            }
            panic!("{fault:?} at chance {chance}: {:#?}", life.broken);
        }
    }
}
