//! How events move a job: `(job, event, now)` to the job it becomes, or why not. Every state answers every event
//! explicitly; final states absorb what comes late, except receipts, which are always kept.

use super::event::{Event, Push, Refused};
use super::id::{LeaseToken, Millis, Position};
use super::outcome::{Failure, Outcome, Report, Settlement};
use super::retry;
use super::state::{Job, Lease, Limits, Outgoing, State};
use crate::sabotage::{self, Sabotage};
use serde_json::Value;

/// What a push means to the job it names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Judgement {
    /// This step is to be run.
    Due,
    /// The job is final or has moved on.
    OldNews,
    /// Another delivery of the same step is at work, at the latest until then.
    Leased { until: Millis },
    /// This step has had all its attempts.
    Exhausted,
    /// The job's time is over.
    Expired,
    /// The push knows more than the record: the store has forgotten.
    Forgotten,
}

pub fn judge(job: &Job, push: Push, now: Millis, opening: &str, limits: &Limits) -> Judgement {
    if job.is_final() {
        // Only a person's retry leads on from an end: a message further on in the same epoch was overtaken by it.
        return if push.at.epoch > job.at.epoch { Judgement::Forgotten } else { Judgement::OldNews };
    }
    if (push.at, push.send) > (job.at, job.send) {
        return Judgement::Forgotten;
    }
    if push.at < job.at {
        return Judgement::OldNews;
    }
    if let Some(lease) = job.lease(now, opening)
        && !sabotage::is(Sabotage::NoLease)
    {
        return Judgement::Leased { until: lease.until };
    }
    if now >= job.deadline {
        return Judgement::Expired;
    }
    if job.attempts >= limits.max_attempts { Judgement::Exhausted } else { Judgement::Due }
}

/// The job after `event`. Pure: the same arguments give the same job.
pub fn apply(job: &Job, event: &Event, now: Millis, limits: &Limits) -> Result<Job, Refused> {
    let mut next = job.clone();
    match event {
        Event::Receive { token, receipt } => {
            if next.ledger.receipts.contains(receipt) {
                return Err(Refused::Nothing);
            }
            if sabotage::is(Sabotage::FencedReceipts) {
                held(job, token, now)?;
            }
            next.ledger.receive(receipt);
            if held(job, token, now).is_ok() {
                next.attempts = 0;
            }
        }
        Event::Retry { step, plan, stage } => retry_by_hand(&mut next, step, plan, stage, now, limits)?,
        _ if job.is_final() && !sabotage::is(Sabotage::EndsChange) => return Err(Refused::Final),
        Event::Claim { push, lease } => claim(&mut next, *push, lease, now, limits)?,
        Event::Intend { token, effects, looked_up } => {
            held(job, token, now)?;
            if effects.iter().any(|effect| job.ledger.receipt(effect).is_some()) {
                return Err(Refused::Paid);
            }
            for effect in effects {
                next.ledger.intend(effect, job.at, now, *looked_up);
            }
        }
        // What is known not to have been paid is known after the lease as well.
        Event::Withdraw { token, effects } => {
            last_held(job, token)?;
            for effect in effects {
                next.ledger.close(effect);
            }
        }
        Event::Checkpoint { token, plan, report, further } => {
            held(job, token, now)?;
            if *further {
                next.attempts = 0;
            }
            next.plan = plan.clone();
            tell(&mut next, report);
        }
        Event::Settle { token, settlement } => {
            held(job, token, now)?;
            settle(&mut next, settlement, now, limits);
        }
        Event::Fail { failure } => end(&mut next, End::Failed(failure.clone()), now),
        Event::Cancel => end(&mut next, End::Cancelled, now),
        Event::Sent { push, message_id } => {
            current(job, *push)?;
            if job.message.sent && job.message.message_id.is_some() {
                return Err(Refused::Nothing);
            }
            next.message.sent = true;
            next.message.message_id = Some(message_id.clone());
            next.message.look_at = job.message.not_before.max(now) + retry::look(job.message.looks);
        }
        Event::Looked { push } => {
            current(job, *push)?;
            next.message.looks += 1;
            next.message.look_at = now + retry::look(next.message.looks);
        }
        Event::Spent { push, dlq_id, lease_over, after } => {
            current(job, *push)?;
            spent(&mut next, dlq_id.as_ref(), lease_over.then_some(*after), now)?;
        }
    }
    next.updated_at = now.max(job.updated_at);
    Ok(next)
}

/// `anew`: nobody is at work on the step, and the next message is to be delivered after so long.
fn spent(job: &mut Job, dlq_id: Option<&String>, anew: Option<Millis>, now: Millis) -> Result<(), Refused> {
    if anew.is_none() && job.message.spent && (dlq_id.is_none() || job.message.dlq_id.as_ref() == dlq_id) {
        return Err(Refused::Nothing);
    }
    job.message.spent = true;
    if dlq_id.is_some() {
        job.message.dlq_id = dlq_id.cloned();
    }
    // A lease that holds may still end well: the sweep looks again when it is over.
    if let Some(after) = anew
        && !sabotage::is(Sabotage::SpentUnheeded)
    {
        job.state = if job.state == State::Queued { State::Queued } else { State::Waiting };
        send_anew(job, now + after, now);
    }
    Ok(())
}

