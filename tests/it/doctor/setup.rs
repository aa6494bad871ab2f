//! `setup`: makes what is missing, leaves alone what is right, puts right what is not, and tells the rest.

use super::{Stand, TOKEN, nobody, of};
use crate::support::processes::{Ended, program, run, until};
use cliprelay::app::doctor::State::{Fail, Ok, Warn};
use cliprelay::app::http_client;
use reqwest::Method;
use serde_json::{Value, json};

async fn setup(stand: &Stand, arguments: &[&str]) -> (Option<i32>, Value) {
    let ended = setup_in_words(stand, &[&["--json"], arguments].concat()).await;
    let told = serde_json::from_str(&ended.stdout);
    (ended.code, told.unwrap_or_else(|_| panic!("{}\n{}", ended.stdout, ended.stderr)))
}

async fn setup_in_words(stand: &Stand, arguments: &[&str]) -> Ended {
    let mut command = program();
    command.arg("setup").args(arguments).envs(stand.env());
    let ended = run(&mut command).await;
    for said in [&ended.stdout, &ended.stderr] {
        assert!(!said.contains("planted"), "a secret is told: {said}");
    }
    ended
}

fn step<'a>(told: &'a Value, what: &str) -> &'a Value {
    told["plan"].as_array().unwrap().iter().find(|step| step["what"] == what).unwrap_or_else(|| panic!("{told:#}"))
}

async fn queue(stand: &Stand, method: Method, path: &str) -> Value {
    let url = format!("http://{}{path}", stand.broker.address);
    let answer = http_client().unwrap().request(method, url).bearer_auth(TOKEN).send().await.unwrap();
    answer.json().await.unwrap_or_default()
}

async fn bucket(stand: &Stand, method: Method, body: Option<Value>) -> Value {
    let url = format!("{}/storage/v1/bucket/{}", stand.env()["SUPABASE_URL"], stand.env()["SUPABASE_BUCKET"]);
    let request = http_client().unwrap().request(method, url).header("apikey", "sb_secret_x");
    let request = body.into_iter().fold(request, |request, body| request.json(&body));
    request.send().await.unwrap().json().await.unwrap()
}

