//! One push: judge it, claim the step, run it, settle, publish the next message, answer. What a crash at each line costs:
//! before the claim nothing; between claim and settling the attempt (the queue delivers again once the lease is over);
//! after settling and before publishing a delay (the redelivered push is old news and publishes first).

use super::delivery::{Delivery, Reply};
use super::journal::StepJournal;
use super::rebuild::Rebuilt;
use super::record::{Along, Loaded, Updated};
use super::{Engine, Fault, measured, millis, spans};
use crate::job::{
    self, By, Event, Failure, JobId, Judgement, Lease, LeaseToken, Millis, Outcome, Position, Report, Settlement,
    State, wire,
};
use crate::kinds::{Context, Halt, Kind};
use crate::measure;
use crate::sabotage::{self, Sabotage};
use std::time::Duration;
use tokio::time::{Instant, timeout_at};
use tracing::Instrument;

/// How long the store may take over what is not yet a running step.
const STORE_PATIENCE: Duration = Duration::from_secs(4);
/// How long publishing may take.
const PUBLISH_PATIENCE: Duration = Duration::from_secs(8);
/// Due jobs mended after each push.
pub(super) const MENDED: usize = 5;
/// How often a push is judged again when others write at the same time.
const JUDGED: usize = 8;

/// For events decided on one version of the record only.
pub(super) const EXACT: Along =
    Along { take_pointer: None, remember: None, peek_due: 0, put_back: false, exact: true, opens: false };

/// A claimed step.
struct Claimed {
    loaded: Loaded,
    token: LeaseToken,
    kind: Kind,
    step_end: Instant,
    lease_end: Instant,
}

impl Engine {
    /// One verified push to the worker.
    pub async fn deliver(&self, delivery: &Delivery) -> Reply {
        let message = match wire::Message::decode(&delivery.body) {
            Ok(message) => message,
            Err(wire::Error::Newer(envelope)) => return Reply::newer(envelope.v),
            Err(wire::Error::Garbled(why)) => {
                return Reply::GaveUp { failure: Failure::lasting("unreadable_message", why) };
            }
        };
        let span = spans::push(&message, delivery);
        let reply = self.take_up(&message, delivery).instrument(span.clone()).await;
        spans::answered(&span, &reply);
        reply
    }

    async fn take_up(&self, message: &wire::Message, delivery: &Delivery) -> Reply {
        let refusal = if self.stopping.is_cancelled() {
            Reply::away("this process is stopping")
        } else {
            match self.claim(message, delivery).await {
                Ok(Ok(claimed)) => return Box::pin(self.run(claimed)).await,
                Ok(Err(reply)) => reply,
                Err(Fault::Newer(version)) => Reply::newer(version),
                Err(fault @ (Fault::Store(_) | Fault::Garbled(_))) => Reply::away(&fault),
            }
        };
        let (outcome, code) = refusal.told();
        tracing::info!(outcome, code, "step not taken");
        refusal
    }

    /// Takes the step for this delivery, or says what to answer instead.
    async fn claim(&self, message: &wire::Message, delivery: &Delivery) -> Result<Result<Claimed, Reply>, Fault> {
        let id = &message.envelope.job_id;
        let until = Instant::now() + STORE_PATIENCE;
        let (mut found, clock) = self.load(id).await?;
        for _ in 0..JUDGED {
            let Some(loaded) = found.take() else {
                match self.rebuild(message, None, clock, until).await? {
                    Rebuilt::Record(loaded) => found = Some(*loaded),
                    Rebuilt::Absorbed => return Ok(Err(Reply::OldNews)),
                }
                continue;
            };
            let (now, opening) = (loaded.now(), self.store.opening());
            let judgement = job::judge(&loaded.job, message.push(), now, opening, &self.settings.limits);
            if !matches!(judgement, Judgement::Due | Judgement::Forgotten) {
                spans::met(&loaded.job, now);
            }
            match judgement {
                Judgement::OldNews => return Ok(Err(self.old_news(loaded).await)),
                Judgement::Leased { until } => return Ok(Err(busy(until, now))),
                Judgement::Expired => return Ok(Err(self.give_up(&loaded, job_timeout(&loaded), until).await?)),
                Judgement::Exhausted => return Ok(Err(self.give_up(&loaded, exhausted(&loaded), until).await?)),
                Judgement::Forgotten => match self.rebuild(message, Some(loaded), clock, until).await? {
                    Rebuilt::Record(loaded) => found = Some(*loaded),
                    Rebuilt::Absorbed => return Ok(Err(Reply::OldNews)),
                },
                Judgement::Due => {
                    let kind = Kind::parse(&loaded.job.kind).filter(|kind| kind.understands(&loaded.job));
                    let Some(kind) = kind else {
                        return Ok(Err(Reply::newer(wire::VERSION + 1)));
                    };
                    match self.take(loaded, message, kind, delivery, until).await? {
                        Ok(claimed) => return Ok(Ok(claimed)),
                        Err(again) => found = again,
                    }
                }
            }
        }
        Ok(Err(Reply::away("the record is written too often")))
    }

