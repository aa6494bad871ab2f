//! How all of it stands: what is live and due in the store, what rests in QStash's dead letters. Read when somebody asks,
//! kept for a few seconds so that many who ask cost as much as one, and bounded: of however many live jobs only the first
//! hundred are looked at.

use super::limits::day;
use super::recent::Recent;
use super::record::{Clock, decode};
use super::sweep::ROUNDS_COUNTED;
use super::{Engine, Fault};
use crate::job::{Job, Millis, State};
use crate::kinds::Kind;
use crate::measure::{Letters, Live, Stock};
use crate::services::qstash::DeadLetterFilter;
use crate::services::qstash::signature::SigningKeys;
use crate::store::keys;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

/// How many live jobs are looked at.
const LOOKED_AT: usize = 100;
/// How many dead letters are counted: what QStash lists at once.
const LETTERS: u32 = 100;
const PATIENCE: Duration = Duration::from_secs(3);
/// For how long an answer is kept, a missing one too.
const STORE_KEPT: Duration = Duration::from_secs(5);
const LETTERS_KEPT: Duration = Duration::from_mins(1);
const KEYS_KEPT: Duration = Duration::from_secs(30);

/// What was read last, and when. Who asks while another reads waits for that one's answer.
#[derive(Default)]
pub(super) struct Surveys {
    store: Mutex<Option<(Instant, Option<Surveyed>)>>,
    letters: Mutex<Option<(Instant, Option<Letters>)>>,
    keys: Mutex<Option<(Instant, SigningKeys)>>,
    pub recent: Mutex<Option<(Instant, Recent)>>,
}

/// What the store knew.
#[derive(Debug, Clone)]
struct Surveyed {
    live: Live,
    waiting: Waiting,
}

/// How the live jobs stand that were looked at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Waiting {
    /// The store's time.
    pub now: Millis,
    /// At work, as far as is known.
    pub in_flight: usize,
    pub waiting: usize,
    /// Since when the first of those has waited whose push could have come.
    pub oldest_waiting_at: Option<Millis>,
}

/// US cents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Money {
    pub today: Option<u64>,
    pub limit: Option<u64>,
}

impl Engine {
    /// What a scrape tells beside the process's own.
    pub async fn stock(&self) -> Stock {
        let (store, letters) = tokio::join!(self.surveyed(), self.dead_letters());
        let protection = &self.settings.protection;
        Stock {
            live: store.map(|surveyed| surveyed.live),
            letters,
            spend_limit: protection.spend_day,
            queue_limit: protection.queue,
        }
    }

    /// The live jobs; `None`: the store is away.
    pub async fn live(&self) -> Option<(Live, Waiting)> {
        self.surveyed().await.map(|surveyed| (surveyed.live, surveyed.waiting))
    }

    /// Our dead letters at QStash; `None`: it is away.
    pub async fn dead_letters(&self) -> Option<Letters> {
        let mut kept = self.surveys.letters.lock().await;
        if let Some((_, letters)) = kept.filter(|(at, _)| at.elapsed() < LETTERS_KEPT) {
            return letters;
        }
        let filter = DeadLetterFilter {
            url: Some(self.settings.worker_url.to_string()),
            count: Some(LETTERS),
            ..DeadLetterFilter::default()
        };
        let letters = match timeout(PATIENCE, self.services.qstash.dead_letters(&filter)).await {
            Ok(Ok(page)) => {
                let more = page.cursor.is_some_and(|cursor| !cursor.is_empty());
                Some(Letters { count: page.messages.len(), more })
            }
            Ok(Err(_)) | Err(_) => None,
        };
        *kept = Some((Instant::now(), letters));
        letters
    }

    /// The keys that QStash signs with; `None`: it is away.
    pub async fn signing_keys(&self) -> Option<SigningKeys> {
        let mut kept = self.surveys.keys.lock().await;
        if let Some((_, keys)) = kept.as_ref().filter(|(at, _)| at.elapsed() < KEYS_KEPT) {
            return Some(keys.clone());
        }
        let keys = timeout(PATIENCE, self.services.qstash.keys()).await.ok()?.ok()?;
        *kept = Some((Instant::now(), keys.clone()));
        Some(keys)
    }

