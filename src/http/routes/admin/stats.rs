//! How all of it stands, for operators: one look, of which everything is bounded.

use crate::flow::{Recent, Round};
use crate::http::caller::Operator;
use crate::http::router::STATS;
use crate::http::view::time;
use crate::http::{Http, Problem};
use crate::job::Signed;
use crate::services::qstash::signature::Rolling;
use axum::Json;
use axum::extract::State;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;
use utoipa::ToSchema;

/// How many rounds of the sweep are told.
const ROUNDS: usize = 20;

/// How all of it stands.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Stats {
    /// Always true.
    success: bool,
    /// The store's time.
    #[schema(format = "date-time")]
    now: String,
    jobs: JobsNow,
    last_hour: LastHour,
    /// `null` while QStash is away.
    dead_letters: Option<DeadLetters>,
    signing: Signing,
    /// When any process last swept; `null` if not within a day.
    #[schema(format = "date-time")]
    swept_at: Option<String>,
    /// The last rounds that mended something, newest first.
    #[schema(max_items = 20)]
    sweeps: Vec<SweepRound>,
    spend: Spend,
    /// Of the program.
    version: &'static str,
}

/// Live jobs. What tells of single ones is of the `looked` that were looked at, at most 100.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct JobsNow {
    live: u64,
    waiting: usize,
    in_flight: usize,
    /// Those that the next round of the sweep is to look at.
    overdue: u64,
    /// Since when the first has waited whose push could have come.
    #[schema(format = "date-time")]
    oldest_waiting_at: Option<String>,
    /// Of those looked at, live and lately ended.
    by_status: BTreeMap<&'static str, usize>,
    /// Live ones by step.
    by_stage: BTreeMap<&'static str, usize>,
    looked: usize,
}

/// Of the newest jobs, at most 300.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LastHour {
    accepted: usize,
    completed: usize,
    failed: usize,
    cancelled: usize,
    /// There were no more to look at.
    complete: bool,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeadLetters {
    #[schema(maximum = 100)]
    count: usize,
    /// There are more.
    more: bool,
}

/// Whether the signing keys may be rolled.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Signing {
    verdict: Verdict,
    /// The same in words, and what to do.
    detail: &'static str,
    /// The last pushes of the newest jobs, newest first.
    #[schema(max_items = 20)]
    recent: Vec<PushSigned>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PushSigned {
    #[schema(format = "date-time")]
    at: String,
    job_id: String,
    signed_with: Signed,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Once; then the new keys must be told to the service.
    Safe,
    /// After a roll no push would be believed.
    WouldLockOut,
    /// No push is believed now.
    LockedOut,
    /// QStash is away.
    Unknown,
}

/// A round of the sweep that mended something.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SweepRound {
    #[schema(format = "date-time")]
    at: String,
    republished: usize,
    revived: usize,
    failed: usize,
    purged: usize,
    /// Milliseconds.
    took_ms: u64,
}

/// At Klap's list price; `null` where a day's spending is not limited.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Spend {
    today_usd: Option<f64>,
    limit_usd: Option<f64>,
}

/// How it stands
///
/// What is live, due, dead and spent, over all processes; whether the signing keys may be rolled; what the sweep mended. Kept
/// for a few seconds, so asking often costs little.
#[utoipa::path(
    get, path = STATS, operation_id = "stats", tag = "Operator",
    responses((status = 200, body = Stats, description = "How it stands.")),
    security(("operator" = [])),
)]
pub async fn stats(State(http): State<Arc<Http>>, _: Operator) -> Result<Json<Stats>, Problem> {
    let engine = &http.engine;
    let (live, letters, keys) = tokio::join!(engine.live(), engine.dead_letters(), engine.signing_keys());
    let away = || Problem::unavailable("store_unavailable", "The job store is not available; try again");
    let (live, waiting) = live.ok_or_else(away)?;
    let rounds = engine.rounds(ROUNDS).await?;
    let recent = engine.recent().await?;
    let rolling = keys.map(|theirs| http.pushes.verifier.rolling(&theirs));
    let money = engine.money(Some(&live));
    let usd = |cents: u64| {
        #[expect(clippy::cast_precision_loss, reason = "nobody spends 2^53 cents")]
        (cents as f64 / 100.0)
    };
    let (mut by_status, mut by_stage) = (recent.ended.clone(), BTreeMap::new());
    for (state, step, jobs) in live.standing.iter().filter(|(.., jobs)| *jobs > 0) {
        let status = if *state == "queued" { "queued" } else { "processing" };
        *by_status.entry(status).or_insert(0) += jobs;
        *by_stage.entry(*step).or_insert(0) += jobs;
    }
    let ago =
        |span: std::time::Duration| waiting.now.saturating_sub(u64::try_from(span.as_millis()).unwrap_or(u64::MAX));
    Ok(Json(Stats {
        success: true,
        now: time(waiting.now),
        jobs: JobsNow {
            live: live.jobs,
            waiting: waiting.waiting,
            in_flight: waiting.in_flight,
            overdue: live.due,
            oldest_waiting_at: waiting.oldest_waiting_at.map(time),
            by_status,
            by_stage,
            looked: live.looked_at,
        },
        dead_letters: letters.map(|letters| DeadLetters { count: letters.count, more: letters.more }),
        signing: signing(rolling, &recent),
        last_hour: LastHour {
            accepted: recent.accepted,
            completed: recent.completed,
            failed: recent.failed,
            cancelled: recent.cancelled,
            complete: recent.complete,
        },
        swept_at: live.last_sweep.map(ago).map(time),
        sweeps: rounds.iter().map(round).collect(),
        spend: Spend { today_usd: money.today.map(usd), limit_usd: money.limit.map(usd) },
        version: env!("CARGO_PKG_VERSION"),
    }))
}

fn signing(rolling: Option<Rolling>, recent: &Recent) -> Signing {
    let (verdict, detail) = match rolling {
        Some(Rolling::Safe) => (
            Verdict::Safe,
            "Our keys are the account's. They may be rolled once; then give the service the new pair and start it again \
             before they are rolled a second time.",
        ),
        Some(Rolling::Rolled) => (
            Verdict::WouldLockOut,
            "The keys were rolled, and pushes are believed by our next key only: rolled again, none would be. Give the \
             service the account's present pair and start it again first.",
        ),
        Some(Rolling::NextDiffers) => (
            Verdict::WouldLockOut,
            "Our next key is not the account's: after a roll no push would be believed. Give the service the account's \
             present pair and start it again first.",
        ),
        Some(Rolling::LockedOut) => (
            Verdict::LockedOut,
            "No push is believed: neither of our keys is the one the account signs with. Give the service the account's \
             present pair and start it again; the sweep then takes up what was turned away.",
        ),
        None => (Verdict::Unknown, "QStash does not tell its keys now; try again."),
    };
    let recent = recent.signed.iter().map(|push| PushSigned {
        at: time(push.at),
        job_id: push.job.to_string(),
        signed_with: push.with,
    });
    Signing { verdict, detail, recent: recent.collect() }
}

fn round(round: &Round) -> SweepRound {
    SweepRound {
        at: time(round.at),
        republished: round.swept.republished,
        revived: round.swept.revived,
        failed: round.swept.failed,
        purged: round.swept.purged,
        took_ms: round.took_ms,
    }
}