    /// Commits the claim; `Err` holds the record that got in between.
    async fn take(
        &self,
        mut loaded: Loaded,
        message: &wire::Message,
        kind: Kind,
        delivery: &Delivery,
        until: Instant,
    ) -> Result<Result<Claimed, Option<Loaded>>, Fault> {
        // A store that forgot may have been told of the job by an older message: this one may know of more that is paid.
        message.receipts.iter().for_each(|receipt| loaded.job.ledger.receive(receipt));
        spans::adopt(&mut loaded.job);
        let length = kind.length(&loaded.job.step);
        let age = loaded.now().saturating_sub(loaded.job.message.not_before);
        let times = &self.settings.steps;
        let begun = Instant::now();
        let lease = Lease {
            token: LeaseToken::new(self.new_id().simple().to_string()),
            until: loaded.now() + millis(times.lease(length)),
            opening: self.store.opening().to_owned(),
        };
        let token = lease.token.clone();
        let claim = Event::Claim { push: message.push(), lease, from: delivery.from.clone() };
        Ok(match self.update(&loaded, &claim, &EXACT, until).await? {
            Updated::Applied(loaded, _) => {
                let step = kind.known_step(&loaded.job.step);
                measure::claimed(step, loaded.job.attempts, Duration::from_millis(age));
                Ok(Claimed {
                    loaded: *loaded,
                    token,
                    kind,
                    step_end: begun + times.step(length),
                    lease_end: begun + times.lease(length),
                })
            }
            Updated::Refused(_, loaded) => Err(Some(*loaded)),
            Updated::Missing | Updated::PointerTaken | Updated::Remembered(_) | Updated::Limited(_) => Err(None),
        })
    }

    async fn run(&self, claimed: Claimed) -> Reply {
        let Claimed { loaded, token, kind, step_end, lease_end } = claimed;
        let step = loaded.job.step.clone();
        spans::met(&loaded.job, loaded.now());
        tracing::info!(job.step = step, "step begins");
        let context_job = loaded.job.clone();
        let now = loaded.now();
        let begun = Instant::now();
        let journal = StepJournal::new(self, token, loaded, step_end, lease_end);
        let context =
            Context { job: &context_job, now, pace: &self.settings.pace, services: &self.services, journal: &journal };
        let ended = {
            let mut running = std::pin::pin!(kind.run(&context).instrument(spans::step(&context_job)));
            match timeout_at(step_end, &mut running).await {
                // A paid call is not cut off while its lease lasts.
                Err(_) if journal.is_paying() => timeout_at(lease_end, running).await,
                ended => ended,
            }
        };
        measure::step_ended(kind.known_step(&step), measured::outcome(&ended), begun.elapsed());
        journal.write_receipts(lease_end.max(Instant::now() + STORE_PATIENCE)).await;
        let token = journal.token().clone();
        let loaded = journal.into_loaded();
        match ended {
            Ok(Ok(settlement)) => {
                let (outcome, code) = settlement.outcome.told();
                tracing::info!(job.step = step, outcome, code, "step ends");
                self.settle(&loaded, token, settlement, lease_end).await
            }
            Ok(Err(Halt::NotNow)) => {
                self.settle(&loaded, token, unchanged(&loaded, Outcome::Wait { after: 0 }), lease_end).await
            }
            Ok(Err(Halt::Lost)) => {
                tracing::warn!(job.step = step, "the lease was lost; nothing more is written");
                self.lost(&loaded).await
            }
            Ok(Err(Halt::Store(why))) => Reply::away(&why),
            Err(_) => {
                tracing::warn!(job.step = step, "the step was cut off at its time limit");
                let failure = Failure::retryable("step_timeout", format!("the step {step} did not end in time"));
                let cut = unchanged(&loaded, Outcome::Retry { failure, after: None });
                self.settle(&loaded, token, cut, lease_end).await
            }
        }
    }

