//! How long things may take, and the relations between them that must hold.

use super::problems::Reader;
use crate::flow::StepTimes;
use crate::job::Limits;
use crate::kinds::{Length, Pace};
use std::time::Duration;

/// A serverless host's own limit on the worker, and what is kept free of it.
const PLATFORM_LIMIT: Duration = Duration::from_mins(5);
const PLATFORM_RESERVE: Duration = Duration::from_secs(15);

pub(super) struct Times {
    pub limits: Limits,
    pub pace: Pace,
    pub steps: StepTimes,
}

pub(super) fn read(reader: &mut Reader<'_>, serverless: bool) -> Times {
    let step = Duration::from_secs(reader.number("STEP_TIMEOUT", 230, 2, 3_600));
    let steps = StepTimes::new(step);
    let push = steps.push(Length::Transfer);
    if serverless && push + PLATFORM_RESERVE >= PLATFORM_LIMIT {
        let message = format!(
            "of {} s makes QStash wait {} s, which must stay below the platform's {} s less {} s",
            step.as_secs(),
            push.as_secs(),
            PLATFORM_LIMIT.as_secs(),
            PLATFORM_RESERVE.as_secs()
        );
        reader.problem("STEP_TIMEOUT", message);
    }
    let poll_min = reader.number("POLL_DELAY_MIN", 10, 1, 3_600);
    let poll_max = reader.number("POLL_DELAY_MAX", 60, 1, 3_600);
    if poll_min > poll_max {
        reader.problem("POLL_DELAY_MIN", "must not be above POLL_DELAY_MAX");
    }
    let job_timeout = reader.number("JOB_TIMEOUT", 7_200, 10, 7 * 86_400);
    if job_timeout <= step.as_secs() {
        reader.problem("JOB_TIMEOUT", "must be longer than STEP_TIMEOUT");
    }
    let seconds = 1_000;
    let limits = Limits {
        max_attempts: u32::try_from(reader.number("MAX_ATTEMPTS", 3, 1, 100)).unwrap_or(3),
        job_timeout: job_timeout * seconds,
        queue_timeout: reader.number("QUEUE_TIMEOUT", 86_400, 10, 30 * 86_400) * seconds,
        done_ttl: reader.number("JOB_TTL", 86_400, 1, 365 * 86_400) * seconds,
        failed_ttl: reader.number("FAILED_TTL", 604_800, 1, 365 * 86_400) * seconds,
    };
    let paid_call = (steps.call / 2).min(Duration::from_secs(25));
    let pace = Pace { poll_min: poll_min * seconds, poll_max: poll_max * seconds, paid_call };
    Times { limits, pace, steps }
}
