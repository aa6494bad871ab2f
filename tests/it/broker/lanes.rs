//! The board without clock or network: queues and flow-control keys over any life.

use cliprelay::embedded::broker::board::Board;
use cliprelay::embedded::broker::gates::{Gate, Passage};
use cliprelay::embedded::broker::message::FlowLimits;
use cliprelay::embedded::broker::queue::Limits;
use cliprelay::embedded::broker::ticket::{Berth, Ticket, scoped};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

const PLENTY: Limits = Limits { all: 1_000, host: 1_000 };

fn in_lane(id: &str, lane: &str, tells_of: Option<&str>, due: i64) -> Ticket {
    let berth = Berth { lane: scoped("u", lane), tells_of: tells_of.map(Into::into) };
    Ticket { berth: Some(Arc::new(berth)), ..Ticket::plain(id, "h", due) }
}

fn with_key(id: &str, key: &str, due: i64) -> Ticket {
    Ticket { flow: Some(scoped("u", key)), ..Ticket::plain(id, "h", due) }
}

fn names(tickets: &[Ticket]) -> Vec<&str> {
    tickets.iter().map(|ticket| ticket.id.as_ref()).collect()
}

fn limits(parallelism: Option<u32>, rate: Option<u32>, period: u64) -> FlowLimits {
    FlowLimits { parallelism, rate, period: Some(period) }
}

#[test]
fn a_message_keeps_its_place_until_its_last_callback() {
    let mut board = Board::new(PLENTY);
    board.add(in_lane("a", "q", None, 0));
    board.add(in_lane("b", "q", None, 0));
    let a = board.take(0);
    assert_eq!((names(&a), board.lag(&scoped("u", "q"))), (vec!["a"], 2));
    // It is tried again, and a callback tells of the attempt.
    board.landed(&a[0]);
    board.add(in_lane("a", "q", None, 10));
    board.add(in_lane("c", "q", Some("a"), 0));
    let callback = board.take(5);
    assert_eq!(names(&callback), ["c"]);
    board.landed(&callback[0]);
    board.add(in_lane("c", "q", Some("a"), 20));
    let a = board.take(10);
    board.landed(&a[0]);
    board.over(&a[0]);
    assert_eq!(board.take(19), [], "the callback is to be tried again");
    let callback = board.take(20);
    board.landed(&callback[0]);
    board.over(&callback[0]);
    assert_eq!(names(&board.take(20)), ["b"]);
}

#[test]
fn a_paused_queue_keeps_even_what_was_to_be_tried_again() {
    let mut board = Board::new(PLENTY);
    let lane = scoped("u", "q");
    board.set_lane(&lane, 2, false);
    for id in ["a", "b", "c"] {
        board.add(in_lane(id, "q", None, 0));
    }
    let flying = board.take(0);
    assert_eq!(names(&flying), ["a", "b"]);
    board.landed(&flying[0]);
    board.add(in_lane("a", "q", None, 5));
    board.set_lane(&lane, 2, true);
    board.landed(&flying[1]);
    board.over(&flying[1]);
    assert_eq!((board.take(100), board.pending(100)), (vec![], 2));
    board.remove("a");
    assert_eq!(board.pending(100), 1);
    board.set_lane(&lane, 2, false);
    assert_eq!(names(&board.take(100)), ["c"]);
}

#[test]
fn a_gate_opens_with_its_period_and_with_a_landing() {
    let mut gate = Gate::default();
    gate.set(limits(None, Some(1), 10), None, 3);
    gate.set(FlowLimits::default(), Some(true), 2);
    assert_eq!(gate.passage(0), Passage::Open, "an older setting changes nothing");

    let mut board = Board::new(PLENTY);
    let key = scoped("u", "k");
    board.queue.set_gate(&key, limits(Some(2), Some(3), 10), None, 1);
    for n in 0..6 {
        board.add(with_key(&format!("m{n}"), "k", 0));
    }
    board.add(Ticket::plain("free", "h", 1));
    let first = board.take(1_000);
    assert_eq!((names(&first), board.queue.held(&key)), (vec!["m0", "m1", "free"], 4));
    assert_eq!(board.next_due(), None, "it waits for a landing, not for a time");
    board.landed(&first[0]);
    let third = board.take(1_001);
    assert_eq!(names(&third), ["m2"]);
    board.landed(&first[1]);
    board.landed(&third[0]);
    assert_eq!((board.take(2_000), board.next_due()), (vec![], Some(11_000)));
    assert_eq!(names(&board.take(11_000)), ["m3", "m4"]);
    board.queue.set_gate(&key, limits(None, None, 1), Some(true), 2);
    assert_eq!(board.take(50_000), []);
    board.queue.set_gate(&key, limits(None, None, 1), Some(false), 3);
    assert_eq!(names(&board.take(50_000)), ["m5"]);
}

