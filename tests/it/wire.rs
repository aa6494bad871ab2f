//! The shapes that outlive a process, held against `fixtures/wire`: what was written once is read for ever, and what is
//! written now is what was written then. A change that makes one of these fail needs a new version, not a new fixture.

use cliprelay::job::history::{Cause, Ended, Entry, What};
use cliprelay::job::ledger::Intent;
use cliprelay::job::wire::{self, Envelope, Message, VERSION, decode_record, encode_record};
use cliprelay::job::{
    By, Failure, History, Job, JobId, Lease, LeaseToken, Ledger, NewJob, Outgoing, Owner, Position, ProjectId, Push,
    Receipt, State, Usage,
};
use cliprelay::kinds::Kind;
use cliprelay::kinds::clip::input::Input;
use cliprelay::kinds::clip::plan::{Clip, ClipState, Plan, Stored, Upload};
use serde_json::{Value, json};

const T0: u64 = 1_795_435_200_000;
const ID: &str = "job_0193a1b2c3d4e5f60718293a4b5c6d7e";
const RECORDS: [&str; 7] = [
    "record-queued",
    "record-running",
    "record-waiting",
    "record-done",
    "record-failed",
    "record-cancelled",
    "record-traced",
];
const MESSAGES: [&str; 3] = ["message-first", "message-later", "message-traced"];
const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

