//! The broker's decisions without clock or network.

use bytes::Bytes;
use cliprelay::embedded::broker::attempt::{Verdict, judge};
use cliprelay::embedded::broker::backoff::default_delay;
use cliprelay::embedded::broker::duration::{go_millis, whole_seconds};
use cliprelay::embedded::broker::expression::Expression;
use cliprelay::embedded::broker::message::{Answer, Outcome, Record, Spec};
use cliprelay::embedded::broker::queue::{Limits, Queue};
use cliprelay::embedded::broker::target::{Route, read};
use cliprelay::embedded::broker::ticket::Ticket;
use proptest::prelude::*;

fn record(allowed: u32, retried: u32, retry_delay: Option<&str>) -> Record {
    let spec = Spec {
        user: "u".to_owned(),
        destination: "http://a.example/".to_owned(),
        method: "POST".to_owned(),
        retries: allowed,
        retry_delay: retry_delay.map(str::to_owned),
        ..Spec::default()
    };
    Record { v: 1, id: "msg_1".to_owned(), spec, created_at: 0, not_before: 0, due: 0, retried }
}

fn answered(status: u16, headers: &[(&str, &str)]) -> Outcome {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Outcome::Answered(Answer { status, headers, body: Bytes::new() })
}

/// 2026-11-23 12:00:00 UTC.
const NOW: i64 = 1_795_435_200_000;

#[test]
fn the_default_ladder_is_the_services() {
    let ladder: Vec<i64> = (0..6).map(|retried| default_delay(retried) / 1_000).collect();
    assert_eq!(ladder, [12, 148, 1_808, 22_026, 86_400, 86_400]);
    assert_eq!(default_delay(u32::MAX), 86_400_000);
}

#[test]
fn what_an_answer_means() {
    let retry = |millis| Verdict::Retry { at: NOW + millis };
    let cases = [
        (answered(200, &[]), Verdict::Delivered),
        (answered(204, &[("retry-after", "5")]), Verdict::Delivered),
        (answered(302, &[]), retry(12_000)),
        (answered(401, &[]), retry(12_000)),
        (answered(489, &[("Upstash-NonRetryable-Error", "true")]), Verdict::Dead),
        (answered(489, &[]), retry(12_000)),
        (answered(500, &[("upstash-nonretryable-error", "true")]), retry(12_000)),
        (Outcome::Failed("refused".to_owned()), retry(12_000)),
        (answered(503, &[("Retry-After", "0")]), retry(0)),
        (answered(503, &[("retry-after", "90")]), retry(90_000)),
        (answered(503, &[("retry-after", "6m5s")]), retry(365_000)),
        (answered(503, &[("retry-after", "Mon, 23 Nov 2026 12:00:07 GMT")]), retry(7_000)),
        (answered(503, &[("retry-after", "Mon, 23 Nov 2026 11:00:00 GMT")]), retry(0)),
        (answered(503, &[("retry-after", "86400")]), retry(86_400_000)),
        (answered(503, &[("retry-after", "86401")]), retry(12_000)),
        (answered(503, &[("retry-after", "soon"), ("x-ratelimit-reset-tokens", "250ms")]), retry(250)),
        (answered(503, &[("x-ratelimit-reset-requests", "3"), ("x-ratelimit-reset", "2")]), retry(2_000)),
    ];
    for (outcome, verdict) in cases {
        assert_eq!(judge(&record(1, 0, None), &outcome, NOW), verdict, "{outcome:?}");
    }
    assert_eq!(judge(&record(1, 1, None), &answered(503, &[("retry-after", "0")]), NOW), Verdict::Dead);
    let expression = Some("min(60000, 5000 * pow(3, retried))");
    let after = |retried| judge(&record(5, retried, expression), &answered(500, &[]), NOW);
    assert_eq!([after(0), after(1), after(2), after(3)], [retry(5_000), retry(15_000), retry(45_000), retry(60_000)]);
    assert_eq!(judge(&record(5, 0, Some("0/0")), &answered(500, &[]), NOW), retry(12_000));
}

