//! Many lives on all cores, and what they came to together.

use super::core;
use super::faults::{Fault, Step, cells};
use super::life::{self, Life};
use cliprelay::sabotage::{self, Sabotage};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

#[derive(Debug, Default)]
pub struct Crowd {
    pub lives: usize,
    pub full: usize,
    pub pushes: usize,
    pub writes: usize,
    pub tasks: usize,
    pub clips: usize,
    pub ends: BTreeMap<String, usize>,
    pub struck: BTreeMap<(Fault, Step), usize>,
    pub broken: Vec<Life>,
}

impl Crowd {
    /// The lives of these seeds, until `enough` of them were full ones.
    pub fn live(seeds: Range<u64>, enough: usize) -> Self {
        let threads = thread::available_parallelism().map_or(1, usize::from);
        let next = AtomicU64::new(seeds.start);
        let crowd = Mutex::new(Self::default());
        thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    loop {
                        let seed = next.fetch_add(1, Ordering::Relaxed);
                        if seed >= seeds.end || crowd.lock().expect("no life panics").full >= enough {
                            return;
                        }
                        let life = life::of_seed(seed, false);
                        crowd.lock().expect("no life panics").take(life);
                    }
                });
            }
        });
        crowd.into_inner().expect("no life panics")
    }

    fn take(&mut self, life: Life) {
        self.lives += 1;
        self.full += usize::from(life.is_full());
        self.pushes += life.pushes;
        self.writes += life.writes;
        self.tasks += life.tasks_billed;
        self.clips += life.clips_stored;
        *self.ends.entry(life.end.clone()).or_default() += 1;
        for cell in &life.struck {
            *self.struck.entry(*cell).or_default() += 1;
        }
        if !life.broken.is_empty() {
            self.broken.push(life);
        }
    }

    pub fn told(&self, took: Duration) -> String {
        let seconds = took.as_secs_f64();
        format!(
            "{} lives, {} of them full (10 pushes or more, a fault), {} pushes, {} writes, {} faults, {} tasks billed, {} clips stored; \
             ended {:?}; {seconds:.0} s",
            self.lives,
            self.full,
            self.pushes,
            self.writes,
            self.struck.values().sum::<usize>(),
            self.tasks,
            self.clips,
            self.ends,
        )
    }

    /// Fault by step: how often each struck; a dot where it cannot.
    pub fn table(&self) -> String {
        let reachable = cells();
        let mut table = format!("{:<18}", "");
        for step in Step::ALL {
            let _ = write!(table, "{:>10}", format!("{step:?}").to_lowercase());
        }
        table.push('\n');
        for fault in Fault::ALL {
            let _ = write!(table, "{:<18}", format!("{fault:?}"));
            for step in Step::ALL {
                let struck = self.struck.get(&(*fault, step)).copied().unwrap_or(0);
                let cell = if reachable.contains(&(*fault, step)) { struck.to_string() } else { ".".to_owned() };
                let _ = write!(table, "{cell:>10}");
            }
            table.push('\n');
        }
        table
    }

    /// The cells that struck less often than that.
    pub fn rare(&self, often: usize) -> Vec<(Fault, Step, usize)> {
        let count = |cell: &(Fault, Step)| self.struck.get(cell).copied().unwrap_or(0);
        cells()
            .into_iter()
            .map(|cell| (cell.0, cell.1, count(&cell)))
            .filter(|(_, _, struck)| *struck < often)
            .collect()
    }

    /// Fails with the first broken life, told from its beginning, and how to see it again.
    #[track_caller]
    pub fn is_whole(&self) {
        let Some(first) = self.broken.iter().min_by_key(|life| life.seed) else { return };
        for line in life::of_seed(first.seed, true).trace {
            println!("{line}");
        }
        let seeds: Vec<u64> = self.broken.iter().map(|life| life.seed).collect();
        panic!(
            "{} of {} lives broke a law: seeds {:?}.\nThe first is told above: {:#?}\nTo see it again: SIM_SEED={} infra/sim replay",
            seeds.len(),
            self.lives,
            &seeds[..seeds.len().min(20)],
            first.broken,
            first.seed
        );
    }
}

/// What broken code was caught by.
pub struct Caught {
    /// Lives it took: as many full ones as of the core alone.
    pub lives: u64,
    pub seed: u64,
    pub law: String,
}

/// The laws of which one must be broken by it, by their number; `(core)`: in lives of the core alone.
fn laws_against(sabotage: Sabotage) -> &'static [&'static str] {
    use Sabotage as S;
    match sabotage {
        S::ReplyBeforeWrite | S::PublishBeforeWrite | S::OldNewsUnpublished | S::ForgottenIsOld => &["2 "],
        S::NoLease => &["3 "],
        S::AnyToken | S::LateHolder => &["3 ", "(core) only who holds"],
        S::NoOperationId | S::NoIntent | S::FencedReceipts | S::UnseenExports | S::RetryResubmits => &["4 "],
        S::UnreadReceipts => &["4 ", "9 "],
        S::TornWrite | S::SameSend | S::SpentUnheeded => &["1 "],
        S::EndsChange => &["1 ", "(core) ends stay"],
        S::LiveExpires => &["12 "],
        S::Unverified => &["7 "],
        S::Unconfirmed => &["5 "],
        S::ResumeAtZero => &["5 ", "1 a job ends right"],
        S::BlindRow => &["6 "],
    }
}

/// Lives broken code by the same seeds until one breaks the law it should, and is whole without the switch; `None`: not in
/// that many.
pub fn caught(sabotage: Sabotage, at_most: u64) -> Option<Caught> {
    let expected = laws_against(sabotage);
    let fits = |law: &String| expected.iter().any(|expected| law.starts_with(expected));
    let broken = |seed: u64| {
        let of_the_core = core::broken(seed).into_iter().map(|law| format!("(core) {law}"));
        life::of_seed(seed, false).broken.into_iter().chain(of_the_core)
    };
    for seed in 0..at_most {
        sabotage::choose(Some(sabotage));
        let law = broken(seed).find(fits);
        sabotage::choose(None);
        if let Some(law) = law {
            let whole = broken(seed).next();
            assert!(whole.is_none(), "seed {seed} is broken without any switch: {whole:?}");
            return Some(Caught { lives: seed + 1, seed, law });
        }
    }
    None
}