/// Whether this token's lease holds. Its holder may have slept: then the lease is over although nobody took the next one.
fn held(job: &Job, token: &LeaseToken, now: Millis) -> Result<(), Refused> {
    match &job.state {
        State::Running { .. } if sabotage::is(Sabotage::AnyToken) => Ok(()),
        State::Running { lease } if lease.token == *token && sabotage::is(Sabotage::LateHolder) => Ok(()),
        State::Running { lease } if lease.token == *token && now < lease.until => Ok(()),
        State::Running { .. } | State::Queued | State::Waiting | State::Done | State::Failed | State::Cancelled => {
            Err(Refused::Fenced)
        }
    }
}

/// Whether nobody has claimed the step since this token did.
fn last_held(job: &Job, token: &LeaseToken) -> Result<(), Refused> {
    match &job.state {
        State::Running { lease } if lease.token == *token => Ok(()),
        State::Running { .. } | State::Queued | State::Waiting | State::Done | State::Failed | State::Cancelled => {
            Err(Refused::Fenced)
        }
    }
}

fn current(job: &Job, push: Push) -> Result<(), Refused> {
    if push.at == job.at && push.send == job.send { Ok(()) } else { Err(Refused::OldNews) }
}

fn claim(job: &mut Job, push: Push, lease: &Lease, now: Millis, limits: &Limits) -> Result<(), Refused> {
    if push.at != job.at {
        return Err(Refused::OldNews);
    }
    if job.started_at.is_none() {
        job.started_at = Some(now);
        job.deadline = now + limits.job_timeout;
    }
    job.attempts += 1;
    job.leased_until = job.leased_until.max(lease.until);
    job.message.look_at = lease.until + retry::look(job.message.looks);
    // It proves that its own message was sent; of one sent anew since, it proves nothing.
    job.message.sent |= push.send == job.send;
    job.state = State::Running { lease: lease.clone() };
    Ok(())
}

fn tell(job: &mut Job, report: &Report) {
    job.progress = job.progress.max(report.progress.min(100));
    job.stage.clone_from(&report.stage);
}

fn settle(job: &mut Job, settlement: &Settlement, now: Millis, limits: &Limits) {
    // The holder has ended: nobody is at work any more.
    job.leased_until = job.leased_until.min(now);
    if let Some(plan) = &settlement.plan {
        job.plan = plan.clone();
    }
    tell(job, &settlement.report);
    settlement.refused.iter().for_each(|effect| job.ledger.close(effect));
    match &settlement.outcome {
        Outcome::Next { step, after } => {
            (*step).clone_into(&mut job.step);
            advance(job, *after, now);
        }
        Outcome::Wait { after } => advance(job, *after, now),
        Outcome::Away { after, failure } => {
            let waits = job.waits + 1;
            // Asked to come back sooner than we would by ourselves, we do not: each look is a message.
            let after = after.map_or_else(|| retry::away(job.waits), |after| after.max(retry::away(0)));
            advance(job, after, now);
            job.waits = waits;
            job.error = Some(failure.clone());
        }
        Outcome::Done => {
            job.attempts = 0;
            end(job, End::Done, now);
        }
        Outcome::Fail { failure } => end(job, End::Failed(failure.clone()), now),
        Outcome::Retry { failure, .. } if job.attempts >= limits.max_attempts => {
            end(job, End::Failed(failure.clone()), now);
        }
        Outcome::Retry { failure, after } => {
            let retry_at = now + after.unwrap_or_else(|| retry::redelivery(job.attempts));
            job.error = Some(failure.clone());
            job.state = State::Waiting;
            if job.message.spent {
                send_anew(job, retry_at, now);
            } else {
                job.message.not_before = retry_at;
                job.message.look_at = retry_at + retry::look(job.message.looks);
            }
        }
    }
}

/// The step got somewhere: the next message of the same epoch.
fn advance(job: &mut Job, after: Millis, now: Millis) {
    job.at.seq += 1;
    job.send = 1;
    job.attempts = 0;
    job.waits = 0;
    job.error = None;
    job.state = State::Waiting;
    job.message = Outgoing::new(now + after, now);
}

/// The same position's message under a new deduplication id.
fn send_anew(job: &mut Job, not_before: Millis, now: Millis) {
    let looks = job.message.looks + 1;
    job.send += u32::from(!sabotage::is(Sabotage::SameSend));
    job.message = Outgoing { looks, ..Outgoing::new(not_before, now) };
}

/// The three ways a job ends.
enum End {
    Done,
    Failed(Failure),
    Cancelled,
}

fn end(job: &mut Job, how: End, now: Millis) {
    let (ended, stage, error) = match how {
        End::Done => (State::Done, "Clips are ready", None),
        End::Failed(failure) => (State::Failed, "Failed", Some(failure)),
        End::Cancelled => (State::Cancelled, "Cancelled", None),
    };
    if ended == State::Done {
        job.progress = 100;
    }
    stage.clone_into(&mut job.stage);
    job.state = ended;
    job.error = error;
    job.finished_at = Some(now);
}

fn retry_by_hand(
    job: &mut Job,
    step: &'static str,
    plan: &Value,
    stage: &str,
    now: Millis,
    limits: &Limits,
) -> Result<(), Refused> {
    if job.state != State::Failed {
        return Err(Refused::NotFailed);
    }
    job.at = Position { epoch: job.at.epoch + 1, seq: 1 };
    job.send = 1;
    step.clone_into(&mut job.step);
    job.plan = plan.clone();
    stage.clone_into(&mut job.stage);
    job.state = State::Waiting;
    job.attempts = 0;
    job.waits = 0;
    job.error = None;
    job.message = Outgoing::new(now.max(job.leased_until), now);
    job.started_at = None;
    job.deadline = now + limits.queue_timeout;
    job.finished_at = None;
    Ok(())
}
