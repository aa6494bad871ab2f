//! The way of a clip's bytes from Klap's file server into storage, when the file server misbehaves: an upload goes on where
//! storage says it stands, and what is no whole video is never listed as a clip.

use super::{SAMPLE, bytes, fetched, film};
use crate::support::system::System;
use serde_json::{Value, json};
use std::path::Path;

/// One clip of the sample.
async fn one_clip(system: &System, project: &str) -> String {
    let options = json!({"targetClipCount": 1});
    system.enqueue(&json!({"projectId": project, "videoUrl": system.sample(), "options": options})).await
}

/// The job once it has ended; until then none of its clips was ever listed without being stored whole.
async fn never_listed(system: &System, id: &str) -> Value {
    let mut looks = 0;
    loop {
        let job = system.job(id).await.expect("the service answers");
        for clip in job["clips"].as_array().unwrap() {
            let listed = clip["status"] == "stored" || clip["storedInSupabase"] == true || !clip["url"].is_null();
            assert!(!listed || job["clipsFailed"] == 0, "{job:#}");
            if listed {
                assert_eq!(system.supabase().await["objectsListed"], 1, "{job:#}");
            }
        }
        if matches!(job["status"].as_str(), Some("completed" | "failed")) {
            println!("{looks} looks until {}", job["status"]);
            return job;
        }
        looks += 1;
        assert!(looks < 3_000, "{job:#}");
        tokio::time::sleep(std::time::Duration::from_millis(30)).await;
    }
}

fn failed(job: &Value, why: &str) {
    assert_eq!((&job["status"], &job["errorDetail"]["code"]), (&json!("failed"), &json!("no_clips_stored")), "{job:#}");
    let clip = &job["clips"][0];
    assert_eq!(
        (&clip["status"], &clip["storedInSupabase"], &clip["url"]),
        (&json!("failed"), &json!(false), &json!(null))
    );
    assert!(clip["error"].as_str().is_some_and(|error| error.contains(why)), "{clip:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clip_cut_off_in_the_middle_goes_on_by_range() {
    let system = System::start(&[]).await;
    let source = film::noise(system.folder.path());
    let video = system.video(&source);
    system.klap_fault("file", 1, json!("truncated")).await;
    let options = json!({"targetClipCount": 1, "targetDuration": 8});
    let job = system.enqueue(&json!({"projectId": "cut", "videoUrl": video, "options": options})).await;
    let ended = system.completed(&job).await;
    let (klap, storage) = (system.klap().await, system.supabase().await);
    let (received, stored) = bytes(&storage);
    println!("{stored} bytes stored, {received} uploaded, asked for: {}", klap["ranges"]);
    // The first goes on with the clip; the others look at its boxes.
    let [range, ..] = klap["ranges"].as_array().unwrap().as_slice() else { panic!("no request by range: {klap:#}") };
    let offset = range.as_str().unwrap().strip_prefix("bytes=").and_then(|range| range.strip_suffix('-'));
    let offset: u64 = offset.expect("an open range").parse().unwrap();
    assert!(0 < offset && offset <= stored / 2, "from what storage had: {offset}");
    assert_eq!((received, &storage["uploadsBegun"]), (stored, &json!(1)), "nothing is sent twice");
    assert_eq!(ended["possibleDuplicateCharge"], 0);
    fetched(&system, &ended, &source).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_whole_video_is_found_out_and_fetched_again() {
    let system = System::start(&[]).await;
    for effect in ["html", "short"] {
        system.klap_fault("file", 1, json!(effect)).await;
    }
    let job = one_clip(&system, "again").await;
    let ended = never_listed(&system, &job).await;
    assert_eq!(ended["status"], "completed", "{ended:#}");
    let (klap, storage) = (system.klap().await, system.supabase().await);
    assert_eq!((&klap["calls"]["file"], &klap["exportsTotal"]), (&json!(3), &json!(1)));
    assert_eq!(storage["uploadsFinished"], 1, "nothing but the whole clip ever became an object: {storage:#}");
    fetched(&system, &ended, Path::new(SAMPLE)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clip_that_stays_broken_is_never_listed() {
    let system = System::start(&[]).await;
    for effect in ["truncated", "html", "short"] {
        system.klap_fault("file", 1, json!(effect)).await;
    }
    let job = one_clip(&system, "broken").await;
    failed(&never_listed(&system, &job).await, "not a video: it has");
    system.klap_fault("file", 1, json!("oversized")).await;
    let job = one_clip(&system, "oversized").await;
    failed(&never_listed(&system, &job).await, "bytes, more than");
    let (klap, storage) = (system.klap().await, system.supabase().await);
    assert_eq!((&klap["calls"]["file"], &klap["exportsTotal"]), (&json!(4), &json!(2)), "each is paid once");
    assert_eq!((&storage["objectsListed"], &storage["uploadsFinished"]), (&json!(0), &json!(0)));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_has_run_out_is_asked_for_again() {
    let system = System::start(&[]).await;
    for status in [403, 410] {
        let refused = json!({"answer": {"status": status, "body": "Request has expired"}});
        system.klap_fault("file", 1, refused).await;
    }
    let job = one_clip(&system, "expired").await;
    let ended = system.completed(&job).await;
    let klap = system.klap().await;
    println!("{} looks at the export, {} requests for its file", klap["calls"]["export_status"], klap["calls"]["file"]);
    assert_eq!((&klap["calls"]["file"], &klap["exportsTotal"]), (&json!(3), &json!(1)));
    assert!(klap["calls"]["export_status"].as_u64().unwrap() >= 3, "a fresh address for each: {klap:#}");
    fetched(&system, &ended, Path::new(SAMPLE)).await;
}