#[test]
fn durations() {
    for (text, seconds) in [("0s", Some(0)), ("1d10h30m", Some(124_200)), ("90m", Some(5_400)), ("10", None)] {
        assert_eq!(whole_seconds(text), seconds, "{text}");
    }
    for text in ["", "s", "1.5s", "-1s", "1w", "99999999999999999999s", "18446744073709551615d", "1s "] {
        assert_eq!(whole_seconds(text).filter(|_| text != "1s "), None, "{text}");
    }
    let go = [("1h", 3_600_000), ("1.5s", 1_500), ("100us", 1), ("-5s", -5_000), ("0", 0), ("1h0m0.25s", 3_600_250)];
    for (text, millis) in go {
        assert_eq!(go_millis(text), Some(millis), "{text}");
    }
    for text in ["", "-", "5", "5x", "s", "1..5s", "5 s"] {
        assert_eq!(go_millis(text), None, "{text}");
    }
}

#[test]
fn expressions() {
    let value = |text: &str, retried| text.parse::<Expression>().expect("readable").millis(retried);
    for (text, retried, millis) in [
        ("1000", 0, 1_000),
        (" 1000 * (1 + retried) ", 2, 3_000),
        ("pow(2, retried) * 1000", 3, 8_000),
        ("max(1, min(10, 5)) - 2 - 1", 0, 2),
        ("12/4/3", 0, 1),
        ("--2 * -(-3)", 0, 6),
        ("floor(2.9) + ceil(2.1) + round(2.5) + abs(-1) + sqrt(16)", 0, 13),
        ("exp(0)", 0, 1),
        ("exp(retried)", 1_000, 86_400_000),
        ("-5", 0, 0),
        ("1/0", 0, 86_400_000),
    ] {
        assert_eq!(value(text, retried), Some(millis), "{text}");
    }
    assert_eq!(value("0/0", 0), None);
    let deep = format!("{}1{}", "(".repeat(100), ")".repeat(100));
    let long = "1+".repeat(400) + "1";
    for text in ["", "1 2", "retries", "pow(1)", "exp 1", "min(1,2,3)", "1..2", "(1", "1)", "2**3", "é", &deep, &long]
    {
        assert!(text.parse::<Expression>().is_err(), "{text}");
    }
}

#[test]
fn messages_leave_in_due_order_and_not_before() {
    let mut queue = Queue::new(Limits { all: 10, host: 10 });
    for (id, due) in [("c", 300), ("a", 100), ("b1", 200), ("b2", 200), ("gone", 150)] {
        queue.add(Ticket::plain(id, id, due));
    }
    assert!(queue.remove("gone").is_some() && queue.remove("gone").is_none());
    let take = |queue: &mut Queue, now| -> Vec<String> {
        queue.take(now).iter().map(|leaves| leaves.id.to_string()).collect()
    };
    assert_eq!(take(&mut queue, 99), [""; 0]);
    assert_eq!(queue.next_due(), Some(100));
    assert_eq!(take(&mut queue, 250), ["a", "b1", "b2"]);
    queue.add(Ticket::plain("c", "c", 260));
    assert_eq!((take(&mut queue, 260), queue.len(), queue.next_due()), (vec!["c".to_owned()], 0, None));
}

#[test]
fn a_full_host_delays_nobody_else_and_goes_on_when_a_place_is_free() {
    let mut queue = Queue::new(Limits { all: 24, host: 2 });
    for n in 0..5 {
        queue.add(Ticket::plain(&format!("slow{n}"), "slow", n));
    }
    queue.add(Ticket::plain("quick", "quick", 1_000));
    let first = queue.take(1_000);
    let names =
        |departures: &[Ticket]| -> Vec<String> { departures.iter().map(|leaves| leaves.id.to_string()).collect() };
    assert_eq!(names(&first), ["slow0", "slow1", "quick"]);
    assert_eq!(queue.take(1_000), []);
    assert_eq!(queue.next_due(), None, "what waits for a place must not make the broker spin");
    assert!(queue.remove("slow2").is_some());
    queue.landed(&first[0]);
    assert_eq!(names(&queue.take(1_000)), ["slow3"]);
}

