//! Every metric of ours: its name, what it tells, and the buckets of those that are observed.

use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};

macro_rules! catalog {
    ($($kind:ident $name:ident = $text:literal in $unit:ident: $help:literal;)*) => {
        $(pub(super) const $name: &str = $text;)*

        pub(super) fn describe() {
            $(describe!($kind, $text, $unit, $help);)*
        }
    };
}

macro_rules! describe {
    (counter, $name:literal, $unit:ident, $help:literal) => {
        describe_counter!($name, Unit::$unit, $help)
    };
    (gauge, $name:literal, $unit:ident, $help:literal) => {
        describe_gauge!($name, Unit::$unit, $help)
    };
    (histogram, $name:literal, $unit:ident, $help:literal) => {
        describe_histogram!($name, Unit::$unit, $help)
    };
}

catalog! {
    counter JOBS_ACCEPTED = "cliprelay_jobs_accepted_total" in Count: "Jobs accepted by this process.";
    counter JOBS_RETRIED = "cliprelay_jobs_retried_total" in Count: "Failed jobs that a person opened again.";
    counter JOBS_ENDED = "cliprelay_jobs_ended_total" in Count: "Jobs that came to an end, by the state they ended in.";
    counter DUPLICATE_CHARGES = "cliprelay_possible_duplicate_charges_total" in Count:
        "Paid calls that were repeated although the first may have been charged.";
    counter CLAIMS = "cliprelay_step_claims_total" in Count:
        "Steps claimed, by step and by which attempt it is since the step last got anywhere.";
    counter STEPS = "cliprelay_steps_total" in Count: "Claimed steps that ended, by step and how.";
    histogram STEP_SECONDS = "cliprelay_step_seconds" in Seconds: "How long a claimed step ran, by step.";
    histogram PUSH_AGE = "cliprelay_push_age_seconds" in Seconds:
        "From when a message was to be delivered until its step was claimed.";
    counter DELIVERIES = "cliprelay_deliveries_total" in Count: "Pushes to the worker, by what QStash was answered.";
    counter PUSH_REJECTIONS = "cliprelay_push_rejections_total" in Count: "Pushes that were not believed, by why.";
    counter PUSHES_SIGNED = "cliprelay_pushes_signed_total" in Count: "Pushes that were believed, by the key they were signed with.";
    counter PUBLISHED = "cliprelay_published_total" in Count: "Messages handed to QStash, by what became of them.";
    counter SPENT = "cliprelay_messages_spent_total" in Count: "Messages whose redeliveries were used up.";
    histogram STORE_SECONDS = "cliprelay_store_seconds" in Seconds: "How long the store took, by verb and outcome.";
    counter STORE_TRIPS = "cliprelay_store_round_trips_total" in Count: "Requests to Redis.";
    counter STORE_COMMANDS = "cliprelay_store_commands_total" in Count:
        "Commands sent to Redis; a script counts as one, what it does inside not.";
    counter CALLS = "cliprelay_calls_total" in Count: "Requests to others, by whose server, whether they change anything, and what became of them.";
    histogram CALL_SECONDS = "cliprelay_call_seconds" in Seconds: "How long the head of an answer took, by whose server and whether the call changes anything.";
    counter BYTES_FETCHED = "cliprelay_bytes_fetched_total" in Bytes: "Bytes of videos and clips read from their servers.";
    counter BYTES_STORED = "cliprelay_bytes_stored_total" in Bytes: "Bytes sent to storage.";
    counter SWEEPS = "cliprelay_sweeps_total" in Count: "Rounds of the sweep in this process, by outcome.";
    counter SWEPT = "cliprelay_swept_total" in Count: "What the rounds of this process mended.";
    counter REFUSALS = "cliprelay_refusals_total" in Count: "Problems told to callers, by code.";
    counter REQUESTS = "cliprelay_http_requests_total" in Count: "Requests answered, by route, method and the status' first digit.";
    histogram REQUEST_SECONDS = "cliprelay_http_request_seconds" in Seconds: "How long the head of an answer took, by route.";
    gauge BUILD_INFO = "cliprelay_build_info" in Count: "Always 1; its label tells the version.";
    gauge START_TIME = "cliprelay_process_start_time_seconds" in Seconds: "When this process started, in unix seconds.";

    gauge STORE_UP = "cliprelay_store_up" in Count: "Whether the store answered for this scrape.";
    gauge JOBS_LIVE = "cliprelay_jobs_live" in Count: "Live jobs, over all processes.";
    gauge JOBS_LOOKED_AT = "cliprelay_jobs_looked_at" in Count:
        "How many of the live jobs cliprelay_jobs and cliprelay_oldest_waiting_seconds tell of.";
    gauge JOBS = "cliprelay_jobs" in Count: "Live jobs by state and step, of those looked at.";
    gauge JOBS_DUE = "cliprelay_jobs_due" in Count: "Jobs that the next round of the sweep is to look at.";
    gauge OLDEST_DUE = "cliprelay_oldest_due_seconds" in Seconds: "For how long the sweep has not looked at a job that was due; 0 without one.";
    gauge OLDEST_WAITING = "cliprelay_oldest_waiting_seconds" in Seconds:
        "For how long the push of a waiting job has not come although it could have; 0 without one.";
    gauge LAST_SWEEP = "cliprelay_last_sweep_seconds" in Seconds: "How long ago any process last swept.";
    gauge SPEND_TODAY = "cliprelay_spend_today_usd" in Count: "Counted for today (UTC) at Klap's list price; only where a day's spending is limited.";
    gauge SPEND_LIMIT = "cliprelay_spend_limit_usd" in Count: "What may be spent in a day; only where that is limited.";
    gauge QUEUE_LIMIT = "cliprelay_queue_limit" in Count: "How many jobs may be live; only where that is limited.";
    gauge QSTASH_UP = "cliprelay_qstash_up" in Count: "Whether QStash answered when its dead letters were last asked for.";
    gauge DEAD_LETTERS = "cliprelay_dead_letters" in Count: "Our messages among QStash's dead letters, at most 100.";
}

/// Counters without labels.
pub(super) const PLAIN_COUNTERS: [&str; 8] =
    [JOBS_ACCEPTED, JOBS_RETRIED, DUPLICATE_CHARGES, SPENT, STORE_TRIPS, STORE_COMMANDS, BYTES_FETCHED, BYTES_STORED];

const QUICK: &[f64] = &[0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0];
const CALLS_TAKE: &[f64] = &[0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 120.0];
const STEPS_TAKE: &[f64] = &[0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 40.0, 120.0, 240.0];
const PUSHES_WAIT: &[f64] = &[0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 900.0, 3600.0];

/// In ascending order, in the metric's own unit.
pub(super) const BUCKETS: &[(&str, &[f64])] = &[
    (STORE_SECONDS, QUICK),
    (CALL_SECONDS, CALLS_TAKE),
    (REQUEST_SECONDS, CALLS_TAKE),
    (STEP_SECONDS, STEPS_TAKE),
    (PUSH_AGE, PUSHES_WAIT),
];
