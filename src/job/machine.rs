//! How events move a job: `(job, event, now)` to the job it becomes, or why not. Every state answers every event
//! explicitly; final states absorb what comes late, except receipts, which are always kept.

use super::event::{Event, Origin, Push, Refused};
use super::history::{By, Ended, Entry, What};
use super::id::{LeaseToken, Millis, Position};
use super::ledger::Receipt;
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
        Event::Receive { token, receipt } => receive(&mut next, token, receipt, now)?,
        Event::Retry { step, plan, stage, by } => {
            retry_by_hand(&mut next, (step, plan, stage.as_str()), now, limits)?;
            told(&mut next, What::Retried, Some(*by), now);
        }
        _ if job.is_final() && !sabotage::is(Sabotage::EndsChange) => return Err(Refused::Final),
        Event::Claim { push, lease, from } => claim(&mut next, *push, lease, from, now, limits)?,
        Event::Intend { token, effects, looked_up } => {
            held(job, token, now)?;
            if effects.iter().any(|effect| job.ledger.receipt(effect).is_some()) {
                return Err(Refused::Paid);
            }
            for effect in effects {
                next.ledger.intend(effect, job.at, now, *looked_up);
                paid_call(&mut next, What::Intended, effect, now);
            }
        }
        // What is known not to have been paid is known after the lease as well.
        Event::Withdraw { token, effects } => {
            last_held(job, token)?;
            for effect in effects {
                next.ledger.close(effect);
                paid_call(&mut next, What::Withdrawn, effect, now);
            }
        }
        Event::Checkpoint { token, plan, report, further } => {
            held(job, token, now)?;
            if *further {
                next.attempts = 0;
            }
            next.plan = plan.clone();
            tell(&mut next, report);
            told(&mut next, What::Progressed, None, now);
        }
        Event::Settle { token, settlement } => {
            held(job, token, now)?;
            settle(&mut next, settlement, now, limits);
            settled(job, &mut next, settlement, now);
        }
        Event::Fail { failure, by } => {
            next.history.add(Entry { by: Some(*by), ..Entry::new(job, What::Failed, now) }.because(failure));
            end(&mut next, End::Failed(failure.clone()), now);
        }
        Event::Cancel { by } => {
            told(&mut next, What::Cancelled, Some(*by), now);
            end(&mut next, End::Cancelled, now);
        }
        Event::Sent { push, message_id } => sent(&mut next, *push, message_id, now)?,
        Event::Looked { push } => {
            current(job, *push)?;
            next.message.looks += 1;
            next.message.look_at = now + retry::look(next.message.looks);
        }
        Event::Spent { push, by, dlq_id, lease_over, after } => {
            current(job, *push)?;
            spent(&mut next, dlq_id.as_ref(), lease_over.then_some(*after), now)?;
            let what = if next.send == job.send { What::Spent } else { What::SentAnew };
            let after = (what == What::SentAnew).then(|| next.message.not_before.saturating_sub(now));
            let entry = Entry::new(job, what, now).of_push(Push { at: job.at, send: next.send });
            next.history.add(Entry { by: Some(*by), after, message_id: job.message.message_id.clone(), ..entry });
        }
    }
    next.updated_at = now.max(job.updated_at);
    Ok(next)
}

fn receive(job: &mut Job, token: &LeaseToken, receipt: &Receipt, now: Millis) -> Result<(), Refused> {
    if job.ledger.receipts.contains(receipt) {
        return Err(Refused::Nothing);
    }
    let held = held(job, token, now);
    if sabotage::is(Sabotage::FencedReceipts) {
        held?;
    }
    job.ledger.receive(receipt);
    let (effect, id) = (Some(receipt.effect.clone()), Some(receipt.id.clone()));
    job.history.add(Entry { effect, receipt: id, ..Entry::new(job, What::Paid, now) });
    if held.is_ok() {
        job.attempts = 0;
    }
    Ok(())
}

fn sent(job: &mut Job, push: Push, message_id: &str, now: Millis) -> Result<(), Refused> {
    current(job, push)?;
    if job.message.sent && job.message.message_id.is_some() {
        return Err(Refused::Nothing);
    }
    published(job);
    job.message.message_id = Some(message_id.to_owned());
    let entry = Entry::new(job, What::Published, now).of_push(push);
    job.history.add(Entry { message_id: job.message.message_id.clone(), ..entry });
    job.message.look_at = job.message.not_before.max(now) + retry::look(job.message.looks);
    Ok(())
}

/// The message is out, as far as we know for the first time.
fn published(job: &mut Job) {
    job.usage.messages += u32::from(!job.message.sent);
    job.message.sent = true;
}

fn told(job: &mut Job, what: What, by: Option<By>, now: Millis) {
    job.history.add(Entry { by, ..Entry::new(job, what, now) });
}

fn paid_call(job: &mut Job, what: What, effect: &str, now: Millis) {
    job.history.add(Entry { effect: Some(effect.to_owned()), ..Entry::new(job, what, now) });
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

fn claim(job: &mut Job, push: Push, lease: &Lease, from: &Origin, now: Millis, limits: &Limits) -> Result<(), Refused> {
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
    if push.send == job.send {
        published(job);
    }
    job.state = State::Running { lease: lease.clone() };
    let Origin { signed: signed_with, request_id } = from.clone();
    let entry = Entry::new(job, What::Claimed, now).of_push(push);
    job.history.add(Entry { attempt: Some(job.attempts), signed_with, request_id, ..entry });
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

/// Tells the end of a step, as `job` was before and `next` is after it.
fn settled(job: &Job, next: &mut Job, settlement: &Settlement, now: Millis) {
    for effect in &settlement.refused {
        let entry = Entry { effect: Some(effect.clone()), ..Entry::new(job, What::Withdrawn, now) };
        next.history.add(entry);
    }
    let (outcome, failure) = match &settlement.outcome {
        Outcome::Next { .. } => (Ended::Next, None),
        Outcome::Wait { .. } => (Ended::Wait, None),
        Outcome::Away { failure, .. } => (Ended::Away, Some(failure)),
        Outcome::Done => (Ended::Done, None),
        Outcome::Fail { failure } => (Ended::Fail, Some(failure)),
        // The last attempt was used up.
        Outcome::Retry { failure, .. } if next.is_final() => (Ended::Fail, Some(failure)),
        Outcome::Retry { failure, .. } => (Ended::Retry, Some(failure)),
    };
    let entry = Entry::new(job, What::Ended, now);
    let entry = failure.map_or(entry.clone(), |failure| entry.because(failure));
    let after = (!next.is_final()).then(|| next.message.not_before.saturating_sub(now));
    next.history.add(Entry { outcome: Some(outcome), attempt: Some(job.attempts), after, ..entry });
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
    (step, plan, stage): (&'static str, &Value, &str),
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