/// One thing that happens to the board.
#[derive(Debug, Clone)]
enum Happening {
    Add {
        lane: Option<u8>,
        key: Option<u8>,
        host: u8,
        due: i64,
    },
    /// The oldest delivery ends: for good, with a retry, or with a callback to follow.
    Land {
        how: u8,
    },
    Pass(i64),
    Cancel(usize),
    Pause {
        lane: u8,
        paused: bool,
    },
}

fn happening() -> impl Strategy<Value = Happening> {
    let optional = || proptest::option::of(0_u8..2);
    prop_oneof![
        5 => (optional(), optional(), 0_u8..3, 0_i64..3_000)
            .prop_map(|(lane, key, host, due)| Happening::Add { lane, key, host, due }),
        5 => (0_u8..3).prop_map(|how| Happening::Land { how }),
        3 => (0_i64..2_000).prop_map(Happening::Pass),
        1 => (0_usize..40).prop_map(Happening::Cancel),
        1 => (0_u8..2, any::<bool>()).prop_map(|(lane, paused)| Happening::Pause { lane, paused }),
    ]
}

const RATE: usize = 3;
const PERIOD: i64 = 1_000;

/// What is known of the board from outside.
#[derive(Default)]
struct Seen {
    now: i64,
    flying: Vec<Ticket>,
    /// Enqueued messages in order, and those of them that are over.
    entered: BTreeMap<Arc<str>, Vec<Arc<str>>>,
    started: BTreeMap<Arc<str>, Vec<Arc<str>>>,
    over: BTreeSet<Arc<str>>,
    callbacks: BTreeMap<Arc<str>, BTreeSet<Arc<str>>>,
    begun: BTreeMap<Arc<str>, Vec<i64>>,
    paused: BTreeSet<Arc<str>>,
    live: Vec<Ticket>,
    left: BTreeMap<Arc<str>, usize>,
}

impl Seen {
    fn take(&mut self, board: &mut Board) -> Result<(), TestCaseError> {
        for ticket in board.take(self.now) {
            prop_assert!(ticket.due <= self.now);
            if let Some(key) = &ticket.flow {
                self.begun.entry(key.clone()).or_default().push(self.now);
            }
            if let Some(berth) = &ticket.berth
                && berth.tells_of.is_none()
            {
                prop_assert!(!self.paused.contains(&berth.lane), "{} left a paused queue", ticket.id);
                let started = self.started.entry(berth.lane.clone()).or_default();
                if !started.contains(&ticket.id) {
                    started.push(ticket.id.clone());
                }
            }
            *self.left.entry(ticket.id.clone()).or_default() += 1;
            self.flying.push(ticket);
        }
        self.check()
    }

    fn check(&self) -> Result<(), TestCaseError> {
        for (key, times) in &self.begun {
            let flying = self.flying.iter().filter(|ticket| ticket.flow.as_ref() == Some(key)).count();
            prop_assert!(flying <= 2, "{} calls with one key", flying);
            // Periods are counted from the first call in them, so that any moment belongs to one.
            let mut rest = times.as_slice();
            while let Some(start) = rest.first() {
                let within = rest.iter().take_while(|time| **time < start + PERIOD).count();
                prop_assert!(within <= RATE, "{} calls within a period", within);
                rest = &rest[within..];
            }
        }
        for (lane, started) in &self.started {
            let busy = |id: &&Arc<str>| {
                !self.over.contains(*id) || self.callbacks.get(*id).is_some_and(|left| !left.is_empty())
            };
            let open = started.iter().filter(busy).count();
            prop_assert!(open <= 1, "{} messages of {:?} at one time", open, lane);
            prop_assert!(started.is_sorted(), "{:?}", started);
        }
        Ok(())
    }

