//! What is to go wrong in one life, and what did.

use super::faults::{Fault, Hook, Step, cells};
use super::world::Setting;
use fastrand::Rng;

/// One thing that is to go wrong: at the `skip`-th chance in that step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Planned {
    pub fault: Fault,
    pub step: Step,
    pub skip: u32,
}

#[derive(Debug, Clone, Default)]
pub struct Plan {
    pending: Vec<Planned>,
    /// What went wrong, in order.
    pub struck: Vec<(Fault, Step)>,
    /// Nothing more goes wrong.
    pub calm: bool,
    /// Strikes at that chance, whatever the step; and how many chances there have been.
    at: Vec<(usize, Fault)>,
    chances: usize,
    /// What could have gone wrong at each chance, if it is to be noted.
    pub noted: Option<Vec<Vec<Hook>>>,
}

impl Plan {
    pub fn new(pending: Vec<Planned>) -> Self {
        Self { pending, ..Self::default() }
    }

    /// Only these, each at the first fitting chance from that one on.
    pub fn only(at: &[(usize, Fault)]) -> Self {
        Self { at: at.to_vec(), ..Self::default() }
    }

    /// Nothing goes wrong, and every chance is noted.
    pub fn noting() -> Self {
        Self { noted: Some(Vec::new()), ..Self::default() }
    }

    /// One cell after the other over the seeds, so that each gets its share, and chance adds up to three more.
    pub fn of_seed(seed: u64, rng: &mut Rng, setting: &mut Setting) -> Self {
        let cells = cells();
        let first = cells[usize::try_from(seed % cells.len() as u64).unwrap_or(0)];
        let more = [0, 0, 1, 1, 2, 3][rng.usize(..6)];
        let all = std::iter::once(first).chain((0..more).map(|_| cells[rng.usize(..cells.len())])).collect::<Vec<_>>();
        let mut planned = Vec::new();
        for (fault, step) in all {
            let skip = match fault.hook() {
                _ if step == Step::Enqueue => 0,
                Hook::Write | Hook::Recorded if step == Step::Finalize => rng.u32(..3),
                Hook::Write | Hook::Recorded => rng.u32(..4),
                Hook::Klap | Hook::Call | Hook::Storage if step == Step::Transfer => rng.u32(..3),
                _ => 0,
            };
            match fault.hook() {
                // Only what dies is called back about, only large clips come in chunks, only rows without the function are guarded.
                Hook::Callback => planned.push(Planned { fault: Fault::MessageDies, step, skip: 0 }),
                Hook::Patch => setting.large = true,
                Hook::Guarded => setting.merge_function = false,
                _ => {}
            }
            planned.push(Planned { fault, step, skip });
        }
        Self::new(planned)
    }

    /// Another plan from here on; what has struck is kept.
    pub fn goes_on(&mut self, next: Self) {
        *self = Self { struck: std::mem::take(&mut self.struck), chances: self.chances, ..next };
    }

    pub fn pending(&self) -> &[Planned] {
        &self.pending
    }

    /// What goes wrong at this moment, if anything does.
    pub fn strike(&mut self, hooks: &[Hook], step: Step) -> Option<Fault> {
        if self.calm {
            return None;
        }
        let chance = self.chances;
        self.chances += 1;
        if let Some(noted) = &mut self.noted {
            noted.push(hooks.to_vec());
        }
        let fits = |(at, fault): &(usize, Fault)| *at <= chance && hooks.contains(&fault.hook());
        if let Some(index) = self.at.iter().position(fits) {
            let (_, fault) = self.at.remove(index);
            self.struck.push((fault, step));
            return Some(fault);
        }
        let mut due = None;
        for (index, planned) in self.pending.iter_mut().enumerate() {
            if planned.step != step || !hooks.contains(&planned.fault.hook()) {
                continue;
            }
            if planned.skip > 0 {
                planned.skip -= 1;
            } else if due.is_none() {
                due = Some(index);
            }
        }
        let planned = self.pending.remove(due?);
        self.struck.push((planned.fault, planned.step));
        Some(planned.fault)
    }
}
