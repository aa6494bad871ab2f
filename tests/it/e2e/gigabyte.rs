//! A clip far larger than the service's memory through the service, which never holds more of it than a few pieces.

use super::{bytes, film};
use crate::support::system::System;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::Command;

const MEBIBYTE: u64 = 1024 * 1024;
/// What the service may hold, all of its own included.
const MEMORY_MAX: u64 = 64;

/// 24 s of grey at so many Mbit/s, nearly all of it filler: made in seconds, and no part of it may be left out.
fn large(folder: &Path, rate: u32) -> PathBuf {
    let picture = "color=gray:size=320x240:rate=10:duration=24";
    let rates = format!("-b:v {rate}M -minrate {rate}M -maxrate {rate}M -bufsize {rate}M");
    let groups = "-x264-params keyint=10:scenecut=0:open-gop=0:nal-hrd=cbr -movflags +faststart";
    let options = format!("-c:v libx264 -preset ultrafast -pix_fmt yuv420p {rates} {groups}");
    film::make(folder, "large.mp4", &[picture], &options)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_clip_in_bounded_memory() {
    of_one_clip(256, 95).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "writes 5 GB and takes half a minute"]
async fn a_clip_of_a_gigabyte_in_bounded_memory() {
    of_one_clip(1024, 400).await;
}

/// A clip of at least so many MiB, from a film of so many Mbit/s.
async fn of_one_clip(at_least: u64, rate: u32) {
    let system = System::start(&[]).await;
    let source = large(system.folder.path(), rate);
    let video = system.video(&source);
    let before = system.serve.peak_memory();
    let options = json!({"targetClipCount": 1, "minDuration": 20, "targetDuration": 24});
    let job = system.enqueue(&json!({"projectId": "large", "videoUrl": video, "options": options})).await;
    let ended = system.completed(&job).await;

    let storage = system.supabase().await;
    let (received, stored) = bytes(&storage);
    let peak = system.serve.peak_memory();
    println!(
        "{} MiB in one clip; the service held {} MiB at most ({} MiB before the job)",
        stored / MEBIBYTE,
        peak / 1024,
        before / 1024
    );
    assert!(stored >= at_least * MEBIBYTE, "{stored} bytes");
    assert_eq!((received, &storage["objectsListed"]), (stored, &json!(1)));
    assert_eq!(ended["clips"][0]["size"], stored);
    assert!(peak / 1024 < MEMORY_MAX, "{} MiB", peak / 1024);
    // What arrived is what was rendered, byte for byte.
    let only = |folder: &str| {
        let folder = system.folder.path().join("sandbox").join(folder);
        std::fs::read_dir(folder).unwrap().next().expect("a file").unwrap().path()
    };
    let same = Command::new("cmp").args([only("klap/renders"), only("supabase/blobs")]).status().unwrap();
    assert!(same.success());
}