#[test]
fn many_hosts_that_hang_leave_places_to_others() {
    let mut queue = Queue::new(Limits { all: 64, host: 8 });
    let mut held = Vec::new();
    for host in 0..20 {
        for n in 0..10 {
            queue.add(Ticket::plain(&format!("{host}.{n}"), &format!("h{host}"), n));
        }
        let places = queue.take(100).len();
        assert!(held.last().is_none_or(|before| places <= *before), "{held:?}, then {places}");
        held.push(places);
    }
    assert_eq!((held[0], held[19]), (7, 1));
    queue.add(Ticket::plain("quick", "quick", 100));
    assert_eq!(queue.take(100).len(), 1);
}

#[test]
fn a_destination_stands_raw_in_the_path() {
    let destination = |path: &str, query: Option<&str>| match read(path, query).route {
        Route::Publish { destination } => destination,
        other => panic!("{other:?}"),
    };
    assert_eq!(destination("/v2/publish/https://a.example//b/", Some("x=%2f&&y")), "https://a.example//b/?x=%2f&y");
    assert_eq!(
        destination("/v2/publish/https://a.example", Some("Upstash-Delay=1s&qstash_token=t")),
        "https://a.example"
    );
    assert_eq!(destination("/v2/publish/https://a.example/", Some("")), "https://a.example/?");
    let target = read("/v2/dlq/retry/17-0", Some("Upstash-Delay=1s&qstash_token=t&a=b%20c"));
    assert_eq!(target.route, Route::Revive("17-0".to_owned()));
    assert_eq!(target.instructions, [("upstash-delay".to_owned(), "1s".to_owned())]);
    assert_eq!(
        (target.token.as_deref(), target.query.as_slice()),
        (Some("t"), &[("a".to_owned(), "b c".to_owned())][..])
    );
}

proptest! {
    /// Any text, retried any number of times, gives a bounded delay or a refusal.
    #[test]
    fn expressions_are_total_and_bounded(
        text in prop_oneof!["\\PC{0,60}", "[-+*/(), .0-9a-z]{0,80}", "((pow|min|exp|sqrt)\\(|retried|[0-9]{1,9}|[-+*/,)]){0,30}"],
        retried in any::<u32>(),
    ) {
        if let Ok(expression) = text.parse::<Expression>()
            && let Some(millis) = expression.millis(retried)
        {
            prop_assert!((0..=86_400_000).contains(&millis));
        }
    }

    #[test]
    fn durations_are_total(text in "\\PC{0,40}|[0-9.]{0,20}[smhdnuµ]{0,3}[0-9]{0,3}s?") {
        let _ = (whole_seconds(&text), go_millis(&text));
    }

    #[test]
    fn targets_are_total(path in "(/v2/)?\\PC{0,40}", query in proptest::option::of("\\PC{0,40}")) {
        let _ = read(&path, query.as_deref());
    }

    /// Over any life: each message leaves once, never early, in due order within its host, and never more than allowed fly.
    #[test]
    fn the_queue_keeps_its_promises(
        messages in proptest::collection::vec((0_i64..1_000, 0_u8..4), 1..60), steps in proptest::collection::vec(1_i64..200, 1..60),
    ) {
        let mut queue = Queue::new(Limits { all: 5, host: 2 });
        for (n, (due, host)) in messages.iter().enumerate() {
            queue.add(Ticket::plain(&n.to_string(), &host.to_string(), *due));
        }
        let (mut now, mut flying, mut left) = (0, std::collections::VecDeque::new(), Vec::new());
        for step in steps.into_iter().chain(std::iter::repeat_n(1_000, messages.len() + 1)) {
            now += step;
            for departure in queue.take(now) {
                let n: usize = departure.id.parse().expect("a number");
                prop_assert!(messages[n].0 <= now);
                left.push(n);
                flying.push_back(departure);
            }
            prop_assert!(flying.len() <= 5);
            for one in &flying {
                prop_assert!(flying.iter().filter(|other| other.host == one.host).count() <= 2);
            }
            if let Some(landed) = flying.pop_front() {
                queue.landed(&landed);
            }
        }
        let mut all = left.clone();
        all.sort_unstable();
        prop_assert_eq!(all, (0..messages.len()).collect::<Vec<_>>());
        for host in 0..4 {
            let turns: Vec<_> = left.iter().filter(|n| messages[**n].1 == host).map(|n| (messages[*n].0, *n)).collect();
prop_assert!(turns.is_sorted(), "{:?}", turns);
        }
        prop_assert!(queue.is_empty());
    }
}
