//! `demo`: the first thing a new user runs.

use super::{SAMPLE, film};
use crate::support::processes::{Ended, program, run};
use serde_json::Value;
use std::path::Path;
use tempfile::TempDir;

async fn demo(folder: &Path, args: &[&str]) -> Ended {
    run(program().arg("demo").args(args).current_dir(folder)).await
}

/// Everything that must hold of a run with `--json` on this film; answers the number of clips.
fn check(ended: &Ended, source: &Path, folder: &Path) -> usize {
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let told: Value = serde_json::from_str(&ended.stdout).expect("JSON and nothing else");
    let job = &told["job"];
    assert_eq!((job["status"].as_str(), job["progress"].as_u64()), (Some("completed"), Some(100)), "{job:#}");
    let clips = told["clips"].as_array().expect("clips");
    assert!(!clips.is_empty());
    assert_eq!(job["clips"].as_array().map(Vec::len), Some(clips.len()));
    let pictures = film::pictures(source);
    let mut free = 0;
    for (clip, of_job) in clips.iter().zip(job["clips"].as_array().unwrap()) {
        let mut keys: Vec<_> = clip.as_object().expect("an object").keys().map(String::as_str).collect();
        keys.sort_unstable();
        assert_eq!(keys, ["duration", "file", "id", "score", "size", "title"]);
        let file = folder.join(clip["file"].as_str().expect("a file"));
        assert_eq!(clip["size"].as_u64(), Some(std::fs::metadata(&file).unwrap().len()));
        assert!((0.0..=1.0).contains(&clip["score"].as_f64().unwrap()));
        film::decodes(&file);
        let (from, count) = film::range(&pictures, &film::pictures(&file));
        assert!(from >= free, "clips follow each other without overlapping");
        free = from + count;
        // Every group of every film here is at most 2 s long.
        let promised = of_job["duration"].as_f64().expect("seconds");
        assert!((clip["duration"].as_f64().unwrap() - promised).abs() <= 2.0, "{clip:#} of {promised} s");
    }
    clips.len()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sample_twice_in_a_row() {
    let folder = TempDir::new().unwrap();
    let first = demo(folder.path(), &["--json"]).await;
    let clips = check(&first, Path::new(SAMPLE), folder.path());
    assert_eq!(first.stderr, "", "with --json nothing is said on the way");

    let second = demo(folder.path(), &["--out", "again"]).await;
    assert_eq!(second.code, Some(0), "{}", second.stderr);
    assert!(!format!("{}{}", second.stdout, second.stderr).contains(['\x1b', '\r']), "no terminal, no bars");
    assert!(second.stderr.contains("100%  Clips are ready"), "plain lines instead: {}", second.stderr);
    let rows: Vec<&str> = second.stdout.lines().skip(1).collect();
    assert_eq!(rows.len(), clips, "{}", second.stdout);
    for row in rows {
        film::decodes(&folder.path().join(row.rsplit("  ").next().unwrap().trim()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn films_of_other_makes() {
    let folder = TempDir::new().unwrap();
    let (picture, tone) =
        ("testsrc2=size=320x180:rate=25:duration=12", "sine=frequency=440:sample_rate=48000:duration=12");
    let silent = film::make(folder.path(), "silent.mp4", &[picture], &format!("{} -movflags +faststart", film::CLOSED));
    let index_last = format!("{} -bf 3 -b_strategy 0 -c:a aac", film::CLOSED);
    let index_last = film::make(folder.path(), "index-last.mp4", &[picture, tone], &index_last);
    let (picture, tone) = ("testsrc2=size=322x242:rate=30000/1001:duration=11", "sine=sample_rate=44100:duration=11");
    let options = "-c:v libx264 -pix_fmt yuv420p -bf 2 -x264-params keyint=37:min-keyint=5:open-gop=0 -c:a aac -ac 2";
    let odd = film::make(folder.path(), "odd.mp4", &[picture, tone], options);
    let sources = [silent, index_last, odd];
    let runs = sources.each_ref().map(async |source| {
        let name = source.file_stem().unwrap().to_str().unwrap();
        demo(folder.path(), &[source.to_str().unwrap(), "--json", "--out", name]).await
    });
    // Each on ports of its own: they do not meet.
    for (source, ended) in sources.iter().zip(futures_util::future::join_all(runs).await) {
        println!("{}: {} clips", source.display(), check(&ended, source, folder.path()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_cut_is_refused_by_name() {
    let folder = TempDir::new().unwrap();
    let picture = "testsrc2=size=320x180:rate=25:duration=4";
    let x264 = "-c:v libx264 -preset veryfast -pix_fmt yuv420p -g 50";
    for (name, options) in [
        ("open.mp4", "-c:v libx264 -bf 3 -x264-params keyint=50:open-gop=1".to_owned()),
        ("fragmented.mp4", format!("{x264} -movflags frag_keyframe+empty_moov")),
        ("hevc.mp4", "-c:v libx265 -preset ultrafast -x265-params log-level=none".to_owned()),
    ] {
        film::make(folder.path(), name, &[picture], &options);
    }
    std::fs::write(folder.path().join("text.mp4"), "This is no film.\n").unwrap();
    for (name, code, words) in [
        ("open.mp4", 1, "open groups"),
        ("fragmented.mp4", 1, "fragmented"),
        ("hevc.mp4", 1, "HEVC"),
        ("text.mp4", 1, "not an MP4"),
        ("missing.mp4", 2, "no such file"),
    ] {
        let ended = demo(folder.path(), &[name]).await;
        assert_eq!(ended.code, Some(code), "{name}: {}", ended.stderr);
        assert!(ended.stderr.contains(name) && ended.stderr.contains(words), "{name}: {}", ended.stderr);
        assert_eq!(ended.stdout, "", "{name}");
        println!("{}", ended.stderr.trim_end());
    }
}
