//! Cron expressions and the decision what a schedule does now.

use cliprelay::embedded::broker::message::Spec;
use cliprelay::embedded::broker::schedules::cron::{Cron, Invalid};
use cliprelay::embedded::broker::schedules::timetable::Timetable;
use cliprelay::embedded::broker::schedules::{Schedule, Turn};
use jiff::{Timestamp, civil::DateTime, tz::TimeZone};
use proptest::prelude::*;

/// 2026-11-23 12:00:00 UTC.
const NOW: i64 = 1_795_435_200_000;
const MINUTE: i64 = 60_000;

fn at(text: &str) -> i64 {
    text.parse::<Timestamp>().expect("a time").as_millisecond()
}

fn after(cron: &str, time: &str) -> String {
    let next = cron.parse::<Cron>().expect("an expression").next(at(time)).expect("it comes");
    Timestamp::from_millisecond(next).expect("a time").to_string()
}

#[test]
fn the_next_time() {
    for (cron, time, next) in [
        ("* * * * *", "2026-11-23T12:00:00Z", "2026-11-23T12:01:00Z"),
        ("*/15 * * * *", "2026-11-23T12:14:59.999Z", "2026-11-23T12:15:00Z"),
        ("30 4 1,15 * 5", "2026-11-23T12:00:00Z", "2026-11-27T04:30:00Z"),
        ("0 0 29 2 *", "2026-11-23T12:00:00Z", "2028-02-29T00:00:00Z"),
        ("0 9 * * MON-FRI", "2026-11-27T12:00:00Z", "2026-11-30T09:00:00Z"),
        ("@monthly", "2026-11-23T12:00:00Z", "2026-12-01T00:00:00Z"),
        ("CRON_TZ=America/New_York 0 9 * * *", "2026-11-23T12:00:00Z", "2026-11-23T14:00:00Z"),
        ("CRON_TZ=Asia/Kathmandu 0 9 * * *", "2026-11-23T12:00:00Z", "2026-11-24T03:15:00Z"),
        // The clocks of New York skip 02:30 on March 8, 2026, and show 01:30 twice on November 1.
        ("CRON_TZ=America/New_York 30 2 * * *", "2026-03-08T05:00:00Z", "2026-03-08T07:00:00Z"),
        ("CRON_TZ=America/New_York 30 1 * * *", "2026-11-01T04:00:00Z", "2026-11-01T05:30:00Z"),
        ("CRON_TZ=America/New_York 30 1 * * *", "2026-11-01T05:30:00Z", "2026-11-02T06:30:00Z"),
        ("CRON_TZ=America/New_York 30 * * * *", "2026-11-01T05:30:00Z", "2026-11-01T06:30:00Z"),
    ] {
        assert_eq!(after(cron, time), next, "{cron} after {time}");
    }
}

#[test]
fn what_is_no_expression() {
    let long = format!("{} * * * *", "1,".repeat(200));
    for (text, invalid) in [
        ("", Invalid::Missing),
        (long.as_str(), Invalid::Long),
        ("CRON_TZ=UTC", Invalid::Fields),
        ("CRON_TZ=Nowhere/Else * * * * *", Invalid::Zone("Nowhere/Else".to_owned())),
        ("0 0 12 * * MON", Invalid::Fields),
    ] {
        assert_eq!(text.parse::<Cron>().err(), Some(invalid), "{text}");
    }
    for text in
        ["a * * * *", "*/0 * * * *", "5-1 * * * *", "* 24 * * *", "* * 0 * *", "* * * 13 *", "@never", "* * * * 8"]
    {
        assert!(matches!(text.parse::<Cron>(), Err(Invalid::Pattern(_))), "{text}");
    }
}

fn schedule(cron: &str, next: Option<i64>) -> Schedule {
    Schedule {
        v: 1,
        id: "s".to_owned(),
        cron: cron.to_owned(),
        spec: Spec::default(),
        delay: 0,
        created_at: 0,
        paused: false,
        next,
        last: None,
        states: std::collections::BTreeMap::new(),
        error: None,
    }
}

#[test]
fn a_little_late_is_made_up_for_and_long_late_is_not() {
    let minutely = schedule("* * * * *", Some(NOW));
    let next = |minutes: i64| Some(NOW + minutes * MINUTE);
    assert_eq!(minutely.turn(NOW - 1, MINUTE), Turn::Wait);
    assert_eq!(minutely.turn(NOW, MINUTE), Turn::Fire { next: next(1) });
    assert_eq!(minutely.turn(NOW + MINUTE, MINUTE), Turn::Fire { next: next(1) });
    assert_eq!(minutely.turn(NOW + MINUTE + 1, MINUTE), Turn::Skip { next: next(2) });
    assert_eq!(Schedule { paused: true, ..minutely }.turn(NOW, MINUTE), Turn::Wait);
    assert_eq!(schedule("* * * * *", None).turn(NOW, MINUTE), Turn::Wait);
}

