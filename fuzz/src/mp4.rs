//! The cutter. Input: a file as somebody may hand it to us. Whatever it is, looking at it ends and answers, and a clip cut
//! from it is one that can be cut again.

use cliprelay::embedded::cutter::{Source, cut, inspect, plan};
use std::path::Path;

/// What a clip has beyond the samples of its source: its own index.
const INDEX_BYTES_MAX: u64 = 64 * 1024;
/// More clips of one file show nothing new.
const CUTS_MAX: usize = 4;

pub fn check(data: &[u8]) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("source.mp4");
    std::fs::write(&path, data).expect("a file");
    let source = match inspect(&path) {
        Ok(source) => source,
        Err(error) => return assert!(!error.to_string().is_empty() && !error.code().is_empty()),
    };
    sane(&source, data);
    let keys = source.key_frames.len();
    let ends = [(0, 1), (0, keys), (keys - 1, keys), (keys / 2, keys / 2 + 1)];
    let planned = plan(&source, 10, 1.0, 60.0, 30.0);
    assert!(planned.windows(2).all(|pair| pair[0].to <= pair[1].from), "{planned:?}");
    assert!(planned.iter().all(|range| range.from < range.to && range.to <= keys), "{planned:?}");
    for (from, to) in ends.into_iter().chain(planned.iter().map(|range| (range.from, range.to))).take(CUTS_MAX) {
        clip(&source, &path, from, to, &folder.path().join("clip.mp4"));
    }
    for (from, to) in [(keys, keys), (0, keys + 1), (1, 1)] {
        assert!(cut(&path, from, to, &folder.path().join("none.mp4")).is_err(), "{from}..{to} of {keys}");
    }
    assert!(!folder.path().join("none.mp4").exists());
}

fn sane(source: &Source, data: &[u8]) {
    assert_eq!(source.size, data.len() as u64);
    assert!(source.duration.is_finite() && !source.key_frames.is_empty(), "{source:?}");
    assert!(source.key_frames.is_sorted(), "{:?}", source.key_frames);
    assert!(source.key_frames.iter().all(|shown| (0.0..=source.duration).contains(shown)), "{source:?}");
    assert_eq!(source.key_frames.len(), source.gop_bytes.len());
    assert!(source.gop_bytes.iter().sum::<u64>() <= source.size, "{:?}", source.gop_bytes);
}

fn clip(source: &Source, path: &Path, from: usize, to: usize, out: &Path) {
    let clip = match cut(path, from, to, out) {
        Ok(clip) => clip,
        Err(error) => {
            assert!(!out.exists(), "{error}: and yet there is a clip");
            return;
        }
    };
    let written = std::fs::metadata(out).expect("a clip").len();
    assert_eq!(clip.size, written);
    assert!(written <= source.size + INDEX_BYTES_MAX + 16 * source.size, "{written} bytes of {}", source.size);
    assert!(clip.duration.is_finite() && clip.duration >= 0.0, "{clip:?}");
    let again = inspect(out).unwrap_or_else(|error| panic!("{from}..{to} is no good clip: {error}"));
    assert_eq!(again.key_frames.len(), to - from, "{again:?}");
    assert_eq!(again.gop_bytes, source.gop_bytes[from..to]);
    assert_eq!((again.width, again.height), (source.width, source.height));
    std::fs::remove_file(out).expect("a clip");
}