    pub fn money(&self, live: Option<&Live>) -> Money {
        Money { today: live.and_then(|live| live.spent), limit: self.settings.protection.spend_day }
    }

    async fn surveyed(&self) -> Option<Surveyed> {
        let mut kept = self.surveys.store.lock().await;
        if let Some((_, surveyed)) = kept.as_ref().filter(|(at, _)| at.elapsed() < STORE_KEPT) {
            return surveyed.clone();
        }
        let surveyed = timeout(PATIENCE, self.survey()).await;
        let surveyed = surveyed
            .map_err(|_| "no answer in time".to_owned())
            .and_then(|read| read.map_err(|fault| fault.to_string()));
        let surveyed = surveyed.inspect_err(|why| tracing::warn!(why, "how the jobs stand could not be read")).ok();
        *kept = Some((Instant::now(), surveyed.clone()));
        surveyed
    }

    async fn survey(&self) -> Result<Surveyed, Fault> {
        let survey = self.store.survey(LOOKED_AT).await?;
        let (now, clock) = (survey.now, Clock::new(survey.now));
        let mut names = vec![keys::ROUNDS.to_owned()];
        let limited = self.settings.protection.spend_day.is_some();
        names.extend(limited.then(|| keys::spent_on(day(now))));
        let counted = self.store.counted(&names).await?;
        let last_sweep = counted.first().copied().flatten().map(|rounds| ROUNDS_COUNTED.saturating_sub(rounds.left));
        let spent = limited.then(|| counted.get(1).copied().flatten().map_or(0, |sum| sum.used));
        // What cannot be read is counted as live and not looked at.
        let jobs: Vec<Job> =
            survey.records.iter().filter_map(|(_, record)| Some(decode(record, clock).ok()?.job)).collect();
        let waiting = waiting(&jobs, now, self.store.opening());
        let since = |at: Millis| Duration::from_millis(now.saturating_sub(at));
        let live = Live {
            jobs: survey.live,
            looked_at: jobs.len(),
            standing: standing(&jobs),
            due: survey.due,
            oldest_due: survey.earliest_due.map_or(Duration::ZERO, since),
            oldest_waiting: waiting.oldest_waiting_at.map_or(Duration::ZERO, since),
            last_sweep,
            spent,
        };
        Ok(Surveyed { live, waiting })
    }
}

fn waiting(jobs: &[Job], now: Millis, opening: &str) -> Waiting {
    let in_flight = jobs.iter().filter(|job| job.lease(now, opening).is_some()).count();
    let waiting = jobs.iter().filter(|job| matches!(job.state, State::Queued | State::Waiting));
    let could_have_come = waiting.clone().map(|job| job.message.not_before).filter(|at| *at < now);
    Waiting { now, in_flight, waiting: waiting.count(), oldest_waiting_at: could_have_come.min() }
}

/// How many are where, with nothing where nobody is.
fn standing(jobs: &[Job]) -> Vec<(&'static str, &'static str, usize)> {
    let mut standing = BTreeMap::new();
    for kind in Kind::ALL {
        for step in kind.steps() {
            for state in ["queued", "running", "waiting"] {
                standing.insert((state, *step), 0);
            }
        }
    }
    for job in jobs {
        let state = match job.state {
            State::Queued => "queued",
            State::Running { .. } => "running",
            State::Waiting => "waiting",
            // It has ended since it was found among the live ones.
            State::Done | State::Failed | State::Cancelled => continue,
        };
        let step = Kind::parse(&job.kind).map_or("other", |kind| kind.known_step(&job.step));
        *standing.entry((state, step)).or_insert(0) += 1;
    }
    standing.into_iter().map(|((state, step), jobs)| (state, step, jobs)).collect()
}