#[test]
fn the_timetable_names_each_once_and_in_order() {
    let mut timetable = Timetable::default();
    let name = |id: &str| ("u".to_owned(), id.to_owned());
    for (id, time) in [("b", 20), ("a", 10), ("b", 5), ("c", 30), ("gone", 1)] {
        timetable.set(name(id), Some(time));
    }
    timetable.set(name("gone"), None);
    assert_eq!(timetable.next(), Some(5));
    assert_eq!(timetable.take(20), [name("b"), name("a")]);
    assert_eq!((timetable.take(20), timetable.next()), (vec![], Some(30)));
}

fn field() -> impl Strategy<Value = String> {
    let number = || 0_u32..32;
    let one = prop_oneof![
        4 => Just("*".to_owned()),
        2 => number().prop_map(|n| n.to_string()),
        1 => (number(), number()).prop_map(|(a, b)| format!("{}-{}", a.min(b), a.max(b))),
        1 => (1_u32..20).prop_map(|n| format!("*/{n}")),
        1 => (number(), number()).prop_map(|(a, b)| format!("{a},{b}")),
    ];
    one
}

fn expression() -> impl Strategy<Value = String> {
    let zone = prop_oneof![
        Just(""),
        Just("CRON_TZ=UTC "),
        Just("CRON_TZ=America/New_York "),
        Just("CRON_TZ=Europe/Berlin "),
        Just("CRON_TZ=Australia/Lord_Howe "),
        Just("CRON_TZ=Asia/Kathmandu "),
        Just("TZ=America/St_Johns "),
    ];
    (zone, proptest::collection::vec(field(), 5)).prop_map(|(zone, fields)| format!("{zone}{}", fields.join(" ")))
}

fn zone_of(expression: &str) -> TimeZone {
    let name = expression.split_once('=').and_then(|(_, rest)| rest.split_once(' ')).map_or("UTC", |(name, _)| name);
    TimeZone::get(name).expect("a zone")
}

/// Whether the clocks of a zone were just put forward at this instant.
fn after_a_gap(zone: &TimeZone, time: i64) -> bool {
    let local = |time: i64| -> DateTime { zone.to_datetime(Timestamp::from_millisecond(time).expect("a time")) };
    let passed = local(time).duration_since(local(time - 1));
    passed.as_millis() > 1
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Any text at all is refused, or is an expression whose next time is later and fits.
    #[test]
    fn any_text_is_refused_or_comes_later(
        text in prop_oneof!["\\PC{0,60}", "(CRON_TZ=[A-Za-z/_]{0,12} )?[-*/,0-9A-Za-z#?@+ ]{0,40}", "([-*/,0-9LW#?]{1,6} ){4}[-*/,0-9L#?A-Z]{1,6}", expression()],
        from in 0_i64..4_000_000_000_000,
    ) {
        if let Ok(cron) = text.parse::<Cron>()
            && let Some(next) = cron.next(from)
        {
            prop_assert!(next > from && next % MINUTE == 0, "{}: {} after {}", text, next, from);
        }
    }

    /// The next time fits the expression, or follows a gap in the clocks; and the times go on rising.
    #[test]
    fn the_next_time_fits(text in expression(), from in 1_700_000_000_000_i64..2_000_000_000_000) {
        let Ok(cron) = text.parse::<Cron>() else { return Ok(()) };
        let mut time = from;
        for _ in 0..5 {
            let Some(next) = cron.next(time) else { return Ok(()) };
            prop_assert!(next > time);
            prop_assert!(cron.fits(next) || after_a_gap(&zone_of(&text), next), "{} at {}", text, next);
            time = next;
        }
    }

    /// Nothing that fits is passed over, between any time and the next, but what the clocks show twice.
    #[test]
    fn nothing_is_passed_over(text in expression(), from in 1_700_000_000_000_i64..2_000_000_000_000) {
        let Ok(cron) = text.parse::<Cron>() else { return Ok(()) };
        let zone = zone_of(&text);
        let Some(next) = cron.next(from) else { return Ok(()) };
        let mut time = (from / MINUTE + 1) * MINUTE;
        // Two weeks of minutes at most.
        while time < next && time < from + 20_000 * MINUTE {
            if cron.fits(time) {
                let local = zone.to_datetime(Timestamp::from_millisecond(time).expect("a time"));
                let first = zone.to_ambiguous_timestamp(local).earlier().expect("a time").as_millisecond();
                prop_assert!(first < time, "{}: {} passed over after {}", text, time, from);
            }
            time += MINUTE;
        }
    }
}
