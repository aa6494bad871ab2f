//! Who wakes the sweep: a schedule at QStash, the host's cron, or the service itself; and whether anybody has, lately. The
//! environment looked at is often not the deployment's own, so what the service and its store show counts for more.

use super::finding::Sheet;
use super::{CALL, Setup};
use crate::services::qstash::Schedule;
use crate::store::{Store, keys};
use secrecy::ExposeSecret;
use std::time::Duration;
use tokio::time::timeout;
use url::Url;

pub(super) const SCHEDULE: &str = "qstash.schedule";
/// Both the host's cron and a process sweep every minute.
const LATELY: Duration = Duration::from_mins(3);

/// What the service's own address has shown of it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Shown {
    pub answers: bool,
    pub on_vercel: bool,
}

/// The better ones first.
enum Judged {
    Good(String),
    Failing(String),
    Paused(String),
    Refused(String),
}

pub(super) async fn check(setup: &Setup, sheet: &Sheet, url: &Url, schedules: &[Schedule], shown: Shown) {
    let ours = schedules.iter().filter(|schedule| schedule.destination == url.as_str());
    match ours.map(|schedule| judge(setup, schedule)).min_by_key(Judged::rank) {
        None => without(setup, sheet, shown).await,
        Some(Judged::Good(seen)) => sheet.ok(SCHEDULE, seen),
        Some(Judged::Failing(seen)) => {
            sheet.warn(SCHEDULE, seen, "Look at its logs in the QStash console, and at the checks of PUBLIC_URL here");
        }
        Some(Judged::Paused(seen)) => {
            sheet.warn(SCHEDULE, seen, "Run `cliprelay setup`, or resume it in the console");
        }
        Some(Judged::Refused(seen)) => sheet.fail(SCHEDULE, seen, "Run `cliprelay setup`: it puts the schedule right"),
    }
}

impl Judged {
    fn rank(&self) -> u8 {
        match self {
            Self::Good(_) => 0,
            Self::Failing(_) => 1,
            Self::Paused(_) => 2,
            Self::Refused(_) => 3,
        }
    }
}

fn judge(setup: &Setup, schedule: &Schedule) -> Judged {
    let id = &schedule.schedule_id;
    let bearers = setup.operator_secrets.iter().map(|(_, secret)| format!("Bearer {}", secret.expose_secret()));
    let known: Vec<_> = bearers.map(|bearer| schedule.sends("Authorization", &bearer)).collect();
    let is_foreign = !known.is_empty() && known.iter().all(|sent| *sent == Some(false));
    if schedule.is_paused {
        Judged::Paused(format!("{id} is paused"))
    } else if is_foreign || !schedule.has_header("Authorization") {
        let seen = format!("{id} does not send WORKER_SECRET or CRON_SECRET as they are now: its calls are refused");
        Judged::Refused(seen)
    } else if schedule.failed_last() {
        Judged::Failing(format!("{id} ({}) failed the last time", schedule.cron))
    } else {
        Judged::Good(format!("{id} wakes the sweep ({})", schedule.cron))
    }
}

/// What wakes the sweep where no schedule does.
async fn without(setup: &Setup, sheet: &Sheet, shown: Shown) {
    let serverless = setup.serverless || shown.on_vercel;
    let has_cron_secret = setup.operator_secrets.iter().any(|(name, _)| *name == "CRON_SECRET");
    // Before there is a service, nobody can have swept.
    let swept = if shown.answers { last_swept(setup, shown.on_vercel).await } else { None };
    match swept {
        Some(Some(ago)) if ago <= LATELY => {
            let who = if serverless { "it is swept all the same" } else { "the service sweeps by itself" };
            sheet.ok(SCHEDULE, format!("none, and none is needed: {who}, {} s ago the last time", ago.as_secs()));
        }
        Some(ago) => {
            let when = ago.map_or_else(
                || "not once within a day".to_owned(),
                |ago| format!("{} minutes ago the last time", ago.as_secs() / 60),
            );
            let seen = format!("none, and the store was swept {when}");
            let mend = if serverless {
                "Run `cliprelay setup` for a QStash schedule (Hobby), or see that the cron runs every minute and Vercel has this CRON_SECRET (Pro); just after the first deployment look again"
            } else {
                "Look at the service's log for `the sweep could not be done`, and give it the REDIS_URL and REDIS_PREFIX of this environment; if it was just started, look again"
            };
            sheet.warn(SCHEDULE, seen, mend);
        }
        None if !serverless => {
            sheet.ok(SCHEDULE, "none, and none is needed: the service sweeps by itself every minute");
        }
        None if has_cron_secret => sheet.ok(
            SCHEDULE,
            "none; Vercel's cron is assumed (every minute on Pro, once a day on Hobby: there run `cliprelay setup`)",
        ),
        None => {
            let seen = "none, and Vercel's cron shows no secret without CRON_SECRET: nothing wakes the sweep";
            let mend = "Set CRON_SECRET on Vercel (Pro), or run `cliprelay setup` for a QStash schedule";
            sheet.warn(SCHEDULE, seen, mend);
        }
    }
}

/// How long ago, or that it was not within a day; none if the store does not tell.
async fn last_swept(setup: &Setup, on_vercel: bool) -> Option<Option<Duration>> {
    let here = setup.redis.as_ref().map(|(_, store)| store);
    let store = if on_vercel { setup.redis_on_vercel.as_ref().or(here) } else { here };
    let counted = timeout(CALL, store?.counted(&[keys::ROUNDS.to_owned()])).await.ok()?.ok()?;
    Some(counted.first()?.map(|rounds| keys::ROUNDS_COUNTED.saturating_sub(rounds.left)))
}