fn golden(name: &str) -> Vec<u8> {
    let path = format!("{}/fixtures/wire/v1/{name}.json", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn json_of(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap()
}

fn record(name: &str) -> Job {
    decode_record(&golden(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn input() -> Value {
    let options = json!({"language": "en", "maxDuration": 60, "captions": true});
    json!({"videoUrl": "https://example.com/a.mp4?x=1&y=ü", "options": options})
}

fn just_accepted() -> Job {
    let new = NewJob {
        id: JobId::new(ID),
        owner: Owner::new("ann"),
        project: ProjectId::new("p1"),
        kind: "clip",
        input: input(),
        step: "submit",
        plan: Plan::beginning().write(),
        stage: "Sending the video to Klap".to_owned(),
    };
    Job { history: History::default(), ..Job::new(new, T0, 86_400_000) }
}

fn unpaid(number: u32) -> Clip {
    Clip {
        id: format!("klap_{number}"),
        title: format!("Clip {number}"),
        duration: Some(31.5),
        score: Some(0.82),
        virality_explanation: Some("It opens with a question.".to_owned()),
        transcript: Some("Why bread?".to_owned()),
        captions: Some(json!({"tiktok": "Bread!"})),
        created_at: Some("2026-11-23T10:00:00Z".to_owned()),
        generation: 1,
        paid_again: false,
        export: None,
        state: ClipState::Pending,
        failures: 0,
        error: None,
        upload: None,
        stored: None,
    }
}

/// A plan with a clip in every state.
fn rich_plan() -> Plan {
    let exported = |number, export: &str, state| Clip { export: Some(export.to_owned()), state, ..unpaid(number) };
    let path = format!("p1/clips/{ID}/klap_1-export_1.mp4");
    let url = format!("https://ref.supabase.co/storage/v1/object/public/videos/{path}");
    let upload_url = "https://ref.supabase.co/storage/v1/upload/resumable/abc".to_owned();
    let clips = vec![
        Clip { stored: Some(Stored { path, size: 1_234_567, url }), ..exported(1, "export_1", ClipState::Stored) },
        Clip {
            generation: 2,
            paid_again: true,
            failures: 1,
            error: Some("cut off".to_owned()),
            upload: Some(Upload { url: upload_url, total: 9_876_543, offset: 6_291_456 }),
            ..exported(2, "export_2b", ClipState::Storing)
        },
        exported(3, "export_3", ClipState::Exporting),
        Clip {
            duration: None,
            score: None,
            virality_explanation: None,
            transcript: None,
            captions: None,
            created_at: None,
            state: ClipState::Failed,
            failures: 3,
            error: Some("too large".to_owned()),
            ..unpaid(4)
        },
        unpaid(5),
    ];
    Plan {
        generation: 2,
        task: Some("task_2".to_owned()),
        task_at: Some(T0 + 100_000),
        folder: Some("folder_2".to_owned()),
        ready_at: Some(T0 + 700_000),
        clips,
    }
}

fn rich_ledger() -> Ledger {
    let receipt = |effect: &str, id: &str| Receipt { effect: effect.to_owned(), id: id.to_owned() };
    let intent = |effect: &str, epoch, seq, made_at| Intent {
        effect: effect.to_owned(),
        at: Position { epoch, seq },
        made_at,
        repeats: false,
    };
    Ledger {
        intents: vec![intent("submit:1", 1, 1, T0 + 1_000), intent("export:klap_5:1", 2, 4, T0 + 710_000)],
        receipts: vec![
            receipt("submit:1", "task_1"),
            receipt("submit:2", "task_2"),
            receipt("export:klap_1:1", "export_1"),
            receipt("export:klap_2:1", "export_2a"),
            receipt("export:klap_2:2", "export_2b"),
            receipt("export:klap_3:1", "export_3"),
        ],
        possible_duplicates: 1,
    }
}

/// A record with something in every field.
fn at_work() -> Job {
    let lease = Lease {
        token: LeaseToken::new("0193a1b2c3d4e5f60718293a4b5c6d7f"),
        until: T0 + 1_064_500,
        opening: "redis".to_owned(),
    };
    Job {
        at: Position { epoch: 2, seq: 5 },
        send: 2,
        step: "transfer".to_owned(),
        state: State::Running { lease },
        attempts: 2,
        waits: 0,
        message: Outgoing {
            not_before: T0 + 800_000,
            sent: true,
            message_id: Some("msg_7YoJxFpwk".to_owned()),
            spent: true,
            dlq_id: Some("dlq_1".to_owned()),
            looks: 2,
            look_at: T0 + 860_000,
        },
        ledger: rich_ledger(),
        plan: rich_plan().write(),
        progress: 72,
        stage: "Storing clips (1 of 5)".to_owned(),
        error: Some(Failure::retryable("klap_away", "it did not answer")),
        leased_until: T0 + 1_064_500,
        rebuilt: true,
        updated_at: T0 + 800_000,
        started_at: Some(T0 + 90_000),
        deadline: T0 + 7_290_000,
        finished_at: None,
        ..just_accepted()
    }
}

fn message_of(job: &Job) -> Message {
    Message::of(job, Kind::PROCESS_KLAP.resume(job))
}

#[test]
fn what_is_written_today_is_what_was_written_first() {
    for (job, record, message) in
        [(just_accepted(), "record-queued", "message-first"), (at_work(), "record-running", "message-later")]
    {
        assert_eq!(json_of(&encode_record(&job)), json_of(&golden(record)), "{record}");
        let mut written = json_of(&message_of(&job).encode());
        // Added since: who wrote it first did without, and who reads it may.
        for (field, value) in
            [("possibleDuplicates", u64::from(job.ledger.possible_duplicates)), ("progress", u64::from(job.progress))]
        {
            let there = written.as_object_mut().and_then(|fields| fields.shift_remove(field));
            assert_eq!(there, (value > 0).then(|| json!(value)), "{field} of {message}");
        }
        assert_eq!(written, json_of(&golden(message)), "{message}");
        assert_eq!(self::record(record), job);
    }
}

#[test]
fn every_record_ever_written_is_read_and_written_back_unchanged() {
    for name in RECORDS {
        let job = record(name);
        assert_eq!(json_of(&encode_record(&job)), json_of(&golden(name)), "{name}");
        assert_eq!(Plan::read(&job.plan).unwrap().write(), job.plan, "the plan of {name}");
        assert!(Input::read(&job.input).is_some(), "the input of {name}");
    }
    let states = RECORDS.map(|name| record(name).state.public());
    assert_eq!(states, ["queued", "processing", "processing", "completed", "failed", "cancelled", "processing"]);
    let ended = RECORDS.map(|name| record(name).is_final());
    assert_eq!(ended, [false, false, false, true, true, true, false]);
}

#[test]
fn a_history_is_read_and_written_back_unchanged() {
    let name = "record-with-history";
    let job = record(name);
    assert_eq!(json_of(&encode_record(&job)), json_of(&golden(name)));
    assert_eq!((job.usage.messages, job.usage.trips, job.usage.commands, job.history.cut), (3, 41, 160, 12));
    let entries = &job.history.entries;
    let whats = [
        What::Accepted,
        What::Published,
        What::Claimed,
        What::Intended,
        What::Paid,
        What::Withdrawn,
        What::Stored,
        What::Progressed,
        What::Ended,
        What::Spent,
        What::SentAnew,
        What::Cancelled,
        What::Retried,
        What::Failed,
        What::Rebuilt,
    ];
    assert!(whats.iter().all(|what| entries.iter().any(|entry| entry.what == *what)), "{entries:#?}");
    let away = Cause { code: "klap_away".to_owned(), message: "it did not answer".to_owned() };
    let retried = Entry {
        attempt: Some(1),
        outcome: Some(Ended::Retry),
        after: Some(5_000),
        error: Some(away),
        ..Entry::new(&job, What::Ended, T0 + 1_900)
    };
    assert_eq!(entries[5], retried);
    assert_eq!((entries[7].send, entries[7].by), (Some(2), Some(By::Sweep)));
    let rest = Job { history: History::default(), usage: Usage::default(), ..job };
    assert_eq!(rest, just_accepted(), "nothing else of a record has changed");
}

#[test]
fn every_message_ever_written_is_read_and_written_back_unchanged() {
    for name in MESSAGES {
        let message = Message::decode(&golden(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(json_of(&message.encode()), json_of(&golden(name)), "{name}");
    }
    let later = Message::decode(&golden("message-later")).unwrap();
    assert_eq!(later.push(), Push { at: Position { epoch: 2, seq: 5 }, send: 2 });
    assert_eq!(later.receipts, rich_ledger().receipts, "a message carries what has been paid");
    let traced = Message::decode(&golden("message-traced")).unwrap();
    assert_eq!(traced, Message { trace: Some(TRACE.to_owned()), ..later });
    assert_eq!(record("record-traced"), Job { trace: Some(TRACE.to_owned()), ..record("record-waiting") });
}

#[test]
fn what_an_older_build_left_out_reads_as_nothing() {
    let job = record("record-without-optional-fields");
    let bare = Plan { clips: vec![bare_clip()], ..Plan::beginning() };
    assert_eq!(Plan::read(&job.plan), Some(bare));
    assert_eq!(Input::read(&job.input).unwrap().options, cliprelay::kinds::clip::input::Options::default());
    let (plan, input) = (job.plan.clone(), job.input.clone());
    assert_eq!(job, Job { plan, input, ..just_accepted() });
    let message = Message::decode(&golden("message-without-optional-fields")).unwrap();
    assert_eq!(message, Message { receipts: Vec::new(), resume: Value::Null, ..message_of(&just_accepted()) });
}

fn bare_clip() -> Clip {
    Clip {
        duration: None,
        score: None,
        virality_explanation: None,
        transcript: None,
        captions: None,
        created_at: None,
        ..unpaid(1)
    }
}

#[test]
fn what_a_newer_build_wrote_is_left_alone_and_told_by_its_name() {
    let expected = Envelope { v: 2, job_id: JobId::new(ID), at: Position { epoch: 3, seq: 4 }, send: 5 };
    for found in [
        decode_record(&golden("newer-record")).map(drop),
        Message::decode(&golden("newer-message")).map(drop),
        Message::decode(&golden("newer-record")).map(drop),
    ] {
        match found {
            Err(wire::Error::Newer(envelope)) => assert_eq!(envelope, expected),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(VERSION, 1, "a new version needs its own folder of fixtures, and the build before must read it");
}

#[test]
fn what_no_version_wrote_is_told_apart_from_what_a_newer_one_did() {
    let whole = golden("record-queued");
    let mut version_0 = json_of(&whole);
    version_0["v"] = json!(0);
    let mut nameless = json_of(&golden("newer-record"));
    nameless.as_object_mut().unwrap().remove("jobId");
    let mut wrong_type = json_of(&golden("message-first"));
    wrong_type["owner"] = json!(7);
    let garbled = [
        Vec::new(),
        b"not json".to_vec(),
        b"[1]".to_vec(),
        whole[..whole.len() / 2].to_vec(),
        json!({"v": 1, "jobId": ID, "epoch": 1, "seq": 1, "send": 1}).to_string().into_bytes(),
        version_0.to_string().into_bytes(),
        nameless.to_string().into_bytes(),
        wrong_type.to_string().into_bytes(),
    ];
    for bytes in garbled {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        assert!(matches!(Message::decode(&bytes), Err(wire::Error::Garbled(_))), "{text}");
        assert!(matches!(decode_record(&bytes), Err(wire::Error::Garbled(_))), "{text}");
    }
}
