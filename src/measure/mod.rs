//! What is measured, all of it: each metric's name, help and labels stand here and nowhere else, and each is told by a
//! function of its own. A label's value is a variant of an enum of [`labels`], or a text that stands in the program
//! (`&'static str`): nothing that a request, a job or a vendor says can become one, so the number of series is bounded by
//! how this is written.
//!
//! Counters and histograms are a process's own and begin anew with it. What the store knows is read when somebody asks
//! ([`stock`]), and then only. Without [`start`] nothing is measured and nothing is kept.

mod catalog;
mod labels;
mod stock;

pub use labels::{
    Answer, Attempt, Class, Ended, Exchange, Method, Outcome, Publication, Service, SigningKey, Status, Swept, Told,
    Verb,
};
pub use stock::{Letters, Live, Stock};

use catalog as name;
use metrics::{counter, gauge, histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use std::sync::OnceLock;
use std::time::Duration;

static HANDLE: OnceLock<Option<PrometheusHandle>> = OnceLock::new();

/// Starts measuring for the life of the process; a second call changes nothing. `now` is in unix seconds. `codes`, `reasons`
/// and `steps`: every text that may become a label's value, so that each counter is there from the start, at nothing.
pub fn start(now: i64, known: &Known<'_>) {
    HANDLE.get_or_init(|| {
        let handle = builder().install_recorder().ok()?;
        catalog::describe();
        #[expect(clippy::cast_precision_loss, reason = "seconds stay below 2^53 for a long time yet")]
        gauge!(name::START_TIME).set(now as f64);
        gauge!(name::BUILD_INFO, "version" => env!("CARGO_PKG_VERSION")).set(1.0);
        begin_at_nothing(known);
        Some(handle)
    });
}

/// The texts that may become a label's value.
pub struct Known<'a> {
    /// Of problems.
    pub codes: &'a [&'static str],
    /// Why a push may not be believed.
    pub reasons: &'a [&'static str],
    pub steps: &'a [&'static str],
}

fn builder() -> PrometheusBuilder {
    // Refused are empty buckets only, which no metric of ours has.
    let with = |builder: PrometheusBuilder, (name, buckets): &(&str, &[f64])| {
        builder.set_buckets_for_metric(Matcher::Full((*name).to_owned()), buckets).unwrap_or_default()
    };
    catalog::BUCKETS.iter().fold(PrometheusBuilder::new(), with)
}

/// A rate's first step from nothing is seen only if nothing was told before.
fn begin_at_nothing(known: &Known<'_>) {
    for plain in catalog::PLAIN_COUNTERS {
        counter!(plain).absolute(0);
    }
    for ended in Ended::ALL {
        counter!(name::JOBS_ENDED, "state" => ended.name()).absolute(0);
    }
    for answer in Answer::ALL {
        counter!(name::DELIVERIES, "reply" => answer.name()).absolute(0);
    }
    for key in SigningKey::ALL {
        counter!(name::PUSHES_SIGNED, "key" => key.name()).absolute(0);
    }
    for publication in Publication::ALL {
        counter!(name::PUBLISHED, "outcome" => publication.name()).absolute(0);
    }
    for told in Told::ALL {
        counter!(name::SWEEPS, "outcome" => told.name()).absolute(0);
    }
    for swept in Swept::ALL {
        counter!(name::SWEPT, "what" => swept.name()).absolute(0);
    }
    for service in Service::ALL {
        for outcome in Exchange::ALL {
            for class in Class::ALL {
                call_counter(service, class, outcome).absolute(0);
            }
        }
    }
    known.reasons.iter().for_each(|reason| counter!(name::PUSH_REJECTIONS, "reason" => *reason).absolute(0));
    known.codes.iter().for_each(|code| counter!(name::REFUSALS, "code" => *code).absolute(0));
    for step in known.steps {
        for outcome in Outcome::ALL {
            counter!(name::STEPS, "step" => *step, "outcome" => outcome.name()).absolute(0);
        }
    }
}

/// What is measured in this process, in the text form of Prometheus. Empty before [`start`].
pub fn render() -> String {
    handle().map(PrometheusHandle::render).unwrap_or_default()
}

