//! The real program as a user runs it: separate processes, a real Redis, real HTTP, real films. Here and nowhere else it is
//! killed. What the parts do one by one is tested elsewhere.

mod crowd;
mod demo;
mod dev;
mod disk_full;
mod film;
mod gigabyte;
mod kills;
mod outages;
mod random_kills;
mod redis_faults;
mod rotation;
mod secrets;
mod service;
mod sources;
mod start;
mod traces;

use crate::support::system::System;
use serde_json::Value;
use std::path::{Path, PathBuf};

const SAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/sample.mp4");

/// Fetches every clip of a job from its address, with its size and pictures as they should be; answers the files.
async fn fetched(system: &System, job: &Value, source: &Path) -> Vec<PathBuf> {
    let clips = job["clips"].as_array().expect("clips");
    assert!(!clips.is_empty(), "{job:#}");
    let source = film::pictures(source);
    let mut files = Vec::new();
    for (index, clip) in clips.iter().enumerate() {
        assert_eq!((&clip["status"], &clip["storedInSupabase"]), (&"stored".into(), &true.into()), "{clip:#}");
        let url = clip["url"].as_str().expect("an address");
        let answer = system.http.get(url).send().await.expect("the clip is there");
        assert_eq!((answer.status().as_u16(), &answer.headers()["content-type"]), (200, &"video/mp4".parse().unwrap()));
        let bytes = answer.bytes().await.expect("the whole clip");
        assert_eq!(clip["size"].as_u64(), Some(bytes.len() as u64));
        let file = system.folder.path().join(format!("fetched-{index}.mp4"));
        std::fs::write(&file, &bytes).unwrap();
        film::decodes(&file);
        film::range(&source, &film::pictures(&file));
        files.push(file);
    }
    files
}

/// Bytes that storage took in, and the sum of its objects' sizes.
fn bytes(storage: &Value) -> (u64, u64) {
    let received = storage["bytesReceived"].as_object().expect("a map").values().filter_map(Value::as_u64).sum();
    let sizes = storage["objects"].as_array().expect("a list").iter().filter_map(|object| object["size"].as_u64());
    (received, sizes.sum())
}
