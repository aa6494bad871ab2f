//! What is told of a job's way, in the words of what is measured.

use crate::job::{Job, Outcome, Settlement, State};
use crate::kinds::Halt;
use crate::measure::{self, Ended};
use crate::store::Committed;

/// A record was to be written where none was.
pub(super) fn created(job: &Job, committed: &Committed) {
    if let (Some(how), Committed::Applied { .. } | Committed::Replayed(_)) = (how_ended(job), committed) {
        measure::ended(how);
    }
}

/// A record took another's place.
pub(super) fn moved(old: &Job, new: &Job) {
    match how_ended(new) {
        Some(how) if !old.is_final() => measure::ended(how),
        None if old.is_final() => measure::retried(),
        Some(_) | None => {}
    }
    let more = new.ledger.possible_duplicates.saturating_sub(old.ledger.possible_duplicates);
    if more > 0 {
        measure::possibly_charged_twice(more.into());
    }
}

fn how_ended(job: &Job) -> Option<Ended> {
    match job.state {
        State::Done => Some(Ended::Completed),
        State::Failed => Some(Ended::Failed),
        State::Cancelled => Some(Ended::Cancelled),
        State::Queued | State::Running { .. } | State::Waiting => None,
    }
}

/// How a claimed step ended; `Err`: it was cut off.
pub(super) fn outcome<E>(ended: &Result<Result<Settlement, Halt>, E>) -> measure::Outcome {
    use measure::Outcome as Told;
    match ended {
        Ok(Ok(settlement)) => match settlement.outcome {
            Outcome::Next { .. } => Told::Next,
            Outcome::Wait { .. } => Told::Wait,
            Outcome::Away { .. } => Told::Away,
            Outcome::Done => Told::Done,
            Outcome::Retry { .. } => Told::Retry,
            Outcome::Fail { .. } => Told::Fail,
        },
        Ok(Err(Halt::NotNow)) => Told::NotNow,
        Ok(Err(Halt::Lost)) => Told::Lost,
        Ok(Err(Halt::Store(_))) => Told::StoreAway,
        Err(_) => Told::CutOff,
    }
}