/// What was observed is kept one by one until somebody reads it: where nobody does, this is to be done now and then.
pub fn tidy() {
    if let Some(handle) = handle() {
        handle.run_upkeep();
    }
}

fn handle() -> Option<&'static PrometheusHandle> {
    HANDLE.get()?.as_ref()
}

pub fn accepted() {
    counter!(name::JOBS_ACCEPTED).increment(1);
}

pub fn retried() {
    counter!(name::JOBS_RETRIED).increment(1);
}

pub fn ended(ended: Ended) {
    counter!(name::JOBS_ENDED, "state" => ended.name()).increment(1);
}

pub fn possibly_charged_twice(times: u64) {
    counter!(name::DUPLICATE_CHARGES).increment(times);
}

/// A step is claimed; `age`: for how long its push could have come.
pub fn claimed(step: &'static str, attempt: u32, age: Duration) {
    counter!(name::CLAIMS, "step" => step, "attempt" => Attempt::of(attempt).name()).increment(1);
    histogram!(name::PUSH_AGE).record(age);
}

pub fn step_ended(step: &'static str, outcome: Outcome, took: Duration) {
    counter!(name::STEPS, "step" => step, "outcome" => outcome.name()).increment(1);
    histogram!(name::STEP_SECONDS, "step" => step).record(took);
}

/// A push to the worker is answered.
pub fn delivered(answer: Answer) {
    counter!(name::DELIVERIES, "reply" => answer.name()).increment(1);
}

/// A push is not believed; `reason` in the verifier's words.
pub fn push_rejected(reason: &'static str) {
    counter!(name::PUSH_REJECTIONS, "reason" => reason).increment(1);
}

pub fn push_signed(key: SigningKey) {
    counter!(name::PUSHES_SIGNED, "key" => key.name()).increment(1);
}

pub fn published(publication: Publication) {
    counter!(name::PUBLISHED, "outcome" => publication.name()).increment(1);
}

/// The redeliveries of a message are used up.
pub fn spent() {
    counter!(name::SPENT).increment(1);
}

/// One of the store's verbs was answered, or not.
pub fn stored(verb: Verb, told: Told, took: Duration) {
    histogram!(name::STORE_SECONDS, "verb" => verb.name(), "outcome" => told.name()).record(took);
}

/// A request to Redis with so many commands, those inside scripts not counted.
pub fn round_trip(commands: usize) {
    counter!(name::STORE_TRIPS).increment(1);
    counter!(name::STORE_COMMANDS).increment(commands as u64);
}

/// One request to somebody else's server, until the head of its answer.
pub fn called(service: Service, class: Class, outcome: Exchange, took: Duration) {
    call_counter(service, class, outcome).increment(1);
    histogram!(name::CALL_SECONDS, "service" => service.name(), "class" => class.name()).record(took);
}

fn call_counter(service: Service, class: Class, outcome: Exchange) -> metrics::Counter {
    counter!(name::CALLS, "service" => service.name(), "class" => class.name(), "outcome" => outcome.name())
}

pub fn bytes_fetched(bytes: usize) {
    counter!(name::BYTES_FETCHED).increment(bytes as u64);
}

pub fn bytes_sent_to_storage(bytes: usize) {
    counter!(name::BYTES_STORED).increment(bytes as u64);
}

/// A round of the sweep; `None`: it could not be done.
pub fn swept(mended: Option<[(Swept, usize); 4]>) {
    let told = if mended.is_some() { Told::Ok } else { Told::Unavailable };
    counter!(name::SWEEPS, "outcome" => told.name()).increment(1);
    for (what, jobs) in mended.into_iter().flatten() {
        counter!(name::SWEPT, "what" => what.name()).increment(jobs as u64);
    }
}

/// A caller is told a problem.
pub fn refused(code: &'static str) {
    counter!(name::REFUSALS, "code" => code).increment(1);
}

/// A request, until the head of its answer; `route` as the router has it.
pub fn requested(route: &'static str, method: Method, status: Status, took: Duration) {
    let labels = [("route", route), ("method", method.name()), ("status", status.name())];
    counter!(name::REQUESTS, &labels).increment(1);
    histogram!(name::REQUEST_SECONDS, "route" => route).record(took);
}
