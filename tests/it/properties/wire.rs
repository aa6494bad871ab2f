//! The shapes that outlive a process: any bytes are an answer, never a panic, and what is written is read as it was.

use cliprelay::job::ledger::Intent;
use cliprelay::job::wire::{Envelope, Message, VERSION, decode_record, encode_record};
use cliprelay::job::{
    Failure, Job, JobId, Lease, LeaseToken, Ledger, NewJob, Outgoing, Owner, Position, ProjectId, Receipt, State,
};
use proptest::option;
use proptest::prelude::*;
use serde_json::Value;

const GOLDEN: [&[u8]; 5] = [
    include_bytes!("../../../fixtures/wire/v1/record-running.json"),
    include_bytes!("../../../fixtures/wire/v1/record-failed.json"),
    include_bytes!("../../../fixtures/wire/v1/record-with-history.json"),
    include_bytes!("../../../fixtures/wire/v1/message-later.json"),
    include_bytes!("../../../fixtures/wire/v1/message-first.json"),
];

fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z0-9_-]{0,12}", "\\PC{0,8}", any::<String>()]
}

/// JSON as callers, vendors and kinds put into a job; numbers as they come in JSON of either.
pub fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        (-1_000_000..1_000_000_i32).prop_map(|number| Value::from(f64::from(number) / 64.0)),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 5, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            proptest::collection::vec((text(), inner), 0..5).prop_map(|members| members.into_iter().collect()),
        ]
    })
}

fn position() -> impl Strategy<Value = Position> {
    any::<(u32, u32)>().prop_map(|(epoch, seq)| Position { epoch, seq })
}

fn receipts() -> impl Strategy<Value = Vec<Receipt>> {
    proptest::collection::vec((text(), text()).prop_map(|(effect, id)| Receipt { effect, id }), 0..4)
}

fn message() -> impl Strategy<Value = Message> {
    let names = (text(), text(), text(), text(), text());
    let trace = option::of(text());
    (names, position(), any::<((u32, u64, u64, u32), u8)>(), json(), json(), (receipts(), trace)).prop_map(
        |(
            (id, kind, step, owner, project),
            at,
            ((send, created_at, deadline, possible_duplicates), progress),
            input,
            resume,
            (receipts, trace),
        )| Message {
            envelope: Envelope { v: VERSION, job_id: JobId::new(id), at, send },
            kind,
            step,
            owner: Owner::new(owner),
            project: ProjectId::new(project),
            input,
            created_at,
            deadline,
            receipts,
            possible_duplicates,
            progress,
            resume,
            trace,
        },
    )
}

fn state() -> impl Strategy<Value = State> {
    let lease = (text(), any::<u64>(), text()).prop_map(|(token, until, opening)| State::Running {
        lease: Lease { token: LeaseToken::new(token), until, opening },
    });
    let other = vec![State::Queued, State::Waiting, State::Done, State::Failed, State::Cancelled];
    prop_oneof![lease, proptest::sample::select(other)]
}

fn ledger() -> impl Strategy<Value = Ledger> {
    let intent = (text(), position(), any::<u64>(), any::<bool>()).prop_map(|(effect, at, made_at, repeats)| Intent {
        effect,
        at,
        made_at,
        repeats,
    });
    (proptest::collection::vec(intent, 0..4), receipts(), any::<u32>())
        .prop_map(|(intents, receipts, possible_duplicates)| Ledger { intents, receipts, possible_duplicates })
}

fn outgoing() -> impl Strategy<Value = Outgoing> {
    (any::<(u64, bool, bool, u32, u64)>(), option::of(text()), option::of(text())).prop_map(
        |((not_before, sent, spent, looks, look_at), message_id, dlq_id)| Outgoing {
            not_before,
            sent,
            message_id,
            spent,
            dlq_id,
            looks,
            look_at,
        },
    )
}

prop_compose! {
    fn job()(
        id in text(), step in text(), stage in text(), names in (text(), text()), input in json(), plan in json(),
        at in position(), state in state(), message in outgoing(), ledger in ledger(),
        failure in option::of((text(), text(), any::<bool>())),
        numbers in any::<(u32, u32, u32, u8, bool)>(), times in any::<(u64, u64, u64, u64)>(),
        started_at in option::of(any::<u64>()), finished_at in option::of(any::<u64>()),
    ) -> Job {
        let new = NewJob {
            id: JobId::new(id), owner: Owner::new(names.0), project: ProjectId::new(names.1), kind: "clip", input,
            step: "submit", plan, stage,
        };
        let error = failure.map(|(code, message, retryable)| Failure { code, message, retryable });
        Job {
            at, step, state, message, ledger, error, started_at, finished_at,
            send: numbers.0, attempts: numbers.1, waits: numbers.2, progress: numbers.3, rebuilt: numbers.4,
            created_at: times.0, updated_at: times.1, deadline: times.2, leased_until: times.3,
            ..Job::new(new, 0, 0)
        }
    }
}

/// Bytes near to what is stored: cut, with a piece of another, or with single bytes changed.
fn near() -> impl Strategy<Value = Vec<u8>> {
    let golden = proptest::sample::select(GOLDEN.to_vec());
    let edits = proptest::collection::vec(
        (
            any::<prop::sample::Index>(),
            prop_oneof![any::<u8>(), proptest::sample::select(b"\"{}[],:0-9e.\\ntf".to_vec())],
        ),
        0..6,
    );
    (golden.clone(), golden, any::<prop::sample::Index>(), any::<prop::sample::Index>(), edits, 0..4_u8).prop_map(
        |(one, other, from, to, edits, how)| {
            let mut bytes = match how {
                0 => one[..from.index(one.len())].to_vec(),
                1 => [&one[..from.index(one.len())], &other[to.index(other.len())..]].concat(),
                _ => one.to_vec(),
            };
            for (place, byte) in edits {
                if !bytes.is_empty() {
                    let place = place.index(bytes.len());
                    bytes[place] = byte;
                }
            }
            bytes
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    /// And what is taken is taken for the same when it is written and read again.
    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop_oneof![3 => near(), 1 => any::<Vec<u8>>(), 1 => json().prop_map(|json| json.to_string().into_bytes())]) {
        if let Ok(message) = Message::decode(&bytes) {
            prop_assert_eq!(Message::decode(&message.encode()).unwrap(), message);
        }
        if let Ok(job) = decode_record(&bytes) {
            prop_assert_eq!(decode_record(&encode_record(&job)).unwrap(), job);
        }
    }

    #[test]
    fn a_message_is_read_as_it_was_written(message in message()) {
        let bytes = message.encode();
        prop_assert_eq!(Message::decode(&bytes).unwrap(), message);
    }

    #[test]
    fn a_record_is_read_as_it_was_written(job in job()) {
        let bytes = encode_record(&job);
        prop_assert_eq!(decode_record(&bytes).unwrap(), job);
    }
}