    /// Writes how the step ended together with the next message, publishes it, and answers.
    async fn settle(&self, loaded: &Loaded, token: LeaseToken, settlement: Settlement, lease_end: Instant) -> Reply {
        let outcome = settlement.outcome.clone();
        let (held, unpaid) = (token.clone(), settlement.refused.clone());
        let event = Event::Settle { token, settlement };
        let along = Along { put_back: true, peek_due: MENDED + 1, ..Along::default() };
        let until = lease_end.max(Instant::now() + STORE_PATIENCE);
        let (settled, due) = match self.update(loaded, &event, &along, until).await {
            Ok(Updated::Applied(settled, due)) => (*settled, due),
            Ok(Updated::Refused(_, found)) => {
                // Too late to end the step, but not to say what was not paid.
                if !unpaid.is_empty() {
                    let withdrawn = Event::Withdraw { token: held, effects: unpaid };
                    let _ = self.update(&found, &withdrawn, &Along::default(), until).await;
                }
                return self.as_it_stands(*found, loaded.job.at).await;
            }
            Ok(_) => return Reply::away("the record is gone"),
            Err(_) if sabotage::is(Sabotage::ReplyBeforeWrite) => return Reply::Done,
            Err(fault) => return Reply::away(&fault),
        };
        if settled.job.state == State::Failed {
            let failure = settled.job.error.clone();
            self.mend(&due, &settled.job.id).await;
            return Reply::GaveUp { failure: failure.unwrap_or_else(|| Failure::lasting("failed", "the job failed")) };
        }
        if let Outcome::Retry { failure, .. } = &outcome
            && !settled.job.unsent()
        {
            let retry_after = settled.job.message.not_before.saturating_sub(settled.now());
            return Reply::TryAgain {
                retry_after: whole_seconds(retry_after),
                code: "step_failed",
                detail: failure.message.clone(),
            };
        }
        self.publish_then(settled, &due, Reply::Done).await
    }

    /// What to tell QStash of a push whose lease was lost on the way.
    async fn lost(&self, had: &Loaded) -> Reply {
        match self.load(&had.job.id).await {
            Ok((None, _)) => Reply::away("the record is gone"),
            Ok((Some(found), _)) => self.as_it_stands(found, had.job.at).await,
            Err(fault) => Reply::away(&fault),
        }
    }

    /// What to tell QStash of a push for `at` whose holder could not write its end. Only a job that has moved on is old
    /// news: the message of a step that another is at, or nobody, may be needed again.
    async fn as_it_stands(&self, found: Loaded, at: Position) -> Reply {
        // An end of an earlier epoch is what a store goes on from that has lost this one: the push puts it back.
        let is_over = found.job.is_final() && found.job.at.epoch >= at.epoch;
        if is_over || found.job.at > at {
            return self.old_news(found).await;
        }
        match found.job.lease(found.now(), self.store.opening()) {
            Some(lease) => busy(lease.until, found.now()),
            None => Reply::away("the lease was lost"),
        }
    }

    /// A push that is late still answers only after what it left unpublished is out.
    async fn old_news(&self, loaded: Loaded) -> Reply {
        if sabotage::is(Sabotage::OldNewsUnpublished) {
            return Reply::OldNews;
        }
        self.publish_then(loaded, &[], Reply::OldNews).await
    }

    async fn publish_then(&self, loaded: Loaded, due: &[JobId], reply: Reply) -> Reply {
        let id = loaded.job.id.clone();
        if loaded.job.unsent()
            && let Err(error) = self.drain(loaded, Instant::now() + PUBLISH_PATIENCE).await
        {
            return Reply::away(&error);
        }
        self.mend(due, &id).await;
        reply
    }

    /// Ends the job with this failure, unless it has moved on meanwhile.
    pub(super) async fn give_up(&self, loaded: &Loaded, failure: Failure, until: Instant) -> Result<Reply, Fault> {
        let event = Event::Fail { failure: failure.clone(), by: By::Push };
        match self.update(loaded, &event, &EXACT, until).await? {
            Updated::Applied(..) => Ok(Reply::GaveUp { failure }),
            _ => Ok(Reply::away("the record changed meanwhile")),
        }
    }
}

/// The step ended without a word of its own: what it has written so far stands.
fn unchanged(loaded: &Loaded, outcome: Outcome) -> Settlement {
    Settlement {
        outcome,
        plan: None,
        report: Report { progress: loaded.job.progress, stage: loaded.job.stage.clone() },
        refused: Vec::new(),
    }
}

fn busy(until: Millis, now: Millis) -> Reply {
    Reply::Busy { retry_after: whole_seconds(until.saturating_sub(now)) + Duration::from_secs(1) }
}

fn whole_seconds(millis: Millis) -> Duration {
    Duration::from_secs(millis.div_ceil(1_000))
}

pub(super) fn job_timeout(loaded: &Loaded) -> Failure {
    let job = &loaded.job;
    if job.started_at.is_none() {
        return Failure::retryable("queue_timeout", "no delivery reached the job in time");
    }
    let why = job.error.as_ref().map_or(String::new(), |error| format!(" (last: {})", error.message));
    Failure::retryable("job_timeout", format!("the job did not end in time{why}"))
}

pub(super) fn exhausted(loaded: &Loaded) -> Failure {
    loaded.job.error.clone().unwrap_or_else(|| {
        let step = &loaded.job.step;
        Failure::retryable(
            "attempts_exhausted",
            format!("every attempt of the step {step} was cut off before it ended"),
        )
    })
}