    fn land(&mut self, board: &mut Board, how: u8, fresh: &str) {
        if self.flying.is_empty() {
            return;
        }
        let ticket = self.flying.remove(0);
        let is_callback = ticket.berth.as_ref().is_some_and(|berth| berth.tells_of.is_some());
        if how == 1 && self.live.iter().any(|live| live.id == ticket.id) {
            board.add(Ticket { due: self.now + 100, ..ticket.clone() });
        } else {
            if let (2, false, Some(berth)) = (how, is_callback, &ticket.berth) {
                let berth = Berth { lane: berth.lane.clone(), tells_of: Some(ticket.id.clone()) };
                let callback = Ticket { berth: Some(Arc::new(berth)), ..Ticket::plain(fresh, "back", self.now) };
                self.callbacks.entry(ticket.id.clone()).or_default().insert(callback.id.clone());
                self.live.push(callback.clone());
                board.add(callback);
            }
            board.over(&ticket);
            self.end(&ticket);
        }
        board.landed(&ticket);
    }

    fn end(&mut self, ticket: &Ticket) {
        self.live.retain(|live| live.id != ticket.id);
        self.over.insert(ticket.id.clone());
        if let Some(source) = ticket.berth.as_ref().and_then(|berth| berth.tells_of.as_ref())
            && let Some(left) = self.callbacks.get_mut(source)
        {
            left.remove(&ticket.id);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Queues stay in order and one at a time, keys within their limits, and in the end everything has left.
    #[test]
    fn the_board_keeps_its_promises(life in proptest::collection::vec(happening(), 1..80)) {
        let mut board = Board::new(Limits { all: 6, host: 3 });
        for key in 0..2 {
            let rate = u32::try_from(RATE).expect("small");
            board.queue.set_gate(&scoped("u", &format!("k{key}")), limits(Some(2), Some(rate), 1), None, 1);
        }
        let mut seen = Seen::default();
        for (n, happening) in life.into_iter().enumerate() {
            let fresh = format!("{n:04}");
            match happening {
                Happening::Add { lane, key, host, due } => {
                    let berth = lane.map(|lane| Arc::new(Berth { lane: scoped("u", &lane.to_string()), tells_of: None }));
                    let flow = key.map(|key| scoped("u", &format!("k{key}")));
                    let ticket = Ticket { berth, flow, ..Ticket::plain(&fresh, &host.to_string(), seen.now + due) };
                    if let Some(berth) = &ticket.berth {
                        seen.entered.entry(berth.lane.clone()).or_default().push(ticket.id.clone());
                    }
                    seen.live.push(ticket.clone());
                    board.add(ticket);
                }
                Happening::Land { how } => seen.land(&mut board, how, &fresh),
                Happening::Pass(by) => seen.now += by,
                Happening::Cancel(which) => {
                    if let Some(ticket) = seen.live.get(which).cloned() {
                        // As for a message on its way: it ends by itself, and is not tried again.
                        board.remove(&ticket.id);
                        if seen.flying.iter().any(|flying| flying.id == ticket.id) {
                            seen.live.retain(|live| live.id != ticket.id);
                        } else {
                            seen.end(&ticket);
                        }
                    }
                }
                Happening::Pause { lane, paused } => {
                    let lane = scoped("u", &lane.to_string());
                    board.set_lane(&lane, 1, paused);
                    if paused { seen.paused.insert(lane); } else { seen.paused.remove(&lane); }
                }
            }
            seen.take(&mut board)?;
        }
        for lane in std::mem::take(&mut seen.paused) {
            board.set_lane(&lane, 1, false);
        }
        for n in 0..2_000 {
            if board.pending(i64::MAX) == 0 {
                break;
            }
            seen.now += 500;
            seen.take(&mut board)?;
            seen.land(&mut board, 0, &format!("end{n}"));
        }
        prop_assert_eq!(board.pending(i64::MAX), 0);
        prop_assert!(seen.live.is_empty(), "{:?} never left", seen.live);
    }
}
