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
    let small = Setting { clips: 2, large: false, merge_function: false, sweep_every: 60_000, ..Setting::plain() };
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

/// Lives with these faults each, on all cores; fails with the first that breaks a law, told from its beginning.
fn live(setting: &Setting, plans: &[Vec<(usize, Fault)>]) -> Vec<Life> {
    let next = AtomicUsize::new(0);
    let lives = Mutex::new(Vec::<(usize, Life)>::new());
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let Some(plan) = plans.get(number) else { return };
                    let life = life::live(SEED, Plan::only(plan), setting.clone(), false);
                    lives.lock().expect("no life panics").push((number, life));
                }
            });
        }
    });
    let lives = lives.into_inner().expect("no life panics");
    if let Some((number, life)) = lives.iter().filter(|(_, life)| !life.broken.is_empty()).min_by_key(|(at, _)| *at) {
        let plan = &plans[*number];
        for line in life::live(SEED, Plan::only(plan), setting.clone(), true).trace {
            println!("{line}");
        }
        panic!("{plan:?}: {:#?}", life.broken);
    }
    lives.into_iter().map(|(_, life)| life).collect()
}

#[test]
fn every_fault_at_every_chance_of_every_kind() {
    // Whatever kinds there are, the frontend's route makes them.
    assert_eq!(Kind::ALL, [Kind::PROCESS_KLAP]);
    for setting in settings() {
        let plans: Vec<_> = chances(&setting).into_iter().map(|one| vec![one]).collect();
        let lives = live(&setting, &plans);
        let mut by_hook = BTreeMap::<String, usize>::new();
        for life in &lives {
            assert_eq!(life.struck.len(), 1, "one fault each");
            *by_hook.entry(format!("{:?}", life.struck[0].0.hook())).or_default() += 1;
        }
        println!("{setting:?}: {} lives with one fault each: {by_hook:?}", lives.len());
    }
}

/// What makes a loss of the store's last writes dearest, if it comes right after.
const BESIDE: [Fault; 7] = [
    Fault::KlapBadGateway,
    Fault::KlapUnheard,
    Fault::WriteUnheard,
    Fault::PushDuplicated,
    Fault::AnswerLost,
    Fault::CrashAfterCall,
    Fault::CrashAfterWrite,
];

#[test]
fn every_loss_with_what_makes_it_dear() {
    let setting = Setting { clips: 1, ..settings()[0].clone() };
    let losses = [Fault::StoreForgets, Fault::StoreEvicts, Fault::StoreRollsBack];
    let chances = chances(&setting);
    let mut plans = Vec::new();
    for (at, loss) in chances.iter().filter(|(_, fault)| losses.contains(fault)) {
        let near = |(other, fault): &&(usize, Fault)| BESIDE.contains(fault) && other.abs_diff(*at) <= 4;
        plans.extend(chances.iter().filter(near).map(|beside| vec![(*at, *loss), *beside]));
    }
    let lives = live(&setting, &plans);
    let both = lives.iter().filter(|life| life.struck.len() == 2).count();
    println!("{} lives with a loss and another fault beside it, in {both} both struck", lives.len());
    assert!(both * 10 > lives.len() * 9);
}