/// A deployment that needs both.
async fn stand() -> Stand {
    let mut stand = Stand::start().await;
    stand.set("SUPABASE_BUCKET", "clips");
    stand
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_run_makes_what_the_second_leaves_alone() {
    let stand = stand().await;
    let (code, told) = setup(&stand, &["--dry-run"]).await;
    assert_eq!((code, &told["changed"], &told["doctor"]), (Some(0), &false.into(), &Value::Null), "{told:#}");
    assert_eq!(step(&told, "schedule")["action"], "put");
    assert!(step(&told, "schedule")["detail"].as_str().unwrap().contains("288 messages a day"), "{told:#}");
    assert_eq!(step(&told, "bucket")["action"], "put");
    assert_eq!(queue(&stand, Method::GET, "/v2/schedules").await, json!([]));
    assert_eq!(bucket(&stand, Method::GET, None).await["code"], "NoSuchBucket");

    let (code, told) = setup(&stand, &["--yes", "--size-limit", "200"]).await;
    assert_eq!((code, &told["changed"], &told["doctor"]["ok"]), (Some(0), &true.into(), &true.into()), "{told:#}");
    let schedules = queue(&stand, Method::GET, "/v2/schedules").await;
    let made = &schedules[0];
    let destination = format!("{}/api/cron/klap", stand.env()["PUBLIC_URL"]);
    assert_eq!((&made["cron"], &made["method"]), (&"*/5 * * * *".into(), &"POST".into()), "{made:#}");
    assert_eq!((&made["destination"], &made["scheduleId"]), (&destination.into(), &"cliprelay-sweep".into()));
    let clips = bucket(&stand, Method::GET, None).await;
    assert_eq!((&clips["public"], &clips["allowed_mime_types"]), (&true.into(), &json!(["video/mp4"])), "{clips:#}");
    assert_eq!(clips["file_size_limit"], 200 * 1024 * 1024);

    let (code, told) = setup(&stand, &["--yes"]).await;
    assert_eq!((code, &told["changed"]), (Some(0), &false.into()), "{told:#}");
    assert_eq!(step(&told, "migration")["action"], "keep");
    assert_eq!(queue(&stand, Method::GET, "/v2/schedules").await, schedules);
    assert_eq!(bucket(&stand, Method::GET, None).await, clips);
    let ended = setup_in_words(&stand, &["--no-doctor"]).await;
    assert!(ended.code == Some(0) && ended.stdout.contains("nothing to do"), "{}", ended.stdout);
}

/// The schedule that was made is let in by the service, and the doctor sees it.
#[tokio::test(flavor = "multi_thread")]
async fn the_schedule_wakes_the_sweep() {
    let stand = stand().await;
    assert_eq!(setup(&stand, &["--yes", "--every", "1"]).await.0, Some(0));
    queue(&stand, Method::POST, "/_broker/advance?by=2m").await;
    until("the sweep is woken", async || {
        let schedule = queue(&stand, Method::GET, "/v2/schedules/cliprelay-sweep").await;
        let states = schedule["lastScheduleStates"].as_object().cloned().unwrap_or_default();
        assert!(!states.values().any(|state| state == "FAIL"), "{schedule:#}");
        states.values().any(|state| state == "SUCCESS").then_some(())
    })
    .await;
    let report = stand.examine().await;
    assert!(of(&report, "qstash.schedule").seen.contains("wakes the sweep (* * * * *)"), "{report:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_drifted_is_put_right() {
    let mut stand = stand().await;
    assert_eq!(setup(&stand, &["--yes"]).await.0, Some(0));
    queue(&stand, Method::POST, "/v2/schedules/cliprelay-sweep/pause").await;
    stand.finds("qstash.schedule", Warn, &["paused", "cliprelay setup"]).await;
    bucket(&stand, Method::PUT, Some(json!({"public": false, "allowed_mime_types": ["image/png"]}))).await;
    stand.set("SUPABASE_BUCKET_ACCESS", "public");
    let (code, told) = setup(&stand, &["--yes", "--every", "10"]).await;
    assert_eq!(code, Some(0), "{told:#}");
    let detail = |what| step(&told, what)["detail"].as_str().unwrap().to_owned();
    for words in ["\"*/5 * * * *\" becomes \"*/10 * * * *\"", "it is paused"] {
        assert!(detail("schedule").contains(words), "{told:#}");
    }
    assert!(detail("bucket").contains("public") && detail("bucket").contains("video/mp4"), "{told:#}");
    let schedule = queue(&stand, Method::GET, "/v2/schedules/cliprelay-sweep").await;
    assert_eq!((&schedule["isPaused"], &schedule["cron"]), (&false.into(), &"*/10 * * * *".into()));
    let clips = bucket(&stand, Method::GET, None).await;
    assert_eq!((&clips["public"], &clips["allowed_mime_types"]), (&true.into(), &json!(["image/png", "video/mp4"])));

    // Another secret: the old one would be refused from the next start on.
    stand.set("WORKER_SECRET", "planted-another-secret-5512");
    stand.finds("qstash.schedule", Fail, &["WORKER_SECRET", "cliprelay setup"]).await;
    let (_, told) = setup(&stand, &["--yes", "--every", "10"]).await;
    assert!(step(&told, "schedule")["detail"].as_str().unwrap().contains("another Authorization"), "{told:#}");
    stand.finds("qstash.schedule", Ok, &["wakes the sweep"]).await;
}

/// What is in a private bucket was somebody's to hide: it is opened when that is said, not because it is the default.
#[tokio::test(flavor = "multi_thread")]
async fn a_private_bucket_is_not_opened_unasked() {
    let mut stand = stand().await;
    assert_eq!(setup(&stand, &["--yes", "--no-schedule"]).await.0, Some(0));
    bucket(&stand, Method::PUT, Some(json!({"public": false, "allowed_mime_types": ["image/png"]}))).await;
    for unsaid in ["", " "] {
        stand.set("SUPABASE_BUCKET_ACCESS", unsaid);
        let (code, told) = setup(&stand, &["--yes", "--no-schedule"]).await;
        // The doctor tells the same.
        assert_eq!(code, Some(1), "{told:#}");
        let by_hand = step(&told, "bucket");
        assert_eq!(by_hand["action"], "by hand", "{told:#}");
        for words in ["clips is private", "SUPABASE_BUCKET_ACCESS=private", "=public"] {
            assert!(by_hand["detail"].as_str().unwrap().contains(words), "{told:#}");
        }
        // What else is wrong is put right.
        let clips = bucket(&stand, Method::GET, None).await;
        let types = json!(["image/png", "video/mp4"]);
        assert_eq!((&clips["public"], &clips["allowed_mime_types"]), (&false.into(), &types));
    }
    stand.finds("supabase.bucket", Fail, &["SUPABASE_BUCKET_ACCESS=private", "everybody"]).await;
    stand.set("SUPABASE_BUCKET_ACCESS", "public");
    let (code, told) = setup(&stand, &["--yes", "--no-schedule"]).await;
    assert_eq!(code, Some(0), "{told:#}");
    assert!(step(&told, "bucket")["detail"].as_str().unwrap().contains("public, with all that is in it"), "{told:#}");
    // The other way round it is what the configuration says, and hides rather than shows.
    stand.set("SUPABASE_BUCKET_ACCESS", "private");
    assert_eq!(setup(&stand, &["--yes", "--no-schedule"]).await.0, Some(0));
    assert_eq!(bucket(&stand, Method::GET, None).await["public"], false);
}

/// Two deployments of one account: the second must not take the first one's sweep from it.
#[tokio::test(flavor = "multi_thread")]
async fn a_schedule_of_another_deployment_is_left_alone() {
    let mut stand = stand().await;
    assert_eq!(setup(&stand, &["--yes"]).await.0, Some(0));
    let schedules = queue(&stand, Method::GET, "/v2/schedules").await;
    let first = stand.env()["PUBLIC_URL"].clone();
    stand.set("PUBLIC_URL", "https://second.example.com");
    for what in [&["--yes", "--no-doctor"][..], &["--yes", "--remove"]] {
        let (code, told) = setup(&stand, what).await;
        let by_hand = step(&told, "schedule");
        assert_eq!(
            (code, &by_hand["action"], &told["changed"]),
            (Some(0), &"by hand".into(), &false.into()),
            "{told:#}"
        );
        for words in [first.as_str(), "--schedule-id", "--take-over"] {
            assert!(by_hand["detail"].as_str().unwrap().contains(words), "{told:#}");
        }
        assert_eq!(queue(&stand, Method::GET, "/v2/schedules").await, schedules);
    }
    let (_, told) = setup(&stand, &["--yes", "--no-doctor", "--schedule-id", "second"]).await;
    assert_eq!(step(&told, "schedule")["action"], "put", "{told:#}");
    assert_eq!(queue(&stand, Method::GET, "/v2/schedules").await.as_array().unwrap().len(), 2);
    // Or it has moved here.
    assert_eq!(setup(&stand, &["--yes", "--no-doctor", "--take-over"]).await.1["changed"], true);
    let taken = queue(&stand, Method::GET, "/v2/schedules/cliprelay-sweep").await;
    assert_eq!(taken["destination"], "https://second.example.com/api/cron/klap");
}

#[tokio::test(flavor = "multi_thread")]
async fn retries_and_timeout_are_put_right_too() {
    let stand = stand().await;
    let arguments = ["--yes", "--no-bucket", "--no-doctor"];
    assert_eq!(setup(&stand, &arguments).await.0, Some(0));
    let made = queue(&stand, Method::GET, "/v2/schedules/cliprelay-sweep").await;
    assert_eq!((&made["retries"], &made["timeout"]), (&0.into(), &60.into()), "{made:#}");
    let url = format!("http://{}/v2/schedules/{}", stand.broker.address, made["destination"].as_str().unwrap());
    let secret = format!("Bearer {}", stand.env()["WORKER_SECRET"]);
    let other = [
        ("upstash-schedule-id", "cliprelay-sweep"),
        ("upstash-cron", "*/5 * * * *"),
        ("upstash-retries", "3"),
        ("upstash-timeout", "300s"),
        ("upstash-forward-authorization", &secret),
    ];
    let request = http_client().unwrap().post(url).bearer_auth(TOKEN);
    let request = other.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    assert_eq!(request.send().await.unwrap().status(), 200);
    let (_, told) = setup(&stand, &arguments).await;
    let detail = step(&told, "schedule")["detail"].as_str().unwrap();
    assert!(detail.contains("3 retries become 0") && detail.contains("a timeout of 300 becomes 60 s"), "{told:#}");
    assert_eq!(setup(&stand, &arguments).await.1["changed"], false);
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_can_be_left_out_and_the_schedule_taken_away() {
    let stand = stand().await;
    let (_, told) = setup(&stand, &["--dry-run", "--no-schedule", "--no-bucket"]).await;
    assert_eq!(told["plan"], json!([]), "{told:#}");
    assert_eq!(setup(&stand, &["--yes", "--no-bucket"]).await.1["changed"], true);
    let (code, told) = setup(&stand, &["--yes", "--remove"]).await;
    assert_eq!((code, step(&told, "schedule")["action"].as_str()), (Some(0), Some("remove")), "{told:#}");
    assert_eq!(queue(&stand, Method::GET, "/v2/schedules").await, json!([]));
    let (code, told) = setup(&stand, &["--yes", "--remove"]).await;
    assert_eq!((code, &told["changed"]), (Some(0), &false.into()), "{told:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_done_unasked_or_half_configured() {
    let mut stand = stand().await;
    let ended = setup_in_words(&stand, &[]).await;
    assert!(ended.code == Some(2) && ended.stderr.contains("--yes"), "{}", ended.stderr);
    assert_eq!(queue(&stand, Method::GET, "/v2/schedules").await, json!([]));
    let url = format!("{}/control/faults", stand.env()["SUPABASE_URL"]);
    http_client().unwrap().post(url).json(&json!({"rpcMissing": true})).send().await.unwrap();
    let (_, told) = setup(&stand, &["--dry-run"]).await;
    let migration = step(&told, "migration");
    assert_eq!(migration["action"], "by hand");
    assert!(migration["detail"].as_str().unwrap().contains("psql \"$DATABASE_URL\" -f infra/supabase/"), "{migration}");
    stand.unset("SUPABASE_SERVICE_ROLE_KEY");
    stand.unset("KLAP_API_KEY");
    let ended = setup_in_words(&stand, &["--dry-run"]).await;
    assert!(ended.code == Some(2) && ended.stderr.contains("SUPABASE_SERVICE_ROLE_KEY is missing"), "{}", ended.stderr);
    // Klap has no part in it.
    assert!(!ended.stderr.contains("KLAP_API_KEY"), "{}", ended.stderr);
    stand.set("QSTASH_TOKEN", "planted-wrong");
    let ended = setup_in_words(&stand, &["--dry-run", "--no-bucket"]).await;
    assert!(ended.code == Some(1) && ended.stderr.contains("cliprelay doctor"), "{}", ended.stderr);
    // Who is not there has refused nothing.
    stand.set("QSTASH_URL", &nobody().await);
    let ended = setup_in_words(&stand, &["--dry-run", "--no-bucket"]).await;
    assert!(ended.code == Some(3) && ended.stderr.contains("cliprelay doctor"), "{}", ended.stderr);
    stand.set("WORKER_SECRET", "planted-caf\u{e9}-of-some-length");
    let ended = setup_in_words(&stand, &["--dry-run", "--no-bucket"]).await;
    assert!(ended.code == Some(2) && ended.stderr.contains("WORKER_SECRET holds"), "{}", ended.stderr);
}

/// The hour begins anew: what does not divide it fires twice at its turn.
#[tokio::test(flavor = "multi_thread")]
async fn the_sweep_is_woken_at_even_times() {
    let stand = stand().await;
    for (every, cron, a_day) in [("1", "* * * * *", 1_440), ("12", "*/12 * * * *", 120), ("60", "0 * * * *", 24)] {
        let (_, told) = setup(&stand, &["--dry-run", "--no-bucket", "--every", every]).await;
        let detail = step(&told, "schedule")["detail"].as_str().unwrap();
        assert!(detail.contains(&format!("{cron:?}")), "{detail}");
        assert!(detail.contains(&format!("{a_day} messages a day")), "{detail}");
        assert_eq!(detail.contains("CliprelaySweepStale"), every == "60", "{detail}");
    }
    for every in ["45", "7", "0", "61", "often"] {
        let ended = setup_in_words(&stand, &["--dry-run", "--every", every]).await;
        assert!(ended.code == Some(2) && ended.stderr.contains("divide an hour"), "{}", ended.stderr);
    }
    assert_eq!(setup(&stand, &["--yes", "--no-bucket", "--no-doctor"]).await.0, Some(0));
    let (_, told) = setup(&stand, &["--dry-run", "--no-bucket", "--every", "20"]).await;
    let detail = step(&told, "schedule")["detail"].as_str().unwrap();
    assert!(detail.contains("72 messages a day") && detail.contains("CliprelaySweepStale"), "{detail}");
}
